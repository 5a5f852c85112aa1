"""The forward pass over rows: the same logits for any number of workers."""

from stages.inference.forward import logits, token_rows

__all__ = ["logits", "token_rows"]
