"""What the commit's run wrote, put together from its cache."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from stages.verification.reference import _gather


def kept(objects: Path, content: bytes, suffix: str = "") -> str:
    name = hashlib.md5(content).hexdigest() + suffix
    path = objects / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


@pytest.mark.parametrize("names", [[], ["a.tsv"], ["deep/a.tsv", "b.tsv"]])
def test_a_folder_comes_with_all_its_files_and_without_any(tmp_path: Path, names: list[str]) -> None:
    entries = [{"md5": kept(tmp_path / "cache", name.encode()), "relpath": name} for name in names]
    digest = kept(tmp_path / "cache", json.dumps(entries).encode(), ".dir")
    (tmp_path / "into").mkdir()
    _gather(tmp_path / "cache", digest, tmp_path / "into/matrix")
    found = {
        p.relative_to(tmp_path / "into/matrix").as_posix(): p.read_text() for p in (tmp_path / "into").rglob("*.tsv")
    }
    assert found == {name: name for name in names}
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["matrix"]


def test_what_the_cache_lacks_leaves_no_trace(tmp_path: Path) -> None:
    digest = kept(tmp_path / "cache", b'[{"md5": "0123456789abcdef0123456789abcdef", "relpath": "a"}]', ".dir")
    _gather(tmp_path / "cache", digest, tmp_path / "into/matrix")
    assert not (tmp_path / "into").exists()
