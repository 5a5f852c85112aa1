"""The saved tokenizer: the base's own file, from which transformers makes the same ids as were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel

from stages.core.errors import InputError
from stages.core.files import read_json, write_json
from stages.encoding import difference, load_encoder, reads_as_written, save_tokenizer
from stages.encoding.saving import PROBES
from stages.encoding.template import template_of
from tests.tiny import ROOT

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDPIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *LETTERS.upper(), *(f"##{c}" for c in LETTERS)]
MARKS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BERT = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
ROBERTA = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}


def wordpiece(lowercase: bool) -> Tokenizer:
    made = Tokenizer(models.WordPiece({word: n for n, word in enumerate(WORDPIECES)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(WORDPIECES[:5])
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def bpe(prefix: bool) -> Tokenizer:
    vocabulary = {token: n for n, token in enumerate([*MARKS, *sorted(ByteLevel.alphabet()), "Ġa"])}
    made = Tokenizer(models.BPE(vocabulary, [("Ġ", "a")]))
    made.pre_tokenizer = ByteLevel(add_prefix_space=prefix)
    made.add_special_tokens([AddedToken(mark, lstrip=mark == "<mask>", normalized=False) for mark in MARKS])
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=prefix)
    return made


def unigram() -> Tokenizer:
    pieces = [("<unk>", 0.0), ("<|end|>", 0.0), *((f"▁{c}", -2.0) for c in LETTERS), *((c, -3.0) for c in LETTERS)]
    made = Tokenizer(models.Unigram([*pieces, ("▁", -3.0)], unk_id=0))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.add_special_tokens(["<|end|>"])
    return made


# tokenizer, config.json, tokenizer_config.json, whether AutoTokenizer makes of the base what its tokenizer.json holds
CASES: dict[str, tuple[Tokenizer, dict[str, Any], dict[str, Any] | None, bool]] = {
    "cased BERT, no tokenizer_config.json": (wordpiece(False), {"model_type": "bert", "pad_token_id": 0}, None, False),
    "cased BERT, silent on do_lower_case": (
        wordpiece(False), {"model_type": "bert"}, {**BERT, "tokenizer_class": "BertTokenizer"}, False,
    ),
    "uncased BERT": (wordpiece(True), {"model_type": "bert"}, {**BERT, "tokenizer_class": "BertTokenizer"}, True),
    "RoBERTa, prefix in tokenizer.json": (
        bpe(True), {"model_type": "roberta"}, {**ROBERTA, "tokenizer_class": "RobertaTokenizer"}, False,
    ),
    "RoBERTa, prefix in tokenizer_config.json": (
        bpe(False), {"model_type": "roberta"},
        {**ROBERTA, "tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}, False,
    ),
    "BPE without tokenizer_class": (bpe(False), {"model_type": "bert"}, ROBERTA, False),
    "BPE on XLM-R, which AutoTokenizer cannot read": (bpe(False), {"model_type": "xlm-roberta"}, ROBERTA, False),
    "Unigram on T5": (unigram(), {"model_type": "t5"}, {"pad_token": "<|end|>", "eos_token": "<|end|>"}, False),
}  # fmt: skip


def folder(path: Path, case: str) -> Path:
    tokenizer, config, tokenizer_config, _ = CASES[case]
    path.mkdir()
    tokenizer.save(str(path / "tokenizer.json"))
    write_json(path / "config.json", {"vocab_size": 400, **config})
    if tokenizer_config is not None:
        write_json(path / "tokenizer_config.json", tokenizer_config)
    return path


def saved(base: Path, into: Path) -> Path:
    into.mkdir()
    write_json(into / "config.json", read_json(base / "config.json"))
    save_tokenizer(base, into, 16, load_encoder(base, 16).pad)
    return into


@pytest.mark.parametrize("case", CASES)
def test_one_tokenizer_everywhere(tmp_path: Path, case: str) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    base = folder(tmp_path / "base", case)
    target = saved(base, tmp_path / "saved")
    assert (target / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert difference(base, target) is None
    trained = [cut.ids for cut, _ in load_encoder(base, 16).texts(PROBES)]
    assert [cut.ids for cut, _ in load_encoder(target, 16).texts(PROBES)] == trained
    assert reads_as_written(base, []) is CASES[case][3]
    assert reads_as_written(target, []) is True
    for kind in (AutoTokenizer, PreTrainedTokenizerFast):
        theirs = kind.from_pretrained(target)
        assert theirs(list(PROBES), truncation=True)["input_ids"] == trained
        assert theirs.pad_token_id == load_encoder(base, 16).pad
        padded = theirs(["a", "a b c"], padding=True)
        assert sorted(padded) == ["attention_mask", "input_ids"]


def test_a_class_that_transformers_insists_on_is_seen(tmp_path: Path) -> None:
    """AutoTokenizer rebuilds every tokenizer of a Qwen2; the plain class reads what was trained on."""
    from transformers import PreTrainedTokenizerFast

    base = folder(tmp_path / "base", "Unigram on T5")
    write_json(base / "config.json", {"vocab_size": 400, "model_type": "qwen2"})
    target = saved(base, tmp_path / "saved")
    assert not reads_as_written(target, [])
    trained = [cut.ids for cut, _ in load_encoder(base, 16).texts(PROBES)]
    assert [cut.ids for cut, _ in load_encoder(target, 16).texts(PROBES)] == trained
    assert PreTrainedTokenizerFast.from_pretrained(target)(list(PROBES), truncation=True)["input_ids"] == trained


def test_a_token_that_is_no_special_one_is_not_named(tmp_path: Path) -> None:
    """Named, it would be one token in a text that spells it; tokenizer.json cuts it to pieces."""
    base = folder(tmp_path / "base", "uncased BERT")
    content = read_json(base / "tokenizer.json")
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != "[MASK]"]
    write_json(base / "tokenizer.json", content)
    target = saved(base, tmp_path / "saved")
    assert read_json(target / "tokenizer_config.json") == {
        **{name: token for name, token in BERT.items() if name != "mask_token"},
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 16,
        "padding_side": "right",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "truncation_side": "right",
    }
    assert reads_as_written(target, [])


def test_a_word_list_alone_becomes_a_tokenizer_file(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "vocab.txt").write_text("".join(f"{word}\n" for word in WORDPIECES))
    write_json(base / "config.json", {"vocab_size": 400, "model_type": "bert", "pad_token_id": 0})
    target = saved(base, tmp_path / "saved")
    assert reads_as_written(target, [])
    trained = [cut.ids for cut, _ in load_encoder(base, 16).texts(PROBES)]
    assert [cut.ids for cut, _ in load_encoder(target, 16).texts(PROBES)] == trained


def test_the_side_that_is_cut_is_kept(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    base = folder(tmp_path / "base", "uncased BERT")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(7, direction="left")
    tokenizer.save(str(base / "tokenizer.json"))
    target = saved(base, tmp_path / "saved")
    ((cut, _),) = load_encoder(target, 16).texts(["a " * 20 + "z"])
    trained = cut.ids
    assert (len(trained), trained[-2]) == (16, WORDPIECES.index("z"))
    assert AutoTokenizer.from_pretrained(target)("a " * 20 + "z", truncation=True)["input_ids"] == trained


def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {})
    with pytest.raises(InputError, match=r"no tokenizer.json"):
        reads_as_written(tmp_path, [])


def test_the_chat_template_goes_with_the_model_that_learnt_by_it(tmp_path: Path) -> None:
    base = ROOT / "files/chat/model"
    own = read_json(base / "tokenizer_config.json")["chat_template"]
    for given, kept in ((None, own), ("{{ messages }}", "{{ messages }}")):
        save_tokenizer(base, tmp_path, 64, 0, template=given)
        assert read_json(tmp_path / "tokenizer_config.json")["chat_template"] == kept
    (tmp_path / "chat_template.jinja").write_text("of its own file")
    assert template_of(tmp_path) == "of its own file"
    (tmp_path / "chat_template.jinja").unlink()
    several = [{"name": "tools", "template": "a"}, {"name": "default", "template": "b"}]
    write_json(tmp_path / "tokenizer_config.json", {"chat_template": several})
    assert template_of(tmp_path) == "b"
