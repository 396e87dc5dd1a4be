"""The journal of a session: results on disk, written as tests end, and read again later.

`journal_file` defines the file, and `journal_plugin` writes it during a session. `resume` and
`resume_plugin` go on with an earlier journal; `sources` finds the journals that a report is made
from. `neutral` removes what would name the user's machine.
"""
