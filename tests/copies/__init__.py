"""Tests that change a copy of the project and run whole test files in it, as a contributor would.

They take long, and so have an environment of tox of their own: `tox -e copies`.
"""
