"""What every room needs of texts and files, and Python's standard library lacks."""
