"""Objectives, regularisers and averages through the whole loop: the same bits whoever computes them, after any kill."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.objectives import OBJECTIVES
from tests import tiny
from tests.contracts.tasks import TASKS, params, tokenized
from tests.exactness.conftest import undisturbed
from tests.exactness.warm import Warm

TEXTS, WORDS, NUMBERS, LABELS = (
    next(task for task in TASKS if (task.input, task.target) == names)
    for names in (("text", "classes"), ("words", "tags"), ("text", "number"), ("text", "labels"))
)
WAYS: list[tuple[Any, dict[str, Any]]] = [
    (TEXTS, {"objective": {"name": "fgm"}, "average": {"name": "ema", "decay": 0.9}}),
    (TEXTS, {"objective": {"name": "pgd"}, "tuning": {"name": "frozen", "layers": 1}, "precision": "bfloat16"}),
    (WORDS, {"objective": {"name": "freelb"}, "regularise": {"name": "mixout", "p": 0.3}}),
    (WORDS, {"objective": {"name": "rdrop", "alpha": 2.0}, "regularise": {"name": "l2sp"}}),
    (LABELS, {"objective": {"name": "focal"}, "average": {"name": "swa", "every": 2, "start": 0.2}}),
    (TEXTS, {"objective": {"name": "distil", "temperature": 2.0}, "regularise": {"name": "l2sp"}}),
    (WORDS, {"objective": {"name": "distil", "weight": 1.0}, "average": {"name": "ema"}}),
]
ALONE: list[dict[str, Any]] = [
    {},
    {"average": {"name": "ema"}},
    {"average": {"name": "swa", "every": 1, "start": 0.0}},
    {"regularise": {"name": "l2sp"}},
    {"regularise": {"name": "mixout"}},
    *({"objective": {"name": name}} for name in OBJECTIVES if name != "plain"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return for each target a folder in which finetune can run."""
    folder = tmp_path_factory.mktemp("methods")
    for task in (TEXTS, WORDS, NUMBERS, LABELS):
        tokenized(task, folder / task.target, params(task))
        tiny.run_here(folder / task.target)
        (folder / task.target / "models/finetuned").rename(folder / task.target / "taught")
        shutil.rmtree(folder / task.target / ".reprise")
    return {path.name: path for path in folder.iterdir()}


def clone(made: dict[str, Path], task: Any, train: dict[str, Any], folder: Path) -> Path:
    """Return a copy in which `train` replaces keys of params.yaml; a student has one of its teacher's two layers."""
    root = Path(shutil.copytree(made[task.target], folder / "clone", symlinks=True))
    shutil.rmtree(root / "metrics")
    tree = params(task)
    tree["train"] |= {"epochs": 1, "evaluate_every": 3} | train
    if tree["train"]["objective"]["name"] == "distil":
        (root / "taught").rename(root / "models/teacher")
        tree["model"]["overrides"] = {"num_hidden_layers": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(tree))
    return root


@pytest.mark.parametrize(("task", "train"), WAYS, ids=[f"{t.target}-{train['objective']['name']}" for t, train in WAYS])
def test_two_workers_that_are_killed_write_the_same(
    warm: Warm, made: dict[str, Path], tmp_path: Path, task: Any, train: dict[str, Any]
) -> None:
    root = clone(made, task, train, tmp_path)
    alone = undisturbed(warm, root)
    kill = {"do": "kill", "at": "open metrics/finetune/trace.tsv", "which": 5}
    assert warm.run(root, kill, REPRISE_WORKERS="2")[0] == -signal.SIGKILL
    code, said = warm.run(root, REPRISE_WORKERS="2")
    assert (code, "finetune: goes on from step 4\n" in said) == (0, True), said
    assert tiny.outputs(root) == alone


REFUSED = [
    ({"objective": {"name": "focal", "gamma": 0.0}}, "train.objective.gamma: found 0.0, wanted greater than 0"),
    ({"objective": {"name": "rdrop", "alpha": -1.0}}, "train.objective.alpha: found -1.0, wanted greater than 0"),
    ({"objective": {"name": "fgm", "epsilon": 0.0}}, "train.objective.epsilon: found 0.0, wanted greater than 0"),
    ({"objective": {"name": "pgd", "steps": 0}}, "train.objective.steps: found 0, wanted greater than or equal to 1"),
    ({"objective": {"name": "freelb", "steps": 1}}, "train.objective.steps: found 1, wanted greater than or equal to"),
    ({"regularise": {"name": "l2sp", "alpha": -0.1}}, "train.regularise.alpha: found -0.1, wanted greater than or"),
    ({"regularise": {"name": "mixout", "p": 1.0}}, "train.regularise.p: found 1.0, wanted less than 1"),
    ({"regularise": {"name": "l2s"}}, "train.regularise.name: unknown name 'l2s' (nearest: 'l2sp')"),
    ({"average": {"name": "ema", "decay": 1.0}}, "train.average.decay: found 1.0, wanted less than 1"),
    ({"average": {"name": "swa", "start": 1.0}}, "train.average.start: found 1.0, wanted less than 1"),
    ({"average": {"name": "swa", "every": 0}}, "train.average.every: found 0, wanted "),
]


@pytest.mark.parametrize(("train", "message"), REFUSED)
def test_what_is_refused(made: dict[str, Path], tmp_path: Path, train: dict[str, Any], message: str) -> None:
    root = clone(made, TEXTS, train, tmp_path)
    with pytest.raises(InputError) as caught:
        tiny.run_here(root)
    assert message in str(caught.value)
    assert not (root / "models/finetuned").exists()


def test_a_refusal_at_the_first_step_is_one_line_and_code_2(warm: Warm, made: dict[str, Path], tmp_path: Path) -> None:
    root = clone(made, NUMBERS, {"objective": {"name": "focal"}}, tmp_path)
    message = "train.objective: focal and rdrop need classes, which this target has not: set plain"
    assert warm.run(root, REPRISE_WORKERS="2") == (2, f"finetune: error: {message}\n")


def test_a_number_is_learnt_against_an_adversary(made: dict[str, Path], tmp_path: Path) -> None:
    root = clone(made, NUMBERS, {"objective": {"name": "fgm", "epsilon": 0.1}}, tmp_path)
    tiny.run_here(root)
    assert read_json(root / "metrics/finetune.json")["steps"] == 6


def test_each_method_makes_another_model(made: dict[str, Path], tmp_path: Path) -> None:
    found = {}
    for number, train in enumerate(ALONE):
        root = clone(made, TEXTS, {**train, "warmup": 0.0}, tmp_path / str(number))
        tiny.run_here(root)
        found[str(train)] = tiny.outputs(root)["models/finetuned/model.safetensors"]
    assert len(set(found.values())) == len(ALONE), found
