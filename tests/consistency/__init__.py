"""What test_repo_consistency.py is made of: the comparison, the clean process, the stand-ins."""
