"""A project in a sub-folder of its repository is verified, checked and reported as one of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages import report
from stages.ledger.history import snapshots
from tests.project.repository import below
from tests.reporting.project import Project as Reported
from tests.verification.conftest import Project
from tests.verification.test_command import CERTIFICATE, run


@pytest.fixture
def moved(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project in a sub-folder; it is the working folder."""
    folder = below(project.root)
    monkeypatch.chdir(folder)
    return folder


def test_it_is_verified(moved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (moved.parent / "beside/a").write_text("2")  # is not of this project
    assert run(monkeypatch, "--environments", "same,hostile,interrupted,hermetic") == 0
    core = json.loads(CERTIFICATE.read_text(encoding="utf-8"))["predicate"]["core"]
    assert (core["grade"], core["edits"], len(core["outputs"])) == ("BITWISE", {}, 5)
    assert run(monkeypatch, "check") == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert notes[0].startswith("note: the certifier's word")


def test_its_edits_are_its_own(
    moved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (moved.parent / "beside/a").write_text("2")
    (moved / "stages/finetune.py").write_text("# edited\n")
    assert run(monkeypatch, "--allow-dirty", "--environments", "same") in (0, 1)
    core = json.loads(CERTIFICATE.read_text(encoding="utf-8"))["predicate"]["core"]
    assert list(core["edits"]) == ["stages/finetune.py"]


def test_its_runs_are_known(moved: Path) -> None:
    assert [bool(s.commit) for s in snapshots(moved)] == [True, False]
    assert all("dvc.lock" in s.files for s in snapshots(moved))


def test_it_is_reported(tmp_path: Path) -> None:
    made = Reported(tmp_path / "project")
    made.write()
    made.repository()
    made.commit()
    moved = Reported(below(made.root))
    moved.params["train"]["lr"] = 0.003
    moved.write()
    report.report(moved.root, "HEAD", texts=True)
    page = (moved.root / "report.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith("| params.yaml"))
    assert [cell.strip() for cell in row.split("|")][2:5:2] == ["train.lr", "0.003"]
    assert "more or fewer than in HEAD" in page  # the plots of the commit were read
