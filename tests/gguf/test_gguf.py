"""A GGUF file becomes a model folder: the weights, config and tokenizer of the model it was made of, or is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, Qwen2Config, Qwen3Config

from stages import download
from stages.core.errors import InputError
from stages.core.params import decode
from stages.encoding import load_encoder
from stages.gguf import convert
from stages.gguf.architecture import INNER, OUTER
from stages.repro.digests import of_folder
from tests.tiny import ROOT

CHAT = ROOT / "files/chat/model"
SIZES: dict[str, Any] = {
    "vocab_size": 384, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "max_position_embeddings": 64, "head_dim": 16,
}  # fmt: skip
CONFIGS = {
    "llama": LlamaConfig(
        **SIZES, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e5}
    ),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
}


def model(name: str) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[name])


def named(name: str) -> str:
    """Return the name in a GGUF file of a parameter."""
    outer, inner = ({new: old for old, new in names.items()} for names in (OUTER, INNER))
    stem, _, part = name.rpartition(".")
    if stem in outer:
        return f"{outer[stem]}.{part}"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{inner[rest]}.{part}"


def write(path: Path, name: str, **changes: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Write the model as llama.cpp's converter does, but for `changes` of keys; None leaves one out."""
    writer = gguf.GGUFWriter(path, name)
    tokenizer = json.loads((CHAT / "tokenizer.json").read_text())["model"]
    tokens = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
    fields: dict[str, Any] = {
        f"{name}.block_count": 2, f"{name}.context_length": 64, f"{name}.embedding_length": 64,
        f"{name}.feed_forward_length": 96, f"{name}.attention.head_count": 4, f"{name}.attention.head_count_kv": 2,
        f"{name}.attention.key_length": 16, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.padding_token_id": 0,
    }  # fmt: skip
    for key, value in (fields | {k: v for k, v in changes.items() if k in fields}).items():
        if value is not None:
            writer.add_uint32(key, value)
    writer.add_float32(f"{name}.attention.layer_norm_rms_epsilon", 1e-6)
    writer.add_float32(f"{name}.rope.freq_base", 1e5 if name == "llama" else 1e4)
    writer.add_tokenizer_model(changes.get("model", "gpt2"))
    writer.add_tokenizer_pre(changes.get("pre", "gpt-2"))
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3, *[1] * 381])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["merges"]])
    writer.add_chat_template(json.loads((CHAT / "tokenizer_config.json").read_text())["chat_template"])
    held = {}
    for place, weight in model(name).named_parameters():
        array = weight.detach().numpy()
        held[place] = array
        if name == "llama" and ("q_proj" in place or "k_proj" in place):  # permute of convert_hf_to_gguf.py
            heads = 4 if "q_proj" in place else 2
            array = array.reshape(heads, 2, -1, 64).swapaxes(1, 2).reshape(array.shape)
        if changes.get("quantised") and array.ndim == 2:
            kind = gguf.GGMLQuantizationType[changes["quantised"]]
            writer.add_tensor(named(place), gguf.quants.quantize(array, kind), raw_dtype=kind)
        elif named(place) != changes.get("without"):
            writer.add_tensor(named(place), np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return held


@pytest.mark.parametrize("name", CONFIGS)
def test_the_model_is_the_one_that_it_was_made_of(name: str, tmp_path: Path) -> None:
    held = write(tmp_path / "model.gguf", name)
    convert(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip
    found = load_file(tmp_path / "model.safetensors")
    assert {key: value.tobytes() for key, value in found.items()} == {k: v.tobytes() for k, v in held.items()}
    made, info = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    ids = torch.tensor([[1, 5, 9, 30]])
    with torch.no_grad():
        torch.testing.assert_close(made(input_ids=ids).logits, model(name)(input_ids=ids).logits, rtol=0, atol=0)


def test_the_tokenizer_is_the_one_that_it_was_made_of(tmp_path: Path) -> None:
    write(tmp_path / "model.gguf", "llama")
    convert(tmp_path)
    one, two = (AutoTokenizer.from_pretrained(folder) for folder in (tmp_path, CHAT))
    turns = [{"role": "user", "content": "Where is this? the old gull's café, 12 €\n\n 漢 end"}]
    assert one.apply_chat_template(turns)["input_ids"] == two.apply_chat_template(turns)["input_ids"]
    assert (load_encoder(tmp_path, 16).ends, load_encoder(tmp_path, 16).pad) == ([2], 0)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_1", "F16"])
def test_quantised_weights_are_near(kind: str, tmp_path: Path) -> None:
    held = write(tmp_path / "model.gguf", "qwen2", quantised=kind)
    convert(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    for name, weight in held.items():
        np.testing.assert_allclose(found[name], weight, atol={"Q8_0": 1e-3, "Q4_1": 1e-2, "F16": 1e-4}[kind])


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        write(folder / "model.gguf", "llama")
        convert(folder)
    assert of_folder(tmp_path / "one") == of_folder(tmp_path / "two")


def test_a_folder_without_one_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    convert(tmp_path)
    assert (tmp_path / "config.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"llama.block_count": 3}, r"tensor 'blk.2.attn_k.weight': missing"),
        ({"llama.block_count": 1}, r"tensor 'blk.1.attn_k.weight': no tensor of a llama that is converted"),
        ({"llama.block_count": 9_000_000}, r"9,000,000 layers of \d+ tensors"),
        ({"llama.embedding_length": 128}, r"tensor 'token_embd.weight': found shape \(384, 64\), wanted \(384, 128\)"),
        ({"llama.embedding_length": None}, r"llama.embedding_length: found nothing, wanted int"),
        ({"llama.context_length": 0}, r"llama.context_length: found 0, wanted a whole number from 1"),
        ({"llama.attention.head_count_kv": 3}, r"4 heads of 16 and 3 of keys"),
        ({"without": "output_norm.weight"}, r"tensor 'output_norm.weight': missing"),
        ({"model": "llama"}, r"tokenizer.ggml.model: found 'llama', wanted gpt2"),
        ({"pre": "smolm"}, r"tokenizer.ggml.pre: 'smolm' is not converted.*smollm"),
        ({"tokenizer.ggml.eos_token_id": 384}, r"eos_token_id: found 384, wanted a token's number"),
    ],
)
def test_metadata_that_lies_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "model.gguf", "llama", **changes)
    with pytest.raises(InputError, match=message):
        convert(tmp_path)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "qwen4")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(InputError, match="architecture 'qwen4' is not converted.*qwen"):
        convert(tmp_path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "model.gguf", "llama")
    whole = (tmp_path / "model.gguf").read_bytes()
    for size in (0, 3, 10, 40, 400, 4_000, 20_000, len(whole) // 2, len(whole) - 40):
        (tmp_path / "model.gguf").write_bytes(whole[:size])
        with pytest.raises(InputError, match="not a (sound )?GGUF file"):
            convert(tmp_path)


def head(form: str, *values: Any, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack(f"<I{form}", version, *values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGML" + bytes(40), "it does not begin with GGUF"),
        (head("QQ", 0, 0, version=1), "GGUF version 1, wanted 2 or 3"),
        (head("QQ", 2**40, 0), "0 keys and 1,099,511,627,776 tensors"),
        (head("QQQ", 0, 1, 2**62), "a text of 4,611,686,018,427,387,904 bytes"),
        (head("QQQ1sIIQ", 0, 1, 1, b"k", 9, 8, 2**60), "a list of 1,152,921,504,606,846,976 texts"),
        (head("QQQ1sI", 0, 1, 1, b"k", 13), "a value of the unknown type 13"),
        (head("QQQ1sIQQ", 1, 0, 1, b"t", 2, 2**40, 2**40), "the tensor 't' of shape"),
        (head("QQQ1sIQIQ", 1, 0, 1, b"t", 1, 32, 999, 0), "tensor 't' has type 999"),
        (head("QQQ1sIQIQ", 1, 0, 1, b"t", 1, 32, 0, 0), "tensor 't' is said to lie at bytes 64 to 192"),
        (head("QQQ1sIQIQ", 1, 0, 1, b"t", 1, 31, 8, 0), "rows of 31 elements, which blocks of 32"),
    ],
)  # fmt: skip
def test_sizes_that_lie_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(InputError, match=message):
        convert(tmp_path)


def test_two_tensors_in_one_place_are_refused(tmp_path: Path) -> None:
    heads = b"".join(struct.pack("<Q1sIQIQ", 1, name, 1, 8, 0, 0) for name in (b"a", b"b"))
    (tmp_path / "model.gguf").write_bytes(head("QQ", 2, 0) + heads + bytes(200))
    with pytest.raises(InputError, match="tensor 'b' is said to lie"):
        convert(tmp_path)


def test_files_beside_it_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "model.gguf", "llama")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="a GGUF file is a whole model, wanted nothing beside it"):
        convert(tmp_path)


def test_a_source_may_hold_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("files").mkdir()
    write(Path("files/model.gguf"), "llama")
    Path("files/rows.jsonl").write_text("{}\n")
    source = {"kind": "file", "files": {"model.gguf": "files/model.gguf"}}
    data = {"kind": "file", "files": {"rows.jsonl": "files/rows.jsonl"}}
    tree = {"data": {"source": data, "resource": None}, "model": {"source": source, "teacher": None}}
    sources = download.sources_of(decode(download.Params, tree, {}, "params.yaml"))
    download.download(sources)
    assert "model.safetensors" in {path.name for path in Path("models/base").iterdir()}
    before = of_folder(Path("models/base"))
    Path("files/model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="^model.source: model.gguf: not a sound GGUF file"):
        download.download(sources)
    assert of_folder(Path("models/base")) == before
