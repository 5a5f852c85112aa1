"""Digests: of files, folders and values. SHA-256 throughout."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from stages.core.files import canonical_json
from stages.core.params import REGISTRIES


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


def of_code(*rooms: str) -> dict[str, str]:
    """Return {module: hex SHA-256} of the code that is imported, of all rooms or those named.

    Registries are left out: a plug-in that is not used changes no bits.
    """
    wanted = tuple(f"stages.{room}" for room in rooms) or ("stages.",)
    return {
        name: of_file(Path(str(module.__file__)))
        for name, module in sys.modules.items()
        if name.startswith(wanted) and name not in REGISTRIES and name != "stages"
    }
