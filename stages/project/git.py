"""The few things asked of Git."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from stages.core.errors import InputError

OWN = ("metrics/reproduction.", "metrics/claims.", "metrics/variance.")  # our output: not a change of the project


def ask(folder: Path, *arguments: str, lines: Iterable[str] = ()) -> bytes:
    """Return what `git -C folder …` prints when `lines` are its input. Raises InputError with Git's message."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    given = "".join(f"{line}\n" for line in lines).encode()
    try:
        ended = subprocess.run(["git", "-C", str(folder), *arguments], input=given, capture_output=True, env=clean)
    except FileNotFoundError:
        raise InputError("git: not found: it holds the commits that are read and cloned") from None
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"git {arguments[0]}: {said[-1] if said else f'ended with code {ended.returncode}'}")
    return ended.stdout


def commit(folder: Path, revision: str) -> str:
    """Return the 40 digits of the commit that `revision` names. Raises InputError when there is none."""
    try:
        return ask(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    except InputError:
        raise InputError(f"--rev: {revision!r} names no commit of this repository") from None


def file(folder: Path, sha: str, path: str) -> bytes | None:
    """Return a file as the commit holds it, None when it has none such."""
    if not ask(folder, "ls-tree", "--name-only", sha, "--", path).strip():
        return None
    return ask(folder, "show", f"{sha}:{path}")


def edited(folder: Path) -> list[str]:
    """Return the files of the working tree that are not as HEAD has them, sorted; untracked ones too, ignored not.

    What is not UTF-8 in a name is as `os.fsdecode` has it.
    """
    said = os.fsdecode(ask(folder, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"))
    names = {entry[3:] for entry in said.split("\0") if entry}
    return sorted(name for name in names if not name.startswith(OWN))


def changed(folder: Path, old: str, new: str, path: str) -> list[str]:
    """Return the files at or below `path` that differ between two commits, sorted; escaped what is not UTF-8."""
    said = ask(folder, "diff", "--name-only", "-z", "--no-renames", old, new, "--", path)
    return sorted(name for name in said.decode(errors="backslashreplace").split("\0") if name)


def last_change(folder: Path, sha: str, path: str) -> str:
    """Return the last commit up to `sha` that changed `path`, "" when none did."""
    return ask(folder, "log", "-1", "--format=%H", sha, "--", path).decode().strip()


def clone(folder: Path, sha: str, target: Path, edits: list[str]) -> None:
    """Make a fresh clone of `folder` at `sha` in `target`, with the working tree's `edits` laid over it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    ask(folder, "clone", "--quiet", "--no-checkout", str(folder.resolve()), str(target))
    ask(target, "checkout", "--quiet", "--detach", sha)
    for name in edits:
        if (folder / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, target / name)
        else:
            (target / name).unlink(missing_ok=True)
