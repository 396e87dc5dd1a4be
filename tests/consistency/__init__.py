"""What test_repo_consistency.py uses: stand-in models, an observed process, and the verdict."""
