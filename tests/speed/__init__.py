"""What the suite itself costs: measured in its own CI, and not a benchmark of any library."""
