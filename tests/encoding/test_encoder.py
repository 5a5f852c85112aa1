"""The encoder of a model folder: the same ids as its tokenizer gives, and misfits told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from stages.core.errors import InputError
from stages.encoding import encoder, load_encoder

MODEL = Path(__file__).parents[2] / "files" / "smoke" / "model"
VOCABULARY = 290
Change = Callable[..., Path]


@pytest.fixture
def change(tmp_path: Path) -> Change:
    """Return a function that copies the tiny model folder and changes keys of its JSON files (None removes one)."""

    def change(config: dict[str, Any] | None = None, tokenizer: dict[str, Any] | None = None) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(MODEL, folder)
        for name, keys in (("config.json", config), ("tokenizer_config.json", tokenizer)):
            value = json.loads((folder / name).read_text()) | (keys or {})
            (folder / name).write_text(json.dumps({k: v for k, v in value.items() if v is not None}))
        return folder

    return change


@given(texts=st.lists(st.text(max_size=80), max_size=6), length=st.integers(3, 20))
def test_ids_are_those_of_the_tokenizer_cut_by_itself(texts: list[str], length: int) -> None:
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.enable_truncation(length)
    wanted = [tokenizer.encode(text).ids for text in texts]
    assert [cut.ids for cut, _ in load_encoder(MODEL, length).texts(texts)] == wanted


@given(texts=st.lists(st.text(max_size=20), max_size=8), characters=st.integers(1, 40))
def test_ids_do_not_depend_on_how_many_texts_go_together(texts: list[str], characters: int) -> None:
    load = load_encoder(MODEL, 16)
    wanted = [cut.ids for cut, _ in load.texts(texts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "_CHARACTERS", characters)
        assert [cut.ids for cut, _ in load.texts(texts)] == wanted


def test_ids_are_those_of_transformers() -> None:
    from transformers import AutoTokenizer

    texts = ["The old gull, drifting!", "Zürich 漢字 🙂", "", "word " * 40, "[SEP] [MASK]"]
    wanted = AutoTokenizer.from_pretrained(MODEL)(texts, truncation=True, max_length=16)["input_ids"]
    assert [cut.ids for cut, _ in load_encoder(MODEL, 16).texts(texts)] == wanted


def test_a_folder_with_a_word_list_alone_is_read_by_transformers(change: Change) -> None:
    folder = change()
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in sorted(vocabulary, key=vocabulary.__getitem__)))
    texts = ["The old gull, drifting!", "word " * 40]
    assert [i.ids for i, _ in load_encoder(folder, 16).texts(texts)] == [
        i.ids for i, _ in load_encoder(MODEL, 16).texts(texts)
    ]


def test_the_tokenizers_own_side_is_cut(change: Change) -> None:
    folder = change()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(5, direction="left")
    tokenizer.save(str(folder / "tokenizer.json"))
    ((cut, whole),) = load_encoder(folder, 4).texts(["the old gull"])
    ids = cut.ids
    assert ids == [2, *whole.ids[-2:], 3]


def test_lengths_are_told_before_cutting() -> None:
    ((cut, whole),) = load_encoder(MODEL, 5).texts(["the old gull sails"])
    ids = cut.ids
    assert (len(ids), len(whole)) == (5, 4)


def test_the_encoder_knows_its_special_ids() -> None:
    found = load_encoder(MODEL, 8)
    assert (found.pad, found.unknown, found.special(), found.vocabulary) == (0, 1, 2, VOCABULARY)


@pytest.mark.parametrize(
    ("config", "tokenizer", "length", "message"),
    [
        ({"vocab_size": 289}, {}, 8, "tokenizer and model do not belong together: token ids go up to 289, .* 289"),
        ({}, {}, 65, "tokenize.max_length: found 65, wanted at most the model's 64 positions"),
        ({"model_type": "roberta"}, {}, 64, "found 64, wanted at most the model's 63 positions"),
        ({"max_position_embeddings": None, "n_positions": 16}, {}, 17, "found 17, wanted at most the model's 16"),
        ({}, {}, 2, "tokenize.max_length: found 2, wanted more than the 2 special tokens"),
        ({"pad_token_id": 3}, {}, 8, "the tokenizer's padding token has id 0, config.json says 3"),
        ({"pad_token_id": "0"}, {"pad_token": None}, 8, "config.json: pad_token_id: found '0', wanted a whole number"),
        ({}, {"pad_token": 7}, 8, "tokenizer_config.json: pad_token: found 7, wanted the text of a token"),
        ({"vocab_size": "many"}, {}, 8, "config.json: vocab_size: found 'many', wanted a whole number >= 0"),
        ({"max_position_embeddings": [64]}, {}, 8, r"max_position_embeddings: found \[64\], wanted a whole number"),
        ({}, {"pad_token": "<pad>"}, 8, "pad_token is '<pad>', which is not in the tokenizer's vocabulary"),
    ],
)
def test_what_does_not_fit_the_model_is_told(
    change: Change, config: dict[str, Any], tokenizer: dict[str, Any], length: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_encoder(change(config, tokenizer), length)


@pytest.mark.parametrize(
    ("config", "length"),
    [({}, 64), ({"model_type": "roberta"}, 63), ({"max_position_embeddings": None}, 999), ({"vocab_size": 400}, 8)],
)
def test_what_just_fits_is_taken(change: Change, config: dict[str, Any], length: int) -> None:
    assert load_encoder(change(config), length).vocabulary == VOCABULARY


def test_the_padding_token_may_be_an_object(change: Change) -> None:
    assert load_encoder(change({"pad_token_id": None}, {"pad_token": {"content": "[PAD]"}}), 8).pad == 0


def test_the_config_names_the_padding_token_when_the_tokenizer_does_not(change: Change) -> None:
    assert load_encoder(change({"pad_token_id": 4}, {"pad_token": None}), 8).pad == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "no config.json, wanted a model folder with its config and tokenizer"),
        ("config.json", "{", "config.json: not valid JSON"),
        ("config.json", "[]", "config.json: found a list, wanted a JSON object"),
        ("tokenizer.json", "{}", "tokenizer.json: not a tokenizer"),
        ("tokenizer_config.json", "[]", "tokenizer_config.json: found a list, wanted a JSON object"),
    ],
)
def test_broken_files_are_told(change: Change, name: str, content: str | None, message: str) -> None:
    folder = change()
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_encoder(folder, 8)


def test_a_folder_without_any_tokenizer_is_told(change: Change) -> None:
    folder = change()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"model: no tokenizer.json, nor any of vocab.txt, vocab.json"):
        load_encoder(folder, 8)


def test_a_list_as_the_type_of_model_does_not_stop_it(change: Change) -> None:
    assert load_encoder(change({"model_type": ["bert"]}), 8).vocabulary == VOCABULARY  # the model is refused later


@pytest.mark.parametrize(
    ("config", "tokenizer", "stand_in"),
    [
        ({}, {"eos_token": "[MASK]", "unk_token": "[UNK]"}, "[MASK]"),
        ({}, {"eos_token": "[SEP]", "unk_token": "[UNK]"}, "[UNK]"),  # [SEP] ends every text: a head would miss it
        ({}, {"unk_token": None, "bos_token": "[CLS]"}, "[CLS]"),
        ({"eos_token_id": 4}, {"unk_token": None}, "[MASK]"),
        ({"eos_token_id": [4, 5], "bos_token_id": 2}, {"unk_token": None}, "[CLS]"),
        ({"pad_token_id": -1}, {}, "[UNK]"),
    ],
)
def test_where_no_token_pads_another_stands_in(
    change: Change, config: dict[str, Any], tokenizer: dict[str, Any], stand_in: str
) -> None:
    folder = change({"pad_token_id": None, **config}, {"pad_token": None, **tokenizer})
    found = load_encoder(folder, 8)
    assert (found.stand_in, found.pad) == (stand_in, found.whole.token_to_id(stand_in))


def test_where_none_can_stand_in_one_is_asked_for(change: Change) -> None:
    folder = change({"pad_token_id": None}, {"pad_token": None, "unk_token": None})
    with pytest.raises(InputError, match=r"names a padding token: set tokenize.pad_token to a token of its vocabulary"):
        load_encoder(folder, 8)
    found = load_encoder(folder, 8, "[MASK]")
    assert (found.pad, found.stand_in) == (4, None)


def test_the_asked_token_settles_a_contradiction(change: Change) -> None:
    assert load_encoder(change({"pad_token_id": 3}), 8, "[PAD]").pad == 0


def test_an_asked_token_must_be_known(change: Change) -> None:
    with pytest.raises(InputError, match=r"tokenize.pad_token: '\[PAT\]' is not in the .* \(nearest: '\[PAD\]'"):
        load_encoder(change(), 8, "[PAT]")


def test_a_model_whose_positions_count_from_the_padding_keeps_its_own(change: Change) -> None:
    with pytest.raises(InputError, match=r"tokenize.pad_token: a roberta model counts positions from its own padding"):
        load_encoder(change({"model_type": "roberta"}), 8, "[MASK]")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$"])
def test_a_pattern_that_backtracks_without_end_is_given_up(change: Change, pattern: str) -> None:
    folder = change()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match=r"^the tokenizer cannot encode a text: the library panicked: .*retry-limit"):
        list(load_encoder(folder, 8).texts(["a" * 60 + "b"]))


def test_a_chat_template_and_code_beside_the_tokenizer_are_never_run(change: Change, tmp_path: Path) -> None:
    folder = change({}, {"auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}, "chat_template": "{{ 1 / 0 }}"})
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (folder / "chat_template.jinja").write_text("{{ 1 / 0 }}")
    assert load_encoder(folder, 8).vocabulary == VOCABULARY
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    load_encoder(folder, 8)
    assert not (tmp_path / "ran").exists()
