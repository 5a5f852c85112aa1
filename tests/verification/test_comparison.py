"""A derivation held against the reference: stages and files that are not on both sides."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.project.lock import STAGES, Lock, Stage
from stages.verification import comparison
from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence
from stages.verification.reference import Reference

OUTS = {stage: f"data/{stage}" for stage in STAGES} | {"finetune": "models/finetuned", "evaluate": "data/predictions"}


def locked(**changed: Stage | None) -> Lock:
    """Return the lock of a plain chain of stages, with some of them other, or (None) left out."""
    found: Lock = {}
    above = {"inputs": "1"}
    for stage, out in OUTS.items():
        found[stage] = Stage("", above, {}, {out: stage})
        above = {out: stage}
    found |= {name: stage for name, stage in changed.items() if stage is not None}
    return {name: stage for name, stage in found.items() if changed.get(name, stage) is not None}


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of reference and derivation, with what is measured in both; weights of no sense."""
    for side in ("reference", "clone"):
        for stage, path in ((stage, path.replace("*", "")) for stage, path, _ in comparison.MEASURED.values()):
            (tmp_path / side / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / side / path).write_text(stage)
    return tmp_path / "reference", tmp_path / "clone"


def compared(sides: tuple[Path, Path], derived: Lock, expected: Lock | None = None) -> Evidence:
    reference = Reference("committed", "", locked() if expected is None else expected, {}, sides[0])
    return comparison.compare(reference, derived, sides[1], {}, lambda _: [])


def test_the_same_stages_and_digests_are_bitwise(sides: tuple[Path, Path]) -> None:
    found = compared(sides, locked())
    assert (found.first_stage, found.compared) == (None, dict.fromkeys(STAGES, 1))


def test_a_sixth_stage_is_compared(sides: tuple[Path, Path]) -> None:
    sixth = {"explain": Stage("", {"data/predictions": "x"}, {}, {"data/explained": "1"})}
    other = {"explain": Stage("", {"data/predictions": "x"}, {}, {"data/explained": "2"})}
    found = compared(sides, locked(**other), locked(**sixth))
    assert found.compared["explain"] == 1
    assert (found.first_stage, found.differing, found.axis) == (
        "explain", {"explain": ["data/explained"]}, "results",
    )  # fmt: skip


def test_a_stage_between_the_known_lies_on_the_axis_of_the_next(sides: tuple[Path, Path]) -> None:
    def with_augment(md5: str) -> Lock:
        augment = Stage("", {"data/preprocess": "x"}, {}, {"data/more": md5})
        return locked(augment=augment, tokenize=Stage("", {"data/more": md5}, {}, {"data/tokenize": "tokenize"}))

    found = compared(sides, with_augment("2"), with_augment("1"))
    assert (found.first_stage, found.axis) == ("augment", "data processing")


@pytest.mark.parametrize(("stage", "out"), [("finetune", "models/finetuned"), ("evaluate", "data/predictions")])
def test_a_stage_that_is_no_more_is_a_failure(sides: tuple[Path, Path], stage: str, out: str) -> None:
    shutil.rmtree(sides[1] / out)
    derived: dict[str, Any] = {stage: None}
    found = compared(sides, locked(**derived))
    assert (found.failed_stage, found.message, found.differing) == (stage, f"wrote no {out}", {stage: [out]})
    assert grade(found, Tolerances())[0] == "DIFFERENT"


@pytest.mark.parametrize(
    ("stage", "path"),
    [("finetune", "models/finetuned/model.safetensors"), ("evaluate", "data/predictions/test.parquet")],
)
def test_a_file_that_is_no_more_is_a_failure(sides: tuple[Path, Path], stage: str, path: str) -> None:
    (sides[1] / path).unlink()
    found = compared(sides, locked(**{stage: Stage("", {}, {}, {OUTS[stage]: "other"})}))
    assert (found.failed_stage, found.message) == (stage, f"wrote no {path}")
    assert grade(found, Tolerances())[0] == "DIFFERENT"


def test_download_without_an_output_made_other_data(sides: tuple[Path, Path]) -> None:
    """And is no network that was away."""
    found = compared(sides, locked(download=Stage("", {}, {}, {})))
    assert (found.failed_stage, grade(found, Tolerances())[0]) == (None, "DIFFERENT")


def test_damaged_files_are_said_not_to_be_compared(sides: tuple[Path, Path]) -> None:
    found = compared(sides, locked(finetune=Stage("", {}, {}, {"models/finetuned": "other"})))
    assert [line.partition(":")[0] for line in found.not_compared] == ["step", "weights", "predictions", "scores"]
    assert found.failed_stage is None


def test_the_lock_of_a_clone_in_which_no_stage_ran(tmp_path: Path) -> None:
    assert comparison.read(tmp_path) == {}
