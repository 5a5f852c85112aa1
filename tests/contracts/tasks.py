"""Inputs with targets, each with rows that a tiny model can learn from, and the params of a run of them."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from stages import preprocess, tokenize
from stages.core.params import decode
from stages.repro.group import Alone
from tests import tiny
from tests.exactness.warm import Warm

MODEL = tiny.ROOT / "files/smoke/model"
CHAT = tiny.ROOT / "files/chat/model"  # a Llama
GPT2 = {
    "model_type": "gpt2", "vocab_size": 384, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
NOUNS = {"garden": ["rose", "sparrow"], "harbour": ["gull", "captain"], "office": ["memo", "clerk"]}
OPTIONS = {"passage": {"stride": 2}, "span": {"without": 1}, "masked": {"probability": 0.4}}
GENERATE: dict[str, Any] = {"max_new_tokens": 8, "scores": ["exact_match", "rouge", "bleu", "chrf"]}
CPU = Alone(torch.device("cpu"))


@dataclass(frozen=True)
class Task:
    """An input with a target, and a row of it as a function of its number."""

    input: str
    target: str
    main: str  # the score by which it is told

    def row(self, number: int) -> dict[str, Any]:
        """Return a row that can be learnt from its words."""
        draw = np.random.default_rng(number)
        places = list(NOUNS)
        one, two = (places[int(i)] for i in draw.integers(0, 3, 2))
        first, second = (f"the old {draw.choice(NOUNS[place])} signs near {number}" for place in (one, two))
        words = f"soon the {draw.choice(NOUNS[one])} {draw.choice(NOUNS[two])} signs near {number}".split()
        marked = (
            f"soon the <e1>{draw.choice(NOUNS[one])}</e1> signs near the <e2>{draw.choice(NOUNS[two])}</e2> of {number}"
        )
        examples = {
            "text": {"text": first}, "pair": {"first": first, "second": second}, "words": {"words": words},
            "marked": {"text": marked},
            "chat": {"prompt": f"where? {first}", "response": f"in the {one}"},
            "passage": {"question": f"near {number}", "passage": f"it sails {number * ' slowly'}: {' '.join(words)}"},
        }  # fmt: skip
        answers = {
            "relations": {"label": f"{one}(e1,e2)" if one == two else "Other" if one == "office" else f"{one}(e2,e1)"},
            "span": spans(words[2], examples["passage"]["passage"]) if number % 7 else {"answers": [], "starts": []},
            "masked": {},
            "next": {},
            "labels": {"labels": sorted({one, two} - {"office"}) if self.input == "pair" else [one]},
            "classes": {"label": one if self.input == "text" else str(one == two).lower()},
            "number": {"number": 0.5 + places.index(one) + (one == two)},
            "tags": {
                "tags": ["O", "O", f"B-{one}", f"{'I' if one == two else 'B'}-{two}", "O", "O", "O"][: len(words)]
            },
        }
        return examples[self.input] | answers[self.target]


def spans(answer: str, passage: str) -> dict[str, Any]:
    return {"answers": [answer], "starts": [passage.index(answer)]}


TASKS = [
    Task("text", "classes", "accuracy"),
    Task("text", "number", "pearson"),
    Task("pair", "classes", "accuracy"),
    Task("pair", "number", "pearson"),
    Task("words", "tags", "f1"),
    Task("marked", "relations", "relation_f1"),
    Task("text", "labels", "micro_f1"),
    Task("pair", "labels", "micro_f1"),
    Task("passage", "span", "f1"),
    Task("text", "masked", "pseudo_perplexity"),
    Task("text", "next", "perplexity"),
    Task("chat", "next", "exact_match"),
]


def params(task: Task) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(tiny.PARAMS)
    tree |= {"input": {"name": task.input} | OPTIONS.get(task.input, {})}
    tree |= {"target": {"name": task.target} | OPTIONS.get(task.target, {})}
    tree["model"] |= {"init": "random"}
    tree["train"] |= {"epochs": 3, "lr": 3e-3, "batch_size": 8, "shard_size": 2, "checkpoint_every": 2}
    tree["tokenize"] = {"max_length": 64 if task.target == "next" else 16, "pad_token": None}
    tree["evaluate"] = {"bootstrap": 100, "bootstrap_seed": 0, "calibration_bins": 5, "worst": 5}
    if task.input == "chat":
        tree["evaluate"]["generate"] = GENERATE
    fields = list(task.row(0))
    tree["data"] = {
        "source": None, "format": {"name": "jsonl"}, "encoding": "utf-8", "columns": {name: name for name in fields},
        "files": {"train": "train.jsonl", "validation": None, "test": "test.jsonl"}, "split": None, "keep": None,
        "empty": "drop", "duplicates": "drop", "conflicts": "keep", "leakage": "keep", "validation_fraction": 0.2,
        "test_fraction": None, "stratify": False, "per_class": None, "limit": None,
    }  # fmt: skip
    return tree


def tokenized(task: Task, root: Path, tree: dict[str, Any]) -> None:
    """Make a folder in which the stages ran as far as tokenize, by the params `tree`."""
    (root / "data/raw").mkdir(parents=True)
    for split, numbers in (("train", range(60)), ("test", range(60, 100))):
        rows = "".join(json.dumps(task.row(number)) + "\n" for number in numbers)
        (root / f"data/raw/{split}.jsonl").write_text(rows)
    shutil.copytree(CHAT if task.target == "next" else MODEL, root / "models/base")
    if (task.input, task.target) == ("text", "next"):
        (root / "models/base/config.json").write_text(json.dumps(GPT2))
    (root / "stages").symlink_to(tiny.ROOT / "stages")
    (root / "params.yaml").write_text(yaml.safe_dump(tree))
    said = decode(preprocess.Params, tree, {}, "params.yaml")
    preprocess.preprocess(said, root / "data/raw", root / "data/clean", root / "metrics/data.json")
    said = decode(tokenize.Params, tree, {}, "params.yaml")
    tokenize.tokenize(
        said, root / "data/clean", root / "models/base", root / "data/tokens", root / "metrics/tokenize.json"
    )


def retrained(warm: Warm, root: Path) -> None:
    """Train anew in a folder as two workers."""
    for name in ("models/finetuned", "metrics/finetune"):
        shutil.rmtree(root / name, ignore_errors=True)
    code, said = warm.run(root, REPRISE_WORKERS="2")
    assert code == 0, said


def killed_and_resumed(warm: Warm, root: Path, workers: int) -> None:
    """Train anew in a folder as two workers that are killed (-9) behind their first checkpoint, then as `workers`."""
    for name in ("models/finetuned", "metrics/finetune"):
        shutil.rmtree(root / name, ignore_errors=True)
    fault = {"do": "kill", "at": "open metrics/finetune/trace.tsv", "which": 4}
    assert warm.start(root, fault, REPRISE_WORKERS="2").wait()[0] == -signal.SIGKILL
    code, said = warm.run(root, REPRISE_WORKERS=str(workers))
    assert code == 0, said
    assert "goes on from step" in said
