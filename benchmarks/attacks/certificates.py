"""Certificates of which one field is forged, their digests and pages made anew."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable
from typing import Any

from benchmarks.attacks.place import Attack, Place, told
from benchmarks.attacks.verifier import OUT, certified
from stages.core.errors import InputError
from stages.core.files import write_json
from stages.verification import certificate, certificate_page, document


def forged(place: Place, reference: str, change: Callable[[Any], None]) -> str:
    """Forge a certificate, digests and pages made anew; raise Broken when `check` finds nothing wrong with it."""
    project = certified(place, reference)
    stated = json.loads((project / OUT).read_text(encoding="utf-8"))
    before = copy.deepcopy(stated)
    change(stated)
    if stated == before:
        return "nothing to change here"
    inner = stated["predicate"]
    inner["digests"] = certificate.digests(inner["core"], stated["subject"], inner["circumstances"])
    path = place.folder / "c.json"
    write_json(path, stated)
    with contextlib.suppress(InputError, ValueError, KeyError):  # without its page, the check must say why
        document.written(certificate_page.document(certificate.load(path).predicate.core), path)
    ended = place.command("stages.verify", "check", str(path), cwd=project)
    if ended.code == 1 and ": holds\n" not in ended.out:
        return ended.out.splitlines()[0][:160]
    notes = [
        line
        for line in ended.err.splitlines()
        if re.match("note: (no commit .*nothing of it is|.*edited.* not) compared", line)
    ]
    return notes[0][:160] if ended.code == 0 and notes else told(ended, "verify")


FIELDS = (
    "commit", "edits", "recipe", "reference", "reference_environment", "reference_environment.processor", "lock",
    "params",
    "params.seed", "params.train.lr", "params.train.epochs", "code", "code.*", "outputs", "outputs.finetune",
    "outputs.finetune.*",
    "outputs.evaluate", "outputs.evaluate.*", "tolerances.weight", "tolerances.seeds", "tolerances.margins",
    "tolerances.worst",
    "environments", "environments.same", "environments.same.harmless", "environments.same.asked",
    "environments.same.grade",
    "environments.same.reason", "environments.hostile.asked", "environments.hostile.asked.*",
    "environments.hostile.harmless",
    "environments.interrupted.asked", "environments.isa=default.asked", "environments.isa=default.had.settings",
    "environments.workers=1.asked", "environments.workers=1.had.workers", "environments.same.evidence.compared",
    "environments.same.evidence.compared.finetune", "environments.same.evidence.differing",
    "environments.same.evidence.first_stage", "environments.same.evidence.axis", "environments.same.evidence.inputs",
    "environments.same.evidence.failed_stage", "environments.same.evidence.undone", "environments.same.evidence.detail",
    "environments.same.evidence.step", "environments.same.evidence.weights", "environments.same.evidence.scores",
    "environments.same.evidence.pairs", "environments.same.evidence.not_compared", "grade", "elsewhere", "not_compared",
    "not_compared.0",
)  # fmt: skip
DERIVED = {
    "reference",
    "reference_environment",
    "reference_environment.processor",
    "lock",
    "outputs.finetune.*",
    "outputs.evaluate.*",
}  # its word


def _field(place: Place, value: tuple[str, str, str]) -> str:
    reference, field, how = value

    def change(stated: Any) -> None:
        node = stated["predicate"]["core"]
        name = field.replace("train.lr", "train~lr").replace("train.epochs", "train~epochs")
        way: list[Any] = [part.replace("~", ".") for part in name.split(".")]
        for place_, part in enumerate(way):
            if part == "*":
                way[place_] = sorted(node)[0]
            elif isinstance(node, list):
                way[place_] = int(part)
            if place_ < len(way) - 1:
                node = node[way[place_]]
        key = way[-1]
        old = node[key]
        if how == "left out" and (isinstance(node, list) or key in node):
            del node[key]
        elif how == "empty":
            node[key] = type(old)() if isinstance(old, str | dict | list) else None
        elif how == "another":
            node[key] = _another(old)
        for entry in stated["subject"]:  # a forger keeps the subject in step
            entry["digest"]["md5"] = _outputs(stated).get(entry["name"], entry["digest"]["md5"]).removesuffix(".dir")

    return forged(place, reference, change)


def _outputs(stated: Any) -> dict[str, str]:
    outputs = stated["predicate"]["core"].get("outputs")
    groups = outputs.values() if isinstance(outputs, dict) else ()
    return {p: str(md5) for g in groups if isinstance(g, dict) for p, md5 in g.items()}


def _another(old: Any) -> Any:
    if isinstance(old, bool):
        return not old
    if isinstance(old, int | float):
        return old + 1
    if isinstance(old, str):
        grades = {"BITWISE": "NUMERIC", "committed": "derived", "derived": "committed"}
        last = "1" if old[-1:] == "0" else "0"
        return grades.get(old, f"{old[:-1]}{last}" if len(old) in (32, 40, 64) else f"{old}{last}")
    if isinstance(old, list):
        return [*old, "x"]
    return {**old, "x": "y"} if isinstance(old, dict) else "x"


CERTIFICATE = {
    f"{reference}: {field}: {how}": (reference, field, how)
    for reference in ("committed", "derived") for field in FIELDS for how in ("another", "left out", "empty")
    if not (reference == "derived" and field in DERIVED and how == "another") and ".had." not in field
}  # fmt: skip

ATTACKS = (
    Attack("a certificate with one field of its core forged, digests and pages made anew",
           "`check` names a flaw, code 1, or refuses it, code 2", _field, CERTIFICATE, seconds=240),
)  # fmt: skip
