"""From what was found to what is certified, and back: a certificate held against the repository."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from stages.core.errors import InputError
from stages.repro.digests import of_bytes
from stages.verification import certificate, environments, git, lock
from stages.verification.certificate import Core, Environment, overall
from stages.verification.grades import grade
from stages.verification.reference import LOCK, Reference
from stages.verification.session import Kept, Session

INNER = ("seconds", "peak_memory_mb")  # of the record of an environment: not the same twice


def core(session: Session, expected: Reference, kept: Mapping[str, Kept], edits: dict[str, str]) -> Core:
    """Return what the session found, ready to be certified. edits: SHA-256 of the working tree's files, by name."""
    found = {name: _environment(session, name, one) for name, one in kept.items()}
    total, elsewhere = overall(found)
    tried = {name.partition("=")[0] for name in found}
    missing = [f"environment {name}: not tried" for name in environments.ENVIRONMENTS if name not in tried]
    missing += [f"{name}: {what}" for name, one in kept.items() for what in one.evidence.not_compared]
    deps = {path: md5 for stage in expected.lock.values() for path, md5 in stage.deps.items()}
    return Core(
        commit=session.commit.sha, edits=edits, recipe=session.commit.recipe, reference=expected.origin,
        reference_environment={k: v for k, v in expected.environment.items() if k not in INNER},
        lock=of_bytes(expected.text.encode()), params=lock.params(expected.lock),
        code={path: md5 for path, md5 in sorted(deps.items()) if path.startswith("stages/") or path.endswith(".lock")},
        outputs={stage: entry.outs for stage, entry in expected.lock.items()},
        tolerances=session.tolerances, environments=found, grade=total, elsewhere=elsewhere,
        not_compared=["durations, memory and host (metrics/environment.json): they may differ", *missing],
    )  # fmt: skip


def _environment(session: Session, name: str, kept: Kept) -> Environment:
    chosen = session.environments[name]
    given, reason = grade(kept.evidence, session.tolerances)
    return Environment(
        harmless=chosen.harmless, asked=chosen.setting().asked(), had=kept.had, grade=given, reason=reason,
        evidence=kept.evidence,
    )  # fmt: skip


def check(path: Path, repository: Path = Path()) -> list[str]:
    """Return what does not hold in the certificate at `path`: by itself, and by the repository if it has the commit.

    Raises InputError when the file is no certificate of this version.
    """
    found = certificate.flaws(path)
    stated = certificate.load(path).predicate.core
    try:
        sha = git.commit(repository, stated.commit)
    except InputError:
        print(f"note: no commit {stated.commit[:12]} in this repository: its dvc.lock is not compared", file=sys.stderr)
        return found
    if stated.reference == "committed" and LOCK not in stated.edits:
        held = git.file(repository, sha, LOCK)
        if held is None or of_bytes(held) != stated.lock:
            return [*found, f"core.lock: not the SHA-256 of the dvc.lock of commit {sha[:12]}"]
        stages = lock.parse(held.decode(), LOCK)
        if {stage: entry.outs for stage, entry in stages.items()} != stated.outputs:
            found.append(f"core.outputs: not those of the dvc.lock of commit {sha[:12]}")
        if lock.params(stages) != stated.params:
            found.append(f"core.params: not those of the dvc.lock of commit {sha[:12]}")
    return found
