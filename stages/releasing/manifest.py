"""SHA256SUMS: the digest of every file of a release, as `sha256sum --check` reads it."""

from __future__ import annotations

import re
from pathlib import Path

from stages.core.errors import InputError
from stages.repro.digests import of_folder

MANIFEST, SIGNATURE = "SHA256SUMS", "model.sig"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def write(folder: Path) -> None:
    """Write the manifest of all files of the folder but itself and the signature."""
    found = _digests(folder)
    text = "".join(f"{digest}  {name}\n" for name, digest in found.items())
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def faults(folder: Path) -> list[str]:
    """Return a line for each file that is damaged, missing or extra. Raises InputError where there is no manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{path}: no such file: {folder} is not a release")
    stated: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        entry = _LINE.fullmatch(line)
        if entry is None:
            raise InputError(f"{path}, line {number}: found {line[:80]!r}, wanted a SHA-256, two blanks and a name")
        stated[entry[2]] = entry[1]
    found = _digests(folder)
    links = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_symlink()]
    lines = [f"{name}: damaged" for name in stated if found.get(name, stated[name]) != stated[name]]
    lines += [f"{name}: missing" for name in stated if name not in found]
    lines += [f"{name}: extra" for name in sorted({*found, *links}) if name not in stated]
    return lines


def _digests(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in of_folder(folder).items() if name not in (MANIFEST, SIGNATURE)}
