"""What a file holds, as bytes and as text, piece by piece in constant memory."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import AfterValidator

from stages.core.errors import InputError, nearest

LONGEST = 10_000_000  # characters of one line, of one quoted CSV field, of one JSON value: more is no row of text
_COMMON = ("utf-8", "utf-16", "ascii", "latin-1", "cp1252", "iso8859-2", "iso8859-15", "koi8-r", "gb18030", "shift-jis")
_BLOCK = 1 << 18  # bytes
_RATIO, _ALWAYS = 200, 1 << 27  # unpacked bytes: so many times those of the file, and never less than 128 MiB

_MEMORY = 1 << 28  # bytes that unpacking .xz may take; `xz -9` needs a quarter


def _codec(name: str) -> str:
    """Return `name` if it is a text encoding that can be read piece by piece. Raises ValueError otherwise."""
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        raise ValueError(f"unknown text encoding {name!r}{nearest(name, _COMMON)}") from None
    return name


Encoding = Annotated[str, AfterValidator(_codec)]  # the type of `data.encoding`


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked when its name ends in .gz, .bz2 or .xz.

    Raises InputError naming the file when it cannot be read, is cut or damaged, or unpacks to more than 200 times its
    size (128 MiB is always allowed).
    """
    try:
        with path.open("rb") as file:
            if path.suffix.lower() in UNPACKERS:
                yield from _bounded(path, UNPACKERS[path.suffix.lower()](file), os.fstat(file.fileno()).st_size)
            else:
                yield from _read(file)
    except EOFError:
        raise InputError(f"{path}: its compressed content ends too early: was the file cut?") from None
    except IsADirectoryError:
        raise InputError(
            f"{path}: is a folder, wanted a file (a folder of .txt files for each class is format folders)"
        ) from None
    except (OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        raise InputError(f"{path}: cannot be unpacked: {error}") from None


def _read(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    return _read(gzip.GzipFile(fileobj=file))


def _expanded(machine: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> Callable[..., Iterator[bytes]]:
    """Return what unpacks all streams of a file. The library's own classes pass over rubbish after the first."""

    def expand(file: BinaryIO) -> Iterator[bytes]:
        data = file.read(_BLOCK)
        while data:
            stream = machine()
            while not stream.eof:
                if stream.needs_input and not (data := data or file.read(_BLOCK)):
                    raise EOFError
                yield stream.decompress(data, _BLOCK)
                data = b""
            data = stream.unused_data or file.read(_BLOCK)

    return expand


UNPACKERS = {
    ".gz": _gunzipped,
    ".bz2": _expanded(bz2.BZ2Decompressor),
    ".xz": _expanded(partial(lzma.LZMADecompressor, memlimit=_MEMORY)),
}


def _bounded(path: Path, unpacked: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the blocks of a file of `size` bytes, unless they are more than text can be packed into."""
    count = 0
    for block in unpacked:
        count += len(block)
        if count > max(_RATIO * size, _ALWAYS):
            raise InputError(f"{path}: unpacks to more than {_RATIO} times its size, which no file of texts does")
        yield block


def decoded(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text of a file piece by piece, without a byte order mark.

    Raises InputError naming file, line and byte (from 0, of the unpacked content) for bytes that are not `encoding`,
    and for an empty file; see `blocks`.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line, end, start = 1, 0, True
    for block in _ended(blocks(path)):
        if not (block or end):
            raise InputError(f"{path}: empty file")
        end += len(block)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            raise InputError(_undecodable(path, encoding, line, end, error)) from None
        line += text.count("\n")
        yield text.removeprefix("\ufeff") if start else text
        start = start and not text


def _ended(source: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks that hold something, and an empty one behind them."""
    yield from filter(None, source)
    yield b""


def _undecodable(path: Path, encoding: str, line: int, end: int, error: UnicodeError) -> str:
    """Say where the bytes stop being `encoding`: `line` is the block's first, `end` the block's end in the file."""
    where, found = f"{path}, line {line} or later", "bytes"
    if isinstance(error, UnicodeDecodeError):
        good = error.object[: error.start].decode(encoding, "ignore")
        where = f"{path}, line {line + good.count(chr(10))}, byte {end - len(error.object) + error.start}"
        found = f"byte {error.object[error.start]:#04x}"
    return f"{where}: found {found}, which cannot be {encoding}, the encoding declared"
