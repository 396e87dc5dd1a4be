"""The journal of a session: written as tests end, read again, and gone on with by --resume."""
