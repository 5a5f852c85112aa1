"""A model in a GGUF file, turned into the folder that every stage reads: float32 safetensors, config and tokenizer."""

from stages.gguf.converting import convert

__all__ = ["convert"]
