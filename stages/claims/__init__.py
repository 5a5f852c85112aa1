"""Published results judged by runs of our own, and how far such runs scatter over seeds. Only commands import this."""
