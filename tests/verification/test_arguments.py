"""What the command line of `verify` takes, and what it refuses before anything runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from stages import verify
from stages.claims import claiming
from tests.verification.conftest import Project


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["verify", *arguments])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    return int(ended.value.code or 0)


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if anything is verified or judged."""
    for name in ("verify", "judge"):
        monkeypatch.setattr(verify, name, lambda *_: pytest.fail("it ran"))


@pytest.mark.parametrize(
    "words",
    [
        ["--rev", "v1", "--seeds", "7", "claims", "one"],
        ["claims", "--rev", "v1", "--seeds", "7", "one"],
        ["--seeds", "3", "claims", "--rev", "v1", "one", "--seeds", "7"],
    ],
)
def test_options_of_claims_may_stand_before_the_command_too(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    asked: list[claiming.Asked] = []
    monkeypatch.setattr(verify, "judge", lambda one: asked.append(one) or True)
    assert run(monkeypatch, *words) == 0
    assert asked == [claiming.Asked(("one",), "v1", 7)]


def test_without_options_claims_have_their_own_number_of_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[claiming.Asked] = []
    monkeypatch.setattr(verify, "judge", lambda one: asked.append(one) or True)
    run(monkeypatch, "claims")
    assert asked == [claiming.Asked((), "HEAD", None)]


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "smoke", "claims"], "--recipe: `claims` takes no such option"),
        (["--quick", "claims"], "--quick: `claims` takes no such option"),
        (["--allow-dirty", "claims"], "--allow-dirty: `claims` takes no such option"),
        (["--jobs", "2", "check"], "--jobs: `check` takes no such option"),
        (["--rev", "v1", "check", "a.json"], "--rev: `check` takes no such option"),
        (["--schema", "check"], "--schema: `check` takes no such option"),
        (["--out", "a.json", "claims"], "--out: `claims` takes no such option"),
        (["claims", "--seeds", "0"], "--jobs and --seeds: wanted 1 or more"),
        (["--seeds", "0"], "--jobs and --seeds: wanted 1 or more"),
        (["--out", "report.md"], "--out: report.md is for the page: wanted another name, such as reproduction.json"),
        (["--out", "a/report.html"], "--out: a/report.html is for the page"),
    ],
)
def test_what_would_be_ignored_or_overwritten_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(monkeypatch, *words) == 2
    assert capsys.readouterr().err.startswith(f"verify: error: {message}")


def sharded(project: Project, shards: int) -> None:
    """Give every batch of `project`'s training so many shards."""
    text = (project.root / "params.yaml").read_text().replace("lr: 0.5", f"lr: 0.5\n  batch_size: {shards * 8}")
    project.put("params.yaml", text.replace("evaluate:", "  shard_size: 8\nevaluate:"))
    project.repro()
    project.commit()


@pytest.mark.parametrize(
    ("shards", "words", "message"),
    [
        (2, ["--environments", "same,workers=4"], "--environments: found workers=4, wanted a power of two from 1 to 2"),
        (1, ["--environments", "workers"], "--environments: workers: a batch of one shard (train.batch_size / train.s"),
        (1, ["--recipe", "toy", "--environments", "workers=2"], "--environments: found workers=2, wanted a power of"),
    ],
)
def test_more_workers_than_shards_are_refused_before_anything_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shards: int,
    words: list[str], message: str,
) -> None:  # fmt: skip
    sharded(project, shards)
    monkeypatch.setattr(verify, "Session", lambda *_: pytest.fail("it ran"))
    assert run(monkeypatch, *words) == 2
    assert capsys.readouterr().err.startswith(f"verify: error: {message}")


@pytest.mark.parametrize("shards", [1, 2])
def test_where_there_is_no_other_number_of_workers_it_is_left_out_of_the_usual_environments(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shards: int
) -> None:
    sharded(project, shards)
    monkeypatch.setattr(verify, "QUICK", ("workers", "threads"))
    assert run(monkeypatch, "--quick") == 0
    tried = json.loads(Path("metrics/reproduction.json").read_text(encoding="utf-8"))["predicate"]["core"][
        "environments"
    ]
    assert ("note: workers is left out: a batch of one shard" in capsys.readouterr().err) is (shards == 1)
    assert set(tried) == {"same", "threads", *(["workers"] if shards == 2 else [])}


def test_a_file_whose_name_is_not_utf_8_can_be_left_alone_and_not_certified(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(os.fsdecode(b"caf\xe9")).touch()
    assert run(monkeypatch, "--environments", "same", "--allow-dirty") == 2
    assert r"--allow-dirty: 'caf\udce9': a certificate cannot name" in capfd.readouterr().err
    assert run(monkeypatch, "--environments", "same") == 0
