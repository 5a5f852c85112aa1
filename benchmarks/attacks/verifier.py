"""A result that is not what it says: dvc.lock edited, and certificates forged with their digests made anew."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.attacks.place import Attack, Ended, Place, told
from stages.core import yaml12
from stages.core.files import canonical_json
from stages.verification import certifying, derivation

OUT = "metrics/reproduction.json"
IDENTITY = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENVIRONMENTS = "same,workers=1,hostile,interrupted,isa=default"


def git(folder: Path, *words: str) -> str:
    """Return what Git says in a folder."""
    return subprocess.run(
        ("git", *words), cwd=folder, env={**os.environ, **IDENTITY}, capture_output=True, text=True, check=True
    ).stdout.strip()


def honest(made: Path) -> Callable[[], None]:
    """Return what makes derivations of this process come out at once, as the honest run in `made` did."""

    def run(self: Any, clone: Path, setting: Any, steps: int, tell: Any = None) -> derivation.Ended:
        for name in ("data", "models", "metrics"):
            shutil.rmtree(clone / name, ignore_errors=True)
            shutil.copytree(made / name, clone / name, symlinks=True)
        shutil.copy(made / "dvc.lock", clone / "dvc.lock")
        ended = derivation.Ended(clone)
        ended.kills = [3 * n for n in range(1, setting.kills + 1)]
        had = json.loads((made / derivation.ENVIRONMENT).read_text(encoding="utf-8"))["finetune"]
        level = setting.variables.get("REPRISE_ISA")
        had["settings"] = {**had.get("settings", {}), **({"REPRISE_ISA": level} if level else {})}
        had["workers"] = int(setting.variables.get("REPRISE_WORKERS", had["workers"]))
        ended.had = had
        return ended

    return lambda: setattr(derivation.Runner, "run", run)


def verified(place: Place, project: Path, *words: str) -> Ended:
    """Run verify in `project`, its derivations being those of the honest run."""
    return place.command("stages.verify", *words, cwd=project, before=honest(place.made))


def uncertified(place: Place, project: Path, *words: str) -> str:
    """Verify, and raise Broken when the result is called the same or even close."""
    ended = verified(place, project, "--environments", "same", *words)
    if ended.code == 1 and ended.out.startswith(("DIFFERENT", "INCONCLUSIVE")):
        stated = json.loads((project / OUT).read_text(encoding="utf-8"))
        return next(iter(stated["predicate"]["core"]["environments"].values()))["reason"]
    return told(ended, "verify")


def _leaves(node: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(node, dict | list) and node:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return [leaf for key, value in items for leaf in _leaves(value, (*way, key))]
    return [way]


def _changed(tree: Any, way: tuple[Any, ...], how: str) -> None:
    *above, last = way
    for part in above:
        tree = tree[part]
    value = tree[last]
    if how == "left out":
        del tree[last]
    elif isinstance(value, bool):
        tree[last] = not value
    elif isinstance(value, int | float):
        tree[last] = value + 1
    else:
        text = str(value)
        tree[last] = ("1" if text[:1] == "0" else "0") + text[1:] if way[-1] == "md5" else f"{text}0"


def _lock(place: Place, value: tuple[str, str, int, str]) -> str:
    """Edit one field of dvc.lock alone, commit it, and verify."""
    stage, kind, number, how = value
    project = place.copy()
    tree = yaml12.values((project / "dvc.lock").read_text(encoding="utf-8"), "dvc.lock")
    leaves = [way for way in _leaves(tree["stages"][stage]) if way[0] == kind.partition(".")[0]]
    if "." in kind:
        leaves = [way for way in leaves if way[-1] == kind.partition(".")[2]]
    _changed(tree["stages"][stage], leaves[number % len(leaves)], how)
    (project / "dvc.lock").write_text(canonical_json(tree), encoding="utf-8")
    git(project, "commit", "-qam", "edited")
    return uncertified(place, project)


COUNTS = {"cmd": 1, "deps.path": 2, "deps.md5": 4, "deps.size": 1, "deps.nfiles": 1, "deps.hash": 1, "params": 6,
          "outs.path": 1, "outs.md5": 2, "outs.size": 1, "outs.nfiles": 1, "outs.hash": 1}  # fmt: skip
MORE = {"finetune": {"params": 26}, "evaluate": {"nothing": 0}}
LOCK = {
    f"{stage}: {kind} {number}, {how}": (stage, kind, number * 3, how)
    for stage in ("download", "preprocess", "tokenize", "finetune", "evaluate")
    for kind, count in {**COUNTS, **{k: n for k, n in MORE.get(stage, {}).items() if n}}.items()
    for number in range(count)
    for how in (("another", "left out") if number == 0 and kind in ("cmd", "params", "deps.md5",
        "outs.path") else ("another",))
}  # fmt: skip


def once(place: Place, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder beside the made project that `make` fills the first time it is asked for."""
    target = place.made.parent / name
    with (place.made.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            partial = target.with_name(f".{name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            make(partial)
            partial.rename(target)
    return target


def certified(place: Place, reference: str) -> Path:
    """Return a project with an honest certificate, of a committed reference or of one derived under a recipe."""

    def make(folder: Path) -> None:
        project = place.copy("certified")
        words = ["--environments", ENVIRONMENTS]
        if reference == "derived":  # the default params are committed, and smoke is what is verified
            git(project, "checkout", "-q", "HEAD^", "--", "params.yaml")
            git(project, "commit", "-qm", "other params")
            words += ["--recipe", "smoke"]
        ended = verified(place, project, *words)
        if ended.code or not ended.out.startswith("BITWISE"):
            raise RuntimeError(f"no honest certificate: {ended.out[-300:]}{ended.err[-300:]}")
        if checked := certifying.check(project / OUT, project):
            raise RuntimeError(f"the honest certificate does not hold: {checked}")
        for digits in (40, 64):  # branches that are called as commits would be
            git(project, "update-ref", f"refs/heads/{'b' * digits}", "HEAD")
        project.rename(folder)

    return once(place, f"certified-{reference}", make)


ATTACKS = (
    Attack("dvc.lock edited in one field alone, and committed",
           "not BITWISE nor NUMERIC, code 1 or 2; the key is named where it is an input", _lock, LOCK),
)  # fmt: skip
