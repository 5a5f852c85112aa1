"""A commit's results derived again, how equal they came out, the certificate of it. Only commands import this."""
