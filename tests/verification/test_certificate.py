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
from stages.verification import certificate, certificate_page, checking, document
from stages.verification.certificate import Certificate, Circumstances, Core, Environment, overall
from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence, Grade, Weights

ROOT = Path(__file__).parents[2]
MD5 = "0" * 31


def environment(harmless: bool = True, **found: Any) -> Environment:
    evidence = Evidence(compared={"download": 1, "finetune": 1}, **found)
    given, reason = grade(evidence, Tolerances())
    return Environment(harmless=harmless, asked={}, had={}, grade=given, reason=reason, evidence=evidence)


def core(**environments: Environment) -> Core:
    total, elsewhere = overall(environments)
    return Core(
        commit="a" * 40, edits={}, recipe=None, reference="committed", reference_environment={}, lock="b" * 64,
        params={"seed": "42"}, code={"stages/core": MD5 + "c.dir"}, tolerances=Tolerances(), environments=environments,
        outputs={"download": {"data/raw": MD5 + "d.dir"}, "finetune": {"models/finetuned": MD5 + "e"}},
        grade=total, elsewhere=elsewhere, not_compared=certificate.not_compared(environments),
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a sound certificate's file."""
    circumstances = Circumstances(finished="2026-01-01T00:00:00+00:00", host="here", seconds={"same": 1.0}, kills={})
    stated = certificate.made(
        core(same=environment()), circumstances, dict.fromkeys(("data/raw", "models/finetuned"), "f" * 64)
    )
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
    assert checking.flaws(file) == []


def _set(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        for part in path[:-1]:
            found = found[part]
        found[path[-1]] = value

    return change


INNER = ("predicate", "core")


def _forged_before_the_true_one(found: Any) -> None:
    forged = {"md5": "1" * 32, "sha256": "1" * 64}
    found["subject"].insert(1, {"name": "models/finetuned", "digest": forged})


def _compared_nothing(found: Any) -> None:
    environment = found["predicate"]["core"]["environments"]["same"]
    environment["evidence"]["compared"] = {}
    environment["reason"] = "all 0 outputs have the same digest"


def _renamed(name: str) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        environments = found["predicate"]["core"]["environments"]
        environments[name] = environments.pop("same")

    return change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_set(*INNER, "commit", value="c" * 40), "core.commit: not as its digest says"),
        (_set(*INNER, "params", "seed", value="43"), "core.params.seed: not as its digest says"),
        (_set(*INNER, "params", "lr", value="1"), "core.params.lr: not as its digest says"),
        (_set(*INNER, "code", "stages/core", value=MD5 + "9"), "core.code.stages/core: not as its digest says"),
        (_set(*INNER, "tolerances", "weight", value=9.0), "core.tolerances.weight: not as its digest says"),
        (_set(*INNER, "environments", "same", "had", value={"torch": 1}), "core.environments.same.had: not as"),
        (_set("subject", 0, "digest", "sha256", value="1" * 64), "subject.data/raw.sha256: not as its digest says"),
        (_set("predicate", "digests", "core/lock", value="1" * 64), "core.lock: not as its digest says"),
        (_set("predicate", "circumstances", "kills", value={"same": [3]}), "circumstances.kills.same: not as"),
        (_set("predicate", "circumstances", "host", value="there"), "circumstances.host: not as its digest says"),
        (lambda found: found["subject"].reverse(), "subject: not as its digest says"),
        (lambda found: found["subject"].append({**found["subject"][1], "name": "models|finetuned"}), "subject.models|"),
    ],
)
def test_a_tampered_field_is_named(file: Path, change: Callable[[Any], None], field: str) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    change(found)
    write_json(file, found)
    assert checking.flaws(file)[0].startswith(field)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (
            _set(*INNER, "environments", "same", "grade", value="NUMERIC"),
            "core.environments.same.grade: NUMERIC, but the evidence earns BITWISE",
        ),
        (_set(*INNER, "grade", value="NUMERIC"), "core.grade: NUMERIC, but the environments earn BITWISE"),
        (_set(*INNER, "tolerances", "score", value=1.0), "core.tolerances: not those of this version of Reprise"),
        (_set(*INNER, "tolerances", "margins", value={}), "core.tolerances.worst: of a score that has no margin"),
        (_set("subject", 1, "digest", "md5", value="1" * 32), "subject.models/finetuned: not the MD5 of core.outputs"),
        (
            _set("subject", 1, "digest", "sha512", value="1"),
            "subject.models/finetuned: found md5, sha256, sha512, wanted md5 and",
        ),
        (_forged_before_the_true_one, "subject.models/finetuned: stands 2 times"),
        (
            lambda found: found["subject"].append({**found["subject"][1], "name": "models|finetuned"}),
            "subject.models|finetuned: no output of core.outputs",
        ),
        (_compared_nothing, "core.environments.same.evidence.compared: not all of core.outputs"),
        (_set(*INNER, "environments", "same", "harmless", value=False), "core.environments.same.harmless: false, but"),
        (
            _renamed("interrupted"),
            "core.environments.interrupted.asked: found {}, but interrupted asks for {'kills': '1'}",
        ),
        (
            _set(*INNER, "edits", value={"a": "b"}),
            "core.edits.a: 'b', wanted a file of the project and its SHA-256, or 'deleted'",
        ),
        (_set(*INNER, "edits", value={"x/../dvc.lock": "0" * 64}), "core.edits.x/../dvc.lock: '000"),
        (
            _set(*INNER, "outputs", "finetune", "models/finetuned", value=""),
            "core.outputs: models/finetuned has no MD5",
        ),
        (_set(*INNER, "lock", value=""), "core.lock: '', wanted the SHA-256 of a dvc.lock"),
        (_renamed("sane"), "core.environments.sane.harmless: not known: unknown environment 'sane'"),
        (
            _set(*INNER, "environments", "same", "evidence", "not_compared", value=["weights: lost"]),
            "core.not_compared: not what the environments and their evidence leave out: 'same: weights: lost'",
        ),
    ],
)
def test_a_forger_who_fits_the_digests_is_still_contradicted(
    file: Path, change: Callable[[Any], None], flaw: str
) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    change(found)
    parts = found["predicate"]["core"], found["subject"], found["predicate"]["circumstances"]
    found["predicate"]["digests"] = certificate.digests(*parts)
    write_json(file, found)
    assert checking.flaws(file)[0].startswith(flaw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _set("predicateType", value="urn:reprise:reproduction:v2"),
            "predicateType: found 'urn:reprise:reproduction:v2', wanted 'urn:reprise:reproduction:v3': another version",
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
        checking.flaws(file)
    assert message in str(refused.value)


def test_a_key_that_stands_twice_is_told(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"commit": "a', f'"commit": "{"f" * 40}",\n      "commit": "a'), encoding="utf-8")
    assert checking.flaws(file) == [
        f"{file}: not in canonical form: a key may stand twice, and show another value than is checked"
    ]


def test_other_line_ends_are_told(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    (said,) = checking.flaws(file)
    assert said.startswith(f"{file}: not in canonical form: ")


def test_what_is_no_number_is_no_json(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"had": {}', '"had": {"x": NaN}'), encoding="utf-8")
    with pytest.raises(InputError, match="reproduction.json: "):
        checking.flaws(file)


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


@pytest.mark.parametrize(("ulp", "said"), [(7, "0.25 in a, 7 ULP"), (2047161938, "0.25 in a, across zero")])
def test_units_in_the_last_place_are_told_where_they_mean_something(ulp: int, said: str) -> None:
    weights = Weights(tensors=2, equal=1, largest=0.25, tensor="a", first_tensor="a", ulp=ulp)
    (found,) = certificate_page.findings(Evidence(weights=weights))
    assert found == ("weights", f"1 of 2 tensors; largest {said}")


def test_the_pages_say_what_differs_and_escape_it() -> None:
    held = core(same=environment(failed_stage="finetune", message="a | <script>"))
    text = document.markdown(certificate_page.document(held))
    assert text.startswith("# DIFFERENT\n")
    assert "| same | stage finetune failed | a \\| \\<script> |" in text
    shown = document.page(certificate_page.document(held))
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert '<h1 class="grade" style="color:#a4262c">DIFFERENT</h1>' in shown


def test_a_core_that_was_read_again_has_the_same_pages() -> None:
    """JSON keeps no order of keys, so the pages may not show one."""
    held = core(same=environment(), hostile=environment(), interrupted=environment())
    first, second = held.environments["same"], held.environments["hostile"]
    held = held.model_copy(
        update={
            "outputs": {**held.outputs, "explain": {"b": MD5, "a": MD5}, "evaluate": {"data/predictions": MD5}},
            "environments": {
                "same": first.model_copy(update={"asked": {"b": "1", "a": "2"}}), "isa=default": second, "isa": second
            },
        }
    )  # fmt: skip
    again = Core.model_validate_json(canonical_json(held.model_dump(mode="json")))
    assert document.files(certificate_page.document(again), Path("x.json")) == document.files(
        certificate_page.document(held), Path("x.json")
    )
    text = document.markdown(certificate_page.document(again))
    assert [text.index(f"| {name} |") for name in ("download", "finetune", "evaluate", "explain")] == sorted(
        text.index(f"| {name} |") for name in ("download", "finetune", "evaluate", "explain")
    )
