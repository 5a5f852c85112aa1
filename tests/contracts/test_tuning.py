"""Every tuning method with two inputs: the same bits whoever computes them, and the same answers once it is saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
import yaml
from peft import PeftModel

from stages import evaluate, predict
from stages.core.errors import InputError
from stages.core.files import read_json
from stages.core.params import decode, part_of
from stages.inference import outputs, token_rows, whole
from stages.models import load
from stages.models.adapted import base_of
from stages.repro.digests import of_folder
from stages.tuning import TUNING
from tests import tiny
from tests.contracts.tasks import CPU, MODEL, TASKS, Task, killed_and_resumed, params, retrained, tokenized
from tests.exactness.warm import Warm

METHODS: dict[str, dict[str, Any]] = {
    "full": {"name": "full"},
    "layerwise": {"name": "layerwise", "decay": 0.5},
    "gradual": {"name": "gradual", "layers": 1},
    "frozen": {"name": "frozen", "layers": 1},
    "bitfit": {"name": "bitfit"},
    "lora": {"name": "lora", "rank": 4, "dropout": 0.1},
    "dora": {"name": "lora", "rank": 2, "modules": ["query"], "dora": True, "rslora": True},
    "merged": {"name": "lora", "rank": 4, "modules": "linear", "save": "merged"},
    "ia3": {"name": "ia3"},
    "adapter": {"name": "adapter", "width": 4},
    "prompt": {"name": "prompt", "length": 3},
    "prefix": {"name": "prefix", "length": 3},
}
BY_PEFT = {"lora", "dora", "ia3"}
BESIDE = BY_PEFT | {"adapter", "prompt", "prefix"}  # saved without their base
BY_FOUR = {"gradual", "merged", "prefix"}
FIELDS = ("text-classes", "words-tags")


def test_every_method_is_here() -> None:
    assert {method["name"] for method in METHODS.values()} == set(TUNING)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder for each input in which finetune can run, from a base with weights."""
    found = {}
    for task in TASKS:
        name = f"{task.input}-{task.target}"
        if name in FIELDS:
            root = tmp_path_factory.mktemp(name)
            tokenized(task, root, tree(task))
            torch.manual_seed(0)
            config = transformers.AutoConfig.from_pretrained(MODEL)
            transformers.AutoModel.from_config(config).save_pretrained(root / "models/base")
            shutil.copyfile(MODEL / "config.json", root / "models/base/config.json")
            found[name] = root
    return found


def tree(task: Task, method: str = "full") -> dict[str, Any]:
    told = params(task)
    told["model"]["init"] = "pretrained"
    told["train"] |= {"tuning": METHODS[method], "epochs": 3, "lr": 1e-2}
    return told


@pytest.fixture(scope="module", params=FIELDS)
def task(request: pytest.FixtureRequest) -> Task:
    return next(task for task in TASKS if f"{task.input}-{task.target}" == request.param)


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def root(task: Task, method: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which one worker has trained by the method."""
    source = folders[f"{task.input}-{task.target}"]
    root = Path(shutil.copytree(source, tmp_path_factory.mktemp("method") / "run", symlinks=True))
    (root / "params.yaml").write_text(yaml.safe_dump(tree(task, method)))
    tiny.run_here(root)
    return root


def logits(root: Path, task: Task, split: str = "validation") -> np.ndarray[Any, Any]:
    said = decode(evaluate.Params, tree(task), {}, "params.yaml")
    head = part_of(said.target, "head").Head(read_json(root / "data/tokens/schema.json")["space"])
    rows = token_rows(root / f"data/tokens/{split}.arrow", 0)
    return outputs(load(root / "models/finetuned", head), rows, head, CPU, "test")


def test_other_workers_write_the_same(root: Path, task: Task, method: str, tmp_path: Path, warm: Warm) -> None:
    """Two of them; of texts killed and resumed, some by four."""
    other = Path(shutil.copytree(root, tmp_path / "run", symlinks=True))
    if task.input == "text":
        killed_and_resumed(warm, other, 4 if method in BY_FOUR else 2)
    else:
        retrained(warm, other)
    assert of_folder(other / "models/finetuned") == of_folder(root / "models/finetuned")
    assert of_folder(other / "metrics/finetune") == of_folder(root / "metrics/finetune")


def test_the_saved_model_says_what_the_trained_one_said(root: Path, task: Task, method: str) -> None:
    target = decode(evaluate.Params, tree(task), {}, "params.yaml").target
    space = read_json(root / "data/tokens/schema.json")["space"]
    metrics = part_of(target, "metrics")
    judged = metrics.Judged.of(logits(root, task), whole(token_rows(root / "data/tokens/validation.arrow", 0)), space)
    trained = read_json(root / "metrics/finetune.json")
    found = metrics.METRICS["loss"].compute(judged)
    if method == "merged":
        assert 0 < trained["merge_gap"] < 1e-5
        assert found == pytest.approx(trained["validation_loss"], rel=1e-5)
    else:
        assert found == trained["validation_loss"]


def test_something_was_learnt(root: Path) -> None:
    lines = (root / "metrics/finetune/steps.tsv").read_text().splitlines()
    losses = [float(line.split("\t")[2]) for line in lines[1:]]
    assert sum(losses[-6:]) < sum(losses[:6])


def test_what_is_saved(root: Path, method: str) -> None:
    names = {path.name for path in (root / "models/finetuned").iterdir()}
    assert ("adapter_model.safetensors" in names) == (method in BESIDE)
    assert ("model.safetensors" in names) == (method not in BESIDE)
    assert ("adapter_config.json" in names) == (method in BY_PEFT)


def test_evaluate_and_predict_read_it(root: Path, task: Task) -> None:
    evaluate.evaluate(decode(evaluate.Params, tree(task), {}, "params.yaml"), CPU, root)
    told = predict.Task.of(root / "models/finetuned")
    rows = [json.loads(line) for line in (root / "data/raw/test.jsonl").read_text().splitlines()][:5]
    examples = iter([(rows[n]["text"],) if task.input == "text" else (tuple(rows[n]["words"]),) for n in range(5)])
    assert len(list(predict.predict(root / "models/finetuned", told, examples, 5, CPU))) == 5


@pytest.mark.parametrize("method", sorted(BY_PEFT), indirect=True, scope="module")
@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT reads a name that transformers will drop
def test_plain_peft_says_the_same(root: Path, task: Task, method: str) -> None:
    auto = {"text": "AutoModelForSequenceClassification", "words": "AutoModelForTokenClassification"}[task.input]
    labels = len(read_json(root / "models/finetuned/config.json")["id2label"])
    base = getattr(transformers, auto).from_pretrained(root / "models/base", num_labels=labels)
    whole_model = PeftModel.from_pretrained(base, root / "models/finetuned").merge_and_unload().eval()
    ids = token_rows(root / "data/tokens/validation.arrow", 0).take(np.arange(4))["input_ids"]
    ours = logits(root, task)
    counts = [1] * 4 if task.input == "text" else None
    at = 0
    for number, row in enumerate(ids):
        with torch.no_grad():
            theirs = whole_model(input_ids=torch.from_numpy(row.astype(np.int64))[None]).logits[0].numpy()
        if counts is None:
            places = token_rows(root / "data/tokens/validation.arrow", 0).take(np.array([number]))["places"][0]
            theirs = theirs[places[places >= 0]]
        theirs = theirs.reshape(-1, labels)
        np.testing.assert_allclose(ours[at : at + len(theirs)], theirs, atol=1e-5)
        at += len(theirs)


@pytest.mark.parametrize("method", sorted(BESIDE), indirect=True, scope="module")
def test_an_adapter_of_another_base_is_refused(root: Path, task: Task, method: str, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "run", symlinks=True))
    (other / "models/base/README.md").write_text("another one")
    with pytest.raises(
        InputError, match=r"an adapter of another base: its digest is [0-9a-f]{16}…, that of .*[0-9a-f]{16}…"
    ):
        logits(other, task)
    shutil.rmtree(other / "models/base")
    with pytest.raises(InputError, match="an adapter, whose base is wanted beside it"):
        base_of(other / "models/finetuned", {})
