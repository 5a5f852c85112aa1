"""A decoder learns responses from a base with weights, whole or by adapters: the same bits, the same answers saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml
from peft import PeftModel

from stages import evaluate, predict
from stages.core.errors import InputError
from stages.core.files import read_json
from stages.core.params import decode
from stages.predicting.reading import reading
from stages.repro.digests import of_folder
from stages.scoring.generation import Generate
from tests import tiny
from tests.contracts.tasks import CHAT, CPU, GENERATE, TASKS, killed_and_resumed, params, tokenized
from tests.exactness.warm import Warm

TASK = next(task for task in TASKS if task.input == "chat")
METHODS: dict[str, dict[str, Any]] = {
    "full": {"name": "full"},
    "lora": {"name": "lora", "rank": 4, "modules": "linear", "dropout": 0.1},
    "merged": {"name": "lora", "rank": 4, "modules": "linear", "save": "merged"},
}


def tree(method: str, **model: Any) -> dict[str, Any]:
    told = params(TASK)
    told["model"] |= {"init": "pretrained", "head": "kept", **model}
    told["train"] |= {"tuning": METHODS[method], "epochs": 2, "lr": 1e-2, "best_metric": "perplexity"}
    return told


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which finetune can run."""
    root = tmp_path_factory.mktemp("chat")
    tokenized(TASK, root, tree("full"))
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(CHAT)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(root / "models/base")
    return root


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def root(method: str, start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which one worker has trained by the method."""
    root = Path(shutil.copytree(start, tmp_path_factory.mktemp("method") / "run", symlinks=True))
    (root / "params.yaml").write_text(yaml.safe_dump(tree(method)))
    tiny.run_here(root)
    evaluate.evaluate(decode(evaluate.Params, tree(method), {}, "params.yaml"), CPU, root)
    return root


def test_two_workers_that_are_killed_write_the_same(root: Path, tmp_path: Path, warm: Warm) -> None:
    other = Path(shutil.copytree(root, tmp_path / "run", symlinks=True))
    killed_and_resumed(warm, other, 2)
    assert of_folder(other / "models/finetuned") == of_folder(root / "models/finetuned")


def test_it_has_learnt_and_the_base_has_not(root: Path, method: str) -> None:
    scores = read_json(root / "metrics/finetune.json")
    assert scores["validation_perplexity"] < (20 if method == "full" else 100)  # of a vocabulary of 384
    held = scores["learning_parameters"] / scores["parameters"]
    assert held == 1 if method == "full" else held < 0.3
    if method == "merged":
        assert scores["merge_gap"] < 1e-4


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # of PEFT
def test_what_is_saved_writes_what_predict_wrote(root: Path, method: str) -> None:
    folder, file = root / "models/finetuned", root / "data/raw/test.jsonl"
    told = predict.Task.of(folder)
    asked = dict.fromkeys(["format", "delimiter", "header", "column", "encoding"])
    examples = reading(file, asked, told.example, root / "params.yaml").examples(file)
    how = Generate(max_new_tokens=GENERATE["max_new_tokens"])
    ours = [json.loads(line)["response"] for line in predict.predict(folder, told, examples, 50, CPU, how)]
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(root / "models/base" if method == "lora" else folder)
    if method == "lora":
        model = PeftModel.from_pretrained(model, folder)
    model.eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for line, response in list(zip(file.read_text().splitlines(), ours, strict=True))[:8]:
        turns = [{"role": "user", "content": json.loads(line)["prompt"]}]
        given = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        written = model.generate(**given, max_new_tokens=GENERATE["max_new_tokens"], do_sample=False)[0]
        text = tokenizer.decode(written[given["input_ids"].shape[1] :], skip_special_tokens=True)
        assert text.strip() == response


def test_a_new_head_is_refused(start: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(start, tmp_path / "run", symlinks=True))
    (other / "params.yaml").write_text(yaml.safe_dump(tree("full", head="new")))
    with pytest.raises(InputError, match="^model.head: found new, but this target's head is the base's own vocabulary"):
        tiny.run_here(other)
