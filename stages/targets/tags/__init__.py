"""A tag a word."""
