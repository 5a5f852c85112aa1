"""From what was found to what is certified, and back: a certificate held against the repository."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.core import cli
from stages.project import git, lock, objects
from stages.project.lock import LOCK, Lock, within
from stages.repro.digests import of_bytes
from stages.verification import certificate, certificate_page, document, environments, plan
from stages.verification.certificate import Core, Environment, overall
from stages.verification.grades import grade
from stages.verification.ledger.runs import COST
from stages.verification.reference import ENVIRONMENT, Reference
from stages.verification.session import Kept, Session


def core(session: Session, expected: Reference, kept: Mapping[str, Kept], edits: dict[str, str]) -> Core:
    """Return what the session found, ready to be certified. edits: SHA-256 of the working tree's files, by name."""
    found = {name: _environment(session, name, one) for name, one in kept.items()}
    total, elsewhere = overall(found)
    tried = {name.partition("=")[0] for name in found}
    missing = [f"environment {name}: not tried" for name in environments.ENVIRONMENTS if name not in tried]
    missing += [f"{name}: {what}" for name, one in kept.items() for what in one.evidence.not_compared]
    return Core(
        commit=session.commit.sha, edits=edits, recipe=session.commit.recipe, reference=expected.origin,
        reference_environment=_inner(expected.environment),
        lock=of_bytes(expected.text.encode()), params=lock.params(expected.lock),
        code=_code(expected.lock), outputs=_outputs(expected.lock),
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


def _inner(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in environment.items() if key not in COST}


def _code(found: Lock) -> dict[str, str]:
    deps = {path: md5 for stage in found.values() for path, md5 in stage.deps.items()}
    return {path: md5 for path, md5 in sorted(deps.items()) if path.startswith("stages/") or path.endswith(".lock")}


def _outputs(found: Lock) -> dict[str, dict[str, str]]:
    return {stage: entry.outs for stage, entry in found.items()}


def check(path: Path, repository: Path = Path()) -> list[str]:
    """Return what does not hold in the certificate at `path`: by itself, and by the repository if it has the commit.

    Its pages are held against it where they lie beside it. A note is printed of all that is not held against the
    commit. Raises InputError when the file is no certificate of this version.
    """
    found = [*certificate.flaws(path)]
    stated = certificate.load(path).predicate.core
    for beside, content in document.files(certificate_page.document(stated), path).items():
        if beside.is_file() and beside.read_text(encoding="utf-8", errors="replace") != content:
            found.append(f"{beside}: not the page of {path.name}")
    if not git.inside(repository):
        _note("this folder is in no Git repository: nothing is compared with the commit")
    elif not git.is_commit(repository, stated.commit):
        where = f", {git.SHALLOW}" if git.shallow(repository) else ""
        _note(f"no commit {stated.commit[:12]} in this repository{where}: nothing of it is compared")
    else:
        held = _committed if stated.reference == "committed" else _derived
        found += held(stated, repository, stated.commit)
    return found


def _note(text: str) -> None:
    cli.say(f"note: {text}")


def _committed(stated: Core, repository: Path, sha: str) -> Iterator[str]:
    """Yield what is not as the commit's dvc.lock and metrics say."""
    where = f"of commit {sha[:12]}"
    held = {name: objects.file(repository, sha, name) for name in (LOCK, ENVIRONMENT)}
    if ENVIRONMENT in stated.edits:
        _note(f"{ENVIRONMENT} is one of the edited files: core.reference_environment is not compared with the commit")
    elif stated.reference_environment != _inner(json.loads(held[ENVIRONMENT] or "{}").get("finetune", {})):
        yield f"core.reference_environment: not that of {ENVIRONMENT} {where}"
    if LOCK in stated.edits:
        _note(f"{LOCK} is one of the edited files: lock, outputs, params and code are not compared with the commit")
    elif of_bytes(held[LOCK] or b"") != stated.lock:
        yield f"core.lock: not the SHA-256 of the {LOCK} {where}"
    else:
        stages = lock.parse(held[LOCK] or b"", LOCK)
        for field, value in (("outputs", _outputs(stages)), ("params", lock.params(stages)), ("code", _code(stages))):
            if getattr(stated, field) != value:
                yield f"core.{field}: not those of the {LOCK} {where}"


def _derived(stated: Core, repository: Path, sha: str) -> Iterator[str]:
    """Yield what is not the code of the commit: a plain run of that is the reference, and its dvc.lock is not kept."""
    _note("the reference is a run that is not committed: its lock, outputs, params and environment are not compared")
    edited = [path for path in stated.code if any(within(name, path) for name in stated.edits)]
    if edited:
        _note(f"{', '.join(edited)}: edited, so not compared with the commit")
    for path, md5 in stated.code.items():
        if path not in edited and plan.md5_of(dict(objects.files(repository, sha, path)), path) != md5:
            yield f"core.code.{path}: not that of commit {sha[:12]}"
