"""Archives made to write elsewhere, to fill memory or disk, or to be read in two ways."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.attacks.place import Attack, Broken, Place, raised
from stages.core.errors import InputError
from stages.sources.archive import unpack

LIMIT = 5_000_000
MUST = "refused in one message; nothing is written outside the folder, in bounded time and memory"
CANARY = Path(tempfile.gettempdir(), "reprise-canary")  # that a bent archive would write
OUTSIDE = {
    "above": "../canary", "above within": "pkg/../../canary", "absolute": str(CANARY),
    "a drive": "C:\\canary",
    "backslashes": "pkg\\..\\..\\canary", "a blank and dots": "pkg/.. /canary", "a NUL": "pkg/a\x00/../../canary",
    "dots": "pkg/./../../canary",
    "home": "~/canary", "no name": "", "a dot": ".", "slashes": "//canary", "a line end": "pkg/a\nb",
    "an escape": "pkg/\x1b[2Ka",
    "a long name": "pkg/" + "n" * 5000, "a deep one": "pkg/" + "d/" * 1000 + "a", "half a character": "pkg/\udcff",
}  # fmt: skip
Entries = Iterable[tuple[tarfile.TarInfo, bytes]]


def _entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def _tar(path: Path, entries: Entries) -> None:
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT, errors="surrogateescape") as file:
        for info, content in entries:
            info.size = len(content) or info.size
            file.addfile(info, io.BytesIO(content) if content else None)


def _zip(path: Path, entries: Iterable[tuple[Any, bytes]], kind: int = zipfile.ZIP_DEFLATED) -> None:
    with (
        zipfile.ZipFile(path, "w", kind) as file,
        warnings.catch_warnings(action="ignore"),
    ):  # of names that stand twice
        for info, content in entries:
            file.writestr(info, content, kind)


def unpacked(place: Place, fill: Callable[[Path], None], must: bool = True) -> str:
    """Unpack what `fill` makes; raise Broken when it is taken though it `must` be refused, or leaves a trace."""
    archive, into = place.folder / "archive", place.folder / "deep/er/into"
    into.mkdir(parents=True)
    fill(archive)
    try:
        unpack(archive, "pkg-1", {"got": "pkg"}, into, LIMIT)
        said = f"unpacked: {sorted(p.name for p in into.rglob('*'))[:3]}"
    except (InputError, OSError) as error:  # what the disk refuses is told by the stage that writes there
        said = raised(error)
    outside = [p for p in place.folder.rglob("*") if p.is_file() and into not in p.parents and p.name[:1] not in ".al"]
    if outside or CANARY.exists():
        raise Broken(f"written outside: {outside}")
    if [p for p in into.rglob("*") if p.is_symlink() or not (p.is_file() or p.is_dir())]:
        raise Broken("a link or a device was unpacked")
    if must and not said.startswith("refused"):
        raise Broken(said)
    return said


def _tar_name(place: Place, name: str) -> str:
    return unpacked(place, lambda path: _tar(path, [(_entry("pkg/a"), b"a"), (_entry(name), b"canary")]), must=False)


def _zip_name(place: Place, name: str) -> str:
    return unpacked(place, lambda p: _zip(p, [("pkg/a", b"a"), (zipfile.ZipInfo(name), b"canary")]), must=False)


KINDS = {
    "a symbolic link": (tarfile.SYMTYPE, "/etc/passwd"), "a symbolic link within": (tarfile.SYMTYPE, "a"),
    "a hard link": (tarfile.LNKTYPE, "pkg/a"), "a hard link above": (tarfile.LNKTYPE, "../../canary"),
    "a FIFO": (tarfile.FIFOTYPE, ""), "a character device": (tarfile.CHRTYPE, ""), "a block device": (tarfile.BLKTYPE,
    ""),
    "an unknown kind": (b"Z", ""), "a contiguous file": (tarfile.CONTTYPE, ""),
}  # fmt: skip


def _tar_kind(place: Place, kind: tuple[bytes, str]) -> str:
    entries = [(_entry("pkg/a"), b"a"), (_entry("pkg/b", *kind), b"")]
    return unpacked(place, lambda path: _tar(path, entries), must=kind[0] not in (tarfile.CONTTYPE, b"Z"))


def _zip_mode(place: Place, mode: int) -> str:
    info = zipfile.ZipInfo("pkg/b")
    info.external_attr = mode << 16
    return unpacked(place, lambda path: _zip(path, [("pkg/a", b"a"), (info, b"/etc/passwd")]))


def _large(place: Place, fill: Callable[[Path], None]) -> str:
    return unpacked(place, fill)


def _long_name(kind: bytes) -> Callable[[Path], None]:
    def fill(path: Path) -> None:
        header = _entry("././@LongLink", kind, size=900_000_000).tobuf(tarfile.GNU_FORMAT)
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(header)
            for _ in range(900):
                file.write(b"n" * 1_000_000)

    return fill


def _headers(kind: bytes, count: int) -> Callable[[Path], None]:
    def fill(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            for _ in range(count):
                file.write(_entry("pkg/h", kind, size=512).tobuf(tarfile.GNU_FORMAT) + b"11 path=a\n".ljust(512, b"\0"))

    return fill


def _overlapping(path: Path) -> None:
    """One deflated body of 1 MB, named by 40 entries of the zip's directory."""
    _zip(path, [("pkg/a", bytes(1_000_000))])
    whole = path.read_bytes()
    at = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry, tail = whole[at:end], bytearray(whole[end:])
    entries = b"".join(entry.replace(b"pkg/a", f"pkg/{chr(97 + n % 26)}".encode()) for n in range(26))
    tail[8:12] = struct.pack("<HH", 26, 26)
    tail[12:16] = struct.pack("<L", len(entries))
    path.write_bytes(whole[:at] + entries + tail)


LARGE = {
    "zeros in tar": lambda p: _tar(p, [(_entry("pkg/a"), bytes(50_000_000))]),
    "zeros in zip": lambda p: _zip(p, [("pkg/a", bytes(50_000_000))]),
    "zeros beside the member in tar": lambda p: _tar(p, [(_entry("other/a"), bytes(50_000_000)), (_entry("pkg/a"),
    b"a")]),
    "300,000 empty files in zip": lambda p: _zip(p, ((f"pkg/{n}", b"") for n in range(300_000)), zipfile.ZIP_STORED),
    "110,000 folders in tar": lambda p: _tar(p, ((_entry(f"pkg/{n}", tarfile.DIRTYPE), b"") for n in range(110_000))),
    "a long name of 900 MB": _long_name(tarfile.GNUTYPE_LONGNAME),
    "a long link of 900 MB": _long_name(tarfile.GNUTYPE_LONGLINK),
    "a header of 900 MB": _long_name(tarfile.XHDTYPE),
    "a global header of 900 MB": _long_name(tarfile.XGLTYPE),
    "2,500 headers without a file": _headers(tarfile.XHDTYPE, 2500),
    "2,500 global headers": _headers(tarfile.XGLTYPE, 2500),
    "one body named 26 times": _overlapping,
    "bzip2 in zip": lambda p: _zip(p, [("pkg/a", bytes(50_000_000))], zipfile.ZIP_BZIP2),
    "xz in zip": lambda p: _zip(p, [("pkg/a", bytes(50_000_000))], zipfile.ZIP_LZMA),
    "a name twice in zip": lambda p: _zip(p, [("pkg/a", b"1"), ("pkg/a", b"2")]),
    "a name twice in tar": lambda p: _tar(p, [(_entry("pkg/a"), b"1"), (_entry("pkg/a"), b"2")]),
    "a file and a folder of one name": lambda p: _tar(p, [(_entry("pkg/a"), b"1"), (_entry("pkg/a/b"), b"2")]),
    "a folder of one name, then a file": lambda p: _zip(p, [("pkg/a/b", b"1"), ("pkg/a", b"2")]),
    "a zip behind a gzip head": lambda p: p.write_bytes(b"\x1f\x8b" + bytes(300)),
    "a sparse file of 8 EB": lambda p: _tar(p, [(_entry("pkg/a", tarfile.GNUTYPE_SPARSE, size=0), b"")]),
    "a size below nothing": lambda p: p.write_bytes(gzip.compress(
        _entry("pkg/a").tobuf().replace(b"00000000000\x00", b"\xff" * 12, 1) + bytes(1024))),
}  # fmt: skip


def _turned(place: Place, value: tuple[str, int]) -> str:
    kind, at = value

    def fill(path: Path) -> None:
        if kind == "zip":
            _zip(path, [("pkg/a", b"alpha" * 50), ("pkg/b", b"beta" * 50)])
        else:
            _tar(path, [(_entry("pkg/a"), b"alpha" * 50), (_entry("pkg/b"), b"beta" * 50)])
        content = bytearray(path.read_bytes())
        content[at * len(content) // 100] ^= 0x55
        path.write_bytes(content)

    return unpacked(place, fill, must=False)


ATTACKS = (
    Attack("a tar whose file would lie elsewhere", MUST, _tar_name, OUTSIDE),
    Attack("a zip whose file would lie elsewhere", MUST, _zip_name, {name: path for name,
        path in OUTSIDE.items() if path.isascii()}),
    Attack("a tar with what is no file", MUST, _tar_kind, KINDS),
    Attack("a zip with what is no file", MUST, _zip_mode, {
        "a symbolic link": 0o120777, "a FIFO": 0o010644, "a device": 0o020644, "a block device": 0o060644,
        "a socket": 0o140644, "no known kind": 0o170000}),
    Attack("an archive that grows, or holds one name twice", MUST, _large, LARGE),
    Attack("a byte of an archive changed", "refused, or its files as they stand; nothing outside the folder", _turned,
           {f"{kind} at {at} %": (kind, at) for kind in ("zip", "tar") for at in range(0, 100, 2)}, seconds=30),
)  # fmt: skip
