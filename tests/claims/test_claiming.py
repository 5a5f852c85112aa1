"""Claims on a project with a stand-in for its pipeline: what is run, what is taken, what is kept, what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stages import verify
from stages.claims import runs
from stages.claims.claiming import FOLDER, RECORD, draws
from stages.core.errors import InputError
from tests.claims.conftest import Project
from tests.claims.toy import accuracy
from tests.pipeline.closure import ROOT
from tests.project.repository import below

SEEDS = [42, 1, 2, 3, 4]


def claims(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["verify", "claims", *arguments])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    return int(ended.value.code or 0)


def made(project: Project) -> list[int]:
    """Return the seeds of the runs that were made."""
    return [int(line.split()[0]) for line in project.log]


def test_seeds_begin_with_that_of_the_params_and_none_comes_twice() -> None:
    assert draws(42, 5) == SEEDS
    assert draws(2, 4) == [2, 1, 3, 4]


def test_a_project_in_a_sub_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(below(project.root))
    assert claims(monkeypatch, "--seeds", "2") == 1  # too few to say
    assert made(project) == SEEDS[:2]
    Path("metrics/claims.json").unlink()
    assert claims(monkeypatch, "--seeds", "1") == 1
    assert [run.name for run in runs.load(RECORD)] == ["seed 42"]


def test_the_whole_way(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Five runs, kept; a clone judges by them alone; runs of other code are not taken, and it is said why."""
    assert claims(monkeypatch) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:6] == ["one", "0.955", "[0.9350,", "0.9750]", "5", "0.9540"]
    assert "one: [0.9475, 0.9605] lies within what is accepted, [0.9350, 0.9750]\n" in out
    assert [line.rsplit("  ", 1)[1] for line in err.splitlines()] == [
        f"{accuracy(seed, seed):.4f} (derived)" for seed in SEEDS
    ]
    assert made(project) == SEEDS
    assert {run.name: run.scores["accuracy"] for run in runs.load(RECORD)} == {
        f"seed {seed}": accuracy(seed, seed) for seed in SEEDS
    }
    assert all(run.environment == {"processor": "toy", "torch": "2.13.0"} for run in runs.load(RECORD))
    page = {kind: RECORD.with_suffix(kind).read_text(encoding="utf-8") for kind in (".md", ".html", ".svg")}
    assert "| one | 0.955 | [0.9350, 0.9750] | 5 | 0.9540 ± 0.0021 | [0.9475, 0.9605] | REPRODUCED |" in page[".md"]
    assert "http" not in page[".html"].replace("http://www.w3.org/2000/svg", "")
    assert page[".svg"].count('class="dot"') == 5

    project.commit()
    kept = RECORD.read_bytes()
    clone = Path("../clone")
    project.git("clone", "-q", ".", str(clone))
    monkeypatch.chdir(clone)
    assert claims(monkeypatch, "--only-kept") == 0
    assert capsys.readouterr().err.count("(kept)\n") == 5
    assert RECORD.read_bytes() == kept
    assert Project(Path()).git("status", "--porcelain") == ""  # the same page, to the byte
    assert made(project) == SEEDS

    Project(Path()).put("stages/core/a.py", "1\n")
    Project(Path()).commit()
    assert claims(monkeypatch, "--only-kept") == 1
    out, err = capsys.readouterr()
    assert "one: 0 runs, wanted at least 5\n" in out
    assert "one: kept runs are not taken, for these are no longer as they were: stages/core\n" in out
    assert err.count("not run\n") == 5


def test_a_run_of_the_ledger_is_taken(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / ".gitignore").write_text("/.reprise\n/log\n")
    binary = project.root.parent / "bin/python"
    for command in (["stages.recipe", "toy"], ["dvc", "repro", "-f"]):
        subprocess.run([binary, "-m", *command], check=True, capture_output=True)
    project.commit()
    assert claims(monkeypatch, "--seeds", "2") == 1
    out, err = capsys.readouterr()
    assert [line.rsplit("(", 1)[1] for line in err.splitlines()] == ["ledger, main)", "derived)"]
    assert "one: 2 runs, wanted at least 5" in out
    assert made(project) == [42, 1]
    assert [run.recipe for run in runs.load(RECORD)] == ["toy", "toy"]


def test_seeds_that_no_stream_follows_are_one_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = (project.root / "params.yaml").read_text()
    for stream in ("split", "init", "order"):
        params = params.replace(f"{stream}: null", f"{stream}: 1")
    project.put("params.yaml", params)
    project.commit()
    assert claims(monkeypatch) == 1
    assert "one: 1 runs, wanted at least 5\n" in capsys.readouterr().out
    assert len(made(project)) == 1


def test_a_crash_and_an_undefined_score_are_kept_as_outcomes(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.claim(recipe="faulty")
    project.commit()
    assert claims(monkeypatch) == 1
    out, err = capsys.readouterr()
    assert "one: 2 of 5 runs crashed or diverged\n" in out
    assert "crashed at finetune: crash (derived)\n" in err
    assert "accuracy is undefined (derived)\n" in err
    assert claims(monkeypatch, "--only-kept") == 1
    assert capsys.readouterr().err.count("(kept)\n") == 5
    assert len(made(project)) == 5


def test_stopped_by_kill_9_it_goes_on_where_it_was(project: Project) -> None:
    program = (
        "from pathlib import Path; from stages.verification import derivation\n"
        f"derivation.interpreter = lambda _: Path({str(project.root.parent)!r}, 'bin/python')\n"
        "from stages import verify; verify.main()"
    )
    command = [sys.executable, "-c", program, "claims", "one"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while len(list(FOLDER.glob("*.json"))) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(FOLDER.glob("*.json")))
    assert not RECORD.exists()
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("(made before)\n") == done
    assert ended.stderr.count("(derived)\n") == 5 - done


def test_again_makes_known_runs_anew_and_compares(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert claims(monkeypatch, "--seeds", "2") == 1
    first, second = runs.load(RECORD)  # sorted by seeds
    RECORD.write_text(json.dumps(runs.kept([first, replace(second, outcome="0" * 64)])))
    for file in FOLDER.glob("*.json"):
        file.unlink()
    capsys.readouterr()
    assert claims(monkeypatch, "--seeds", "2", "--again") == 1
    out = capsys.readouterr().out
    assert "one: seed 1: every output as it was (kept)\n" in out
    assert f"one: seed 42: {accuracy(42, 42):.4f} now, {accuracy(42, 42):.4f} kept\n" in out
    assert made(project) == [42, 1, 42, 1]
    assert "0" * 64 not in RECORD.read_text()
    assert not (FOLDER / "again").exists()


def test_claims_that_are_not_asked_for_make_no_runs_and_stay_on_the_page(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = (project.root / "claims.yaml").read_text()
    project.put("claims.yaml", claim + claim.removeprefix("claims:\n").replace("id: one", "id: two"))
    project.commit()
    assert claims(monkeypatch, "two", "--only-kept") == 1
    out, err = capsys.readouterr()
    assert "one" not in out + err
    assert made(project) == []
    assert "| one | 0.955 |" in RECORD.with_suffix(".md").read_text(encoding="utf-8")


def test_a_claim_that_is_not_committed_is_not_judged(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else what is published could be fitted to the runs."""
    claim = (project.root / "claims.yaml").read_text()
    project.put("claims.yaml", claim.replace("published: 0.955", "published: 0.5"))
    assert claims(monkeypatch, "--only-kept") == 1
    assert "note: claims.yaml here is not that of commit " in capsys.readouterr().err
    assert "| one | 0.955 |" in RECORD.with_suffix(".md").read_text(encoding="utf-8")
    project.git("rm", "-q", "--cached", "claims.yaml")
    project.git("commit", "-qm", "without")
    assert claims(monkeypatch, "--only-kept") == 2
    assert ": a claim is committed before it is judged\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "arguments", "message"),
    [
        ("recipe: toy", "recipe: tyo", [], "claims.yaml: one.recipe: 'tyo' is no recipe (nearest: 'toy')"),
        ("", "", ["on"], "on: no such claim in claims.yaml (nearest: 'one')"),
        ("    margin: 0.02\n", "", [], "claims.yaml, line 2: one.margin: missing"),
        ("", "", ["--rev", "nowhere"], "--rev: 'nowhere' names no commit of this repository"),
        ("", "", ["--seeds", "0"], "--jobs and --seeds: wanted 1 or more"),
        ("recipe: toy", "recipe: offline", [], "nothing could be derived: the download stage failed"),
        ("accuracy", "acuracy", ["--seeds", "1"], "claims.yaml: one.metric: 'acuracy' is not in metrics/evaluate.json"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], old: str, new: str,
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    project.put("claims.yaml", (project.root / "claims.yaml").read_text().replace(old, new))
    project.commit()
    assert claims(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not RECORD.exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"runs": [', '"run": [', "metrics/claims.json: runs: Field required"),
        ('"stages/core": "a', '"stages/core": "b', "metrics/claims.json: code."),
        ('"accuracy": 0.95', '"accuracy": "high"', "metrics/claims.json: runs.0.scores.accuracy: "),
        ('"accuracy": 0.95', '"accuracy": 0.96', "runs: toy, seeds {'order': 1}: not as its digest says"),
        ('"failure": null', '"failure": "x"', "metrics/claims.json: runs: one that failed has an outcome"),
        ('"data": "', '"data": "0', "metrics/claims.json: runs: data 0"),
        ("{", "", "metrics/claims.json: not valid JSON"),
    ],
)
def test_a_record_that_was_edited_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    run = runs.Run(
        "toy", {"order": 1}, {"stages/core": "aa"}, {"train.lr": 1}, {"data/raw": "bb"}, "cc", "dd",
        {"accuracy": 0.95}, None, {},
    )  # fmt: skip
    text = json.dumps(runs.kept([run]))
    path = tmp_path / RECORD
    path.parent.mkdir()
    path.write_text(text)
    assert runs.load(path) == [run]
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=re.escape(message)):
        runs.load(path)
