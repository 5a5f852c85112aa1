"""Hash what DVC keeps and say what is damaged: DVC itself trusts its cache and its remotes without reading them.

    python -m stages.objects                       every object of the cache that dvc.lock names
    python -m stages.objects --remote NAME         the same, and every one of the remote
    python -m stages.objects --mend                takes what is damaged or missing from the remote

Each object is read whole and its MD5 held against its name. Names the output, file and object. With --mend a damaged
object is replaced by a whole one: of the cache by that of the remote, of the remote by that of the cache; files of the
working folder that are links to a damaged object or copies of it are written anew. Ends with 0 when all is whole
(again), 1 when something is not, 2 for bad input.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.objects", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("objects")  # the imports below take their time

import contextlib
import hashlib
import json
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core import progress
from stages.core.errors import InputError, nearest

CHUNK = 1 << 20  # bytes read at once


@dataclass(frozen=True)
class Object:
    """What dvc.lock names, itself or by a folder's list."""

    name: str  # path in the project
    md5: str  # ends in .dir for the list of a folder's files

    def __str__(self) -> str:
        return f"{self.name}{' (the list of its files)' if self.md5.endswith('.dir') else ''}"


@dataclass
class Place:
    """A cache or a remote."""

    name: str
    store: Any  # DVC's object database
    found: dict[str, str | None] = field(default_factory=dict)  # object -> MD5 of what is there; None: nothing

    def whole(self, md5: str) -> bool:
        """Tell whether the object is there and is what its name says."""
        if md5 not in self.found:
            self.found[md5] = self._digest(md5)
        return self.found[md5] == md5.removesuffix(".dir")

    def read(self, md5: str) -> bytes:
        """Return an object."""
        with self.store.fs.open(self.store.oid_to_path(md5), "rb") as file:
            return bytes(file.read())

    def take(self, md5: str, other: Place) -> None:
        """Replace an object by that of `other`, which is whole."""
        from dvc.fs import localfs

        with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
            path = Path(folder, "object")
            with other.store.fs.open(other.store.oid_to_path(md5), "rb") as source, path.open("wb") as target:
                while piece := source.read(CHUNK):
                    target.write(piece)
            if self.found[md5] is not None:
                self.store.delete(md5)
            self.store.add(str(path), localfs, md5, check_exists=False)
        del self.found[md5]

    def _digest(self, md5: str) -> str | None:
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with self.store.fs.open(self.store.oid_to_path(md5), "rb") as file:
                while piece := file.read(CHUNK):
                    digest.update(piece)
        except FileNotFoundError:
            return None
        return digest.hexdigest()


@dataclass
class Check:
    """A check of one place, which may be mended from another."""

    place: Place
    other: Place | None
    mend: bool
    count: int = 0
    faulty: int = 0
    mended: list[tuple[Object, str | None]] = field(default_factory=list)  # and the MD5 of what was there

    def run(self, outputs: list[Object], say: Any) -> None:
        """Check `outputs` and all they list; `say` hears a line for each fault."""
        seen: set[str] = set()
        with progress.bar(unit=" objects", disable=None, leave=False, desc=self.place.name) as bar:
            waiting = outputs[::-1]
            while waiting:
                one = waiting.pop()
                if one.md5 not in seen:
                    seen.add(one.md5)
                    self._one(one, say)
                    bar.update()
                    waiting += list(self._listed(one))[::-1]
        self.count = len(seen)
        told = f"{self.count} objects, {self.count - self.faulty} whole"
        say(f"{self.place.name}: {told}" + (f", {len(self.mended)} of them mended" if self.mended else ""))

    def _one(self, one: Object, say: Any) -> None:
        if self.place.whole(one.md5):
            return
        had = self.place.found[one.md5]
        line = f"{self.place.name}: {one} is {'missing' if had is None else 'damaged'}, object {one.md5}"
        if self.mend and self.other is not None and self.other.whole(one.md5):
            self.place.take(one.md5, self.other)
            if self.place.whole(one.md5):
                self.mended.append((one, had))
                say(f"{line}: mended from {self.other.name}")
                return
        self.faulty += 1
        say(line + (f": not whole in {self.other.name} either" if self.mend and self.other is not None else ""))

    def _listed(self, one: Object) -> Iterator[Object]:
        if one.md5.endswith(".dir"):
            sound = next((p for p in (self.place, self.other) if p is not None and p.whole(one.md5)), None)
            for entry in json.loads(sound.read(one.md5)) if sound else []:
                yield Object(f"{one.name}/{entry['relpath']}", entry["md5"])


@contextlib.contextmanager
def dvc_errors(what: str) -> Iterator[None]:
    """Turn what DVC and its file systems raise into an InputError; each of these raises errors of its own kinds."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        causes: list[BaseException] = [error]
        while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
            causes.append(cause)
        said = list(dict.fromkeys(str(cause).strip() or type(cause).__name__ for cause in causes))
        raise InputError(f"{what}: {_why(causes)}{': '.join(said)}") from None


def _why(causes: list[BaseException]) -> str:
    if any(isinstance(cause, EOFError) or "401" in str(cause) for cause in causes):  # EOF: asked for another password
        return "refused the user or password, see `dvc remote modify --local`: "
    if any("is not a git repository" in str(cause) for cause in causes):
        return "wants a Git repository (a ZIP file brings none), git init makes one: "
    if any(isinstance(cause, ConnectionError | TimeoutError | socket.gaierror) for cause in causes):
        return "cannot be reached: "
    return ""


def check(remote: str | None, mend: bool, folder: Path = Path(), say: Any = cli.tell) -> bool:
    """Check the cache, and the remote when one is named; return whether all is whole. Raises InputError."""
    with dvc_errors("DVC"):
        from dvc.repo import Repo

        repo = Repo(str(folder))
        tracked = [out for out in repo.index.outs if out.use_cache and out.hash_info and out.hash_info.name == "md5"]
        outputs = [
            Object(Path(out.fs_path).relative_to(repo.root_dir).as_posix(), out.hash_info.value) for out in tracked
        ]
    if not outputs:
        raise InputError("dvc.lock: names no object: run dvc repro, or check out a commit that has its dvc.lock")
    cache, far = Place("cache", repo.cache.local), _remote(repo, remote) if remote or mend else None
    with dvc_errors(far.name if far else "cache"):
        with repo.lock:
            first = Check(cache, far, mend)
            first.run(outputs, say)
            second = Check(far, cache, mend) if far is not None and remote else None
            if second is not None:
                second.run(outputs, say)
        _write_anew(repo, tracked, first.mended)
    return not first.faulty and (second is None or not second.faulty)


def _remote(repo: Any, name: str | None) -> Place:
    known = repo.config["remote"]
    if name is not None and name not in known:
        hint = nearest(name, known) or ": none is configured, see docs/remotes.md"
        raise InputError(f"--remote: unknown remote {name!r}{hint}")
    with dvc_errors(f"remote {name}" if name else "remote"):
        found = repo.cloud.get_remote(name)
        found.odb.fs.exists(found.odb.path)  # whether it can be reached at all
        return Place(f"remote {found.name}", found.odb)


def _write_anew(repo: Any, tracked: list[Any], mended: list[tuple[Object, str | None]]) -> None:
    """Write files of the working folder anew that have the damage of their object."""
    outdated = set()
    for one, had in mended:
        path = Path(repo.root_dir, one.name)
        if path.is_file() and had is not None and _md5(path) == had:
            path.unlink()
            outdated.add(next(out.fs_path for out in tracked if path.is_relative_to(out.fs_path)))
    if outdated:
        repo.checkout(sorted(outdated), force=True)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def main() -> None:
    """Check what DVC keeps for the dvc.lock of the working folder."""
    codes = "Exit codes: 0 all is whole, 1 something is damaged or missing, 2 bad input."
    parser = cli.parser("objects", __doc__, epilog=codes)
    parser.add_argument("--remote", metavar="NAME", help="check this remote too, and mend from it")
    parser.add_argument("--mend", action="store_true", help="replace what is damaged by what is whole elsewhere")
    arguments = parser.parse_args()
    with cli.errors_told("objects"):
        raise SystemExit(0 if check(arguments.remote, arguments.mend) else 1)


if __name__ == "__main__":
    main()
