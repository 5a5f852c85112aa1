"""Every stage, run through its own `main`, while what it reads is edited."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from dvc.exceptions import ReproductionError
from dvc.repo import Repo

from stages import download, evaluate, finetune, preprocess, recipe, tokenize
from stages.project import graph
from stages.repro import workers
from stages.repro.inputs import Inputs
from tests.tiny import ROOT

STAGES = {
    module.__name__.removeprefix("stages."): module for module in (download, preprocess, tokenize, finetune, evaluate)
}
# Of each stage: a line of params.yaml that it reads, one that it does not, and a data file.
EDITS = {
    "download": ("train.tsv: files/smoke/train.tsv", "max_length: 32", "files/smoke/train.tsv"),
    "preprocess": ("leakage: drop", "max_length: 32", "data/raw/test.tsv"),
    "tokenize": ("max_length: 32", "leakage: drop", "data/clean/train.parquet"),
    "finetune": ("lr: 2e-3", "worst: 20", "models/base/config.json"),
    "evaluate": ("worst: 20", "lr: 2e-3", "models/finetuned/model.safetensors"),
}
KEYS = {
    "download": 'data.source.files.train.tsv of params.yaml (from "files/smoke/train.tsv" to 7)',
    "preprocess": 'data.leakage of params.yaml (from "drop" to 7)',
    "tokenize": "tokenize.max_length of params.yaml (from 32 to 7)",
    "finetune": "train.lr of params.yaml (from 0.002 to 7)",
    "evaluate": "evaluate.worst of params.yaml (from 20 to 7)",
}
CODE = "stages/core/files.py"  # of which all stages are made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the project with the recipe `smoke`, cut short, as the working folder."""
    root, before = tmp_path_factory.mktemp("project"), Path.cwd()
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("stages", "files", "recipes"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", "requirements.lock"):
        shutil.copy(ROOT / name, root / name)
    os.chdir(root)
    recipe.apply("smoke")
    _replace("params.yaml", "epochs: 6", "epochs: 1")
    _replace("params.yaml", "limit:", "limit: 48")
    yield root
    os.chdir(before)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the stages work in this process, as one worker, without arguments."""
    from stages.repro.determinism import pinned, settle
    from stages.repro.group import Alone

    wanted = {**pinned(os.environ), "RANK": "0"}
    for key in os.environ.keys() - wanted.keys():
        monkeypatch.delenv(key)
    for key, value in wanted.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys, "argv", ["stage"])
    monkeypatch.setattr(workers, "run", lambda module, work, most: work(Alone(settle(0))))


def _replace(name: str, old: str, new: str) -> None:
    text = Path(name).read_text(encoding="utf-8")
    assert text.count(old) == 1, (name, old)
    Path(name).write_text(text.replace(old, new), encoding="utf-8")


def _edited(name: str, edit: Callable[[], None], inputs: Inputs) -> list[str]:
    """Return what is found changed after `edit`, which is then undone; that leaves nothing changed."""
    before = Path(name).read_bytes()
    edit()
    changes = list(inputs.changes())
    Path(name).write_bytes(before)
    assert list(inputs.changes()) == []
    return changes


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_reads_is_watched(
    project: Path, alone: None, stage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the graph: the outputs that one stage was refused are what the next one reads."""
    read, unread, data = EDITS[stage]
    accept = Inputs.accept

    def edit(inputs: Inputs, staged: Mapping[Path, Path]) -> None:
        def append(name: str) -> None:
            with Path(name).open("ab") as file:
                file.write(b"\n")

        def param(line: str) -> Callable[[], Any]:
            return lambda: _replace("params.yaml", line, f"{line.split(':')[0]}: 7")

        assert _edited("params.yaml", param(read), inputs) == [KEYS[stage]]
        assert _edited("params.yaml", param(unread), inputs) == []
        assert _edited(CODE, lambda: append(CODE), inputs) == [CODE]
        assert _edited(data, lambda: append(data), inputs) == [data]
        append(data)
        accept(inputs, staged)

    monkeypatch.setattr(Inputs, "accept", edit)
    before = Path(data).read_bytes()
    with pytest.raises(SystemExit) as ended:
        STAGES[stage].main()
    Path(data).write_bytes(before)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"{stage}: error: changed while the stage ran: {data}. dvc.lock would say that the outputs were made with "
        f"that, so none was put in place; they are in .reprise/refused/{stage}. "
        "Run again, with the change or without it"
    )
    _put_in_place(Path(".reprise/refused") / stage, stage)


def _put_in_place(refused: Path, stage: str) -> None:
    """Move what was refused to where it belongs; it is all that the stage writes, and nothing of it was there."""
    (entry,) = (known for known in graph.stages(Path()) if known.name == stage)
    live = {"metrics/finetune/steps.tsv", "metrics/finetune/trace.tsv", "metrics/finetune/validation.tsv"}
    for out in sorted(set(entry.outs)):
        assert (refused / out).exists(), out
        assert not Path(out).exists() or out in live, out
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        os.replace(refused / out, out)


STAGE = """
from pathlib import Path
from stages.core import yaml12
from stages.core.cli import errors_told
from stages.core.files import outputs
from stages.project import graph
with errors_told("first"):
    inputs = graph.inputs("first")
    lr = yaml12.read(Path("params.yaml"))[0]["lr"]
    with outputs(Path("model"), accept=inputs.accept) as (file,):
        file.write_text(f"made with {lr}")
        if Path("edit").is_file():  # what a user does meanwhile
            Path("params.yaml").write_bytes(Path("edit").read_bytes())
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of DVC's own
def test_dvc_records_nothing_that_did_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Through the real DVC: the lock stays, the status tells, and the run cache gives no wrong model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    model, params, lock = Path("model"), Path("params.yaml"), Path("dvc.lock")
    Path("dvc.yaml").write_text(
        f"stages: {{first: {{cmd: {sys.executable} first.py, deps: [first.py], params: [lr], outs: [model]}}}}\n"
    )
    Path("first.py").write_text(STAGE)
    params.write_text("lr: 1\n")
    with Repo.init(no_scm=True) as repo:
        repo.reproduce()
        assert model.read_text() == "made with 1"
        recorded = lock.read_bytes()
        Path("edit").write_text("lr: 2\n")
        with pytest.raises(ReproductionError):
            repo.reproduce(force=True)
        assert "first: error: changed while the stage ran: lr of params.yaml (from 1 to 2). " in capfd.readouterr().err
        assert lock.read_bytes() == recorded
        assert Path(".reprise/refused/first/model").read_text() == "made with 1"
        assert {"changed deps": {"params.yaml": {"lr": "modified"}}} in repo.status()["first"]
        Path("edit").unlink()
        assert [stage.addressing for stage in repo.reproduce()] == ["first"]
        assert model.read_text() == "made with 2"
