from __future__ import annotations

import errno
import gzip
import io
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.sources import archive as archive_module
from stages.sources.archive import unpack

FILES = {"pkg/data/a.txt": b"alpha\n", "pkg/data/deep/b.txt": b"beta\n", "pkg/code.py": b"raise SystemExit\n"}
LIMIT = 1_000_000
Maker = Callable[[Path, Mapping[str, bytes]], Path]


def make_zip(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "archive"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(folder: Path, files: Mapping[str, bytes]) -> Path:
    return make_tar_of(folder, [(tar_entry(name, len(content)), content) for name, content in files.items()])


def make_tar_of(folder: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    path = folder / "archive"
    with tarfile.open(path, "w:gz") as file:
        for info, content in entries:
            file.addfile(info, io.BytesIO(content))
    return path


def tar_entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def unpacked(archive: Path, members: Mapping[str, str], limit: int = LIMIT) -> dict[str, bytes]:
    into = archive.parent / "into"
    into.mkdir()
    unpack(archive, "pkg-1", members, into, limit)
    return contents(into)


both = pytest.mark.parametrize("make", [make_zip, make_tar])


@both
def test_file_goes_to_its_local_name(tmp_path: Path, make: Maker) -> None:
    assert unpacked(make(tmp_path, FILES), {"x/y.txt": "pkg/data/a.txt"}) == {"x/y.txt": b"alpha\n"}


@both
@pytest.mark.parametrize("folder", ["pkg/data", "pkg/data/"])
def test_folder_goes_below_its_local_name(tmp_path: Path, make: Maker, folder: str) -> None:
    assert unpacked(make(tmp_path, FILES), {"d": folder}) == {"d/a.txt": b"alpha\n", "d/deep/b.txt": b"beta\n"}


@both
def test_one_member_may_go_to_two_places(tmp_path: Path, make: Maker) -> None:
    found = unpacked(make(tmp_path, FILES), {"one": "pkg/code.py", "two": "pkg/code.py"})
    assert found == {"one": b"raise SystemExit\n", "two": b"raise SystemExit\n"}


@both
def test_missing_member_lists_near_ones(tmp_path: Path, make: Maker) -> None:
    with pytest.raises(InputError) as told:
        unpacked(make(tmp_path, FILES), {"x": "pkg/data/a.text"})
    assert str(told.value) == (
        "pkg-1: no member 'pkg/data/a.text' (nearest: 'pkg/data/a.txt', 'pkg/data/deep/b.txt', 'pkg/data/')"
    )


@both
def test_beginning_of_a_name_is_no_member(tmp_path: Path, make: Maker) -> None:
    with pytest.raises(InputError, match=r"^pkg-1: no member 'pkg/dat'"):
        unpacked(make(tmp_path, FILES), {"x": "pkg/dat"})


@both
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/etc/cron.d/x", "the name '/etc/cron.d/x' is an absolute path, wanted a relative one"),
        ("pkg/../../x", "the name 'pkg/../../x' is no plain relative path (empty, '.', '..' or a backslash in it)"),
        ("pkg\\x", "the name 'pkg\\\\x' is no plain relative path (empty, '.', '..' or a backslash in it)"),
        ("pkg/x\ny", "the name 'pkg/x\\ny' holds a control character"),
    ],
)
def test_unsafe_name_anywhere_is_refused(tmp_path: Path, make: Maker, name: str, problem: str) -> None:
    archive = make(tmp_path, {name: b"", **FILES})
    with pytest.raises(InputError) as told:
        unpacked(archive, {"x": "pkg/code.py"})
    assert str(told.value) == f"pkg-1: unsafe or broken archive: {problem}"
    assert contents(tmp_path / "into") == {}


def test_nul_in_a_zip_name_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, {"pkg/a#.txt": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"a#.txt", b"a\0.txt"))
    with pytest.raises(InputError, match=r"the name 'pkg/a\\x00.txt' holds a control character"):
        unpacked(archive, {"x": "pkg/a"})


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_zip_link_or_device_is_refused(tmp_path: Path, mode: int) -> None:
    info = zipfile.ZipInfo("pkg/link")
    info.external_attr = (mode | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match=r"^pkg-1: unsafe or broken archive: 'pkg/link' is a link or a device$"):
        unpacked(tmp_path / "archive", {"x": "pkg/link"})


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_tar_link_or_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    archive = make_tar_of(tmp_path, [(tar_entry("pkg/link", kind=kind, target="/etc/passwd"), b"")])
    with pytest.raises(InputError, match=r"^pkg-1: unsafe or broken archive: 'pkg/link' is a link or a device$"):
        unpacked(archive, {"x": "pkg/link"})


def test_tar_folders_and_leading_dots_are_passed_over(tmp_path: Path) -> None:
    archive = make_tar_of(
        tmp_path,
        [
            (tar_entry("./", kind=tarfile.DIRTYPE), b""),
            (tar_entry("./pkg/", kind=tarfile.DIRTYPE), b""),
            (tar_entry("./pkg/a", 1), b"a"),
        ],
    )
    assert unpacked(archive, {"x": "pkg"}) == {"x/a": b"a"}


@both
@pytest.mark.parametrize("names", [("pkg/a", "pkg/a/b"), ("pkg/a/b", "pkg/a"), ("pkg/a", "pkg/a/b/c")])
def test_a_name_of_a_file_and_of_a_folder_is_refused(tmp_path: Path, make: Maker, names: tuple[str, str]) -> None:
    archive = make(tmp_path, dict.fromkeys(names, b"1"))
    with pytest.raises(InputError, match=rf"^pkg-1: unsafe archive: '{names[1]}' is both a file and a folder$"):
        unpacked(archive, {"x": "pkg"})


@both
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_that_stands_twice_is_refused(tmp_path: Path, make: Maker) -> None:
    archive = make(tmp_path, {"pkg/a": b"1", "pkg/b": b"2"})
    if make is make_zip:
        archive.write_bytes(archive.read_bytes().replace(b"pkg/b", b"pkg/a"))
    else:
        make_tar_of(tmp_path, [(tar_entry("pkg/a", 1), b"1"), (tar_entry("pkg/a", 1), b"2")])
    with pytest.raises(InputError, match=r"^pkg-1: unsafe archive: 'pkg/a' stands in it twice$"):
        unpacked(archive, {"x": "pkg/a"})


@both
def test_archive_at_the_limit_is_unpacked(tmp_path: Path, make: Maker) -> None:
    size = 10_000
    limit = size if make is make_zip else 20_480  # tar: headers and padding count, in records of 10 240 bytes
    assert unpacked(make(tmp_path, {"pkg/a": b"0" * size}), {"x": "pkg/a"}, limit) == {"x": b"0" * size}


@both
def test_archive_beyond_the_limit_is_refused(tmp_path: Path, make: Maker) -> None:
    archive = make(tmp_path, {"pkg/a": b"0" * 6_000, "pkg/b": b"0" * 4_001})
    with pytest.raises(InputError) as told:
        unpacked(archive, {"x": "pkg"}, 10_000)
    problem = "it unpacks to more than 10,000 bytes (unpack_limit_mb)"
    assert str(told.value) == f"pkg-1: unsafe or broken archive: {problem}"


def test_limit_holds_for_what_a_tar_hides_in_skipped_members(tmp_path: Path) -> None:
    archive = make_tar(tmp_path, {"pkg/bomb": b"0" * 100_000, "pkg/a": b"a"})
    with pytest.raises(InputError, match="it unpacks to more than 50,000 bytes"):
        unpacked(archive, {"x": "pkg/a"}, 50_000)


def test_limit_does_not_trust_the_size_a_zip_states(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, {"pkg/a": b"0" * 50_000})
    archive.write_bytes(archive.read_bytes().replace((50_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(InputError, match=r"^pkg-1: unsafe or broken archive: Bad CRC-32"):
        unpacked(archive, {"x": "pkg/a"})


def test_sparse_tar_member_is_refused(tmp_path: Path) -> None:
    info = tar_entry("pkg/sparse", 0)
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": "9",
        "GNU.sparse.map": "0,0",
    }
    with pytest.raises(InputError, match="'pkg/sparse' is a link or a device"):
        unpacked(make_tar_of(tmp_path, [(info, b"")]), {"x": "pkg/sparse"})


def test_unusual_zip_compression_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("pkg/a", b"0" * 1000)
    with pytest.raises(InputError, match=r"'pkg/a' is compressed by an unusual method \(14\)"):
        unpacked(tmp_path / "archive", {"x": "pkg/a"})


@pytest.mark.parametrize(("flag", "problem"), [(0x01, "is encrypted"), (0x20, "compressed patched data")])
def test_zip_member_that_python_cannot_read_is_refused(tmp_path: Path, flag: int, problem: str) -> None:
    archive = make_zip(tmp_path, {"pkg/a": b"a"})
    content = bytearray(archive.read_bytes())
    content[6] |= flag  # of the member's own header
    content[content.index(b"PK\x01\x02") + 8] |= flag  # of the central directory
    archive.write_bytes(content)
    with pytest.raises(InputError, match=rf"^pkg-1: unsafe or broken archive: .*{problem}"):
        unpacked(archive, {"x": "pkg/a"})


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", b"PK\x03\x04", b"\x1f\x8b", gzip.compress(b"no tar" * 200, mtime=0)],
    ids=["empty", "text", "zip's first bytes", "gzip's first bytes", "gzip of no tar"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(InputError, match=r"^pkg-1: (unsafe or broken archive|no member)"):
        unpacked(tmp_path / "archive", {"x": "pkg/a"})


@both
def test_full_disk_is_not_taken_for_a_broken_archive(
    tmp_path: Path, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    real = Path.open

    def opened(path: Path, mode: str = "r", *rest: object) -> object:
        return Full(str(path), "x") if mode == "xb" else real(path, mode)

    archive = make(tmp_path, FILES)
    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OSError, match="No space left on device"):
        unpacked(archive, {"x": "pkg/code.py"})


@both
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_ends_in_one_error_and_never_outside(make: Maker, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = make(folder, FILES)
        content = bytearray(archive.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
        archive.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
        (folder / "into").mkdir()
        try:
            unpack(archive, "pkg-1", {"x": "pkg/data", "y": "pkg/code.py"}, folder / "into", LIMIT)
        except InputError as error:
            assert str(error).startswith("pkg-1: ")
        assert {p.name for p in folder.iterdir()} == {"archive", "into"}
        assert {p.name for p in (folder / "into").iterdir()} <= {"x", "y"}


@both
def test_more_entries_than_an_archive_may_hold(tmp_path: Path, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(unpacked(make(tmp_path, FILES), {"d": "pkg"})) == 3
    monkeypatch.setattr(archive_module, "ENTRIES", 2)
    with pytest.raises(InputError, match=r"^pkg-1: unsafe or broken archive: it holds (more than 2|3) entries"):
        unpack(tmp_path / "archive", "pkg-1", {"d": "pkg"}, tmp_path / "again", LIMIT)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_without_end_is_refused_before_it_is_read(tmp_path: Path, form: int) -> None:
    with tarfile.open(tmp_path / "archive", "w:gz", format=form) as file:
        file.addfile(tar_entry("x" * 900_000))
    with pytest.raises(InputError, match=r"a name or header of 900,0\d\d bytes, more than 4,096$"):
        unpack(tmp_path / "archive", "pkg-1", {"d": "pkg"}, tmp_path / "into", 10**9)
