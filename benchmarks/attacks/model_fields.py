"""Model folders of which a field or a file is something else than it should be."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from typing import Any

from benchmarks.attacks.models import evaluated, fine, model, predicted
from benchmarks.attacks.place import Attack, Place

ONE = "rows as ever, or one message and code 2; never a traceback, an internal error, a crash or no end"

VALUES: dict[str, Any] = {
    "null": None, "a text": "x", "0": 0, "-1": -1, "a half": 0.5, "a list": [1], "an object": {"a": 1}, "true": True,
    "2^62": 1 << 62,
    "a list of lists": [[]], "nothing in it": {},
}  # fmt: skip
FIELDS = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
    "max_position_embeddings",
    "type_vocab_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps",
    "initializer_range",
    "pad_token_id", "id2label", "label2id", "num_labels", "problem_type", "architectures", "dtype", "torch_dtype",
    "quantization_config",
    "is_decoder", "add_cross_attention", "use_cache", "position_embedding_type", "classifier_dropout",
    "attn_implementation",
    "tie_word_embeddings", "return_dict", "output_attentions", "output_hidden_states", "pruned_heads",
    "chunk_size_feed_forward",
    "transformers_version", "bos_token_id", "auto_map", "text_config", "rope_scaling", "use_bfloat16",
    "is_encoder_decoder", "_name_or_path",
)  # fmt: skip


def _field(place: Place, value: tuple[str, str, Any]) -> str:
    file, field, other = value
    folder = model(place)
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), field: other}), encoding="utf-8")
    return fine(place, predicted(place, folder))


CONFIG = {f"{field}: {how}": ("config.json", field, other) for field in FIELDS for how, other in VALUES.items()}
TOKENIZER_CONFIG = {
    f"{field}: {how}": ("tokenizer_config.json", field, other)
    for field in ("model_max_length", "pad_token", "cls_token", "sep_token", "unk_token", "tokenizer_class",
        "padding_side", "truncation_side",
                  "model_input_names", "added_tokens_decoder", "additional_special_tokens", "do_lower_case",
                  "chat_template", "extra_special_tokens")
    for how, other in VALUES.items()
}  # fmt: skip
TOKENIZER = {
    f"{field}: {how}": ("tokenizer.json", field, other)
    for field in ("model", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation",
        "padding", "version")
    for how, other in {
        **VALUES, "a pattern that backtracks": {"type": "Split", "pattern": {"Regex": "(x+x+)+y"},
            "behavior": "Isolated", "invert": False},
        "a pattern that is none": {"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated",
        "invert": False},
        "a replacement that grows": {"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 10_000},
        "a template of 2^40": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "X", "type_id": 0}}],
        "pair": [],
                               "special_tokens": {"X": {"id": "X", "ids": [1 << 31], "tokens": ["X"]}}},
        "a precompiled map": {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
    }.items()
}  # fmt: skip


def _header(name: str, offsets: list[int], shape: list[Any], kind: str = "F32") -> bytes:
    header = json.dumps({name: {"dtype": kind, "shape": shape, "data_offsets": offsets}}).encode()
    return struct.pack("<Q", len(header)) + header


WEIGHTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda b: b"", "eight bytes": lambda b: bytes(8), "cut by one": lambda b: b[:-1],
    "half": lambda b: b[: len(b) // 2],
    "one more": lambda b: b + b"\0", "a header of 2^63": lambda b: struct.pack("<Q", 1 << 63) + b[8:],
    "a header of 0": lambda b: bytes(8) + b[8:],
    "a header of 90 MB": lambda b: struct.pack("<Q", 90_000_000) + b"{" + b[8:],
    "a header of NaN": lambda b: struct.pack("<Q", 3) + b"NaN",
    "a deep header": lambda b: struct.pack("<Q", 200_000) + b"{" + b"[" * 199_999,
    "offsets below 0": lambda b: _header("a", [-4, 0], [1]),
    "offsets turned": lambda b: _header("a", [4, 0], [1]) + bytes(4), "a shape of 2^62": lambda b: _header("a", [0, 4],
    [1 << 62]) + bytes(4),
    "a shape that overflows": lambda b: _header("a", [0, 4], [1 << 32, 1 << 32]) + bytes(4),
    "a shape of text": lambda b: _header("a", [0, 4], ["x"]) + bytes(4),
    "an unknown type": lambda b: _header("a", [0, 4], [1], "F33") + bytes(4), "no tensors": lambda b: struct.pack("<Q",
    2) + b"{}",
    "another tensor": lambda b: _header("a", [0, 4], [1]) + bytes(4), "a type of bits": lambda b: b.replace(b'"F32"',
    b'"I32"'),
    "a key twice": lambda b: struct.pack("<Q",
    140) + (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' * 2 + b'"b":{}}').ljust(140) + bytes(4),
    "NaN everywhere": lambda b: b[:-4000] + b"\xff\xff\xff\x7f" * 1000,
    "infinity": lambda b: b[:-4000] + b"\x00\x00\x80\x7f" * 1000,
    "an LFS pointer": lambda b: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n",
    "a pickle": lambda b: b"cos\nsystem\n(S'x'\ntR.",
    "names of 1 MB": lambda b: _header("a" * 1_000_000, [0, 4], [1]) + bytes(4), "a zip": lambda b: b"PK\x03\x04" + b,
}  # fmt: skip


def _weights(place: Place, change: Callable[[bytes], bytes]) -> str:
    folder = model(place)
    path = folder / "model.safetensors"
    path.write_bytes(change(path.read_bytes()))
    return fine(place, predicted(place, folder))


TEXT = {"nothing": b"", "a text": b'"x"', "null": b"null", "a list": b"[]", "deep": b"[" * 100_000,
    "NUL bytes": bytes(100), "Latin-1": b'{"a": "\xe9"}',
        "cut": b'{"a": ', "a number of 5,000 digits": b"1" * 5000, "NaN": b"NaN", "an empty object": b"{}",
        "a key twice": b'{"a": 1, "a": 2}'}  # fmt: skip


def _file(place: Place, value: tuple[str, str]) -> str:
    name, how = value
    folder = model(place)
    path = folder / name
    path.unlink(missing_ok=True)
    if how in TEXT:
        path.write_bytes(TEXT[how])
    elif how == "a folder":
        path.mkdir()
    elif how != "missing":
        path.symlink_to({"a circle": name, "a device": "/dev/null", "a link to nothing": "none"}[how])
    return fine(place, predicted(place, folder))


def _stage(place: Place, value: tuple[str, str, str, Any]) -> str:
    stage, file, field, other = value
    folder = place.folder / "model"
    shutil.copytree((place.made / ("models/finetuned" if stage == "evaluate" else "models/base")).resolve(), folder)
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), field: other}), encoding="utf-8")
    return fine(place, evaluated(place, folder, stage))


ATTACKS = (
    Attack("a field of config.json of another type", ONE, _field, CONFIG, seconds=90),
    Attack("a field of tokenizer_config.json of another type", ONE, _field, TOKENIZER_CONFIG, seconds=90),
    Attack("a part of tokenizer.json of another kind", ONE, _field, TOKENIZER, seconds=90),
    Attack("damaged weights", ONE, _weights, WEIGHTS, seconds=90),
    Attack("a file of the folder that is something else", ONE, _file,
           {f"{name}: {how}": (name, how) for name in ("config.json", "tokenizer.json", "tokenizer_config.json",
           "model.safetensors",
                                                       "special_tokens_map.json", "generation_config.json",
                                                       "model.safetensors.index.json")
            for how in (*TEXT, "a folder", "missing", "a circle", "a device", "a link to nothing")}, seconds=90),
    Attack("a field of another type where a stage reads the model", ONE, _stage,
           {f"{stage}: {field}: {how}": (stage, "config.json", field, VALUES[how])
            for stage in ("tokenize",) for field in ("model_type", "vocab_size", "hidden_size",
                "pad_token_id", "id2label")
            for how in ("null", "a text", "-1", "a list", "2^62")}),
)  # fmt: skip
