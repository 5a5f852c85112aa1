"""Attacks on the project: what must happen is written beside each before it runs. See __main__.py."""
