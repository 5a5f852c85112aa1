"""The certificate: an in-toto Statement about a commit's outputs, with all that its grades rest on.

All is digested leaf by leaf, so that a change names its field; who derived it, when and how long it took stand outside
the core, so that two reproductions of equal outcome have equal cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.core.params import Section
from stages.repro.digests import of_value
from stages.verification import environments
from stages.verification.grades import Tolerances, at_least, worst
from stages.verification.records import Evidence, Grade

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:reprise:reproduction:v3"
DEPTH = 3  # below core, subject and circumstances, to which every node has a digest of its own


class Subject(Section):
    """One output."""

    name: str = Field(description="path in the project")
    digest: dict[str, str] = Field(description="md5 as in dvc.lock; sha256 of what a BITWISE derivation wrote")


class Environment(Section):
    """One derivation."""

    harmless: bool = Field(description="it varies what must not matter: BITWISE is expected")
    asked: dict[str, str] = Field(description="what was not as in an ordinary run")
    had: dict[str, Any] = Field(description="what the training says it ran on")
    grade: Grade
    reason: str
    evidence: Evidence


class Core(Section):
    """All that two equal reproductions have in common."""

    commit: str = Field(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$", description="the whole id, SHA-1 or SHA-256")
    edits: dict[str, str] = Field(description="files of the working tree laid over the commit: sha256, or 'deleted'")
    recipe: str | None = Field(description="merged into params.yaml first")
    reference: Literal["committed", "derived"] = Field(
        description="committed: dvc.lock of the commit; derived: a first plain run, for a recipe the commit did not run"
    )
    reference_environment: dict[str, Any] = Field(description="on what the reference was made, as far as is known")
    lock: str = Field(description="sha256 of the reference's dvc.lock")
    params: dict[str, str] = Field(description="every param of dvc.lock, as JSON")
    code: dict[str, str] = Field(description="MD5 of every code dependency, as in dvc.lock")
    outputs: dict[str, dict[str, str]] = Field(description="stage -> path -> MD5, as in dvc.lock")
    tolerances: Tolerances
    environments: dict[str, Environment]
    grade: Grade = Field(description="the worst of the harmless environments; of all when none is")
    elsewhere: Grade | None = Field(description="the worst of the environments that may matter; null: none was tried")
    not_compared: list[str]


class Circumstances(Section):
    """What may differ between two equal reproductions."""

    finished: str = Field(description="UTC")
    host: str
    seconds: dict[str, float]
    kills: dict[str, list[int]] = Field(description="steps at which a run was killed")


class Predicate(Section):
    """What is stated."""

    core: Core
    digests: dict[str, str] = Field(
        description="sha256 of core, subject, circumstances and their nodes, by JSON pointer"
    )
    circumstances: Circumstances


class Certificate(Section):
    """metrics/reproduction.json."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicateType: Literal["urn:reprise:reproduction:v3"]
    subject: list[Subject]
    predicate: Predicate


def overall(environments: Mapping[str, Environment]) -> tuple[Grade, Grade | None]:
    """Return the worst grade of the harmless environments and that of the others, which alone count if all are such."""
    harmless, others = ([e.grade for e in environments.values() if e.harmless is kind] for kind in (True, False))
    elsewhere = worst(others) if others else None
    return worst(harmless) if harmless or elsewhere is None else elsewhere, elsewhere


def made(core: Core, circumstances: Circumstances, sha256: Mapping[str, str]) -> dict[str, Any]:
    """Return the certificate as plain values. sha256: of outputs, where a derivation wrote the very bytes."""
    subject = []
    for name, md5 in sorted(outputs(core).items()):
        digest = {"md5": md5.removesuffix(".dir")}
        subject.append({"name": name, "digest": {**digest, "sha256": sha256[name]} if name in sha256 else digest})
    plain, around = core.model_dump(mode="json"), circumstances.model_dump(mode="json")
    return {
        "_type": STATEMENT,
        "predicateType": PREDICATE,
        "subject": subject,
        "predicate": {"core": plain, "digests": digests(plain, subject, around), "circumstances": around},
    }


def outputs(core: Core) -> dict[str, str]:
    """Return {path: MD5} of all outputs."""
    return {path: md5 for written in core.outputs.values() for path, md5 in written.items()}


def digests(core: Any, subject: Any, circumstances: Any) -> dict[str, str]:
    """Return {path: sha256} of the parts of a certificate, and of every node in them down to DEPTH."""
    found: dict[str, str] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        found["/".join(path)] = of_value(node)
        if isinstance(node, dict) and len(path) < DEPTH + 1:
            for key, value in node.items():
                walk(value, (*path, key.replace("~", "~0").replace("/", "~1")))

    walk(core, ("core",))
    walk(circumstances, ("circumstances",))
    walk({entry["name"]: entry["digest"] for entry in subject}, ("subject",))
    found["subject"] = of_value(subject)  # their order and number too
    return found


def load(path: Path) -> Certificate:
    """Return the certificate in a file. Raises InputError naming the field when it is none of this version."""
    raw = read_json(path)
    kind = raw.get("predicateType") if isinstance(raw, dict) else None
    if kind != PREDICATE:
        raise InputError(
            f"{path}: predicateType: found {kind!r}, wanted {PREDICATE!r}: another version, or no certificate"
        )
    try:
        return Certificate.model_validate_json(path.read_bytes())
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False)[:10]]
        raise InputError("\n".join(lines)) from None


def not_compared(found: Mapping[str, Environment]) -> list[str]:
    """Return what was not compared: environments that were not tried, and what the evidence says of each that was."""
    tried = {name.partition("=")[0] for name in found}
    missing = [f"environment {name}: not tried" for name in environments.ENVIRONMENTS if name not in tried]
    missing += [f"{name}: {what}" for name, one in sorted(found.items()) for what in one.evidence.not_compared]
    return ["durations, memory and host (metrics/environment.json): they may differ", *missing]


def passes(core: Core, wanted: Grade) -> bool:
    """Tell whether the harmless environments reach `wanted` and no other environment came out DIFFERENT."""
    return at_least(core.grade, wanted) and core.elsewhere != "DIFFERENT"
