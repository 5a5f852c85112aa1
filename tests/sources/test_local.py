from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sources.local import apart, place, relative, sha256_of_64_digits


@pytest.mark.parametrize("name", ["a", "d/" * 100 + "a", "a/b.txt", ".hidden", "ä ö/ü", "a..b", "...", "ab:c"])
def test_plain_relative_names_are_taken(name: str) -> None:
    assert relative(name) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/etc/passwd", "is an absolute path"),
        ("C:x", "is an absolute path"),
        ("..", "is no plain relative path"),
        ("a/../../b", "is no plain relative path"),
        ("./a", "is no plain relative path"),
        ("a//b", "is no plain relative path"),
        ("a/", "is no plain relative path"),
        ("", "is no plain relative path"),
        ("a\\b", "is no plain relative path"),
        ("a\0b", "holds a control character"),
        ("a\nb", "holds a control character"),
        ("a\x7f", "holds a control character"),
        ("a\udcff", "is not UTF-8"),
        ("d/" * 101 + "a", "leads through 101 folders, more than 100"),
    ],
)
def test_other_names_are_refused(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        relative(name)


@given(st.text(st.sampled_from("ab./\\:\0\n"), max_size=12))
def test_no_name_taken_leads_out_of_its_folder(name: str) -> None:
    try:
        relative(name)
    except ValueError:
        return
    assert PurePosixPath(name).as_posix() == name
    assert not PurePosixPath(name).is_absolute()
    assert ".." not in PurePosixPath(name).parts + PureWindowsPath(name).parts
    assert not PureWindowsPath(name).anchor


@pytest.mark.parametrize("value", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_what_is_no_sha256_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="wanted a SHA-256: 64 digits of 0-9 and a-f"):
        sha256_of_64_digits(value)


def test_name_that_is_also_a_folder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^'a/b' is both a file and the folder of 'a/b/c/d'$"):
        apart({"a/b": 1, "a/b/c/d": 2})


def test_names_beside_each_other_are_taken() -> None:
    files = {"a/b": 1, "a/bc": 2, "a.b": 3}
    assert apart(files) == files


def test_place_copies_into_new_folders(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"\0bytes\r\n")
    place(tmp_path / "source", tmp_path, "a/b/c")
    assert (tmp_path / "a/b/c").read_bytes() == b"\0bytes\r\n"
