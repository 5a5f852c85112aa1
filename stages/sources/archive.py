"""Members of zip and tar.gz archives, unpacked on the assumption that the archive is hostile."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeVar

from stages.core.errors import InputError, nearest
from stages.sources.local import relative

CHUNK = 1 << 20  # bytes read at a time
ENTRIES = 100_000  # files and folders of an archive
NAME = 4096  # bytes of a name, and of what else stands in a tar header
Item = TypeVar("Item")
Entry = tuple[str, Iterator[bytes]]  # name of a file in the archive, and its content in pieces

# What the standard library raises on archives that are damaged, or made to confuse it.
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip


def unpack(archive: Path, what: str, members: Mapping[str, str], into: Path, limit: int) -> None:
    """Write members of a zip or tar.gz archive below `into`.

    members: {name below `into`: file in the archive, or folder, of which everything below is written}.
    limit: bytes the archive may unpack to, counted while unpacking.
    what: names the archive in messages.

    Raises InputError for an absolute path, `..`, a link or a device anywhere in the archive, for one that unpacks
    beyond the limit, cannot be read, holds a name twice, or lacks a member (the nearest are listed).
    """
    names = set()
    missing = dict(members)
    reader = _tar_entries if _is_gzip(archive) else _zip_entries
    for name, content in _told(reader(archive, limit), what):
        if name in names:
            raise InputError(f"{what}: unsafe archive: {name!r} stands in it twice")
        names.add(name)
        places = {local: _target(name, local, member) for local, member in members.items()}
        targets = [into / place for place in places.values() if place is not None]
        if targets:
            try:
                _write(targets[0], _told(content, what))
            except (FileExistsError, NotADirectoryError):
                raise InputError(f"{what}: unsafe archive: {name!r} is both a file and a folder") from None
        for target in targets[1:]:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(targets[0], target)
        missing = {local: member for local, member in missing.items() if places[local] is None}
    for member in missing.values():
        folders = {f"{parent}/" for name in names for parent in Path(name).parents} - {"./"}
        raise InputError(f"{what}: no member {member!r}{nearest(member, names | folders)}")


def _is_gzip(archive: Path) -> bool:
    with archive.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _target(name: str, local: str, member: str) -> str | None:
    """Return where the file `name` of the archive goes, if `member` is it or a folder above it."""
    if name == member:
        return local
    folder = member.rstrip("/") + "/"
    return f"{local}/{name.removeprefix(folder)}" if name.startswith(folder) else None


def _write(path: Path, content: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for piece in content:
            file.write(piece)


def _told(items: Iterator[Item], what: str) -> Iterator[Item]:
    """Pass on what is read from an archive, and a reader's failure as InputError."""
    try:
        yield from items
    except BROKEN as error:
        raise InputError(f"{what}: unsafe or broken archive: {error}") from None


class _Counter:
    """Raises once more than `limit` bytes came out of the archive."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0

    def add(self, piece: bytes) -> bytes:
        self.count += len(piece)
        if self.count > self.limit:
            raise ValueError(f"it unpacks to more than {self.limit:,} bytes (unpack_limit_mb)")
        return piece


def _zip_entries(archive: Path, limit: int) -> Iterator[Entry]:
    counter = _Counter(limit)
    with zipfile.ZipFile(archive) as file:
        entries = file.infolist()
        if len(entries) > ENTRIES:
            raise ValueError(f"it holds {len(entries):,} entries, more than {ENTRIES:,}")
        for info in entries:
            name = relative(info.orig_filename.removesuffix("/"))
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{name!r} is a link or a device")
            # Other methods expand without a bound on memory.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{name!r} is compressed by an unusual method ({info.compress_type})")
            if not info.is_dir():
                yield name, _zip_content(file, info, counter)


def _zip_content(file: zipfile.ZipFile, info: zipfile.ZipInfo, counter: _Counter) -> Iterator[bytes]:
    with file.open(info) as content:
        yield from map(counter.add, _pieces(content))


class _CountedGzip(gzip.GzipFile):
    """Counts all that is unpacked: headers and skipped members too."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self.counter = _Counter(limit)

    def read(self, size: int | None = -1) -> bytes:
        return self.counter.add(super().read(size))


class _Member(tarfile.TarInfo):
    """Refuses a long name or header before it is read into memory."""

    def _proc_member(self, file: tarfile.TarFile) -> tarfile.TarInfo:
        kinds = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
        if self.type in kinds and self.size > NAME:
            raise ValueError(f"a name or header of {self.size:,} bytes, more than {NAME:,}")
        return super()._proc_member(file)  # type: ignore[misc,no-any-return]


def _tar_entries(archive: Path, limit: int) -> Iterator[Entry]:
    # A stream is read once from front to end: each member's content must be taken before the next member.
    with _CountedGzip(archive, limit) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as file:
        for count, info in enumerate(file):
            if count == ENTRIES:
                raise ValueError(f"it holds more than {ENTRIES:,} entries")
            if info.isdir() and info.name in (".", "./"):
                continue
            name = relative(info.name.removeprefix("./").removesuffix("/"))
            if not (info.isdir() or info.type in (tarfile.REGTYPE, tarfile.AREGTYPE)) or info.issparse():
                raise ValueError(f"{name!r} is a link or a device")
            content = file.extractfile(info)
            if content is not None:
                yield name, _pieces(content)


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(CHUNK):
        yield piece
