"""Mutation testing: the code is broken in small ways, and the tests are to notice.

cosmic-ray breaks it: it rewrites one place of one file, wherever that is, so that the engines,
which are processes of their own, run the broken code too. `python -m tests.mutants` says which
mutants no test noticed.
"""
