"""What a derivation is held against: dvc.lock, and as many of the bytes it stands for as are to be had here."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.project import git, lock, objects
from stages.project.lock import LOCK, Lock

ENVIRONMENT = "metrics/environment.json"


@dataclass(frozen=True)
class Reference:
    """The expected result."""

    origin: Literal["committed", "derived"]  # derived: by a first plain run, for the commit holds another result
    text: str  # of dvc.lock
    lock: Lock
    environment: dict[str, Any]  # what its training said of its environment; {} when that is not known
    folder: Path  # outputs, by their path in the project; some or all may be missing


def committed(repository: Path, sha: str, folder: Path, worktree: bool = False) -> Reference:
    """Return what the commit says came out (the working tree, if `worktree`), its bytes gathered in `folder`.

    Raises InputError for a commit without dvc.lock, and for one whose metrics are not those that it states.
    """

    def read(path: str) -> bytes | None:
        if not worktree:
            return objects.file(repository, sha, path)
        return (repository / path).read_bytes() if (repository / path).is_file() else None

    where = "the working tree" if worktree else f"commit {sha[:12]}"
    text = read(LOCK)
    if text is None:
        raise InputError(f"{where} has no {LOCK}, so there is no result to verify: run dvc repro and commit it")
    found = lock.parse(text, f"{LOCK} of {where}")
    cache = _cache(repository)
    for path, md5 in lock.outputs(found).items():
        kept = read(path) if path.startswith("metrics/") else None
        if kept is not None and hashlib.md5(kept).hexdigest() != md5:
            raise InputError(
                f"{LOCK} of {where}: says {path} has the MD5 {md5}, but the file beside it has "
                f"{hashlib.md5(kept).hexdigest()}: no run left this; run dvc repro and commit what it writes"
            )
        if kept is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(kept)
        else:
            _gather(cache, md5, folder / path)
    record = read(ENVIRONMENT)
    environment = json.loads(record).get("finetune", {}) if record else {}
    return Reference("committed", text.decode(), found, environment, folder)


def derived(clone: Path, folder: Path) -> Reference:
    """Return what came out in `clone`, its bytes moved to `folder`."""
    text = (clone / LOCK).read_text(encoding="utf-8")
    found = lock.parse(text, LOCK)
    keep(clone, found, folder)
    return Reference("derived", text, found, read_json(clone / ENVIRONMENT).get("finetune", {}), folder)


def keep(clone: Path, found: Lock, folder: Path) -> None:
    """Move the outputs of `clone` that `folder` lacks there."""
    for path in lock.outputs(found):
        if (clone / path).exists() and not (folder / path).exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # another environment was faster; the bytes are the same
                os.replace(clone / path, folder / path)


def _cache(repository: Path) -> Path:
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    ended = subprocess.run(command, cwd=repository, env=git.environment(), capture_output=True, text=True, check=False)
    return (repository / (ended.stdout.strip() or ".dvc/cache")) / "files/md5"


def _gather(objects: Path, md5: str, target: Path) -> None:
    """Put the output of digest `md5` at `target`, every byte checked; leave no trace when the cache lacks any."""
    pieces = {"": md5}
    if md5.endswith(".dir"):
        listing = _sound(objects, md5)
        if listing is None:
            return
        pieces = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}
    files = {name: _sound(objects, digest) for name, digest in pieces.items()}
    if any(path is None for path in files.values()):
        return
    if target.exists():
        return
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)  # a folder may hold nothing
    for name, path in files.items():
        place = partial / (name or target.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path.absolute() if path else "")
    os.replace(partial if md5.endswith(".dir") else partial / target.name, target)
    shutil.rmtree(partial, ignore_errors=True)


def _sound(objects: Path, md5: str) -> Path | None:
    """Return the cached object of this digest; None when it is not there or damaged (DVC itself does not look)."""
    path = objects / md5[:2] / md5[2:]
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return path if hashlib.file_digest(file, "md5").hexdigest() == md5.removesuffix(".dir") else None
