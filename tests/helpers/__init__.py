"""What several tests use: a toy library, spies, harm to files, web servers."""
