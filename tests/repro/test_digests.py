"""Digests of bytes, files, folders and values."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.repro import digests

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_bytes() -> None:
    assert digests.of_bytes(b"") == EMPTY
    assert digests.of_bytes(memoryview(b"abc")) == ABC


def test_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert digests.of_file(tmp_path / "a") == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


def test_value() -> None:
    """A change of this digest forgets every checkpoint and breaks every certificate."""
    assert digests.of_value({"b": 1, "a": [1.5]}) == "0106ddb6aa0c4fe2de32cec5c3f6c6c33e48536ae1f152c0ec23e67087020c92"


@given(st.dictionaries(st.text(), st.integers()))
def test_value_does_not_depend_on_order(value: dict[str, int]) -> None:
    assert digests.of_value(dict(reversed(value.items()))) == digests.of_value(value)


@given(st.dictionaries(st.text(max_size=2), st.integers(0, 3), max_size=3), st.text(max_size=2), st.integers(0, 3))
def test_other_values_have_other_digests(value: dict[str, int], key: str, number: int) -> None:
    changed = {**value, key: number}
    assert (digests.of_value(changed) == digests.of_value(value)) == (changed == value)


def test_integers_and_floats_differ() -> None:
    assert digests.of_value(1) != digests.of_value(1.0)


@pytest.mark.parametrize(("value", "error"), [(math.nan, ValueError), ({1, 2}, TypeError), (Path("a"), TypeError)])
def test_what_has_no_json_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        digests.of_value(value)


def test_folder_is_listed_in_order_with_relative_names(tmp_path: Path) -> None:
    (tmp_path / "sub" / "empty").mkdir(parents=True)
    (tmp_path / "sub" / "b").write_bytes(b"abc")
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "sub.txt").write_bytes(b"abc")
    assert list(digests.of_folder(tmp_path).items()) == [("a", EMPTY), ("sub/b", ABC), ("sub.txt", ABC)]
