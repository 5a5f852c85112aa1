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

from stages.core import cli

if __name__ == "__main__":
    cli.begin("verify")  # the imports below take their time

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from stages.claims import claiming
from stages.claims import page as claims_page
from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.files import SCRATCH, canonical_json, outputs, write_json
from stages.ledger.rendering import aligned
from stages.project import git
from stages.repro import environment, workers
from stages.repro.digests import of_file, of_value
from stages.verification import certificate, certificate_page, certifying, derivation, document, environments
from stages.verification.certificate import Circumstances, Core
from stages.verification.checking import WORD
from stages.verification.environments import Environment, Setting
from stages.verification.environments.workers import Workers, shards
from stages.verification.records import GRADES
from stages.verification.session import Session

ALL = ("same", "workers", "threads", "hostile", "interrupted", "isa")
QUICK = ("workers", "hostile", "interrupted")
OUT = Path("metrics/reproduction.json")
TAKEN = {  # command -> its options and arguments
    "check": ("command", "file"),
    "claims": ("command", "ids", "rev", "seeds", "only_kept", "again"),
}


def verify(arguments: argparse.Namespace, repository: Path = Path()) -> Core:
    """Do what the command line asks for, write the certificate, and return its core. Raises InputError."""
    commit = _commit(arguments, repository)
    chosen = _environments(arguments, commit)
    edits = {name: _digest(repository / name) for name in commit.edits}
    judges = {str(path): of_file(path) for path in sorted(Path(certificate.__file__).parent.rglob("*.py"))}
    digest = of_value([commit.sha, edits, commit.recipe, arguments.seeds, judges, environment.describe()])
    state = SCRATCH / "verify" / digest[:24]
    session = Session(commit, chosen, state, arguments.seeds)
    for one in session.environments.values():
        derivation.interpreter(one.setting())
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
    with outputs(out) as (statement,):
        write_json(statement, certificate.made(core, circumstances, sha256))
        document.written(certificate_page.document(core), out)
    shutil.rmtree(state, ignore_errors=True)
    return core


def _commit(arguments: argparse.Namespace, repository: Path) -> derivation.Commit:
    sha = git.commit(repository, arguments.rev)
    edits = git.edited(repository)
    if not arguments.allow_dirty or not edits:
        claiming.tell(repository, sha)
        return derivation.Commit(repository, sha, recipe=arguments.recipe)
    odd = [name for name in edits if name != os.fsencode(name).decode(errors="replace")]
    if odd:
        raise InputError(f"--allow-dirty: {odd[0]!a}: a certificate cannot name a file whose name is not UTF-8")
    if sha != git.commit(repository, "HEAD"):
        raise InputError("--allow-dirty: grades the working tree, so it wants --rev HEAD")
    return derivation.Commit(repository, sha, tuple(edits), arguments.recipe)


def _environments(arguments: argparse.Namespace, commit: derivation.Commit) -> dict[str, Environment]:
    """Return the environments asked for, or those of the usual ones that can be had, by their names on the line."""
    chosen = {name: environments.of(name) for name in _names(arguments)}
    counts = [one for one in chosen.values() if isinstance(one, Workers)]
    most = _shards(commit) if counts else None
    if most == 1 and "workers" in chosen:
        why = "a batch of one shard (train.batch_size / train.shard_size) has one worker, and no other number of them"
        if arguments.environments is not None:
            raise InputError(f"--environments: workers: {why}")
        _say(f"note: workers is left out: {why}")
        return {name: one for name, one in chosen.items() if name != "workers"}
    if most is not None:
        for one in counts:
            one.check(most)
    return chosen


def _shards(commit: derivation.Commit) -> int | None:
    """Return how many shards a batch of `commit` has, under its recipe; None where its params.yaml does not say."""
    with tempfile.TemporaryDirectory() as place:
        clone = derivation.prepare(commit, Setting(), Path(place))
        return shards(yaml12.values(yaml12.read_text(clone / "params.yaml"), "params.yaml"))


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
    cli.say(text)


def judge(asked: claiming.Asked, repository: Path = Path()) -> bool:
    """Judge the claims, print and write how; tell whether all that were asked for are reproduced. Raises InputError."""
    claiming.tell(repository, asked.revision)
    done = claiming.judged(repository, asked)
    said = document.written(claims_page.document(done), repository / claiming.RECORD)
    shown = [one for one in done if one.claim.id in asked.ids or not asked.ids]
    print(aligned(claims_page.HEAD, [claims_page.row(one) for one in shown]), end="")
    for one in shown:
        for note in (one.judgement.reason, *one.notes):
            cli.tell(f"{one.claim.id}: {note}")
    print(f"{said} say the rest")
    return all(one.judgement.verdict == "REPRODUCED" for one in shown)


def _parser() -> argparse.ArgumentParser:
    codes = "Exit codes: 0 the grade required, 1 a lower one or a certificate that does not check, 2 bad input."
    parser = cli.parser("verify", __doc__, epilog=codes)
    parser.add_argument("--rev", default="HEAD", metavar="COMMIT", help="what to verify (HEAD)")
    parser.add_argument("--recipe", metavar="NAME", help="merge this recipe into params.yaml first, for example smoke")
    parser.add_argument("--quick", action="store_true", help=f"fewer environments: {', '.join(QUICK)}")
    parser.add_argument(
        "--environments", metavar="LIST",
        help=f"of {', '.join(environments.ENVIRONMENTS)}; with a value: workers=4,isa=default,interpreter=PATH",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="environments at once (1)")
    parser.add_argument(
        "--seeds", type=int, metavar="N",
        help="where bits and numbers differ, derive N seeds on both sides and test for equivalence (1: do not)",
    )  # fmt: skip
    parser.add_argument("--require", choices=GRADES[:3], default="BITWISE", help="the grade for exit code 0 (BITWISE)")
    parser.add_argument("--allow-dirty", action="store_true", help="grade the working tree, not the commit")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"the certificate ({OUT})")
    parser.add_argument("--schema", action="store_true", help="print the certificate's JSON schema")
    commands = parser.add_subparsers(dest="command", metavar="check FILE | claims [ID …]")
    checking = commands.add_parser("check", help="check a certificate, offline")
    checking.add_argument("file", type=Path, nargs="?", default=OUT, metavar="FILE")
    claims = commands.add_parser("claims", help="judge the published results of claims.yaml by runs over several seeds")
    claims.add_argument("ids", nargs="*", metavar="ID", help="of claims (all)")
    before = argparse.SUPPRESS  # these may stand before `claims` too
    claims.add_argument("--rev", default=before, metavar="COMMIT", help="what to run (HEAD)")
    claims.add_argument("--seeds", type=int, default=before, metavar="N", help="runs a claim (as claims.yaml says)")
    runs = claims.add_mutually_exclusive_group()
    runs.add_argument("--only-kept", action="store_true", help="make no runs: judge by those that are known")
    runs.add_argument("--again", action="store_true", help="make the runs that are known too, and compare")
    return parser


def _parsed() -> argparse.Namespace:
    """Return the command line. Raises InputError for an option that the command on it does not take."""
    parser = _parser()
    arguments = parser.parse_args()
    for key, value in vars(arguments).items() if arguments.command else ():
        if key not in TAKEN[arguments.command] and value != parser.get_default(key):
            raise InputError(f"--{key.replace('_', '-')}: `{arguments.command}` takes no such option")
    if arguments.command is None:
        arguments.seeds = 1 if arguments.seeds is None else arguments.seeds
        if arguments.out.suffix in (".md", ".html"):
            raise InputError(f"--out: {arguments.out} is for the page: wanted another name, such as {OUT.name}")
    if min(arguments.jobs, 1 if arguments.seeds is None else arguments.seeds) < 1:
        raise InputError("--jobs and --seeds: wanted 1 or more")
    return arguments


def main() -> None:
    """Verify, check a certificate, or judge claims."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with cli.errors_told("verify"):
        arguments = _parsed()
        if arguments.schema:
            print(canonical_json(certificate.Certificate.model_json_schema()), end="")
            return
        if arguments.command == "check":
            said = certifying.check(arguments.file)
            for line in said or [f"{arguments.file}: holds"]:
                cli.tell(line)
            cli.say(f"note: the certifier's word, for it cannot be known without deriving again: {'; '.join(WORD)}")
            raise SystemExit(1 if said else 0)
        if arguments.command == "claims":
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
