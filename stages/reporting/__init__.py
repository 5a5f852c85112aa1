"""The report of one run: what is read, charts, the page, and the comparison for a pull request."""
