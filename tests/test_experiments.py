"""DVC's queue and a search, through the real `dvc`, on a project whose training takes no time."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import time
from pathlib import Path

import pytest

from stages.ledger.history import snapshots
from stages.searching.trial import CURVE, SUMMARY, points
from tests.stub import ROOT, Stub

QUEUE = "dvc exp run --queue -S 'train.lr=1e-5,2,3e-5' -S train.schedule=cosine -S train.epochs=1"
SEARCH = "python -m stages.search -S 'train.lr=log(1e-5, 1e-2)' --name lr --trials"


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Stub:
    made = Stub(tmp_path_factory.mktemp("stub") / "made/project")
    made.make()
    return made


@pytest.fixture(scope="module")
def queued(stub: Stub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stub, str]:
    """Return a project whose queue of three has run, the second with a value out of its range, and what it said."""
    project = stub.copy(tmp_path_factory.mktemp("queued") / "copy")
    project.run(QUEUE)
    return project, project.run("dvc exp run --run-all", code=0)


def rates(project: Stub) -> dict[str, str]:
    """Return {learning rate: state} of what `dvc exp show --csv` lists beside the baseline."""
    rows = list(csv.DictReader(io.StringIO(project.run("dvc exp show --csv --hide-workspace"))))
    return {row["train.lr"]: row["State"] for row in rows if row["typ"] == "branch_base" or row["parent"]}


def test_a_value_out_of_its_range_fails_its_experiment_alone(queued: tuple[Stub, str]) -> None:
    project, said = queued
    assert "train.lr: found 2, wanted less than 1" in said
    assert "Traceback" not in said
    names = [name for s in snapshots(project.root) for name in s.names if name != "main"]
    assert len(names) == 2


def test_a_failure_stays_to_be_seen(queued: tuple[Stub, str]) -> None:
    project, _ = queued
    status = project.run("dvc queue status")
    assert sorted(re.findall(r"(Failed|Success)\s*$", status, re.MULTILINE)) == ["Failed", "Success", "Success"]
    failed = re.search(r"^(\w+) .*Failed", status, re.MULTILINE)
    assert failed is not None
    assert "train.lr: found 2, wanted less than 1" in project.run(f"dvc queue logs {failed[1]}")


def test_scientific_notation_and_words_arrive_as_such(queued: tuple[Stub, str]) -> None:
    trained = [line for line in queued[0].trained() if line.endswith(" 1")]
    assert sorted(trained) == ["0.002 1", "1e-05 1", "3e-05 1"]


def test_a_search_that_is_killed_goes_on_where_it_was(stub: Stub, tmp_path: Path) -> None:
    """Killed in mid-training, with the training left behind: it is stopped, and its trial goes on from where it was."""
    project = stub.copy(tmp_path / "copy")
    project.log.write_text("")
    process = project.start(f"{SEARCH} 1", STUB_SECONDS="1")
    deadline = time.monotonic() + 200
    while len(project.trained()) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    said = project.run(f"{SEARCH} 2")
    assert "search: the trial that a killed search left running is stopped first" in said
    assert "2 trials: 2 complete, 0 pruned, 0 failed" in said
    names = {name for s in snapshots(project.root) for name in s.names}
    assert names == {"main", "lr-000", "lr-001"}
    trained = project.trained()
    assert "evaluate" not in trained
    assert len(trained) == len(set(trained)) == 12  # six epochs each, none of them twice
    assert project.run("git status --porcelain") == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "nothing to search"),
        ("-S train.lrr=1,2", "train.lrr: unknown key (nearest: 'lr'"),
        ("-S 'train.lr=log(1e-5,2)'", "train.lr: found 2.0, wanted less than 1"),
        ("-S seed=1,2", "seed: read by a stage other than tokenize and finetune"),
        ("-S data.limit=10,20", "data.limit: read by a stage other than"),
        ("-S train.lr=1e-5,3e-5 --metric evaluate.accuracy", "is a score of the test rows, which take no part"),
        ("-S train.lr=1e-5,3e-5 --metric acuracy", "no score of the validation rows (nearest: 'accuracy')"),
        ("-S train.lr=1e-5,3e-5 --name a/b", "--name: found 'a/b', wanted letters"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    stub: Stub, arguments: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shlex

    from stages import search

    monkeypatch.chdir(stub.root)
    monkeypatch.setattr("sys.argv", ["search", *shlex.split(arguments)])
    with pytest.raises(SystemExit) as ended:
        search.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (stub.root / ".reprise/search").exists()


def test_what_git_does_not_track_is_named(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stages import search

    project = stub.copy(tmp_path / "copy")
    (project.root / "files").mkdir()
    (project.root / "files/mine.tsv").write_text("text\tlabel\n")
    monkeypatch.chdir(project.root)
    monkeypatch.setattr("sys.argv", ["search", "-S", "train.lr=1e-5,3e-5"])
    with pytest.raises(SystemExit):
        search.main()
    assert "files/mine.tsv: not tracked by Git, so an experiment's copy would lack it" in capsys.readouterr().err


def test_the_stub_writes_what_the_pipeline_writes(stub: Stub) -> None:
    """A search reads these of the real training, whose results are committed."""
    for root in (ROOT, stub.root):
        (*_, last) = points((root / CURVE).read_text(encoding="utf-8"))
        assert list(last.scores) == ["loss", "accuracy", "macro_f1"]
        assert {"validation_loss", "validation_accuracy", "validation_macro_f1"} <= set(
            re.findall(r'"(\w+)":', (root / SUMMARY).read_text(encoding="utf-8"))
        )
