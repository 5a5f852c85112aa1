"""Texts to token ids with the tokenizer of a model folder, without torch."""

from stages.encoding.encoder import Encoder, load_encoder
from stages.encoding.saving import PROBED, contradictions, difference, reads_as_written, save_tokenizer

__all__ = ["PROBED", "Encoder", "contradictions", "difference", "load_encoder", "reads_as_written", "save_tokenizer"]
