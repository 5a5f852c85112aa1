"""Several runs as one model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from stages import ensemble
from stages.core.errors import InputError
from stages.core.params import decode
from stages.evaluate import Params
from tests import tiny
from tests.contracts.tasks import CPU, TASKS, params, tokenized
from tests.shell import run

TEXTS, MASKED = (
    next(task for task in TASKS if (task.input, task.target) == names)
    for names in (("text", "classes"), ("text", "masked"))
)
SHAS = {name: name * 40 for name in "abc"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data/tokens and three members, fetched: a and b of other seeds, c the same as a."""
    root = tmp_path_factory.mktemp("ensemble")
    tree = params(TEXTS)
    tokenized(TEXTS, root, tree)
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        (root / "params.yaml").write_text(yaml.safe_dump(tree | {"seed": seed}))
        tiny.run_here(root)
        shutil.copytree(root / "models/finetuned", root / ensemble.FOLDER / SHAS[name] / "finetuned")
    return root


def made(root: Path, names: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(root)
    said = decode(Params, params(TEXTS), {}, "params.yaml")
    return ensemble.ensemble(said, CPU, {name: SHAS[name] for name in names})


def test_members_that_are_equal_gain_nothing(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(trained, "ac", monkeypatch)
    assert found["members"]["a"]["score"] == found["members"]["c"]["score"] == found["mean"]
    for one in found["made"].values():
        assert (one["score"], one["gain"], one["gain_interval"]) == (found["mean"], 0.0, (0.0, 0.0))
    assert found["made"]["greedy soup"]["members"] == ["a", "c"]


def test_others_are_scored_beside_the_mean_member(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(trained, "ab", monkeypatch)
    scores = [one["score"] for one in found["members"].values()]
    assert found["mean"] == pytest.approx(np.mean(scores), abs=1e-15)
    assert list(found["made"]) == ["predictions", "uniform soup", "greedy soup"]
    for one in found["made"].values():
        assert one["gain"] == pytest.approx(one["score"] - found["mean"], abs=1e-15)
        assert one["gain_interval"][0] <= one["gain"] <= one["gain_interval"][1]
    assert (found["metric"], found["better"]) == ("accuracy", "higher")
    text = ensemble.table(json.loads(json.dumps(found)))
    assert f"| predictions of 2 | {found['made']['predictions']['score']:.4f} |" in text


def test_a_soup_has_the_mean_of_the_weights(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    said = decode(Params, params(TEXTS), {}, "params.yaml")
    evaluation = ensemble.Evaluation(said, CPU, SHAS)
    mixed = dict(ensemble.soup([evaluation.model("a"), evaluation.model("b")]).named_parameters())
    one, two = (load_file(trained / ensemble.FOLDER / SHAS[n] / "finetuned/model.safetensors") for n in "ab")
    for name, parameter in mixed.items():
        wanted = ((one[name].double() + two[name].double()) / 2).float()
        assert torch.equal(parameter.detach(), wanted), name


@pytest.mark.parametrize(
    ("scores", "higher", "kept"),
    [
        ({"a": 0.8, "ab": 0.7, "ac": 0.9}, True, ["a", "c"]),
        ({"a": 0.8, "ab": 0.8, "abc": 0.7}, True, ["a", "b"]),
        ({"a": 0.8, "ab": 0.7, "abc": 0.9}, False, ["a", "b"]),
    ],
)
def test_the_greedy_soup_takes_what_does_not_harm(scores: dict[str, float], higher: bool, kept: list[str]) -> None:
    assert ensemble.greedy("abc", lambda names: scores["".join(names)], higher) == kept


def test_predictions_that_cannot_be_averaged_are_refused(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    said = decode(Params, params(MASKED), {}, "params.yaml")
    with pytest.raises(InputError, match=r"target\.name: this target's predictions cannot be averaged"):
        ensemble.Evaluation(said, CPU, SHAS)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return one with three commits: two runs from the same tokens, and one from others."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "dvc.yaml").write_text(DVC_YAML)
    run(root, "git init -q && dvc init -q && dvc config core.analytics false")
    for number in range(3):
        (root / "rows").write_text("others" if number == 2 else "rows")
        (root / "rate").write_text(str(number))
        run(root, f"dvc repro && git add . && git commit -qm {number} && git tag run-{number}")
    run(root, "git checkout -q run-1 && dvc checkout -q")
    (root / "models/base").mkdir()
    return root


DVC_YAML = """\
stages:
  tokenize:
    cmd: mkdir -p data/tokens && cp rows data/tokens/test.arrow
    deps: [rows]
    outs: [data/tokens]
  finetune:
    cmd: mkdir -p models/finetuned && cp rate models/finetuned/rate
    deps: [data/tokens, rate]
    outs: [models/finetuned]
"""


def test_members_come_from_the_cache_and_have_learnt_from_the_same_rows(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    members = ensemble.commits(["run-0", "run-1"])
    ensemble.fetch(members)
    for number, sha in enumerate(members.values()):
        place = ensemble.FOLDER / sha
        assert (place / "finetuned/rate").read_text() == str(number)
        assert (place / "base").resolve() == (repository / "models/base").resolve()
    with pytest.raises(InputError, match="run-2: learnt from another data/tokens than that of the working folder"):
        ensemble.fetch(ensemble.commits(["run-1", "run-2"]))
    for names, message in {
        ("run-0",): "wanted two runs at least",
        ("run-0", "HEAD~1"): "'HEAD~1' is a member already: wanted other runs",
        ("run-0", "run-9"): "'run-9' names no commit and no experiment",
    }.items():
        with pytest.raises(InputError, match=message):
            ensemble.commits(names)
    shutil.rmtree(repository / "data/tokens")
    with pytest.raises(InputError, match="data/tokens: wanted the rows that the members learnt from"):
        ensemble.fetch(members)
