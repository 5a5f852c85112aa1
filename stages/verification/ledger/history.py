"""What Git holds of each run, read from its objects: no checkout, eight processes however many commits there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError
from stages.project import git
from stages.project.lock import LOCK

METRICS = "metrics"
_REFS = ("refs/heads", "refs/tags", "refs/remotes", "refs/exps")
_RUN_REF = re.compile(r"refs/(?:heads|tags|remotes)/(?!.*/HEAD$)(.+)|refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")


@dataclass(frozen=True)
class Snapshot:
    """The lock and the metrics of one commit, or of the working tree."""

    commit: str  # 40 hex digits; "" for the working tree
    names: tuple[str, ...]  # experiments, branches and tags that point here, sorted
    files: Mapping[str, bytes]  # content of dvc.lock and metrics/*.json, by path

    @property
    def where(self) -> str:
        """Return what messages call it."""
        return f"commit {self.commit[:7]}" if self.commit else "the working tree"


def snapshots(root: Path) -> Iterator[Snapshot]:
    """Yield every commit that has a dvc.lock, parents before children and else by date, then the working tree.

    Commits are those that HEAD, branches, tags and DVC's experiments reach. What `dvc exp run --queue` has only queued,
    and what failed there, DVC keeps under other refs. Snapshots of equal files share them, as the same object. Raises
    InputError where there is no repository.
    """
    prefix = git.ask(root, "rev-parse", "--show-prefix").decode().rstrip("\n")
    names = _names(root)
    tips = [*names, *_head(root)]
    commits = (
        git.ask(root, "rev-list", "--date-order", "--reverse", "--stdin", lines=tips).decode().split() if tips else []
    )
    locks = _objects(root, "blob", [f"{commit}:{prefix}{LOCK}" for commit in commits])
    folders = _objects(root, "tree", [f"{commit}:{prefix}{METRICS}" for commit in commits])
    listed = {tree: _entries(tree, data) for tree, data in _contents(root, folders).items()}
    contents = _contents(root, [*locks, *(blob for entries in listed.values() for blob in entries.values())])
    files: dict[tuple[str, str], dict[str, bytes]] = {}
    for commit, lock, folder in zip(commits, locks, folders, strict=True):
        if lock not in contents:
            continue
        if (lock, folder) not in files:
            blobs = listed.get(folder, {}).items()
            metrics = {f"{METRICS}/{name}": contents[blob] for name, blob in blobs if blob in contents}
            files[lock, folder] = {LOCK: contents[lock], **metrics}
        yield Snapshot(commit, tuple(sorted(names.get(commit, ()))), files[lock, folder])
    if (root / LOCK).is_file():
        paths = [root / LOCK, *sorted((root / METRICS).glob("*.json"))]
        yield Snapshot("", (), {path.relative_to(root).as_posix(): path.read_bytes() for path in paths})


def _names(root: Path) -> dict[str, list[str]]:
    """Return {commit: short names of the refs that point there}."""
    shown = "%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"  # * is what an annotated tag tags
    found: dict[str, list[str]] = {}
    for line in git.ask(root, "for-each-ref", f"--format={shown}", *_REFS).decode(errors="replace").splitlines():
        kind, name, tagged_kind, tagged, ref = line.split(" ", 4)
        match = _RUN_REF.fullmatch(ref)
        if match and "commit" in (kind, tagged_kind):
            found.setdefault(name if kind == "commit" else tagged, []).append(match[1] or match[2])
    return found


def _head(root: Path) -> list[str]:
    try:
        return [git.commit(root, "HEAD")]
    except InputError:  # nothing is committed yet
        return []


def _objects(root: Path, kind: str, specs: Sequence[str]) -> list[str]:
    """Return the object id of each `commit:path`, "" where nothing of that kind is."""
    said = git.ask(root, "cat-file", "--batch-check=%(objecttype) %(objectname)", lines=specs).decode()
    return [line.removeprefix(f"{kind} ") if line.startswith(f"{kind} ") else "" for line in said.splitlines()]


def _contents(root: Path, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of the distinct objects among `ids` that are there."""
    wanted = [*dict.fromkeys(i for i in ids if i)]
    said = git.ask(root, "cat-file", "--batch", lines=wanted)
    found, at = {}, 0
    for name in wanted:
        end = said.index(b"\n", at)
        head = said[at:end].split()
        at = end + 1
        if len(head) == 3:  # id, type, size; an object that is not there has "id missing"
            found[name] = said[at : at + int(head[2])]
            at += int(head[2]) + 1
    return found


def _entries(tree: str, data: bytes) -> dict[str, str]:
    """Return {name: object id} of the JSON files in the object `tree`: entries of mode, blank, name, NUL, id."""
    width, found, at = len(tree) // 2, {}, 0
    while at < len(data):
        end = data.index(b"\0", at)
        name = data[at:end].split(b" ", 1)[1].decode(errors="replace")
        if name.endswith(".json"):
            found[name] = data[end + 1 : end + 1 + width].hex()
        at = end + 1 + width
    return found
