"""The command on a project with a stand-in for its pipeline: what it grades, certifies, refuses and goes on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stages import verify
from stages.verification import derivation
from tests.verification.conftest import ROOT, Project

CERTIFICATE = Path("metrics/reproduction.json")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["verify", *arguments])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    return int(ended.value.code or 0)


def core() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CERTIFICATE.read_text(encoding="utf-8"))["predicate"]["core"]
    return found


def evidence(name: str) -> dict[str, Any]:
    found: dict[str, Any] = core()["environments"][name]["evidence"]
    return found


def test_an_honest_project_is_bitwise_and_its_certificate_holds(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--environments", "same,workers,threads,hostile,interrupted", "--jobs", "3") == 0
    assert {name: e["grade"] for name, e in core()["environments"].items()} == dict.fromkeys(
        ("same", "workers", "threads", "hostile", "interrupted"), "BITWISE"
    )
    assert (core()["reference"], core()["grade"], core()["elsewhere"]) == ("committed", "BITWISE", None)
    assert core()["environments"]["hostile"]["asked"]["umask"] == "077"
    assert not Path(".reprise/verify").is_dir() or not list(Path(".reprise/verify").iterdir())
    assert capsys.readouterr().out.startswith("BITWISE: every output has the same digest\n")
    assert run(monkeypatch, "check") == 0
    assert CERTIFICATE.with_suffix(".md").read_text(encoding="utf-8").startswith("# BITWISE\n")
    assert "http" not in CERTIFICATE.with_suffix(".html").read_text(encoding="utf-8")


def test_two_verifications_have_one_core(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = []
    for _ in range(2):
        run(monkeypatch, "--environments", "workers=1,interrupted")
        cores.append(core())
    assert cores[0] == cores[1]


@pytest.mark.parametrize(
    ("fault", "environment", "grade", "stage", "axis"),
    [
        ("clock", "same", "INCONCLUSIVE", "finetune", "training conditions"),
        ("set order", "hostile", "DIFFERENT", "preprocess", "data processing"),
        ("listing", "hostile", "DIFFERENT", "preprocess", "data processing"),
        ("threads", "threads=3", "INCONCLUSIVE", "finetune", "training conditions"),
        ("rounding", "workers=1", "NUMERIC", "finetune", "training conditions"),
        ("spread", "workers=1", "INCONCLUSIVE", "finetune", "training conditions"),
    ],
)
def test_a_fault_in_the_project_is_caught(
    project: Project, monkeypatch: pytest.MonkeyPatch, fault: str, environment: str, grade: str, stage: str, axis: str
) -> None:
    project.put("fault.txt", fault)
    project.put("files/another.txt", "")
    project.repro()
    project.commit()
    assert run(monkeypatch, "--environments", f"same,{environment}") == 1
    found = evidence(environment)
    assert (core()["environments"][environment]["grade"], found["first_stage"], found["axis"]) == (grade, stage, axis)


def test_the_first_step_the_weights_and_the_scores_are_measured(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.put("fault.txt", "rounding")
    project.repro()
    project.commit()
    run(monkeypatch, "--environments", "same,workers=1")
    found = evidence("workers=1")
    assert (found["step"]["step"], found["step"]["column"]) == (4, "loss")
    assert (found["weights"]["tensors"], found["weights"]["equal"]) == (2, 1)
    assert found["weights"]["tensor"] == found["weights"]["first_tensor"] == "layer.0.weight"
    assert found["weights"]["largest"] == pytest.approx(1e-6, rel=0.2)
    assert found["predictions"]["agreeing"] == found["predictions"]["rows"] == 2
    assert found["detail"] == "metrics/finetune/trace.tsv"


@pytest.mark.parametrize(
    ("path", "text", "name", "stage", "axis"),
    [
        ("params.yaml", "lr: 0.5 -> lr: 0.4", "train.lr", "finetune", "training conditions"),
        ("files/train.tsv", "a -> b", "files/train.tsv", "download", "data processing"),
        ("files/tokenizer.json", "{} -> []", "files/tokenizer.json", "download", "data processing"),
        ("params.yaml", "lr: 0.5 -> lr: 0.5, layers: 3", "train.layers", "finetune", "training conditions"),
    ],
)
def test_an_input_that_is_not_the_one_of_the_lock_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, path: str, text: str, name: str, stage: str, axis: str
) -> None:
    old, _, new = text.partition(" -> ")
    content = (project.root / path).read_text(encoding="utf-8").replace(old, new.replace(", ", "\n  "))
    project.put(path, content)
    project.commit()
    assert run(monkeypatch, "--environments", "same") == 1
    found = evidence("same")
    assert core()["grade"] == "DIFFERENT"
    assert (found["first_stage"], found["axis"]) == (stage, axis)
    assert [i["name"] for i in found["inputs"]] == [name]


def test_changed_code_is_another_input_whatever_came_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.put("stages/finetune.py", "# a comment\n")
    project.commit()
    assert run(monkeypatch, "--environments", "same") == 1
    assert core()["environments"]["same"]["reason"] == "other inputs than those of the reference: stages/finetune.py"
    assert [(i["kind"], i["name"]) for i in evidence("same")["inputs"]] == [("code", "stages/finetune.py")]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('"seed": 4', '"seed": 5', "seed"),
        ('"lr": 0.5', '"lr": 0.4', "train.lr"),
        ('"python -m stages.finetune"', '"python -m stages.other"', "finetune.cmd"),
    ],
)
def test_a_lock_that_was_edited_alone_is_different(
    project: Project, monkeypatch: pytest.MonkeyPatch, old: str, new: str, name: str
) -> None:
    text = (project.root / "dvc.lock").read_text()
    assert old in text
    project.put("dvc.lock", text.replace(old, new))
    project.commit()
    assert run(monkeypatch, "--environments", "same") == 1
    assert core()["environments"]["same"]["reason"] == f"other inputs than those of the reference: {name}"
    assert evidence("same")["differing"] == {}


def test_a_crash_is_an_outcome(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.put("fault.txt", "crash")
    project.commit()
    assert run(monkeypatch, "--environments", "same") == 1
    assert core()["grade"] == "DIFFERENT"
    assert evidence("same")["failed_stage"] == "finetune"
    assert evidence("same")["message"] == "finetune: error: the loss is not a number"


def test_over_seeds_a_small_spread_is_equivalent(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.put("fault.txt", "spread")
    project.repro()
    project.commit()
    assert run(monkeypatch, "--environments", "same,workers=1", "--seeds", "5", "--require", "STATISTICAL") == 0
    pairs = evidence("workers=1")["pairs"]
    assert [pair["seed"] for pair in pairs] == [4, 5, 6, 7, 8]
    assert pairs[1]["derived"]["accuracy"] - pairs[1]["reference"]["accuracy"] == pytest.approx(-0.004)


def test_over_seeds_a_plain_run_is_made_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "--environments", "workers=1", "--seeds", "5") == 0
    assert list(core()["environments"]) == ["same", "workers=1"]


def test_other_seeds_of_what_is_not_repeated_here_are_not_derived(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else runs of here would be held against runs of here, and what is committed would pass whatever it says."""
    project.put("fault.txt", "clock")
    project.repro()
    project.commit()
    assert run(monkeypatch, "--environments", "same,workers=1", "--seeds", "5", "--require", "STATISTICAL") == 1
    for name in ("same", "workers=1"):
        assert core()["environments"][name]["grade"] == "INCONCLUSIVE"
        assert evidence(name)["pairs"] == []
        assert evidence(name)["not_compared"][-1] == (
            "other seeds: a plain run here is not BITWISE what is committed, so its other seeds cannot be derived here"
        )


def test_a_seed_that_no_stream_follows_is_no_other_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = (project.root / "dvc.lock").read_text()
    project.put("dvc.lock", lock.replace('"seed": 4', '"seed": 4, "seed_streams.init": 1, "seed_streams.order": 1'))
    project.commit()
    assert run(monkeypatch, "--environments", "same", "--seeds", "5") == 2
    assert "--seeds: every stream has a seed of its own in seed_streams" in capsys.readouterr().err


def test_more_kills_than_the_training_has_time_for_are_inconclusive(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivation, "_kill", lambda leader: None)
    assert run(monkeypatch, "--environments", "interrupted") == 1
    assert core()["environments"]["interrupted"]["reason"] == (
        "the same digests, but killed 0 times instead of 1: the training was too short"
    )


@pytest.mark.parametrize(("fault", "code"), [("none", 0), ("deaf", 1)])
def test_a_training_that_does_not_take_the_instruction_set_shows_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, fault: str, code: int
) -> None:
    project.put("fault.txt", fault)
    project.commit()
    assert run(monkeypatch, "--environments", "isa=avx2") == code
    found = core()["environments"]["isa=avx2"]
    assert found["asked"] == {"REPRISE_ISA": "avx2"}
    assert ("the training does not say that it ran under REPRISE_ISA=avx2" in found["reason"]) == bool(code)


def test_a_recipe_is_held_against_a_run_of_its_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "--recipe", "toy", "--environments", "workers") == 0
    assert (core()["reference"], core()["recipe"], core()["params"]["train.lr"]) == ("derived", "toy", "0.25")
    assert run(monkeypatch, "--recipe", "default", "--environments", "workers") == 0
    assert (core()["reference"], core()["params"]["train.lr"]) == ("committed", "0.5")


def test_edits_are_told_and_not_verified(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.put("params.yaml", (project.root / "params.yaml").read_text().replace("0.5", "0.4"))
    assert run(monkeypatch, "--environments", "same") == 0
    assert "note: the working tree has edits (params.yaml); it is commit " in capsys.readouterr().err
    assert run(monkeypatch, "--environments", "same", "--allow-dirty") == 1
    assert list(core()["edits"]) == ["params.yaml"]
    assert [i["name"] for i in evidence("same")["inputs"]] == ["train.lr"]


def test_a_lock_of_another_processor_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads((project.root / "metrics/environment.json").read_text())
    record["finetune"]["processor"] = "another"
    project.put("metrics/environment.json", json.dumps(record))
    project.commit()
    assert run(monkeypatch, "--environments", "same") == 0
    (told,) = evidence("same")["inputs"]
    assert (told["name"], told["reference"], told["derived"]) == ("processor", "another", "toy")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rev", "nowhere"], "--rev: 'nowhere' names no commit of this repository"),
        (["--environments", "sane"], "unknown environment 'sane' (nearest: 'same',"),
        (["--environments", "workers=two"], "found 'workers=two', wanted a valid integer"),
        (["--environments", ","], "--environments: found none"),
        (["--environments", "interpreter=/no/python"], "/no/python: no such interpreter"),
        (["--jobs", "0"], "--jobs and --seeds: wanted 1 or more"),
        (["check", "nothing.json"], "nothing.json: cannot be read"),
        (["check", "metrics/data.json"], "predicateType: found None, wanted 'urn:reprise:reproduction:v3'"),
    ],
)
def test_bad_input_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    assert run(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not CERTIFICATE.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rm dvc.lock", "has no dvc.lock, so there is no result to verify"),
        ("""echo '{"schema": "2.0", "stages": {"download": {}}}' > dvc.lock""", "no entry of preprocess, tokenize"),
        ("printf '<<<<<<<' > dvc.lock", "not as `dvc repro` writes it"),
    ],
)
def test_a_commit_without_a_sound_lock_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    subprocess.run(change, shell=True, cwd=project.root, check=True)
    project.commit()
    assert run(monkeypatch, "--environments", "same") == 2
    assert message in capsys.readouterr().err


def test_stopped_it_goes_on_where_it_was(project: Project) -> None:
    """SIGTERM while the second environment runs; the first is kept, and no process is left behind."""
    program = (
        "from pathlib import Path; from stages.verification import derivation, reference\n"
        f"derivation.POLL, derivation.interpreter = 0.005, lambda _: Path({str(project.root.parent)!r}, 'bin/python')\n"
        "reference._cache = lambda repository: repository / 'no/cache'\n"
        "from stages import verify; verify.main()"
    )
    command = [sys.executable, "-c", program, "--environments", "same,interrupted=3,workers"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("same ")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1] == "verify: interrupted\n"
    assert process.returncode == 130
    again = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert [line.endswith("(kept)") for line in again.stderr.splitlines()] == [True, False, False]
