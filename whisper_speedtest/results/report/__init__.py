"""The report of one or many sessions: a page with charts, Markdown, CSV and a journal.

`merged` puts the results together, and `folder` names the files and what makes each of them:
`page` (with `page_rows`, `panels`, `charts`, `small_tables` and `transcripts`), `as_markdown` and
`as_csv`. `report_plugin` makes a report from pytest's command line.
"""
