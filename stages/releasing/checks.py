"""What must hold before a commit is released: nothing edited, every output there, and dvc.lock what the code gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.core.errors import InputError, refusals_told
from stages.project import git
from stages.project.lock import LOCK


def ready(root: Path) -> None:
    """Raise InputError unless HEAD and the outputs of the folder `root` can be released."""
    if edits := git.edited(root):
        more = f" and {len(edits) - 3} more" if len(edits) > 3 else ""
        raise InputError(f"{', '.join(edits[:3])}{more}: not as HEAD has it: commit first, a release is of a commit")
    if not (root / LOCK).is_file():
        raise InputError(f"{LOCK}: no such file: run dvc repro and commit it")
    with refusals_told("DVC"):
        from dvc.repo import Repo

        with Repo(str(root)) as repo:
            status = repo.status()
    changes = list(_changes(status))
    missing = sorted({path for _, path, how in changes if how == "deleted"})
    if missing:
        raise InputError(f"{', '.join(missing)}: missing: dvc pull fetches what others computed, dvc repro computes it")
    if changes:
        stage, what, how = changes[0]
        raise InputError(f"{LOCK}: stage {stage} is out of date ({what}: {how}): run dvc repro and commit {LOCK}")


def _changes(status: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (stage, path or key, how) of what `dvc status` lists."""
    for stage, entries in status.items():
        for entry in entries:
            for path, how in entry.items() if isinstance(entry, dict) else [("its command", str(entry))]:
                yield from _leaves(stage.rpartition(":")[2], path, how)


def _leaves(stage: str, path: str, how: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(how, dict):
        for below, more in how.items():
            yield from _leaves(stage, below, more)
    else:
        yield stage, path, str(how)
