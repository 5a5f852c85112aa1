"""What is read of a run, and where its files do not belong together."""

from __future__ import annotations

import shutil

import pytest

from stages.core.errors import InputError
from stages.report import locked
from stages.reporting.run import Run, read
from tests.reporting.project import Project


def run(project: Project, texts: bool = True) -> Run:
    return read(project.root, locked(project.root), texts)


def test_a_whole_run_has_no_notices(project: Project) -> None:
    found = run(project)
    assert found.notices == ()
    assert (found.data.train_rows, found.data.classes, found.trace) == (8, 2, "abab")
    assert found.scores.flat() == {"accuracy": 0.812345, "log_loss": 0.456789, "macro_f1": 0.798765, "mcc": None}
    assert found.plots["metrics/finetune/steps.tsv"] == {"step": [1, 2], "loss": [0.9, 0.7], "lr": [0.001, 0.0005]}
    assert found.worst is not None
    assert found.worst["text"] == ["a text that was mistaken"]


def test_every_missing_file_is_named_at_once(project: Project) -> None:
    for name in ("metrics/evaluate.json", "data/predictions/worst.tsv"):
        (project.root / name).unlink()
    with pytest.raises(InputError) as error:
        run(project)
    assert str(error.value) == (
        "metrics/evaluate.json, data/predictions/worst.tsv: no such file: "
        "run dvc repro, or dvc pull for what others have computed"
    )


def test_without_texts_what_lies_in_data_is_not_needed(project: Project) -> None:
    shutil.rmtree(project.root / "data")
    found = run(project, texts=False)
    assert (found.summary, found.worst) == (None, None)


def test_a_run_can_be_without_its_environment(project: Project) -> None:
    (project.root / "metrics/environment.json").unlink()
    assert run(project).environment is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "metrics/finetune.json: the file: "),
        ("{}", "metrics/finetune.json: steps: Field required: run dvc repro"),
    ],
)
def test_a_broken_metrics_file_is_named(project: Project, content: str, said: str) -> None:
    (project.root / "metrics/finetune.json").write_text(content)
    with pytest.raises(InputError) as error:
        run(project)
    assert str(error.value).startswith(said)


def test_params_edited_since_are_told(project: Project) -> None:
    path = project.root / "params.yaml"
    path.write_text(path.read_text().replace("lr: 0.001", "lr: 3e-5") + "new: 1\n")
    assert run(project).notices == (
        "params.yaml has been edited since: new is 1, the run had absent.",
        "params.yaml has been edited since: train.lr is 3e-05, the run had 0.001.",
    )


def test_a_metrics_file_of_another_run_is_told(project: Project) -> None:
    path = project.root / "metrics/evaluate.json"
    path.write_text(path.read_text().replace("0.812345", "0.999999"))
    assert run(project).notices == ("metrics/evaluate.json is not the file that dvc.lock records.",)


def test_no_lock_is_no_run(project: Project) -> None:
    (project.root / "dvc.lock").unlink()
    with pytest.raises(InputError) as error:
        locked(project.root)
    assert str(error.value) == "dvc.lock: no such file: there is no run to report yet; run dvc repro"
