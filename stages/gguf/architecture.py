"""Config and tensor names of the architectures that are converted, as transformers has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import InputError, nearest
from stages.gguf.reading import Gguf, Tensor

Floats = NDArray[np.float32]
CLASSES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
INNER = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
_BLOCK = re.compile(r"blk\.(0|[1-9][0-9]*)\.([a-z_]+)\.(weight|bias)")


@dataclass(frozen=True)
class Architecture:
    """The sizes that a file states."""

    name: str
    layers: int
    hidden: int
    inner: int  # of the feed-forward block
    heads: int
    groups: int  # heads of keys and values
    size: int  # of a head
    vocabulary: int
    tied: bool  # whether the output is the embedding

    @classmethod
    def of(cls, file: Gguf) -> Architecture:
        """Return those of `file`. Raises InputError for an architecture that is not converted, and for sizes amiss."""
        name = file.field("general.architecture", str)
        if name not in CLASSES:
            raise InputError(f"{file.path}: architecture {name!r} is not converted{nearest(name, CLASSES)}")
        scaling = file.fields.get(f"{name}.rope.scaling.type", "none")
        if scaling != "none":
            raise InputError(f"{file.path}: {name}.rope.scaling.type: found {scaling!r}, wanted none: not converted")
        heads, hidden = (_size(file, f"{name}.{key}") for key in ("attention.head_count", "embedding_length"))
        found = cls(
            name, _size(file, f"{name}.block_count"), hidden, _size(file, f"{name}.feed_forward_length"), heads,
            _size(file, f"{name}.attention.head_count_kv", heads),
            _size(file, f"{name}.attention.key_length", max(1, hidden // heads)),
            len(file.field("tokenizer.ggml.tokens", list)), "output.weight" not in file.tensors,
        )  # fmt: skip
        if found.heads % found.groups or found.size % 2:
            raise InputError(
                f"{file.path}: {heads} heads of {found.size} and {found.groups} of keys, wanted even and a multiple"
            )
        return found

    def config(self, file: Gguf) -> dict[str, Any]:
        """Return config.json."""
        return {
            "architectures": [CLASSES[self.name]], "model_type": self.name, "dtype": "float32", "hidden_act": "silu",
            "hidden_size": self.hidden, "intermediate_size": self.inner, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.groups, "head_dim": self.size,
            "vocab_size": self.vocabulary, "tie_word_embeddings": self.tied,
            "max_position_embeddings": _size(file, f"{self.name}.context_length"),
            "rms_norm_eps": _short(file.field(f"{self.name}.attention.layer_norm_rms_epsilon", float)),
            "rope_parameters": {
                "rope_type": "default", "rope_theta": _short(file.field(f"{self.name}.rope.freq_base", float, 10000.0)),
            },
            **{
                f"{token}_token_id": file.fields.get(f"tokenizer.ggml.{name}_token_id")
                for token, name in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
            },
        }  # fmt: skip

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor, by its name in the file."""
        query, key, hidden = self.heads * self.size, self.groups * self.size, self.hidden
        shapes: dict[str, tuple[int, ...]] = {
            "token_embd.weight": (self.vocabulary, hidden), "output_norm.weight": (hidden,),
            **({} if self.tied else {"output.weight": (self.vocabulary, hidden)}),
        }  # fmt: skip
        inner: dict[str, tuple[int, ...]] = {
            "attn_norm.weight": (hidden,), "ffn_norm.weight": (hidden,), "attn_q.weight": (query, hidden),
            "attn_k.weight": (key, hidden), "attn_v.weight": (key, hidden), "attn_output.weight": (hidden, query),
            "ffn_gate.weight": (self.inner, hidden), "ffn_up.weight": (self.inner, hidden),
            "ffn_down.weight": (hidden, self.inner),
        }  # fmt: skip
        if self.name == "qwen2":
            inner |= {"attn_q.bias": (query,), "attn_k.bias": (key,), "attn_v.bias": (key,)}
        if self.name == "qwen3":
            inner |= {"attn_q_norm.weight": (self.size,), "attn_k_norm.weight": (self.size,)}
        return shapes | {f"blk.{n}.{name}": shape for n in range(self.layers) for name, shape in inner.items()}

    def weights(self, file: Gguf) -> dict[str, Floats]:
        """Return every weight, float32, by transformers' name. Raises InputError unless they are those of the sizes."""
        if self.layers > len(file.tensors):  # before a list of all of them is made
            raise InputError(f"{file.path}: {self.layers:,} layers of {len(file.tensors):,} tensors")
        shapes = self.shapes()
        for name in sorted(shapes.keys() ^ file.tensors.keys()):
            fault = "missing" if name in shapes else f"no tensor of a {self.name} that is converted"
            raise InputError(f"{file.path}: tensor {name!r}: {fault}")
        for name, shape in shapes.items():
            if file.tensors[name].shape != shape:
                raise InputError(
                    f"{file.path}: tensor {name!r}: found shape {file.tensors[name].shape}, wanted {shape}, as the "
                    "metadata says"
                )
        return {_named(name): self._turned(name, dequantised(file, file.tensors[name])) for name in sorted(shapes)}

    def _turned(self, name: str, weight: Floats) -> Floats:
        """Return queries and keys of a Llama with the two halves of a rotation apart again, as transformers has them.

        llama.cpp puts the numbers that are turned together side by side (permute of its convert_hf_to_gguf.py).
        """
        heads = {"attn_q": self.heads, "attn_k": self.groups}.get(name.split(".")[-2])
        if self.name != "llama" or heads is None:
            return weight
        apart = weight.reshape(heads, self.size // 2, 2, -1).swapaxes(1, 2)
        return np.ascontiguousarray(apart.reshape(weight.shape))


def dequantised(file: Gguf, tensor: Tensor) -> Floats:
    """Return the numbers of a tensor, float32. Raises InputError for a type that cannot be turned into numbers."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    kind = GGMLQuantizationType(tensor.kind)
    try:
        found = dequantize(tensor.data if kind.name not in PLAIN else tensor.data.view(PLAIN[kind.name]), kind)
    except NotImplementedError:
        raise InputError(
            f"{file.path}: tensor {tensor.name!r}: type {kind.name} cannot be turned into numbers"
        ) from None
    exact = np.ascontiguousarray(found, dtype=np.float32).reshape(tensor.shape)
    if not np.isfinite(exact).all():
        raise InputError(f"{file.path}: tensor {tensor.name!r}: holds numbers that are not finite")
    return exact


PLAIN: Mapping[str, str] = {"F32": "<f4", "F16": "<f2"}


def _named(name: str) -> str:
    block = _BLOCK.fullmatch(name)
    if block:
        return f"model.layers.{block[1]}.{INNER[block[2]]}.{block[3]}"
    stem, _, part = name.partition(".")
    return f"{OUTER[stem]}.{part}"


def _size(file: Gguf, key: str, default: int | None = None) -> int:
    value: int = file.field(key, int, default)
    if not 1 <= value <= 10_000_000:
        raise InputError(f"{file.path}: {key}: found {value}, wanted a whole number from 1 to 10,000,000")
    return value


def _short(number: float) -> float:
    """Return the shortest decimal of a float32, as it was written: 1e-05 of 9.999999747378752e-06."""
    return float(str(np.float32(number)))
