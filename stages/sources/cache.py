"""The per-user cache of fetched files, each named by its SHA-256 and checked on every use.

It is $REPRISE_CACHE, or `reprise` in $XDG_CACHE_HOME, or ~/.cache/reprise.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stages.core import cli
from stages.core.errors import InputError
from stages.core.processes import taken
from stages.repro.digests import of_file

CACHE = "REPRISE_CACHE"


def folder() -> Path:
    """Return the folder of the cache, which need not exist yet. Raises InputError when the user has no home."""
    own = os.environ.get(CACHE)
    if own is not None:
        if not own:
            raise InputError(f"{CACHE}: found '', wanted a folder")
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    if shared and Path(shared).is_absolute():
        return Path(shared) / "reprise"
    try:
        return Path.home() / ".cache" / "reprise"
    except RuntimeError:
        raise InputError("no home folder to keep archives in: set REPRISE_CACHE to a folder") from None


def held(sha256: str, what: str, fetch: Callable[[Path], None]) -> Path:
    """Return the cached file with this SHA-256, fetched first when the cache has none or a damaged one.

    fetch: makes the file at the path it is given. Bytes already there are the beginning of an earlier, interrupted
        fetch: it may go on from them or write anew.
    what: names the file in messages.

    Raises InputError when the bytes have another SHA-256 (both are told, nothing is kept) and when the cache cannot
    be used. Any number of processes may ask for one file at once: one fetches it, the others wait.
    """
    path = folder() / "archives" / sha256
    try:
        if _matches(path, sha256):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_links(path.with_suffix(".lock"))
        with path.with_suffix(".lock").open("w") as lock:
            if not taken(lock, CACHE):
                cli.say(f"{what}: waiting for another process that is fetching it")
                taken(lock, CACHE, wait=True)
            if not _matches(path, sha256):
                if os.path.lexists(path):
                    cli.say(f"{path}: damaged (its SHA-256 is not its name); removed, fetching it again")
                    path.unlink()
                os.replace(_fetched(path.with_suffix(".partial"), sha256, what, fetch), path)
    except OSError as error:
        place = error.filename2 or error.filename or path.with_suffix(".partial")
        raise InputError(
            f"{place}: the cache cannot be used: {error.strerror} ({CACHE} sets another folder)"
        ) from error
    return path


def _matches(path: Path, sha256: str) -> bool:
    return path.is_file() and of_file(path) == sha256  # of a pipe or a device no end would come


def _refuse_links(path: Path) -> None:
    """Remove what is no regular file with this name alone: to write there would write to what is not ours."""
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            path.unlink()


def _fetched(partial: Path, sha256: str, what: str, fetch: Callable[[Path], None]) -> Path:
    """Return `partial` once it holds the bytes wanted; a beginning that proves wrong is dropped and fetched anew."""
    _refuse_links(partial)
    resumed = partial.exists()
    fetch(partial)
    found = of_file(partial)
    if found != sha256 and resumed:
        partial.unlink()
        fetch(partial)
        found = of_file(partial)
    if found != sha256:
        partial.unlink()
        raise InputError(f"{what}: its SHA-256 is {found}, wanted {sha256}; nothing of it was kept")
    return partial
