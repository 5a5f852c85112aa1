"""What is asked of Git: the only place that runs it; objects.py reads what it holds.

Nothing runs that the repository itself names: no hook, filter, file system monitor, pager or transport of its
configuration, and no replaced object or graft is looked at. What the user configured for all repositories counts:
`safe.directory`, and in a clone the filters, such as Git LFS. A refusal of Git raises InputError; it is no answer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.core.errors import InputError, nearest

SHALLOW = "a shallow clone without the older commits (git fetch --unshallow brings them)"
OWN = ("metrics/reproduction.", "metrics/claims.", "metrics/variance.")  # our output: not a change of the project
# Where the user's own configuration lies and how far up a repository is looked for. All else that is called GIT_ leads
# elsewhere: a hook of Git has GIT_DIR and GIT_INDEX_FILE set to another repository than ours.
_KEPT = re.compile(
    r"GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)"
    r"|GIT_CEILING_DIRECTORIES|GIT_DISCOVERY_ACROSS_FILESYSTEM|GIT_EXEC_PATH"
)
_SET = {
    "LC_ALL": "C",  # messages in the words that are looked for here
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",  # no index is written, for which there is a hook too
    "GIT_TERMINAL_PROMPT": "0",
    "REPRISE_EMPTY": "",  # the value of what is switched off, see _unfiltered
    "REPRISE_FALSE": "false",
}
_OPTIONS = (
    "--no-pager", "-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "core.commitGraph=false",
    "-c", "submodule.recurse=false",
)  # fmt: skip
# What a clone runs in the repository that is cloned, where it must fetch nothing from elsewhere. That Git is allowed
# there is known by then; a clone would look for its folder .git among safe.directory.
_UPLOAD = "GIT_ALLOW_PROTOCOL=none git -c safe.directory='*' upload-pack"
_NONE_HERE = "not a git repository (or any"
_REFETCH = "git fetch --refetch --no-filter brings what a partial clone lacks"
_START = "git add -A && git commit -m start"


def environment() -> dict[str, str]:
    """Return the environment variables without those that lead Git to another repository."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or _KEPT.fullmatch(key)}


def ask(
    folder: Path, *arguments: str, lines: Iterable[str] = (), options: Sequence[str] = (), protocol: str = "none"
) -> bytes:
    """Return what `git -C folder …` prints when `lines` are its input.

    options: of Git itself, before the command; protocol: the one transport that it may use. Raises InputError with all
    that Git says from its `fatal:` on.
    """
    ended = _run(folder, arguments, lines, options, protocol)
    if ended.returncode:
        raise _refusal(folder, arguments[0], ended)
    return ended.stdout


def _run(
    folder: Path, arguments: Sequence[str], lines: Iterable[str] = (), options: Sequence[str] = (),
    protocol: str = "none",
) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    command = ["git", "-C", str(folder), *_OPTIONS, *options, *arguments]
    given = os.fsencode("".join(f"{line}\n" for line in lines))
    env = {**environment(), **_SET, "GIT_ALLOW_PROTOCOL": protocol}
    try:
        return subprocess.run(command, input=given, capture_output=True, env=env, check=False)
    except FileNotFoundError:
        raise InputError("git: not found: it holds the commits that are read and cloned") from None


def _refusal(folder: Path, command: str, ended: subprocess.CompletedProcess[bytes]) -> InputError:
    lines = [line.strip() for line in ended.stderr.decode(errors="replace").splitlines() if line.strip()]
    text = re.sub("(?<![.:])\n(?=[A-Z]|fatal:)", ". ", "\n".join(lines)).replace("\n", " ")
    if _NONE_HERE in text:
        where = folder.resolve()
        return InputError(f"{where}: in no Git repository (a ZIP file brings none): git init && {_START}")
    fatal = re.search(r"\b(fatal|error): .*", text)
    partial = f" ({_REFETCH})" if "promisor remote" in text else ""
    return InputError(f"git {command}: {fatal[0] if fatal else text or f'ended with code {ended.returncode}'}{partial}")


def inside(folder: Path) -> bool:
    """Tell whether the folder is in a repository. Raises InputError when Git refuses to say."""
    ended = _run(folder, ("rev-parse", "--git-dir"))
    if ended.returncode and _NONE_HERE not in ended.stderr.decode(errors="replace"):
        raise _refusal(folder, "rev-parse", ended)
    return not ended.returncode


def resolved(folder: Path, revision: str) -> str | None:
    """Return the object id of the commit that `revision` names, None when it names none."""
    wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    ended = _run(folder, wanted)
    if ended.returncode not in (0, 1):  # 1: there is none
        raise _refusal(folder, wanted[0], ended)
    return ended.stdout.decode().strip() or None


def commit(folder: Path, revision: str, option: str = "--rev") -> str:
    """Return the object id of the commit that `revision`, the value of `option`, names.

    Raises InputError when it names none: there is no commit yet, the clone is shallow, or with the nearest name.
    """
    sha = resolved(folder, revision)
    if sha is None:
        known = [re.sub("refs/(heads|tags|remotes|exps/../[^/]+)/", "", ref) for ref in refs(folder)]
        if not known and resolved(folder, "HEAD") is None:
            raise InputError(f"{option}: this repository has no commit yet: {_START}")
        why = f": it is {SHALLOW}" if shallow(folder) else nearest(revision, known)
        raise InputError(f"{option}: {revision!r} names no commit of this repository{why}")
    return sha


def is_commit(folder: Path, name: str) -> bool:
    """Tell whether `name` is the whole id of a commit that is there; a branch of that name is not looked at."""
    digits = {"sha1": 40, "sha256": 64}[ask(folder, "rev-parse", "--show-object-format").decode().strip()]
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", name):
        return False
    found = ask(folder, "cat-file", "--batch-check=%(objectname) %(objecttype)", lines=[name]).decode()
    return found == f"{name} commit\n"


def shallow(folder: Path) -> bool:
    """Tell whether older commits are not there, see SHALLOW."""
    return ask(folder, "rev-parse", "--is-shallow-repository").strip() == b"true"


def prefix(folder: Path) -> str:
    """Return the path of `folder` in its repository, with a slash at its end; "" where that begins."""
    return os.fsdecode(ask(folder, "rev-parse", "--show-prefix")).rstrip("\n")


def refs(folder: Path, *below: str) -> dict[str, str]:
    """Return {whole name: commit} of the refs below some names that are commits, or tags of them, by name."""
    shown = "%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"  # * is what an annotated tag tags
    found = {}
    for line in os.fsdecode(ask(folder, "for-each-ref", f"--format={shown}", *below)).splitlines():
        kind, name, tagged_kind, tagged, ref = line.split(" ", 4)
        if "commit" in (kind, tagged_kind):
            found[ref] = name if kind == "commit" else tagged
    return found


def experiments(folder: Path) -> dict[str, str]:
    """Return {name: commit} of the experiments that DVC keeps."""
    return {ref.rpartition("/")[2]: sha for ref, sha in refs(folder, "refs/exps").items()}


def remove(folder: Path, ref: str) -> None:
    """Remove a ref."""
    ask(folder, "update-ref", "-d", ref)


def commits(folder: Path, tips: Iterable[str]) -> list[str]:
    """Return the commits that `tips` reach, parents before children and else by date."""
    names = [*tips]
    order = ("rev-list", "--date-order", "--reverse", "--stdin")
    return ask(folder, *order, lines=names).decode().split() if names else []


def edited(folder: Path) -> list[str]:
    """Return the files of the project in `folder` that are not as HEAD has them, sorted; untracked ones too.

    Those that Git ignores are left out. What is not UTF-8 in a name is as `os.fsdecode` has it.
    """
    wanted = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=dirty")
    said = os.fsdecode(ask(folder, *wanted, "--", ".", options=_unfiltered(folder)))
    start = prefix(folder)
    names = {entry[3:].removeprefix(start) for entry in said.split("\0") if entry}
    return sorted(name for name in names if not name.startswith(OWN))


def _unfiltered(folder: Path) -> list[str]:
    """Return the options that switch off the filters which the repository's own configuration defines."""
    said = os.fsdecode(ask(folder, "config", "--list", "--includes", "--show-scope", "--name-only", "-z"))
    words = said.split("\0")
    keys = {key for scope, key in zip(words[::2], words[1::2], strict=False) if scope in ("local", "worktree")}
    names = sorted({key.rpartition(".")[0] for key in keys if key.startswith("filter.")})
    empty = [f"--config-env={name}.{what}=REPRISE_EMPTY" for name in names for what in ("clean", "smudge", "process")]
    return [*empty, *(f"--config-env={name}.required=REPRISE_FALSE" for name in names)]


def untracked(folder: Path, *paths: str) -> list[str]:
    """Return the files at or below `paths` that are neither tracked nor ignored, sorted."""
    said = os.fsdecode(ask(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", *paths))
    return sorted(name for name in said.split("\0") if name)


def changed(folder: Path, old: str, new: str, path: str) -> list[str]:
    """Return the files at or below `path` that differ between two commits, sorted; escaped what is not UTF-8."""
    said = ask(folder, "diff-tree", "-r", "--name-only", "-z", "--no-renames", "--relative", old, new, "--", path)
    return sorted(name for name in said.decode(errors="backslashreplace").split("\0") if name)


def date(folder: Path, sha: str) -> str:
    """Return when a commit was made, as its committer's clock said: ISO 8601 with the zone."""
    return ask(folder, "show", "--no-patch", "--format=%cI", sha).decode().strip()


def last_change(folder: Path, sha: str, path: str) -> str:
    """Return the last commit up to `sha` that changed `path`, "" when none did or a shallow clone does not tell."""
    found = ask(folder, "rev-list", "-1", sha, "--", path).decode().strip()
    ends = folder / os.fsdecode(ask(folder, "rev-parse", "--git-path", "shallow")).rstrip("\n")
    return "" if ends.is_file() and found in ends.read_text().split() else found


def clone(folder: Path, sha: str, target: Path, edits: Sequence[str]) -> Path:
    """Clone the repository of the project in `folder` into `target`, at `sha`; return the project's folder there.

    The working tree's `edits`, names in the project, are laid over it.
    """
    top = os.fsdecode(ask(folder, "rev-parse", "--show-toplevel")).rstrip("\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    options = ("--quiet", "--no-checkout", "--template=", f"--upload-pack={_UPLOAD}")
    source = ("--", top, str(target.absolute()))
    ask(folder, "clone", *options, *source, options=("-c", "safe.directory=*"), protocol="file")
    ask(target, "checkout", "--quiet", "--detach", sha)
    if lacking := os.fsdecode(ask(target, "ls-files", "--deleted", "-z")):  # a checkout that lacks objects succeeds
        why = "its content is missing from the repository, which is damaged or a partial clone"
        raise InputError(f"git checkout: {lacking.partition(chr(0))[0]}: {why} ({_REFETCH})")
    project = target / prefix(folder)
    for name in edits:
        if (folder / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, project / name)
        else:
            (project / name).unlink(missing_ok=True)
    return project
