"""What Git holds of each run, read from its objects: no checkout, eight processes however many commits there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.project import git, objects
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
    prefix = git.prefix(root)
    names = _names(root)
    head = git.resolved(root, "HEAD")  # nothing may be committed yet
    commits = git.commits(root, [*names, *([head] if head else [])])
    locks = objects.ids(root, "blob", [f"{commit}:{prefix}{LOCK}" for commit in commits])
    folders = objects.ids(root, "tree", [f"{commit}:{prefix}{METRICS}" for commit in commits])
    listed = {tree: _metrics(tree, data) for tree, data in objects.contents(root, folders).items()}
    contents = objects.contents(root, [*locks, *(blob for entries in listed.values() for blob in entries.values())])
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
    names: dict[str, list[str]] = {}
    for ref, commit in git.refs(root, *_REFS).items():
        if match := _RUN_REF.fullmatch(ref):
            names.setdefault(commit, []).append(match[1] or match[2])
    return names


def _metrics(tree: str, data: bytes) -> dict[str, str]:
    """Return {name: object id} of the JSON files in the object `tree`."""
    return {name: entry.id for name, entry in objects.entries(tree, data).items() if name.endswith(".json")}
