"""Texts to token ids with the tokenizer of a model folder, without torch."""

from stages.encoding.encoder import Encoder, load_encoder
from stages.encoding.saving import reads_as_written, save_tokenizer

__all__ = ["Encoder", "load_encoder", "reads_as_written", "save_tokenizer"]
