"""Tokens of the text itself, which are hidden from the model."""
