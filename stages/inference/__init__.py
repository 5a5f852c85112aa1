"""The forward pass over rows: the same outputs for any number of workers."""

from stages.inference.forward import outputs, token_rows, whole
from stages.inference.merging import merge
from stages.inference.padding import padding_note

__all__ = ["merge", "outputs", "padding_note", "token_rows", "whole"]
