"""Verification of the real pipeline, as README.md shows it: another path, home, locale, umask, hash seed and more."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.pipeline.conftest import Block

COMMAND = "python -m stages.verify --recipe smoke --environments hostile"


def test_the_committed_result_comes_out_bitwise_in_a_hostile_environment(block: Callable[[str], Block]) -> None:
    ran = block(COMMAND)
    assert "\nBITWISE: every output has the same digest\n" in ran.said[COMMAND]
    core = json.loads(ran.clone.text("metrics/reproduction.json"))["predicate"]["core"]
    assert core["reference"] == "committed"  # the clone's own result is that of the recipe
    assert core["environments"]["hostile"]["evidence"]["differing"] == {}
    assert sum(core["environments"]["hostile"]["evidence"]["compared"].values()) == 18


def test_it_leaves_the_working_folder_alone(block: Callable[[str], Block]) -> None:
    changed = block(COMMAND).clone.run("git status --porcelain").splitlines()
    assert [line[3:] for line in changed] == [f"metrics/reproduction.{kind}" for kind in ("html", "json", "md")]
    assert list((block(COMMAND).clone.root / ".reprise/verify").iterdir()) == []


def test_its_certificate_checks(block: Callable[[str], Block]) -> None:
    said = block(COMMAND).said["python -m stages.verify check metrics/reproduction.json"]
    holds, note = said.splitlines()
    assert holds == "metrics/reproduction.json: holds"
    assert note.startswith("note: the certifier's word, for it cannot be known without deriving again: ")
