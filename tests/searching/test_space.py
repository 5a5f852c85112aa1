"""What can be asked for, what is refused, and how values become DVC's options."""

from __future__ import annotations

from typing import Any

import pytest
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import to_hydra_overrides
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.searching import space
from stages.searching.space import Choice, Range

TREE: dict[str, Any] = {"train": {"lr": 1e-3, "stop": None}, "model": {"overrides": {}}, "seed": 1}


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        ("k=log(1e-5, 3e-05)", Range("log", 1e-5, 3e-5)),
        ("k = uniform(0,0.5)", Range("uniform", 0.0, 0.5)),
        ("k=int(1, 4)", Range("int", 1, 4)),
        ("k=8,16,32", Choice((8, 16, 32))),
        ("k=1e-5,3e-5", Choice((1e-5, 3e-5))),
        ("k=linear,cosine,null,true", Choice(("linear", "cosine", None, True))),
        ("k=[8, 16]", Choice((8, 16))),
    ],
)
def test_kinds(option: str, wanted: Range | Choice) -> None:
    if option == "k=[8, 16]":
        assert space.of_file({"k": [8, 16]}, "space.yaml") == {"k": wanted}
    else:
        assert space.of_options([option]) == {"k": wanted}
        assert space.of_file({"k": option.partition("=")[2].strip()}, "space.yaml") == {"k": wanted}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("k", "found 'k', wanted KEY="),
        ("k=lag(1, 2)", "unknown kind 'lag' (nearest: 'log')"),
        ("k=log(0, 1)", "wanted LOW < HIGH, both above 0"),
        ("k=uniform(2, 1)", "wanted LOW < HIGH"),
        ("k=uniform(1)", "wanted two numbers, uniform(LOW, HIGH)"),
        ("k=uniform(a, b)", "wanted two numbers"),
        ("k=int(1, 2.5)", "wanted whole numbers"),
        ("k=8", "wanted at least two values, each once"),
        ("k=8,8", "wanted at least two values, each once"),
        ("k=a,b\\", "wanted words without quotes and backslashes"),
        ("k={name: full},{name: bitfit}", "a mapping is searched by its keys"),
    ],
)
def test_what_is_no_space_is_refused(option: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        space.of_options([option])
    assert said in str(refused.value)
    assert str(refused.value).startswith("-S")


@pytest.mark.parametrize("tree", [None, [], {}, "k"])
def test_a_file_without_keys_is_refused(tree: Any) -> None:
    with pytest.raises(InputError, match=r"^space\.yaml: wanted lines"):
        space.of_file(tree, "space.yaml")


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(InputError, match="k: given twice"):
        space.of_options(["k=1,2", "k=3,4"])


def test_each_value_is_checked_at_its_place() -> None:
    seen = []
    asked = {"train.lr": Range("log", 1e-5, 1e-3), "model.overrides.act": Choice(("relu", "gelu"))}
    space.check(asked, TREE, ["train", "model.overrides"], ["seed"], lambda tree, name: seen.append((name, tree)))
    assert [name for name, _ in seen] == [
        "train.lr=1e-05", "train.lr=0.001", 'model.overrides.act="relu"', 'model.overrides.act="gelu"',
    ]  # fmt: skip
    assert seen[0][1] == {**TREE, "train": {"lr": 1e-5, "stop": None}}
    assert seen[2][1]["model"] == {"overrides": {"act": "relu"}}
    assert TREE["model"] == {"overrides": {}}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("seed", "seed: read by a stage other than tokenize and finetune"),
        ("trian.lr", "params.yaml has no section trian (nearest: 'train')"),
        ("train.stop.patience", "params.yaml has no section train.stop"),
    ],
)
def test_a_key_that_cannot_be_searched_is_refused(key: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        space.check({key: Choice((1, 2))}, TREE, ["train"], ["seed"], lambda *_: None)
    assert said in str(refused.value)


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(0, 1))
def test_a_rounded_value_stays_in_its_range(one: float, other: float, share: float) -> None:
    low, high = sorted((one, other))
    value = Range("uniform", low, high).rounded(low + share * (high - low))
    assert low <= value <= high


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)


@given(SCALARS | WORDS.filter(lambda word: word == word.strip() and not set(word) & set("\\'\"")))
def test_dvc_reads_an_option_as_the_value_it_stands_for(value: Any) -> None:
    """DVC hands each -S to Hydra's parser of overrides; `{` alone would be a mapping, `1` a number."""
    _, option = space.options(TREE, {"train.lr": value})
    ((_, overrides),) = to_path_overrides([option]).items()
    (parsed,) = to_hydra_overrides(overrides)
    read = parsed.value()
    text = read.text if hasattr(read, "text") else read
    assert (text, type(text)) == (value, type(value))


def test_a_new_key_has_a_plus() -> None:
    assert space.options(TREE, {"train.lr": 3e-05, "model.overrides.act": "relu"}) == [
        "-S", "train.lr=3e-05", "-S", "+model.overrides.act=relu",
    ]  # fmt: skip
