"""A cloned repository whose own configuration, hooks and attributes name commands, asked by every command of ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.attacks.place import CANARY, Attack, Broken, Ended, Place, told
from benchmarks.attacks.verifier import OUT, certified, git, verified

MUST = "nothing that the repository names runs; the command answers, or refuses in one message"
ASKED: dict[str, Callable[[Place, Path], Ended]] = {
    "verify": lambda place, root: verified(place, root, "--environments", "same"),
    "verify a recipe": lambda place, root: verified(place, root, "--environments", "same", "--recipe", "smoke"),
    "verify the working tree": lambda place, root: verified(place, root, "--environments", "same", "--allow-dirty"),
    "verify check": lambda place, root: place.command("stages.verify", "check", OUT, cwd=root),
    "verify claims": lambda place, root: place.command("stages.verify", "claims", "--only-kept", cwd=root),
    "report": lambda place, root: place.command("stages.report", "--against", "HEAD^", cwd=root),
    "results": lambda place, root: place.command("stages.results", cwd=root),
}
CONFIG = {
    "core.fsmonitor": "{run}", "core.hooksPath": "{folder}/hooks", "core.pager": "{run}", "core.editor": "{run}",
    "core.sshCommand": "{run}",
    "core.gitProxy": "{run}", "core.askPass": "{script}", "core.alternateRefsCommand": "{run}",
    "core.attributesFile": "{folder}/attributes",
    "core.untrackedCache": "true", "core.worktree": "{folder}/elsewhere", "core.excludesFile": "/dev/zero",
    "diff.external": "{script}",
    "diff.evil.textconv": "{run}", "diff.evil.command": "{run}", "filter.evil.clean": "{run}",
    "filter.evil.smudge": "{run}",
    "filter.evil.process": "{run}", "merge.evil.driver": "{run}", "gpg.program": "{script}",
    "gpg.ssh.program": "{script}",
    "log.showSignature": "true", "credential.helper": "!{run}", "sequence.editor": "{run}",
    "interactive.diffFilter": "{run}",
    "alias.rev-parse": "!{run}", "alias.status": "!{run}", "pager.status": "{run}", "pager.log": "{run}",
    "uploadpack.packObjectsHook": "{script}",
    "remote.origin.url": "ext::sh -c '{run}'", "remote.origin.uploadpack": "{run}",
    "url.ext::sh -c {run}.insteadOf": "/", "protocol.ext.allow": "always",
    "extensions.partialClone": "origin", "remote.origin.promisor": "true", "include.path": "{folder}/included",
    "includeIf.gitdir:/.path": "{folder}/included",
    "http.proxy": "http://127.0.0.1:1", "trailer.x.command": "{run}", "tar.tar.command": "{run}",
    "browser.x.cmd": "{run}", "mailmap.file": "/dev/zero",
    "blame.ignoreRevsFile": "/dev/zero", "submodule.x.update": "!{run}", "receive.procReceiveRefs": "refs",
    "safe.directory": "",
    "core.repositoryFormatVersion": "99", "core.bare": "true", "core.quotePath": "x", "core.abbrev": "0",
    "core.autocrlf": "true", "core.eol": "crlf",
    "i18n.logOutputEncoding": "utf-16", "i18n.commitEncoding": "none", "color.ui": "always",
    "core.commentChar": "auto", "status.relativePaths": "false",
    "diff.noprefix": "true", "diff.renames": "copies", "log.decorate": "full", "core.precomposeUnicode": "true",
    "core.protectNTFS": "false", "grep.lineNumber": "x",
}  # fmt: skip
HOOKS = (
    "post-checkout", "post-index-change", "reference-transaction", "pre-commit", "fsmonitor-watchman", "post-rewrite",
    "pre-auto-gc",
    "post-merge", "prepare-commit-msg", "pre-receive",
)  # fmt: skip


def _script(path: Path, place: Place) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ntouch {place.folder}/{CANARY}\ncat\n", encoding="utf-8")
    path.chmod(0o755)


def _project(place: Place) -> Path:
    """Return a copy of a certified project, with all that the configuration of CONFIG leads to."""
    project = place.folder / "project"
    place_copy(place).rename(project)
    for name in (*(f"hooks/{hook}" for hook in HOOKS), "run"):
        _script(place.folder / name, place)
    (place.folder / "attributes").write_text("* filter=evil diff=evil merge=evil\n", encoding="utf-8")
    (project / ".git/info").mkdir(exist_ok=True)
    (project / ".git/info/attributes").write_text("* filter=evil diff=evil merge=evil\n", encoding="utf-8")
    lines = "".join(f"\t{what} = touch {place.folder}/{CANARY}\n" for what in ("clean", "smudge", "process"))
    (place.folder / "included").write_text(
        f'[filter "evil"]\n{lines}[core]\n\tfsmonitor = {place.folder}/run\n', encoding="utf-8"
    )
    return project


def place_copy(place: Place) -> Path:
    """Return a copy of the certified project in the folder of the place."""
    return Path(shutil.copytree(certified(place, "committed"), place.folder / "copied", symlinks=True))


def _ended(place: Place, ended: Ended) -> str:
    place.quiet()
    if "Traceback" in ended.err or "internal error" in ended.err:
        raise Broken(ended.err[-250:])
    return told(ended) if ended.code == 2 else f"answered, code {ended.code}"


def _config(place: Place, value: tuple[str, str]) -> str:
    key, asked = value
    project = _project(place)
    words = CONFIG[key].format(folder=place.folder, run=f"touch {place.folder}/{CANARY}", script=place.folder / "run")
    git(project, "config", key.format(run=f"touch {place.folder}/{CANARY}"), words)
    with (project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write("# edited, so that there is a difference to be shown\n")
    return _ended(place, ASKED[asked](place, project))


CHOSEN = {  # every key with the check; those that ran something once, or may, with all commands
    f"{key}: {asked}": (key, asked) for key in CONFIG
    for asked in (ASKED if key in ("filter.evil.clean", "core.fsmonitor", "include.path",
        "diff.external") else ("verify check",))
}  # fmt: skip


def _hooks(place: Place, asked: str) -> str:
    project = _project(place)
    for hook in HOOKS:
        _script(project / ".git/hooks" / hook, place)
    return _ended(place, ASKED[asked](place, project))


def _bent(place: Place, how: str) -> str:
    """Bend the files of .git themselves."""
    project = _project(place)
    inner = project / ".git"
    match how:
        case "alternates to a device":
            (inner / "objects/info").mkdir(exist_ok=True)
            (inner / "objects/info/alternates").write_text("/dev/zero\n/proc/self/fd\n", encoding="utf-8")
        case "HEAD of rubbish":
            (inner / "HEAD").write_bytes(b"\x00" * 1000)
        case "HEAD in a circle":
            (inner / "refs/heads/main").unlink(missing_ok=True)
            (inner / "HEAD").write_text("ref: refs/heads/x\n", encoding="utf-8")
            (inner / "refs/heads/x").write_text("ref: refs/heads/x\n", encoding="utf-8")
        case "an index of rubbish":
            (inner / "index").write_bytes(b"DIRC" + bytes(500))
        case "no index":
            (inner / "index").unlink()
        case ".git is a file":
            inner.rename(project / "git")
            inner.write_text("gitdir: git\n", encoding="utf-8")
        case ".git leads elsewhere":
            inner.rename(place.folder / "git")
            inner.symlink_to(place.folder / "git")
        case "config of rubbish":
            (inner / "config").write_bytes(b"[core\n\x00" * 100)
        case "config is a device":
            (inner / "config").unlink()
            (inner / "config").symlink_to("/dev/null")
        case "objects cut":
            for path in sorted(inner.glob("objects/??/*"))[::3]:
                path.chmod(0o644)
                path.write_bytes(path.read_bytes()[:20])
        case "packed refs of rubbish":
            (inner / "packed-refs").write_text("x" * 100_000, encoding="utf-8")
        case "a branch that steers":
            git(project, "update-ref", "refs/heads/a\u202eb", "HEAD")
            git(project, "update-ref", "refs/heads/<script>alert(1)</script>", "HEAD")
    return _ended(place, place.command("stages.verify", "check", OUT, cwd=project)) + "; " + _ended(
        place, place.command("stages.results", cwd=project)
    )  # fmt: skip


BENT = (
    "alternates to a device", "HEAD of rubbish", "HEAD in a circle", "an index of rubbish", "no index",
    ".git is a file",
    ".git leads elsewhere", "config of rubbish", "config is a device", "objects cut", "packed refs of rubbish",
    "a branch that steers",
)  # fmt: skip


def _surroundings(place: Place, variables: dict[str, str]) -> str:
    project = _project(place)
    given = {key: value.format(folder=place.folder, run=place.folder / "run") for key, value in variables.items()}
    ended = place.command("stages.verify", "check", OUT, cwd=project, **given)
    place.quiet()
    if ended.code == 0 and ended.out.endswith("holds\n"):
        return "as without it"
    return told(ended)


ATTACKS = (
    Attack("a key of .git/config, asked by our commands", MUST, _config, CHOSEN),
    Attack("hooks in .git, for each of our commands", MUST, _hooks, {name: name for name in ASKED}),
    Attack("files of .git that are bent", MUST, _bent, {how: how for how in BENT}),
    Attack("GIT_ variables that lead elsewhere", "as without them, or refused", _surroundings, {
        " ".join(variables): variables for variables in (
            {"GIT_DIR": "/nowhere"}, {"GIT_WORK_TREE": "/"}, {"GIT_INDEX_FILE": "/dev/null"},
            {"GIT_OBJECT_DIRECTORY": "/nowhere"},
            {"GIT_ALTERNATE_OBJECT_DIRECTORIES": "/dev"}, {"GIT_EXTERNAL_DIFF": "{run}"}, {"GIT_PAGER": "{run}"},
            {"GIT_SSH": "{run}"},
            {"GIT_ASKPASS": "{run}"}, {"GIT_CONFIG_PARAMETERS": "'core.fsmonitor={run}'"}, {"GIT_NAMESPACE": "x"},
            {"GIT_SHALLOW_FILE": "/dev/null"},
            {"GIT_TRACE": "1"}, {"GIT_TRACE2": "{folder}/trace"}, {"GIT_REPLACE_REF_BASE": "refs/heads/"},
            {"GIT_DEFAULT_HASH": "sha256"},
            {"GIT_COMMON_DIR": "/nowhere"}, {"GIT_ATTR_SOURCE": "HEAD^"}, {"GIT_LITERAL_PATHSPECS": "1"},
            {"GIT_GLOB_PATHSPECS": "1"},
            {"GIT_QUARANTINE_PATH": "x"}, {"GIT_PREFIX": "x/"}, {"GIT_EDITOR": "{run}"},
            {"GIT_ICASE_PATHSPECS": "1"})}),
)  # fmt: skip
