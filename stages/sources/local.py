"""Names of files below data/raw and models/base, and of files inside archives and repositories."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

Value = TypeVar("Value")
DEEPEST = 100  # folders within each other: Python makes each by a call within that of the one below it


def relative(name: str) -> str:
    """Return `name` if it is a plain relative POSIX path.

    Raises ValueError for what could lead out of a folder, or is not the same name on every system: an empty or
    absolute path, `.` and `..`, doubled slashes, backslashes, drive letters, control characters, half characters,
    and more than DEEPEST folders.
    """
    if re.search(r"[\x00-\x1f\x7f]", name):
        raise ValueError(f"the name {name!r} holds a control character")
    if re.search("[\ud800-\udfff]", name):
        raise ValueError(f"the name {name!r} is not UTF-8")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise ValueError(f"the name {name!r} is an absolute path, wanted a relative one")
    if "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"the name {name!r} is no plain relative path (empty, '.', '..' or a backslash in it)")
    if name.count("/") > DEEPEST:
        raise ValueError(f"the name {name[:40]!r}… leads through {name.count('/')} folders, more than {DEEPEST}")
    return name


def sha256_of_64_digits(value: str) -> str:
    """Return `value` if it is a SHA-256 as `sha256sum` prints it; raises ValueError."""
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(f"found {value!r}, wanted a SHA-256: 64 digits of 0-9 and a-f")
    return value


def apart(files: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return `files` if none of its names is also a folder of another; raises ValueError."""
    for name in files:
        for parent in Path(name).parents:
            if parent.as_posix() in files:
                raise ValueError(f"{parent.as_posix()!r} is both a file and the folder of {name!r}")
    return files


RelativeName = Annotated[str, AfterValidator(relative)]
Sha256 = Annotated[
    str,
    AfterValidator(sha256_of_64_digits),
    Field(description="SHA-256, 64 hex digits", json_schema_extra={"pattern": "^[0-9a-f]{64}$"}),
]
LocalFiles = Annotated[Mapping[RelativeName, Value], AfterValidator(apart)]


def place(source: Path, into: Path, name: str) -> None:
    """Copy the bytes of `source` to `name` below `into`."""
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
