"""params.yaml is read as DVC reads it (ruamel.yaml, YAML 1.2)."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import YAMLError, parse_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.core import yaml12
from stages.core.errors import InputError

PLAINLY = "write a number in plain digits, text in quotes"
OTHERWISE = f"is text in YAML 1.2, and DVC reads something else: {PLAINLY}"


def dvcs(text: str) -> Any:
    """Return what DVC reads, or its error."""
    try:
        return parse_yaml(text, "params.yaml")
    except (YAMLError, ValueError) as error:
        return error


def ours(text: str) -> Any:
    return yaml12.parse(text, "params.yaml")[0]


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, and takes nan for equal to itself."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


def text_keys(tree: Any) -> Any:
    """Return the tree with its keys as DVC writes them."""
    if isinstance(tree, dict):
        return {str(key): text_keys(value) for key, value in tree.items()}
    return [text_keys(value) for value in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-05", 3e-05),
        ("3e-5", 3e-05),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        (".5e3", ".5e3"),
        ("-.5E+2", -50.0),
        ("0o14", 12),
        ("0xfF", 255),
        ("014", 14),
        ("-7", -7),
        ("+7", 7),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("on", "on"),
        ("n", "n"),
        ("True", True),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("NULL", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'3e-05'", "3e-05"),
        ('"true"', "true"),
    ],
)
def test_scalar(text: str, value: object) -> None:
    assert same(ours(f"key: {text}\n"), {"key": value})


def test_not_a_number() -> None:
    assert math.isnan(ours("key: .nan\n")["key"])


plain = st.one_of(
    st.from_regex(r"[-+]?[0-9]{0,4}(\.[0-9]{0,3})?([eE][-+]?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"[-+]?0[xob]?[0-9a-fA-F_]{1,4}", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[-:_][0-9]{1,2}([-:_][0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"[-+]?\.?(inf|Inf|INF|iNf|nan|NaN|NAN|naN)", fullmatch=True),
    st.sampled_from("y Y yes Yes n no NO on off true True TRUE truE false null Null ~ . .. +".split()),
    st.text("0123456789eExoabf+-._~", min_size=1, max_size=7),
).filter(lambda text: text != "-")


@settings(max_examples=300)
@given(plain)
def test_a_plain_scalar_is_what_dvc_reads_or_refused(text: str) -> None:
    source = f"key: {text}\n"
    try:
        mine = ours(source)
    except InputError as error:
        assert str(error) == f"params.yaml, line 1: key: {text} {OTHERWISE}"
        assert not same(dvcs(source), {"key": text})
    else:
        assert same(mine, dvcs(source))


@settings(max_examples=300)
@given(plain.filter(lambda text: text != ""))
def test_a_plain_key_is_what_dvc_records_or_refused(text: str) -> None:
    source = f"{text}: 1\n"
    try:
        mine = ours(source)
    except InputError as error:
        assert str(error) == f"params.yaml, line 1: {text}: write this key in quotes: '{text}'"
    else:
        assert {str(key): value for key, value in dvcs(source).items()} == mine


@pytest.mark.parametrize(
    "text", ["-0x1f", "+0o14", "1_000", "1_0.5", "0b11", "2020-01-01", "2020-01-01T10:00:00Z", "=", "<<"]
)
def test_a_scalar_that_dvc_reads_otherwise_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        ours(f"train:\n  lr: [{text}]\n")
    assert str(caught.value) == f"params.yaml, line 2: train.lr.0: {text} {OTHERWISE}"
    assert ours(f"key: '{text}'") == {"key": text}


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    # Without :, which PyYAML wants quoted within [] and {}, and ? in front, which ruamel.yaml itself reads otherwise.
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc",), exclude_characters=":"), max_size=20).filter(
        lambda text: text[:1] != "?"
    ),
    st.from_regex("a[a?, -]{0,4}", fullmatch=True),
    plain,
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain | st.text("abc_", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("flow", [False, True])
@settings(max_examples=150)
@given(trees)
def test_what_ruamel_writes_is_read_back(flow: bool, tree: Any) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    written = io.StringIO()
    yaml.dump({"key": tree}, written)
    assert same(ours(written.getvalue()), {"key": tree})


@settings(max_examples=300)
@given(st.text("a1?:-, []{}'", max_size=9))
def test_a_flow_list_is_what_dvc_reads_or_refused(text: str) -> None:
    source = f"key: [{text}]\n"
    try:
        mine = ours(source)
    except InputError:
        return
    assert same(mine, text_keys(dvcs(source)))


def test_round_trip_of_dvc_keeps_a_float() -> None:
    """`dvc exp run -S train.lr=3e-5` loads params.yaml in round-trip mode, sets a float and dumps it."""
    yaml = YAML()
    tree = yaml.load("train:\n  lr: 1e-4  # peak\n")
    tree["train"]["lr"] = 3e-5
    written = io.StringIO()
    yaml.dump(tree, written)
    assert same(ours(written.getvalue()), {"train": {"lr": 3e-05}})


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_empty_document(text: str) -> None:
    assert yaml12.parse(text, "params.yaml") == (None, {})


def test_lines_of_keys_and_items() -> None:
    lines = yaml12.parse("# head\na: 1\nb:\n  c: {d: 2}\n  e:\n  - x\n  - f: 3\n", "p")[1]
    assert lines == {
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "c", "d"): 4,
        ("b", "e"): 5,
        ("b", "e", "0"): 6,
        ("b", "e", "1"): 7,
        ("b", "e", "1", "f"): 7,
    }


def test_keys_are_text_as_written() -> None:
    assert ours("1: a\n'1.50': b\n'null': c\nyes: d\n") == {"1": "a", "1.50": "b", "null": "c", "yes": "d"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "p, line 3: not valid YAML: the key 'a' stands twice"),
        ("a: 1\n'a': 3\n", "p, line 2: not valid YAML: the key 'a' stands twice"),
        ("a: [b:]\n", "p, line 1: a colon before , [ ] { or }: put a blank behind it, or the text in quotes"),
        ("? [a]\n: 1\n", "p, line 1: not valid YAML: a key that is no text"),
        ("a: 1\nb: [1, 2\n", "p, line 3: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a:\tb: 1", "p, line 1: not valid YAML: found character '\\t' that cannot start any token"),
        ("a: 1\n---\nb: 2\n", "p, line 2: not valid YAML: but found another document"),
    ],
)
def test_broken(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        yaml12.parse(text, "p")
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "key"), [("<<: {a: 1}\n", "<<"), ("a: {01: 1}\n", "a.01"), ("{1.50: a}", "1.50")])
def test_a_key_that_dvc_records_otherwise_is_refused(text: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        yaml12.parse(text, "p")
    assert str(caught.value) == f"p, line 1: {key}: write this key in quotes: '{key.removeprefix('a.')}'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "%YAML 1.1\n---\na: 010\n",
            "line 1: a directive (%YAML, %TAG) would change what values mean: leave it out",
        ),
        ("b: 1\na: !!int 010\n", f"line 2: the tag {yaml12.TAG}int: {PLAINLY}"),
        ("a: !!python/name:os.system 1\n", f"line 1: the tag {yaml12.TAG}python/name:os.system: {PLAINLY}"),
        ("a: ! 1\n", f"line 1: the tag !: {PLAINLY}"),
        ("a: &b [1]\n", "line 1: the anchor &b: write the value wherever it is wanted"),
        ("a: *b\n", "line 1: the alias *b: write the value itself"),
        ("b: 1\na: 'x\u2028y'\n", 'line 2: the line separator U+2028: write it as "\\u2028"'),
        ("[" * 200_000, "line 1: nested more than 100 deep"),
        ("- " * 200, "line 1: nested more than 100 deep"),
        ("a: " + "9" * 5000, "line 1: a number of 5,000 digits"),
        ("a: 0x" + "f" * 5000, "line 1: a number of 5,002 digits"),
    ],
)
def test_what_is_yaml_and_not_taken(text: str, message: str) -> None:
    for read in (yaml12.parse, yaml12.values):
        with pytest.raises(InputError) as caught:
            read(text, "p")
        assert str(caught.value) in (f"p, {message}", f"p: not valid YAML: {message.partition(': ')[2]}")


@given(st.text(max_size=40) | st.text("{}[]:,-?&*!|>'\"%@` \nab", max_size=20))
def test_any_text_is_a_tree_or_an_input_error(text: str) -> None:
    try:
        yaml12.parse(text, "p")
    except InputError as error:
        assert str(error).startswith("p")


def test_read_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        yaml12.read(tmp_path / "params.yaml")
    assert str(caught.value) == f"{tmp_path / 'params.yaml'}: cannot be read: No such file or directory"


def test_read_names_the_byte_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"seed: \xff\n")
    with pytest.raises(InputError) as caught:
        yaml12.read(path)
    assert str(caught.value) == f"{path}: not UTF-8 text (byte 6 is 0xff)"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab: #-0e.", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
))  # fmt: skip
def test_values_are_those_of_parse(tree: object) -> None:
    text = yaml.safe_dump(tree)
    assert yaml12.values(text, "x") == yaml12.parse(text, "x")[0]


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2", "? [a]\n: 1"])
def test_values_are_refused_as_by_parse(text: str) -> None:
    with pytest.raises(InputError, match="x: not valid YAML"):
        yaml12.values(text, "x")
