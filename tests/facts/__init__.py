"""What upstream packages do, tried on them: the suite is built on these facts."""
