"""Digests: of files, folders and values. SHA-256 throughout."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from stages.core.files import canonical_json


def of_bytes(data: bytes | bytearray | memoryview) -> str:
    """Return the hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_value(value: Any) -> str:
    """Return the hex SHA-256 of a value's canonical JSON. Raises ValueError or TypeError for what has no JSON."""
    return of_bytes(canonical_json(value).encode())


def of_folder(folder: Path) -> dict[str, str]:
    """Return {relative path: hex SHA-256} of all files below `folder`, sorted by path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): of_file(p) for p in files}
