"""Every field of a certificate, forged with grades and digests made anew: refused, or the certifier's word alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.files import write_json
from stages.verification import certificate, certifying, checking, inputs
from stages.verification.certificate import Circumstances, Core, Environment
from stages.verification.environments import of
from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence, FirstStep, Predictions, Score, Weights
from tests.project.repository import Repository
from tests.verification.test_certifying import held
from tests.verification.test_certifying import repository as repository
from tests.verification.test_falsified import Place, edited, edits

ISA, SAME = "core/environments/isa", "core/environments/(same|interrupted)"
# What `verify check` says is the certifier's word (checking.WORD), field by field.
WORD = (
    r"circumstances/(finished|host)", r"circumstances/seconds/\w+",
    r"circumstances/kills/interrupted/0",
    rf"({ISA}|{SAME})/had/(workers|settings)(/MALLOC)?",
    rf"{ISA}/evidence/(detail|message|step|weights|predictions|scores)(/\w+)*",
    rf"{ISA}/evidence/(differing|not_compared)(/\w+)*", rf"({ISA}|{SAME})/evidence/(message|undone|failed_stage)",
    r"subject/\d+/digest/sha256",
)  # fmt: skip

PLAIN = {"processor": "toy", "workers": 2, "settings": {"MALLOC": "1"}}


@pytest.fixture
def honest(repository: Repository) -> tuple[Path, Any]:
    """Return an honest certificate, BITWISE twice and NUMERIC elsewhere, and its content."""
    repository.put("metrics/environment.json", json.dumps({"finetune": PLAIN}))
    repository.commit()
    path = held(repository, _filled)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["predicate"]["circumstances"] = json.loads(
        Circumstances(
            finished="2026-01-01T00:00:00+00:00", host="here", seconds={"same": 1.0, "isa": 2.0},
            kills={"interrupted": [3]},
        ).model_dump_json()
    )  # fmt: skip
    path.with_suffix(".md").unlink()
    path.with_suffix(".html").unlink()
    write_json(path, fitted(content))
    return path, content


def _filled(fields: dict[str, Any]) -> None:
    compared = {stage: len(written) for stage, written in fields["outputs"].items()}
    plain, slower = PLAIN, PLAIN | {"settings": {"MALLOC": "1", "REPRISE_ISA": "avx2"}}
    fields["reference_environment"] = plain
    numeric = Evidence(
        compared=compared, differing={"finetune": ["data/finetune"], "evaluate": ["data/evaluate"]},
        first_stage="finetune", axis="training conditions", detail="data/finetune",
        inputs=inputs.environments(plain, slower),
        step=FirstStep(step=3, column="loss", reference="1", derived="2"),
        weights=Weights(tensors=2, equal=1, largest=1e-5, tensor="a", first_tensor="a", ulp=9),
        predictions=Predictions(rows=10, agreeing=10, largest=1e-3),
        scores={"accuracy": Score(reference=0.9, derived=0.9)},
    )  # fmt: skip
    found = {}
    for name, evidence, had in (
        ("same", Evidence(compared=compared), plain), ("interrupted", Evidence(compared=compared), plain),
        ("isa", numeric, slower),
    ):  # fmt: skip
        given, reason = grade(evidence, Tolerances())
        kind = of(name)
        found[name] = Environment(
            harmless=kind.harmless, asked=kind.setting().asked(), had=had, grade=given, reason=reason, evidence=evidence
        )
    fields.update(environments=found, not_compared=certificate.not_compared(found))
    fields["grade"], fields["elsewhere"] = certificate.overall(found)


def fitted(content: Any) -> Any:
    """Make digests anew."""
    predicate = content["predicate"]
    parts = predicate["core"], content["subject"], predicate["circumstances"]
    predicate["digests"] = certificate.digests(*parts)
    return content


def regraded(content: Any, name: str) -> None:
    """Give an environment the grade that its forged evidence earns, and the whole what follows from that."""
    core = content["predicate"]["core"]
    own = core["environments"][name]
    given, reason = grade(Evidence.model_validate_json(json.dumps(own["evidence"])), Tolerances())
    own.update(grade=given, reason=reason)
    environments = Core.model_validate_json(json.dumps(core)).environments
    core["grade"], core["elsewhere"] = certificate.overall(environments)
    core["not_compared"] = certificate.not_compared(environments)


def places(content: Any) -> Iterator[Place]:
    predicate = content["predicate"]
    for part, node in (("core", predicate["core"]), ("circumstances", predicate["circumstances"])):
        yield from (((part, *path), how) for path, how in edits(node))
    yield from ((("subject", *path), how) for path, how in edits(content["subject"]))


def forged(content: Any, place: Place) -> Any:
    (part, *way), how = place
    root = ["subject"] if part == "subject" else ["predicate", part]
    found = edited(content, ((*root, *way), how))
    if part == "core" and way[:1] == ["environments"] and len(way) > 3 and way[2] == "evidence":
        regraded(found, way[1])
    return fitted(found)


def test_each_forged_field_is_refused_or_the_certifiers_word(
    honest: tuple[Path, Any], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content = honest
    assert certifying.check(path, repository.root) == []
    declared = {None: certifying.declared.of(repository.root, content["predicate"]["core"]["commit"], None)}
    monkeypatch.setattr(certifying.declared, "of", lambda root, sha, recipe: declared[recipe])
    believed = set()
    for place in places(content):
        try:
            write_json(path, forged(content, place))
            flaws = checking.flaws(path)
            if not flaws:
                flaws = certifying.check(path, repository.root)
        except (InputError, ValueError, KeyError, TypeError):
            continue
        if not flaws:
            believed.add("/".join(map(str, place[0])))
    assert sorted(name for name in believed if not any(re.fullmatch(word, name) for word in WORD)) == []
    assert [word for word in WORD if not any(re.fullmatch(word, name) for name in believed)] == []
