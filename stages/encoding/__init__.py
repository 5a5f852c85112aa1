"""Texts to token ids with the tokenizer of a model folder, without torch."""

from stages.encoding.encoder import Encoder, load_encoder

__all__ = ["Encoder", "load_encoder"]
