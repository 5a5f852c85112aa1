"""Derive a commit's results again and certify how equal they came out.

    python -m stages.verify                              HEAD, in every environment that can be had here
    python -m stages.verify --recipe smoke --quick       a toy, in about two minutes
    python -m stages.verify --environments same,workers=1,isa=avx2 --rev v1.0
    python -m stages.verify check metrics/reproduction.json
    python -m stages.verify claims --only-kept           judge claims.yaml by the runs that are known
    python -m stages.verify claims r8-bert-base          make the runs that are missing, one by one, and judge

Each environment gets a fresh clone of the commit with an empty DVC cache; archives of the per-user cache are used
again, for they are checked by SHA-256 every time. What comes out is held against the committed dvc.lock. Writes
metrics/reproduction.json (the certificate), .md and .html. Stopped, the same command goes on where it was.

`claims` holds published results against runs of ours over several seeds, as judging.py in stages/verification/ tells.
Runs that metrics/claims.json, the ledger or a stopped session know are taken; it writes metrics/claims.json, .md, .html
and .svg.

Ends with 0 when the grade is the one required or better (every claim is REPRODUCED), 1 when it is not (or a certificate
does not check), 2 for bad input, 130 when interrupted.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.verify", file=sys.stderr)
    sys.exit(2)

import argparse
import platform
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from stages.core.cli import errors_told
from stages.core.errors import InputError
from stages.core.files import canonical_json, outputs, write_json
from stages.repro import workers
from stages.repro.digests import of_file, of_value
from stages.verification import (
    certificate,
    certificate_page,
    certifying,
    claiming,
    claims_page,
    derivation,
    document,
    environments,
    git,
)
from stages.verification.certificate import Circumstances, Core
from stages.verification.records import GRADES
from stages.verification.session import Session

ALL = ("same", "workers", "threads", "hostile", "interrupted", "isa")
QUICK = ("workers", "hostile", "interrupted")
OUT = Path("metrics/reproduction.json")


def verify(arguments: argparse.Namespace, repository: Path = Path()) -> Core:
    """Do what the command line asks for, write the certificate, and return its core. Raises InputError."""
    commit = _commit(arguments, repository)
    names = _names(arguments)
    edits = {name: _digest(repository / name) for name in commit.edits}
    digest = of_value([commit.sha, edits, commit.recipe, arguments.seeds, certificate.PREDICATE])
    state = workers.SCRATCH / "verify" / digest[:24]
    session = Session(commit, {name: environments.of(name) for name in names}, state, arguments.seeds)
    for chosen in session.environments.values():
        derivation.interpreter(chosen.setting())
    with workers.lock("verify"):
        expected, kept = session.run(arguments.jobs)
    core = certifying.core(session, expected, kept, edits)
    circumstances = Circumstances(
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        host=platform.node(),
        seconds={name: found.seconds for name, found in kept.items()},
        kills={name: found.kills for name, found in kept.items() if found.kills},
    )
    sha256 = next((found.sha256 for found in kept.values() if found.sha256), {})
    out: Path = arguments.out
    page = certificate_page.document(core)
    with outputs(out, out.with_suffix(".md"), out.with_suffix(".html")) as (statement, text, shown):
        write_json(statement, certificate.made(core, circumstances, sha256))
        text.write_text(document.markdown(page), encoding="utf-8", newline="\n")
        shown.write_text(document.page(page), encoding="utf-8", newline="\n")
    shutil.rmtree(state, ignore_errors=True)
    return core


def _commit(arguments: argparse.Namespace, repository: Path) -> derivation.Commit:
    sha = git.commit(repository, arguments.rev)
    edits = git.edited(repository)
    if not arguments.allow_dirty or not edits:
        if edits:
            few = ", ".join(edits[:3]) + (", …" if len(edits) > 3 else "")
            _say(f"note: the working tree has edits ({few}); it is commit {sha[:12]} that is verified")
        return derivation.Commit(repository, sha, recipe=arguments.recipe)
    if sha != git.commit(repository, "HEAD"):
        raise InputError("--allow-dirty: grades the working tree, so it wants --rev HEAD")
    return derivation.Commit(repository, sha, tuple(edits), arguments.recipe)


def _names(arguments: argparse.Namespace) -> list[str]:
    usual = QUICK if arguments.quick else ALL
    if arguments.environments is None:
        return ["same", *QUICK] if arguments.quick and arguments.recipe is None else list(usual)
    names = [name.strip() for name in arguments.environments.split(",") if name.strip()]
    if not names:
        raise InputError(f"--environments: found none, wanted some of {', '.join(environments.ENVIRONMENTS)}")
    return list(dict.fromkeys(names))


def _digest(path: Path) -> str:
    return of_file(path) if path.is_file() else "deleted"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def judge(asked: claiming.Asked, repository: Path = Path()) -> bool:
    """Judge the claims, print and write how; tell whether all that were asked for are reproduced. Raises InputError."""
    claiming.tell(repository, asked.revision)
    done = claiming.judged(repository, asked)
    said = document.written(claims_page.document(done), repository / claiming.RECORD)
    shown = [one for one in done if one.claim.id in asked.ids or not asked.ids]
    print(claims_page.aligned([claims_page.HEAD, *map(claims_page.row, shown)]), end="")
    for one in shown:
        print("".join(f"{one.claim.id}: {note}\n" for note in (one.judgement.reason, *one.notes)), end="")
    print(f"{said} say the rest")
    return all(one.judgement.verdict == "REPRODUCED" for one in shown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stages.verify", description="Derive a commit's results again and certify how equal they are.",
        epilog="Exit codes: 0 the grade required, 1 a lower one or a certificate that does not check, 2 bad input.",
    )  # fmt: skip
    parser.add_argument("--rev", default="HEAD", metavar="COMMIT", help="what to verify (HEAD)")
    parser.add_argument("--recipe", metavar="NAME", help="merge this recipe into params.yaml first, for example smoke")
    parser.add_argument("--quick", action="store_true", help=f"fewer environments: {', '.join(QUICK)}")
    parser.add_argument(
        "--environments", metavar="LIST",
        help=f"of {', '.join(environments.ENVIRONMENTS)}; with a value: workers=4,isa=default,interpreter=PATH",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="environments at once (1)")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N",
        help="where bits and numbers differ, derive N seeds on both sides and test for equivalence (1: do not)",
    )  # fmt: skip
    parser.add_argument("--require", choices=GRADES[:3], default="BITWISE", help="the grade for exit code 0 (BITWISE)")
    parser.add_argument("--allow-dirty", action="store_true", help="grade the working tree, not the commit")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"the certificate ({OUT})")
    parser.add_argument("--schema", action="store_true", help="print the certificate's JSON schema")
    parser.set_defaults(file=None, ids=None)
    commands = parser.add_subparsers(metavar="check FILE | claims [ID …]")
    checking = commands.add_parser("check", help="check a certificate, offline")
    checking.add_argument("file", type=Path, nargs="?", default=OUT, metavar="FILE")
    claims = commands.add_parser("claims", help="judge the published results of claims.yaml by runs over several seeds")
    claims.add_argument("ids", nargs="*", metavar="ID", help="of claims (all)")
    claims.add_argument("--rev", default="HEAD", metavar="COMMIT", help="what to run (HEAD)")
    claims.add_argument("--seeds", type=int, metavar="N", help="runs a claim (as claims.yaml says)")
    runs = claims.add_mutually_exclusive_group()
    runs.add_argument("--only-kept", action="store_true", help="make no runs: judge by those that are known")
    runs.add_argument("--again", action="store_true", help="make the runs that are known too, and compare")
    return parser


def main() -> None:
    """Verify, check a certificate, or judge claims."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with errors_told("verify"):
        if arguments.schema:
            print(canonical_json(certificate.Certificate.model_json_schema()), end="")
            return
        if arguments.file is not None:
            said = certifying.check(arguments.file)
            print("\n".join(said) if said else f"{arguments.file}: holds")
            raise SystemExit(1 if said else 0)
        if min(arguments.jobs, arguments.seeds or 1) < 1 or arguments.seeds == 0:
            raise InputError("--jobs and --seeds: wanted 1 or more")
        if arguments.ids is not None:
            asked = claiming.Asked(
                tuple(arguments.ids), arguments.rev, arguments.seeds, arguments.only_kept, arguments.again
            )
            raise SystemExit(0 if judge(asked) else 1)
        core = verify(arguments)
        elsewhere = f"; where it may matter: {core.elsewhere}" if core.elsewhere else ""
        print(f"{core.grade}: {certificate_page.MEANING[core.grade]}{elsewhere}")
        print(f"{arguments.out}, .md and .html say the rest")
        raise SystemExit(0 if certificate.passes(core, arguments.require) else 1)


if __name__ == "__main__":
    main()
