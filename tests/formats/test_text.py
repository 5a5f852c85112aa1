"""Lines: decoded in constant memory, and every fault with file and line."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.formats import content, text
from stages.formats.text import LONGEST, lines

WRONG = "t, line 3, byte 9: found byte 0xe9, which cannot be utf-8, the encoding declared"


def read(path: Path, data: bytes, encoding: str = "utf-8") -> list[tuple[int, str]]:
    path.write_bytes(data)
    return list(lines(path, encoding))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=30), min_size=1),
    block=st.integers(1, 40),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
)
def test_lines_do_not_depend_on_the_blocks_they_are_read_in(
    tmp_path: Path, written: list[str], block: int, encoding: str
) -> None:
    written[0] = "first " + written[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content, "_BLOCK", block)
        found = read(tmp_path / "t", ("\n".join(written) + "\n").encode(encoding), encoding)
    assert found == list(enumerate(written, 1))


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    assert read(tmp_path / "t", b"\xef\xbb\xbfa\nb") == [(1, "a"), (2, "b")]


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    data = "a\x0b\x0c\x1c\x85\u2028b\nc"
    assert read(tmp_path / "t", data.encode()) == [(1, "a\x0b\x0c\x1c\x85\u2028b"), (2, "c")]


def test_a_wrong_encoding_is_told_with_line_and_byte(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=WRONG):
        read(tmp_path / "t", b"one\ntwo\nc\xe9")


def test_a_wrong_encoding_is_told_beyond_the_first_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_BLOCK", 4)
    with pytest.raises(InputError, match=WRONG):
        read(tmp_path / "t", b"one\ntwo\nc\xe9 and more")


def test_a_cut_off_character_at_the_end_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t, line 2, byte 2: found byte 0xc3"):
        read(tmp_path / "t", b"a\n\xc3")


def test_a_nul_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t, line 2: found a NUL character"):
        read(tmp_path / "t", b"one\ntw\0o\n")


def test_a_line_of_100_mb_is_refused_in_constant_memory(tmp_path: Path) -> None:
    with (tmp_path / "t").open("wb") as file:
        file.write(b"short\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"t, line 2: longer than 10,000,000 characters"):
        list(lines(tmp_path / "t", "utf-8"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * LONGEST


def test_the_longest_line_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LONGEST", 5)
    monkeypatch.setattr(content, "_BLOCK", 2)
    assert read(tmp_path / "t", b"12345\n1") == [(1, "12345"), (2, "1")]


def test_a_line_one_beyond_the_longest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LONGEST", 5)
    monkeypatch.setattr(content, "_BLOCK", 2)
    with pytest.raises(InputError, match=r"line 1: longer than 5 characters"):
        read(tmp_path / "t", b"123456\n1")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder, wanted a file"):
        list(lines(tmp_path, "utf-8"))
