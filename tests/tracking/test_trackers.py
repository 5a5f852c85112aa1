"""What each tracker is told, by stand-ins of the libraries, which are extras and not installed for the tests."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stages.tracking import TRACKERS

PARAMS = {"train.lr": 2e-5, "model.overrides": {}}
RECORD = {"dvc.lock": "abc", "workers": 2}


class Spy:
    """Notes the calls of any method; answers with what `answers` says."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, *arguments, *([named] if named else [])))
            return self._answers.get(name)

        return called


def module(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    made = ModuleType(name)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, name, made)


def told(name: str) -> None:
    tracker = TRACKERS[name]("20260101-000000", PARAMS)
    tracker.log(1, {"train/loss": 0.5})
    tracker.end(1, {"test/accuracy": 0.9}, RECORD, False)


def test_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    spy, folders = Spy(), []
    made = lambda folder: folders.append(folder) or spy  # noqa: E731
    module(monkeypatch, "torch.utils.tensorboard", SummaryWriter=made)
    told("tensorboard")
    assert folders == [str(Path("runs/20260101-000000"))]
    assert spy.calls == [
        ("add_text", "params", '    {\n      "model.overrides": {},\n      "train.lr": 2e-05\n    }'),
        ("add_scalar", "train/loss", 0.5, 1),
        ("flush",),
        ("add_scalar", "test/accuracy", 0.9, 1),
        ("flush",),
        ("add_text", "record", '    {\n      "dvc.lock": "abc",\n      "succeeded": false,\n      "workers": 2\n    }'),
        ("close",),
    ]


def test_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    run = SimpleNamespace(info=SimpleNamespace(run_id="r"))
    spy, places = Spy(get_experiment_by_name=None, create_experiment="7", create_run=run), []
    module(monkeypatch, "mlflow")
    module(monkeypatch, "mlflow.tracking", MlflowClient=lambda tracking_uri: places.append(tracking_uri) or spy)
    told("mlflow")
    assert places == ["sqlite:///mlflow.db"]
    assert spy.calls == [
        ("get_experiment_by_name", "reprise"),
        ("create_experiment", "reprise"),
        ("create_run", "7", {"run_name": "20260101-000000"}),
        ("log_param", "r", "train.lr", "2e-05"),
        ("log_param", "r", "model.overrides", "{}"),
        ("log_metric", "r", "train/loss", 0.5, {"step": 1}),
        ("log_metric", "r", "test/accuracy", 0.9, {"step": 1}),
        ("set_tag", "r", "dvc.lock", "abc"),
        ("set_tag", "r", "workers", "2"),
        ("set_terminated", "r", "FAILED"),
    ]


def test_wandb_is_offline_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    begun: list[dict[str, Any]] = []
    run = Spy()
    run.__dict__.update(summary=Spy(), config=Spy())
    module(monkeypatch, "wandb", Settings=dict, init=lambda **named: begun.append(named) or run)
    for mode, wanted in (("", "offline"), ("online", "online")):
        monkeypatch.setenv("WANDB_MODE", mode)
        told("wandb")
        assert begun[-1]["mode"] == wanted
    assert (begun[0]["project"], begun[0]["name"], begun[0]["config"]) == ("reprise", "20260101-000000", PARAMS)
    assert run.calls[:2] == [("log", {"train/loss": 0.5}, {"step": 1}), ("finish", {"exit_code": 1})]
    assert run.summary.calls[0] == ("update", {"test/accuracy": 0.9})
    assert run.config.calls[0] == ("update", RECORD)
