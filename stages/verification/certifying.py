"""From what was found to what is certified, and back: a certificate held against the repository."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.core import cli
from stages.core.errors import InputError
from stages.core.params import PARAMS
from stages.ledger.runs import COST
from stages.project import git, graph, lock, objects
from stages.project.lock import LOCK, Lock, within
from stages.repro.digests import of_bytes
from stages.verification import certificate, certificate_page, checking, declared, document, inputs
from stages.verification.certificate import Core, Environment, not_compared, overall
from stages.verification.comparison import SCORES
from stages.verification.grades import grade, tolerances
from stages.verification.reference import ENVIRONMENT, Reference
from stages.verification.session import Kept, Session


def core(session: Session, expected: Reference, kept: Mapping[str, Kept], edits: dict[str, str]) -> Core:
    """Return what the session found, ready to be certified. edits: SHA-256 of the working tree's files, by name."""
    found = {name: _environment(session, name, one) for name, one in kept.items()}
    total, elsewhere = overall(found)
    return Core(
        commit=session.commit.sha, edits=edits, recipe=session.commit.recipe, reference=expected.origin,
        reference_environment=_inner(expected.environment),
        lock=of_bytes(expected.text.encode()), params=lock.params(expected.lock),
        code=_code(expected.lock), outputs=_outputs(expected.lock),
        tolerances=session.tolerances, environments=found, grade=total, elsewhere=elsewhere,
        not_compared=not_compared(found),
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
    found = checking.flaws(path)
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
        found += _held(stated, repository)
    return found


def _note(text: str) -> None:
    cli.say(f"note: {text}")


def _held(stated: Core, repository: Path) -> Iterator[str]:
    """Yield what is not as the commit has it: its dvc.lock, the record of its environment, and what it declares."""
    reference: Lock = {}
    if stated.reference == "derived":
        _note("the reference is a run that is not committed: its dvc.lock, digests and environment are not compared")
    else:
        found, reference = _committed(stated, repository)
        yield from found
    try:
        yield from _declared(stated, repository, reference)
    except InputError as error:
        yield str(error)


def _committed(stated: Core, repository: Path) -> tuple[list[str], Lock]:
    """Return what is not as the commit's dvc.lock and metrics say, and that lock; {} when it cannot be held."""
    where, found = f"of commit {stated.commit[:12]}", []
    files = (LOCK, ENVIRONMENT, SCORES)
    text, record, scores = (objects.file(repository, stated.commit, name) for name in files)
    if ENVIRONMENT in stated.edits:
        _note(f"{ENVIRONMENT} is one of the edited files: core.reference_environment is not compared with the commit")
    elif stated.reference_environment != _inner(json.loads(record or b"{}").get("finetune", {})):
        found.append(f"core.reference_environment: not that of {ENVIRONMENT} {where}")
    if SCORES in stated.edits:
        _note(f"{SCORES} is one of the edited files: core.tolerances is not compared with the commit")
    elif stated.tolerances != tolerances(json.loads(scores or b"{}")):
        found.append(f"core.tolerances: not the margins and worst scores of {SCORES} {where}")
    if LOCK in stated.edits:
        _note(f"{LOCK} is one of the edited files: lock and outputs are not compared with the commit")
        return found, {}
    if of_bytes(text or b"") != stated.lock:
        return [*found, f"core.lock: not the SHA-256 of the {LOCK} {where}"], {}
    stages = lock.parse(text or b"", LOCK)
    for field, value in (("outputs", _outputs(stages)), ("params", lock.params(stages)), ("code", _code(stages))):
        if getattr(stated, field) != value:
            found.append(f"core.{field}: not those of the {LOCK} {where}")
    return found, stages


def _declared(stated: Core, repository: Path, reference: Lock) -> Iterator[str]:
    """Yield what is not as dvc.yaml, params.yaml, the recipe and the files of the commit say.

    reference: the commit's dvc.lock, which states commands and data too; {} when there is none to be held.
    """
    where = f"of commit {stated.commit[:12]}"
    steering = {graph.GRAPH, str(PARAMS), *(name for name in stated.edits if within(name, declared.RECIPES))}
    if edited := sorted(steering & stated.edits.keys()):
        _note(f"{', '.join(edited)}: edited, so params, code and commands are not compared with the commit")
        return
    wanted = declared.of(repository, stated.commit, stated.recipe)
    if stated.reference == "derived" and wanted == declared.of(repository, stated.commit, None):
        yield f"core.reference: derived, but recipe {stated.recipe} is what the commit holds: its dvc.lock counts"
    yield from _unlike("params", stated.params, lock.params(wanted), f"{PARAMS} {where}")
    code = _code(wanted)
    skipped = {path for path in {*code, *stated.code} if any(within(name, path) for name in stated.edits)}
    if skipped:
        _note(f"{', '.join(sorted(skipped))}: edited, so not compared with the commit")
    own, theirs = ({k: v for k, v in one.items() if k not in skipped} for one in (stated.code, code))
    yield from _unlike("code", own, theirs, where.removeprefix("of "))
    names, listed = ({stage: sorted(paths) for stage, paths in o.items()} for o in (stated.outputs, _outputs(wanted)))
    yield from _unlike("outputs", names, listed, f"{graph.GRAPH} {where}")
    for item in inputs.differences(reference, _filled(wanted, reference, skipped), lambda _: []) if reference else ():
        if item.kind in ("command", "data", "lock"):
            yield f"core.lock: {item.name}: {item.reference}, but the commit has {item.derived}"


def _unlike(field: str, stated: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> Iterator[str]:
    for key in sorted(stated.keys() | wanted.keys()):
        if stated.get(key) != wanted.get(key):
            sides = ("missing" if value is None else value or "nothing" for value in (stated.get(key), wanted.get(key)))
            yield f"core.{field}.{key}: not as in {where}: {' instead of '.join(map(str, sides))}"


def _filled(wanted: Lock, reference: Lock, skipped: set[str]) -> Lock:
    """Return what the commit declares with the reference's own digests where the commit has none of its own."""
    found = {}
    made = lock.outputs(reference)
    for name, stage in wanted.items():
        own = reference.get(name, stage)
        deps = {}
        for path, md5 in stage.deps.items():
            if not md5 and not lock.reads([path], made):
                _note(f"{path}: not in the commit, so not compared with it")
            deps[path] = own.deps.get(path, md5) if not md5 or path in skipped else md5
            deps[path] = made.get(path, deps[path])
        outs = {path: own.outs.get(path, "") for path in stage.outs}
        found[name] = lock.Stage(stage.command, deps, stage.params, outs, own.facts)
    return found
