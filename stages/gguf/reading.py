"""What a GGUF file holds, read on the assumption that it is hostile: no size is believed before it is held against the
file's own.

The layout is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import InputError

NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
MOST_KEYS, MOST_TENSORS, MOST_DIMENSIONS = 10_000, 100_000, 4
LARGEST = 1 << 40  # elements of a tensor


@dataclass(frozen=True)
class Tensor:
    """Where the bytes of a tensor lie."""

    name: str
    shape: tuple[int, ...]  # as numpy has it, the fastest dimension last
    kind: int  # ggml's number of its type
    data: NDArray[np.uint8]  # (rows, bytes a row)


@dataclass(frozen=True)
class Gguf:
    """The metadata and tensors of a file."""

    path: Path
    fields: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def field(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """Return a field of the metadata. Raises InputError where there is none and no default, or another type."""
        value = self.fields.get(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            found = "nothing" if name not in self.fields else f"{value!r:.60}"
            wanted = kind.__name__ if isinstance(kind, type) else " or ".join(of.__name__ for of in kind)
            raise InputError(f"{self.path}: {name}: found {found}, wanted {wanted}")
        return value


class _Cursor:
    """Reads from front to end, and never behind the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.stat().st_size:
            raise InputError(f"{path}: not a GGUF file: it is empty")
        self.bytes: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
        self.at = 0

    def take(self, count: int, what: str) -> bytes:
        if count > len(self.bytes) - self.at:
            raise self.wrong(f"{what} of {count:,} bytes, but the file has {len(self.bytes) - self.at:,} more")
        self.at += count
        return self.bytes[self.at - count : self.at].tobytes()

    def number(self, kind: int) -> Any:
        form = NUMBERS[kind]
        return struct.unpack(form, self.take(struct.calcsize(form), "a number"))[0]

    def text(self) -> str:
        held = self.take(self.number(10), "a text")
        try:
            return held.decode("utf-8")
        except UnicodeDecodeError:
            raise self.wrong("a text that is not UTF-8") from None

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            return self.number(self.known(kind))
        inner, count = self.number(4), self.number(10)
        if inner == STRING:
            if count * 8 > len(self.bytes) - self.at:
                raise self.wrong(
                    f"a list of {count:,} texts, but the file has {len(self.bytes) - self.at:,} more bytes"
                )
            return [self.text() for _ in range(count)]
        form = NUMBERS[self.known(inner)]
        return np.frombuffer(self.take(count * struct.calcsize(form), "a list"), dtype=form).tolist()

    def known(self, kind: int) -> int:
        if kind not in NUMBERS:
            raise self.wrong(f"a value of the unknown type {kind}")
        return kind

    def wrong(self, what: str) -> InputError:
        return InputError(f"{self.path}: not a sound GGUF file: found {what} at byte {self.at:,}")


def read(path: Path) -> Gguf:
    """Return what a GGUF file holds; the bytes of tensors stay on disk.

    Raises InputError for a file that is none, that is cut off, whose sizes lie, or with a type that cannot be read.
    """
    cursor = _Cursor(path)
    if cursor.take(4, "the sign of GGUF") != b"GGUF":
        raise InputError(f"{path}: not a GGUF file: it does not begin with GGUF")
    version, tensors, keys = cursor.number(4), cursor.number(10), cursor.number(10)
    if version not in (2, 3):
        raise InputError(f"{path}: GGUF version {version}, wanted 2 or 3, little-endian")
    if keys > MOST_KEYS or tensors > MOST_TENSORS:
        raise cursor.wrong(f"{keys:,} keys and {tensors:,} tensors")
    fields: dict[str, Any] = {}
    for _ in range(keys):
        name = cursor.text()
        if name in fields:
            raise cursor.wrong(f"the key {name!r} twice")
        fields[name] = cursor.value(cursor.number(4))
    heads = [_head(cursor) for _ in range(tensors)]
    return Gguf(path, fields, _placed(cursor, fields, heads))


def _head(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """Return the name, shape, type and offset of the next tensor."""
    name, dimensions = cursor.text(), cursor.number(4)
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise cursor.wrong(f"the tensor {name!r} of {dimensions} dimensions")
    shape = tuple(cursor.number(10) for _ in range(dimensions))[::-1]
    if min(shape) < 1 or math.prod(shape) > LARGEST:
        raise cursor.wrong(f"the tensor {name!r} of shape {shape}")
    return name, shape, cursor.number(4), cursor.number(10)


def _placed(
    cursor: _Cursor, fields: Mapping[str, Any], heads: list[tuple[str, tuple[int, ...], int, int]]
) -> dict[str, Tensor]:
    """Return the tensors, none of which lies outside the file or in another."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    alignment = fields.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise cursor.wrong(f"general.alignment {alignment!r}, wanted a power of two")
    start = -(-cursor.at // alignment) * alignment
    found: dict[str, Tensor] = {}
    end = start
    for name, shape, kind, offset in sorted(heads, key=lambda head: head[3]):
        if kind not in {int(of) for of in GGML_QUANT_SIZES}:
            raise InputError(f"{cursor.path}: tensor {name!r} has type {kind}, which the gguf package does not know")
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        if shape[-1] % block:
            raise cursor.wrong(
                f"tensor {name!r} with rows of {shape[-1]} elements, which blocks of {block} do not fill"
            )
        row, rows = shape[-1] // block * size, math.prod(shape[:-1])
        low, high = start + offset, start + offset + row * rows
        if name in found or offset % alignment or low < end or high > len(cursor.bytes):
            raise InputError(
                f"{cursor.path}: not a sound GGUF file: tensor {name!r} is said to lie at bytes {low:,} to {high:,} of "
                f"{len(cursor.bytes):,}: outside the file, in another tensor, or out of line"
            )
        found[name] = Tensor(name, shape, kind, cursor.bytes[low:high].reshape(rows, row))
        end = high
    return found
