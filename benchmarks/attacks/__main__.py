"""Attack the project, and write what held to docs/attacks.md.

    python -m benchmarks.attacks                     the whole catalogue, in half an hour or less
    python -m benchmarks.attacks --only certificate  one target of it; nothing is written to docs/
    python -m benchmarks.attacks --list

Each variant of an attack runs in a process and a folder of its own, bounded in time and memory. What is done is kept in
the scratch folder under the commit, so that the same command goes on after a stop; --again begins anew.

Ends with 0 when all held, 1 when something did not.
"""

from __future__ import annotations

from stages.core import cli

if __name__ == "__main__":
    cli.begin("attacks")

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.attacks import table
from benchmarks.attacks.catalogue import TARGETS
from benchmarks.attacks.place import ROOT
from benchmarks.attacks.running import Result, tried
from stages.core.errors import InputError, nearest
from stages.core.files import SCRATCH, outputs
from stages.project import git
from stages.repro.determinism import ensure_environment

OUT = Path("docs/attacks.md")


def made(repository: Path, folder: Path) -> Path:
    """Return a clone of HEAD in which the smoke recipe has run and is committed; made once. Raises InputError."""
    clone, partial = folder / "smoke", folder / "smoke.partial"
    if clone.is_dir():
        return clone.absolute()
    shutil.rmtree(partial, ignore_errors=True)
    git.clone(repository, git.commit(repository, "HEAD"), partial, ())
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": ""}
    env |= {f"GIT_{who}_{what}": "attack@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (
        ("python", "-m", "stages.recipe", "smoke"), ("python", "-m", "dvc", "repro"), ("git", "add", "--all"),
        ("git", "commit", "-qm", "smoke"),
    ):  # fmt: skip
        ended = subprocess.run(command, cwd=partial, env=env, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise InputError(f"{' '.join(command)}: {ended.stdout[-500:]}{ended.stderr[-2000:]}")
    partial.rename(clone)
    return clone.absolute()


def warm() -> None:
    """Import what commands take long to import: attacks start them by fork."""
    from stages.repro.determinism import settle

    settle(0)
    import dvc.repo  # noqa: F401
    import transformers.models.auto.modeling_auto  # noqa: F401
    from transformers import BertForSequenceClassification  # noqa: F401

    import stages.models
    import stages.predict
    import stages.report
    import stages.results
    import stages.verify  # noqa: F401


def attack(arguments: argparse.Namespace) -> bool:
    """Do what the command line asks for; tell whether all held. Raises InputError."""
    chosen = {name: TARGETS[name] for name in arguments.only or TARGETS}
    sha = git.commit(ROOT, "HEAD")
    folder = (SCRATCH / "attacks" / sha[:12]).absolute()
    if arguments.again:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    clone = made(ROOT, folder)
    warm()
    results = tried(chosen, clone, folder, arguments.jobs, _tell)
    failed = [one for one in results if not one.held]
    print(f"{len(results)} tried, {len(results) - len(failed)} held, {len(failed)} did not hold")
    if not arguments.only:
        with outputs(OUT) as (staged,):
            staged.write_text(table.page(chosen, results, sha), encoding="utf-8")
        print(f"{OUT} says the rest")
    return not failed


def _tell(result: Result) -> None:
    if not result.held:
        cli.tell(f"did not hold: {result.target}: {result.attack}: {result.variant}: {result.happened}")


def main() -> None:
    """Attack."""
    parser = cli.parser("attacks", __doc__)
    parser.prog = "python -m benchmarks.attacks"
    parser.add_argument("--only", metavar="TARGET", action="append", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="attacks at once (2)")
    parser.add_argument("--again", action="store_true", help="begin anew")
    parser.add_argument("--list", action="store_true", help="print the attacks and how many variants each has")
    arguments = parser.parse_args()
    with cli.errors_told("attacks"):
        for name in arguments.only or ():
            if name not in TARGETS:
                raise InputError(f"--only: unknown target {name!r}{nearest(name, TARGETS)}")
        if arguments.list:
            for name, attacks in TARGETS.items():
                for one in attacks:
                    cli.tell(f"{name}: {one.name} ({len(one.variants)}): {one.must}")
            return
        ensure_environment()
        raise SystemExit(0 if attack(arguments) else 1)


if __name__ == "__main__":
    main()
