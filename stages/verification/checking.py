"""A certificate held against itself: its digests, and all of it that follows from the rest is computed anew."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.files import canonical_json, read_json
from stages.project.lock import rank, within
from stages.repro.determinism import ISA
from stages.verification import certificate, environments, inputs, numbers
from stages.verification.certificate import Certificate, Core, Environment, Predicate, not_compared, outputs, overall
from stages.verification.environments.workers import Workers
from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence

# What nobody can know without deriving again: the certifier's word, and whoever doubts it runs the verification.
WORD = (
    "that each environment was derived, how each derivation came out, and by how much it differs (evidence)",
    "on what it ran (had), who derived it, when, how long it took and at which steps it was killed (circumstances)",
    "the SHA-256 of outputs; of a reference that is not committed (a recipe's) also MD5, dvc.lock and environment",
    "the margins and worst scores of a reference that is not committed: its evaluate wrote them",
    "the contents of edited files, where there are edits; without the commit, all that it says (notes tell of both)",
)
AXES = {
    "download": ("data processing", "model architecture"), "preprocess": ("data processing",),
    "tokenize": ("data processing",), "finetune": ("model architecture", "training conditions"),
    "evaluate": ("results",),
}  # fmt: skip
Flaws = Iterator[tuple[str, str]]  # field, what is wrong with it


def flaws(path: Path) -> list[str]:
    """Return what does not hold in the certificate at `path`, each flaw naming its field.

    Raises InputError when it is no certificate of this version.
    """
    stated, raw = certificate.load(path), read_json(path)
    said = []
    if _canonical(path, raw).encode(errors="surrogatepass") != path.read_bytes():
        said.append(f"{path}: not in canonical form: a key may stand twice, and show another value than is checked")
    if canonical_json(stated.model_dump(mode="json", by_alias=True)) != _canonical(path, raw):
        said.append(f"{path}: not as it is written: a key is left out, or a number has another form")
    said += [*_digests(raw, stated.predicate.digests), *_core(stated.predicate), *_subject(stated)]
    return said


def _canonical(path: Path, raw: Any) -> str:
    try:
        return canonical_json(raw)
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None


def _digests(raw: Any, stated: Mapping[str, str]) -> Iterator[str]:
    found = certificate.digests(raw["predicate"]["core"], raw["subject"], raw["predicate"]["circumstances"])
    wrong = [p for p in sorted(found.keys() | stated.keys()) if found.get(p) != stated.get(p)]
    deepest = [p for p in wrong if not any(other.startswith(p + "/") for other in wrong)]
    for name in deepest:
        yield f"{name.replace('/', '.').replace('~1', '/').replace('~0', '~')}: not as its digest says"


def _core(predicate: Predicate) -> Iterator[str]:
    core, around = predicate.core, predicate.circumstances
    for name, environment in core.environments.items():
        for field, said in _environment(name, environment, core, len(around.kills.get(name, []))):
            yield f"core.environments.{name}.{field}: {said}"
    for field, own, earned in zip(
        ("grade", "elsewhere"), (core.grade, core.elsewhere), overall(core.environments), strict=True
    ):
        if own != earned:
            yield f"core.{field}: {own}, but the environments earn {earned}"
    if core.not_compared != (wanted := not_compared(core.environments)):
        other = next(iter(sorted({*wanted} ^ {*core.not_compared})), "the order")
        yield f"core.not_compared: not what the environments and their evidence leave out: {other!r}"
    for field in ("code", "params", "outputs", "environments"):
        if not getattr(core, field):
            yield f"core.{field}: empty: nothing is certified"
    for stage in sorted(stage for stage, written in core.outputs.items() if not written):
        yield f"core.outputs.{stage}: empty: nothing is certified"
    for path in sorted(path for path, md5 in outputs(core).items() if not md5):
        yield f"core.outputs: {path} has no MD5"
    if not re.fullmatch("[0-9a-f]{64}", core.lock):
        yield f"core.lock: {core.lock!r}, wanted the SHA-256 of a dvc.lock"
    for name, digest in core.edits.items():
        if posixpath.normpath(f"/{name}") != f"/{name}" or not re.fullmatch("[0-9a-f]{64}|deleted", digest):
            yield f"core.edits.{name}: {digest!r}, wanted a file of the project and its SHA-256, or 'deleted'"
    fixed = core.tolerances
    if fixed != Tolerances(margins=fixed.margins, worst=fixed.worst):  # these two are the reference's
        yield "core.tolerances: not those of this version of Reprise"
    if fixed.worst.keys() - fixed.margins.keys():
        yield "core.tolerances.worst: of a score that has no margin"
    if not fixed.margins:
        yield "core.tolerances.margins: empty: no score is judged"
    if core.reference == "derived" and core.recipe is None:
        yield "core.reference: derived, but without a recipe the reference is the committed dvc.lock"
    for field in ("seconds", "kills"):
        for name in sorted(getattr(around, field).keys() - core.environments.keys()):
            yield f"circumstances.{field}.{name}: no environment of core.environments"


def _environment(name: str, environment: Environment, core: Core, kills: int) -> Flaws:
    """Yield field and flaw of one environment, as far as its name, its evidence and the outputs determine it."""
    evidence = environment.evidence
    earned, reason = grade(evidence, core.tolerances)
    if (earned, reason) != (environment.grade, environment.reason):
        yield "grade", f"{environment.grade}, but the evidence earns {earned} ({reason})"
    yield from _evidence(evidence, core)
    try:
        chosen = environments.of(name)
    except InputError as error:
        yield "harmless", f"not known: {str(error).removeprefix('--environments: ')}"
        return
    if environment.harmless != chosen.harmless:
        yield "harmless", f"{str(environment.harmless).lower()}, but {name} is not so"
    ways = [Workers(1), Workers(2)] if name == "workers" else [chosen]  # which, the cores of that machine decided
    if environment.asked not in (asked := [way.setting().asked() for way in ways]):
        yield "asked", f"found {environment.asked}, but {name} asks for {' or '.join(map(str, asked))}"
    if evidence.failed_stage is None:
        yield from _had(environment, core, kills, chosen.setting().kills)


def _had(environment: Environment, core: Core, kills: int, wanted: int) -> Flaws:
    """Yield what was asked for and, by what the certificate says itself, not had."""
    asked, had, evidence = environment.asked, environment.had, environment.evidence
    if evidence.undone is None and kills != wanted:
        yield "evidence.undone", f"null, but circumstances.kills tells of {kills} kills, wanted {wanted}"
    if evidence.undone is None and (level := asked.get(ISA)) != had.get("settings", {}).get(ISA):
        yield "had.settings", f"without {ISA}={level}, which was asked for" if level else f"{ISA} was not asked for"
    workers = asked.get("REPRISE_WORKERS")
    if workers is not None and str(had.get("workers", workers)) != workers:
        yield "had.workers", f"{had['workers']}, but {workers} were asked for"
    kinds = ("package", "environment")
    if [i for i in evidence.inputs if i.kind in kinds] != inputs.environments(core.reference_environment, had):
        yield "evidence.inputs", "not what tells core.reference_environment from had"


def _evidence(evidence: Evidence, core: Core) -> Flaws:
    """Yield what contradicts itself in the evidence."""
    counts = {stage: len(written) for stage, written in core.outputs.items()}
    if evidence.compared not in (counts, *([{}] if evidence.failed_stage else [])):
        yield "evidence.compared", "not all of core.outputs"
    named = {item.name for item in evidence.inputs}
    for stage, paths in evidence.differing.items():
        for path in paths:
            if path not in core.outputs.get(stage, {}) and f"{stage}.outs.{path}" not in named | {f"{stage}.cmd"}:
                yield "evidence.differing", f"{path} is no output of {stage}"
    first = min(evidence.differing, key=rank, default=None)
    known = evidence.first_stage not in AXES or evidence.first_stage == first
    if (evidence.first_stage is None) != (first is None) or not known:
        yield "evidence.first_stage", f"{evidence.first_stage}, but the first that differs is {first}"
    elif first is not None and evidence.axis not in AXES.get(str(evidence.first_stage), (evidence.axis,)):
        yield "evidence.axis", f"{evidence.axis}, which is not that of {evidence.first_stage}"
    if evidence.detail is not None and not any(
        within(evidence.detail, path) for path in evidence.differing.get(str(evidence.first_stage), [])
    ):
        yield "evidence.detail", f"{evidence.detail} is in no output that differs"
    yield from _measured(evidence, core)


def _measured(evidence: Evidence, core: Core) -> Flaws:
    if evidence.first_stage is None and (evidence.step or evidence.weights or evidence.predictions or evidence.scores):
        yield "evidence", "nothing differs, but differences are measured"
    if (w := evidence.weights) is not None and not 0 <= w.equal <= w.tensors:
        yield "evidence.weights", f"{w.equal} of {w.tensors} tensors are equal"
    if (p := evidence.predictions) is not None and not 0 <= p.agreeing <= p.rows:
        yield "evidence.predictions", f"{p.agreeing} of {p.rows} rows agree"
    if not evidence.pairs:
        return
    own = core.params.get("seed", "")
    seeds = [pair.seed for pair in evidence.pairs]
    if not own.isdecimal() or seeds != list(range(int(own), int(own) + len(seeds))):
        yield "evidence.pairs", f"of the seeds {seeds}, wanted {own} and those that follow it, each once"
    for side in ("reference", "derived"):
        scores = {name: getattr(score, side) for name, score in evidence.scores.items()}
        if getattr(evidence.pairs[0], side) != numbers.finite(scores, core.tolerances.margins):
            yield "evidence.pairs", f"the first is not what evidence.scores says of the {side} run"


def _subject(stated: Certificate) -> Iterator[str]:
    core = stated.predicate.core
    wanted = outputs(core)
    for name, times in Counter(subject.name for subject in stated.subject).items():
        if name not in wanted:
            yield f"subject.{name}: no output of core.outputs"
        elif times > 1:
            yield f"subject.{name}: stands {times} times"
    found = {subject.name: subject.digest for subject in stated.subject}
    same = any(e.evidence.failed_stage is None and not e.evidence.differing for e in core.environments.values())
    for name, md5 in wanted.items():
        if found.get(name, {}).get("md5") != md5.removesuffix(".dir"):
            yield f"subject.{name}: not the MD5 of core.outputs"
        elif found[name].keys() != ({"md5", "sha256"} if same else {"md5"}):
            has = "md5 and sha256 alone, for a derivation wrote it" if same else "md5 alone, for no derivation wrote it"
            yield f"subject.{name}: found {', '.join(sorted(found[name]))}, wanted {has}"
