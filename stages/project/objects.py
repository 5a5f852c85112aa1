"""What Git's objects hold, without a checkout: nothing is run for it, and every byte is held against its object's id.

Git itself trusts its packs: one that was bent can hold another file under an id that is known from elsewhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError
from stages.project import git

_FILES, _FOLDER = ("100644", "100755"), "40000"  # modes; links and submodules are neither


@dataclass(frozen=True)
class Entry:
    """One entry of a folder."""

    mode: str
    id: str


def ids(folder: Path, kind: str, names: Sequence[str]) -> list[str]:
    """Return the object id of each of `names`, as `COMMIT:PATH`; "" where there is nothing of that kind."""
    answers = git.ask(folder, "cat-file", "--batch-check=%(objecttype) %(objectname)", lines=names).splitlines()
    start = f"{kind} ".encode()
    return [answer.removeprefix(start).decode() if answer.startswith(start) else "" for answer in answers]


def contents(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of the distinct objects among the ids `names` that are there; "" among them is passed over.

    Raises InputError for one that is not what its id says.
    """
    wanted = [*dict.fromkeys(name for name in names if name)]
    answer = git.ask(folder, "cat-file", "--batch", lines=wanted)
    objects, at = {}, 0
    for name in wanted:
        end = answer.index(b"\n", at)
        head = answer[at:end].split()
        at = end + 1
        if len(head) == 3:  # id, type, size; an object that is not there has "id missing"
            size = int(head[2])
            objects[name] = answer[at : at + size]
            at += size + 1
            if (other := _id(name, head[1], objects[name])) != name:
                raise InputError(f"git: object {name} is damaged: what it holds has the id {other}")
    return objects


def _id(name: str, kind: bytes, content: bytes) -> str:
    """Return the id of an object, by the algorithm of `name`: SHA-1 has 40 digits, SHA-256 64."""
    digest = hashlib.new("sha1" if len(name) == 40 else "sha256", usedforsecurity=False)
    digest.update(b"%b %d\0%b" % (kind, len(content), content))
    return digest.hexdigest()


def entries(tree: str, data: bytes) -> dict[str, Entry]:
    """Return {name: entry} of the object `tree` of these bytes: of each mode, blank, name, NUL, id."""
    width, listed, at = len(tree) // 2, {}, 0
    while at < len(data):
        end = data.index(b"\0", at)
        mode, name = data[at:end].split(b" ", 1)
        listed[os.fsdecode(name)] = Entry(mode.decode(), data[end + 1 : end + 1 + width].hex())
        at = end + 1 + width
    return listed


def file(folder: Path, sha: str, path: str) -> bytes | None:
    """Return a file of the project in `folder` as the commit holds it, None when it has none such."""
    entry = _entry(folder, sha, path)
    return _content(folder, entry.id) if entry and entry.mode in _FILES else None


def files(folder: Path, sha: str, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of the files at or below `path` as the commit holds them."""
    waiting = [(path, entry)] if (entry := _entry(folder, sha, path)) else []
    while waiting:
        name, entry = waiting.pop()
        if entry.mode in _FILES:
            yield name, _content(folder, entry.id)
        elif entry.mode == _FOLDER:
            waiting += [(f"{name}/{inner}", below) for inner, below in _listed(folder, entry.id).items()]


def _entry(folder: Path, sha: str, path: str) -> Entry | None:
    """Return what the commit holds at `path`, found from the commit down, object by object."""
    head = _content(folder, sha).split(b"\n", 1)[0]
    entry = Entry(_FOLDER, head.removeprefix(b"tree ").decode())
    for part in f"{git.prefix(folder)}{path}".split("/"):
        inner = _listed(folder, entry.id).get(part) if entry.mode == _FOLDER else None
        if inner is None:
            return None
        entry = inner
    return entry


def _listed(folder: Path, tree: str) -> dict[str, Entry]:
    return entries(tree, _content(folder, tree))


def _content(folder: Path, name: str) -> bytes:
    content = contents(folder, [name]).get(name)
    if content is None:
        raise InputError(f"git: object {name} is missing: the repository is damaged")
    return content
