"""The report of one run or many: a page with charts, Markdown and CSV."""
