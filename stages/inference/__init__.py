"""The forward pass over rows: the same logits for any number of workers."""

from stages.inference.forward import logits, token_rows
from stages.inference.padding import padding_note

__all__ = ["logits", "padding_note", "token_rows"]
