"""What is said of results in a terminal or a report. Made from `Result`s, without pytest-benchmark.

`summary_plugin` prints the closing summary: `header`, `summary`, `table` (laid out by `layout`) and
`notes`. A note is a value (`note`), and each subject has a module that makes its notes:
`timing_notes`, `transcript_notes`, `condition_notes`, `absence_notes`, `failures`, `verdicts`. All
these share `aspects`, `machines`, `names`, `order`, `quality`, `ranking` and `units`.

`failures_plugin` and `interrupted_plugin` change what pytest itself prints, and `benchmark_plugin`
what pytest-benchmark prints and saves. `journal/` keeps the results of a session, and `report/`
shows those of many. `stored` compares a session with a stored run; `models` writes the tables of
models in the documents.
"""
