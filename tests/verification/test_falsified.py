"""Every single edit of a real dvc.lock is caught, when what was derived is what it said before."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.files import canonical_json
from stages.project import lock
from stages.verification import comparison
from stages.verification.grades import Tolerances, grade
from stages.verification.reference import Reference

REAL = (Path(__file__).parents[2] / "dvc.lock").read_text(encoding="utf-8")
HONEST = lock.parse(REAL, "dvc.lock")
TREE = yaml12.values(REAL, "dvc.lock")
Place = tuple[tuple[Any, ...], str]


def edits(node: Any, path: tuple[Any, ...] = ()) -> Iterator[Place]:
    """Yield where and how a tree can be edited: every value changed, every entry left out, doubled or invented."""
    if isinstance(node, dict):
        yield path, "more"
    elif not isinstance(node, list):
        yield path, "other"
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, key), "without"
        if isinstance(node, list):
            yield (*path, key), "twice"
        yield from edits(value, (*path, key))


def edited(tree: Any, place: Place) -> Any:
    """Return a copy of `tree` with one edit."""
    *way, key = ("", *place[0])
    above: Any = {"": copy.deepcopy(tree)}
    whole = above
    for part in way:
        above = above[part]
    match place[1]:
        case "more":
            above[key]["more"] = "1"
        case "twice":
            above.insert(key, copy.deepcopy(above[key]))
        case "without":
            del above[key]
        case _:
            value = above[key]
            number = isinstance(value, int | float)
            above[key] = not value if isinstance(value, bool) else value + 1 if number else f"{value}0"
    return whole[""]


def verdict(tree: Any, folder: Path, wanted: tuple[str, ...] = ()) -> str:
    """Return the grade, or `refused`, of a derivation that is as HONEST; of stages not in `tree` the lock is honest."""
    try:
        own = lock.parse(canonical_json(tree), "dvc.lock", wanted)
    except InputError:
        return "refused"
    reference = Reference("committed", "", own if wanted else {**HONEST, **own}, {}, folder)
    return grade(comparison.compare(reference, HONEST, folder, {}, lambda _: []), Tolerances())[0]


def test_without_an_edit_it_is_bitwise(tmp_path: Path) -> None:
    assert verdict(TREE, tmp_path) == "BITWISE"


@pytest.mark.parametrize("stage", lock.STAGES)
def test_every_single_edit_of_a_stage_is_caught(tmp_path: Path, stage: str) -> None:
    """An output of another digest that nothing reads alone is a result that came out otherwise."""
    tree = {"schema": "2.0", "stages": {stage: TREE["stages"][stage]}}
    places = list(edits(tree["stages"][stage], ("stages", stage)))
    verdicts = {place: verdict(edited(tree, place), tmp_path) for place in places}
    assert {"DIFFERENT"} <= {*verdicts.values()} <= {"DIFFERENT", "refused", "INCONCLUSIVE"}
    read = {path for entry in HONEST.values() for path in entry.deps}
    outs = TREE["stages"][stage]["outs"]
    open_ = [("stages", stage, "outs", n, "md5") for n, out in enumerate(outs) if out["path"] not in read]
    data = stage in ("download", "preprocess", "tokenize")
    assert [place for place, found in verdicts.items() if found == "INCONCLUSIVE"] == (
        [] if data else [(path, "other") for path in open_]
    )


@pytest.mark.parametrize(
    "place",
    [
        ((), "more"), (("stages",), "more"), (("schema",), "other"), (("schema",), "without"),
        *((("stages", name), "without") for name in lock.STAGES),
    ],
)  # fmt: skip
def test_every_edit_of_the_whole_is_refused(tmp_path: Path, place: Place) -> None:
    assert verdict(edited(TREE, place), tmp_path, lock.STAGES) == "refused"


def test_a_stage_that_never_ran_is_another_input(tmp_path: Path) -> None:
    more = {**HONEST, "more": lock.Stage("true", {}, {}, {})}
    found = comparison.compare(Reference("committed", "", more, {}, tmp_path), HONEST, tmp_path, {}, lambda _: [])
    assert grade(found, Tolerances()) == ("DIFFERENT", "other inputs than those of the reference: more.cmd")
