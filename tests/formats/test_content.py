"""Compressed content: unpacked within bounds, and every damage told with the file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.formats import content
from stages.formats.content import blocks

PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
TEXT = b"".join(b"row %d of the file\n" % n for n in range(300))


def unpacked(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    return b"".join(blocks(path))


@pytest.mark.parametrize("suffix", PACK)
def test_a_cut_file_is_told(tmp_path: Path, suffix: str) -> None:
    packed = PACK[suffix](TEXT)
    for length in (12, len(packed) // 2, len(packed) - 1):
        with pytest.raises(InputError, match=f"t{suffix}: its compressed content ends too early: was the file cut?"):
            unpacked(tmp_path / f"t{suffix}", packed[:length])


@pytest.mark.parametrize("suffix", PACK)
def test_what_is_not_compressed_is_told(tmp_path: Path, suffix: str) -> None:
    for data in (TEXT, PACK[suffix](TEXT) + b"rubbish at the end"):
        with pytest.raises(InputError, match=f"t{suffix}: cannot be unpacked: "):
            unpacked(tmp_path / f"t{suffix}", data)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(suffix=st.sampled_from(sorted(PACK)), position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_damage_never_gives_other_content(tmp_path: Path, suffix: str, position: int, flip: int) -> None:
    packed = bytearray(PACK[suffix](TEXT) + PACK[suffix](TEXT))
    packed[position % len(packed)] ^= flip
    try:
        found = unpacked(tmp_path / f"t{suffix}", bytes(packed))
    except InputError as error:
        assert re.search(rf"t{suffix}: (cannot be unpacked: .|its compressed content ends too early)", str(error))
    else:
        assert found == TEXT * 2


@pytest.mark.parametrize("suffix", PACK)
def test_an_expansion_beyond_the_bound_is_told(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_ALWAYS", 1 << 20)
    bomb = PACK[suffix](bytes(8 << 20))
    with pytest.raises(InputError, match=rf"t{suffix}: unpacks to more than 200 times its size"):
        unpacked(tmp_path / f"t{suffix}", bomb)
    monkeypatch.setattr(content, "_ALWAYS", 8 << 20)
    assert unpacked(tmp_path / f"t{suffix}", bomb) == bytes(8 << 20)


def test_no_block_is_larger_than_a_block(tmp_path: Path) -> None:
    for suffix, pack in PACK.items():
        (tmp_path / f"t{suffix}").write_bytes(pack(bytes(4 << 20)))
        assert max(map(len, blocks(tmp_path / f"t{suffix}"))) == 1 << 18


def test_an_empty_compressed_file_holds_nothing(tmp_path: Path) -> None:
    for suffix, pack in PACK.items():
        assert unpacked(tmp_path / f"t{suffix}", pack(b"")) == b""


def test_an_xz_file_that_wants_too_much_memory_is_told(tmp_path: Path) -> None:
    large = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    with pytest.raises(InputError, match="t.xz: cannot be unpacked: Memory usage limit exceeded"):
        unpacked(tmp_path / "t.xz", lzma.compress(TEXT, filters=large))
