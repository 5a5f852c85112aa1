"""The place of an answer in a passage."""
