"""The certificate: its form, and every tampering named by its field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.files import canonical_json, write_json
from stages.repro.digests import of_value
from stages.verification import certificate, certificate_page, document
from stages.verification.certificate import Certificate, Circumstances, Core, Environment, overall
from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence, Grade

ROOT = Path(__file__).parents[2]
MD5 = "0" * 31


def environment(harmless: bool = True, **found: Any) -> Environment:
    evidence = Evidence(compared={"download": 1, "finetune": 1}, **found)
    given, reason = grade(evidence, Tolerances())
    return Environment(harmless=harmless, asked={"TZ": "<b>"}, had={}, grade=given, reason=reason, evidence=evidence)


def core(**environments: Environment) -> Core:
    total, elsewhere = overall(environments)
    return Core(
        commit="a" * 40, edits={}, recipe=None, reference="committed", reference_environment={}, lock="b" * 64,
        params={"seed": "42"}, code={"stages/core": MD5 + "c.dir"}, tolerances=Tolerances(), environments=environments,
        outputs={"download": {"data/raw": MD5 + "d.dir"}, "finetune": {"models/finetuned": MD5 + "e"}},
        grade=total, elsewhere=elsewhere, not_compared=[],
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a sound certificate's file."""
    circumstances = Circumstances(finished="2026-01-01T00:00:00+00:00", host="here", seconds={"same": 1.0}, kills={})
    stated = certificate.made(core(same=environment()), circumstances, {"data/raw": "f" * 64})
    write_json(tmp_path / "reproduction.json", stated)
    return tmp_path / "reproduction.json"


def test_the_shipped_schema_is_that_of_the_model() -> None:
    shipped = (ROOT / "certificate.schema.json").read_text(encoding="utf-8")
    assert shipped == canonical_json(Certificate.model_json_schema()), "run: make schema"


def test_it_is_an_in_toto_statement(file: Path) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert sorted(found) == ["_type", "predicate", "predicateType", "subject"]
    assert found["subject"][0] == {"name": "data/raw", "digest": {"md5": MD5 + "d", "sha256": "f" * 64}}
    assert found["predicate"]["digests"]["core"] == of_value(found["predicate"]["core"])


def test_a_sound_one_has_no_flaws(file: Path) -> None:
    assert certificate.flaws(file) == []


def _set(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        for part in path[:-1]:
            found = found[part]
        found[path[-1]] = value

    return change


INNER = ("predicate", "core")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_set(*INNER, "commit", value="c" * 40), "core.commit: not as its digest says"),
        (_set(*INNER, "params", "seed", value="43"), "core.params.seed: not as its digest says"),
        (_set(*INNER, "params", "lr", value="1"), "core.params.lr: not as its digest says"),
        (_set(*INNER, "code", "stages/core", value=MD5 + "9"), "core.code.stages/core: not as its digest says"),
        (_set(*INNER, "tolerances", "weight", value=9.0), "core.tolerances.weight: not as its digest says"),
        (_set(*INNER, "environments", "same", "had", value={"torch": 1}), "core.environments.same.had: not as"),
        (_set("subject", 0, "digest", "sha256", value="1" * 64), "subject.data/raw: not as its digest says"),
        (_set("predicate", "digests", "core/lock", value="1" * 64), "core.lock: not as its digest says"),
    ],
)
def test_a_tampered_field_is_named(file: Path, change: Callable[[Any], None], field: str) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    change(found)
    write_json(file, found)
    assert certificate.flaws(file)[0].startswith(field)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (
            _set(*INNER, "environments", "same", "grade", value="NUMERIC"),
            "core.environments.same.grade: NUMERIC, but the evidence earns BITWISE",
        ),
        (_set(*INNER, "grade", value="NUMERIC"), "core.grade: NUMERIC, but the environments earn BITWISE"),
        (_set(*INNER, "tolerances", "score", value=1.0), "core.tolerances: not those of this version of Reprise"),
        (_set("subject", 1, "digest", "md5", value="1" * 32), "subject.models/finetuned: not the MD5 of core.outputs"),
    ],
)
def test_a_forger_who_fits_the_digests_is_still_contradicted(
    file: Path, change: Callable[[Any], None], flaw: str
) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    change(found)
    found["predicate"]["digests"] = certificate.digests(found["predicate"]["core"], found["subject"])
    write_json(file, found)
    assert certificate.flaws(file)[0].startswith(flaw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _set("predicateType", value="urn:reprise:reproduction:v2"),
            "predicateType: found 'urn:reprise:reproduction:v2'",
        ),
        (_set(*INNER, "grade", value="PERFECT"), "predicate.core.grade: Input should be 'BITWISE'"),
        (_set(*INNER, "mood", value="good"), "predicate.core.mood: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_certificate_of_this_version_is_refused(
    file: Path, change: Callable[[Any], None], message: str
) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    change(found)
    write_json(file, found)
    with pytest.raises(InputError) as refused:
        certificate.flaws(file)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("harmless", "others", "expected"),
    [
        (["BITWISE", "NUMERIC"], [], ("NUMERIC", None)),
        (["BITWISE"], ["INCONCLUSIVE", "NUMERIC"], ("BITWISE", "INCONCLUSIVE")),
        ([], ["NUMERIC"], ("NUMERIC", "NUMERIC")),
        ([], [], ("INCONCLUSIVE", None)),
    ],
)
def test_overall(harmless: list[Grade], others: list[Grade], expected: tuple[Grade, Grade | None]) -> None:
    made = [environment(True).model_copy(update={"grade": one}) for one in harmless]
    made += [environment(False).model_copy(update={"grade": one}) for one in others]
    assert overall({str(index): one for index, one in enumerate(made)}) == expected


@pytest.mark.parametrize(
    ("grade_", "elsewhere", "wanted", "passes"),
    [
        ("BITWISE", None, "BITWISE", True),
        ("NUMERIC", None, "BITWISE", False),
        ("NUMERIC", None, "NUMERIC", True),
        ("BITWISE", "INCONCLUSIVE", "BITWISE", True),
        ("BITWISE", "DIFFERENT", "BITWISE", False),
        ("INCONCLUSIVE", None, "STATISTICAL", False),
    ],
)
def test_passes(grade_: Grade, elsewhere: Grade | None, wanted: Grade, passes: bool) -> None:
    held = core(same=environment()).model_copy(update={"grade": grade_, "elsewhere": elsewhere})
    assert certificate.passes(held, wanted) is passes


def test_the_pages_say_what_differs_and_escape_it() -> None:
    held = core(same=environment(failed_stage="finetune", message="a | <script>"))
    text = document.markdown(certificate_page.document(held))
    assert text.startswith("# DIFFERENT\n")
    assert "| same | stage finetune failed | a \\| <script> |" in text
    shown = document.page(certificate_page.document(held))
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert '<h1 class="grade" style="color:#a4262c">DIFFERENT</h1>' in shown
