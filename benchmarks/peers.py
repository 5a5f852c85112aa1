"""The peers: Hugging Face's Trainer and text-classification pipeline, set up as documented for a CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    pipeline,
)
from transformers.pipelines import TextClassificationPipeline
from transformers.trainer_pt_utils import LengthGroupedSampler

from benchmarks.talk import Line, peak_mb
from stages.core.files import read_json
from stages.core.params import load
from stages.finetune import Params
from stages.inference import token_rows
from stages.learning import TokenRows
from stages.repro.streams import Streams
from stages.scoring.classification import METRICS, Judged, softmax

Spec = Mapping[str, Any]


class Examples(Dataset[dict[str, Any]]):
    """Token rows as Trainer takes them, all in memory."""

    def __init__(self, rows: TokenRows) -> None:
        part = rows.take(np.arange(len(rows.lengths)))
        self.lengths = rows.lengths.tolist()
        self._items = [
            {"input_ids": ids.tolist(), "labels": label}
            for ids, label in zip(part["input_ids"], part["label"].tolist(), strict=True)
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return dict(self._items[index])


class Ordered(Trainer):
    """Trainer on batches that are given: the rows of each step of ours, or those of its own length grouping."""

    order: list[int]

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.order


class Conversation(TrainerCallback):
    """Holds Trainer's loop between two commands, and times its steps in between."""

    def __init__(self, line: Line, batches: list[np.ndarray[Any, Any]]) -> None:
        self.line = line
        self.batches = batches  # lengths of the rows of each step
        self.done = 0
        self.count = 0
        self.began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Wait for the first command."""
        self.line.say({})
        self._next(control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After the last step that was asked for, reply, and wait for more."""
        self.done += 1
        if self.done < self.count:
            return
        seconds = time.perf_counter() - self.began
        lengths = np.concatenate(self.batches[state.global_step - self.done : state.global_step])
        self.line.say({"seconds": seconds, "rows": len(lengths), "tokens": int(lengths.sum())})
        self._next(control)

    def _next(self, control: Any) -> None:
        while (asked := self.line.hear()) is not None and asked["do"] == "memory":
            self.line.say({"mb": peak_mb()})
        if asked is None:
            control.should_training_stop = True
            return
        self.done, self.count, self.began = 0, asked["count"], time.perf_counter()


def train(spec: Spec, line: Line) -> None:
    """Be Trainer: step by step as asked, or (`whole`) one training with evaluations and the test at its end."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    params = load(Params)
    tokens, base = Path(spec["tokens"]), Path(spec["base"])
    schema = read_json(tokens / "schema.json")
    splits = ("train", "validation", "test") if spec.get("whole") else ("train",)
    data = {split: Examples(token_rows(tokens / f"{split}.arrow", schema["pad_token_id"])) for split in splits}
    model = _model(params, base, len(schema["space"]["labels"]))
    arguments = _arguments(params, spec)
    collator = DataCollatorWithPadding(AutoTokenizer.from_pretrained(base, local_files_only=True))
    if spec.get("whole"):
        _whole(line, arguments, model, collator, data)
        return
    size = params.train.batch_size
    lengths = np.array(data["train"].lengths, dtype=np.int64)
    order = _grouped(data["train"], size) if spec["grouped"] else read_json(Path(spec["order"]))
    batches = [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
    talk = Conversation(line, [lengths[b] for b in batches])
    trainer = Ordered(model, arguments, data_collator=collator, train_dataset=data["train"], callbacks=[talk])
    trainer.order = [index for batch in batches for index in batch]
    trainer.train()


def _model(params: Any, base: Path, labels: int) -> Any:
    config = AutoConfig.from_pretrained(base, local_files_only=True, num_labels=labels, **params.model.overrides)
    torch.manual_seed(Streams(params.seed, params.seed_streams.model_dump()).key("init"))
    if params.model.init == "random":
        return AutoModelForSequenceClassification.from_config(config)
    return AutoModelForSequenceClassification.from_pretrained(
        base, config=config, dtype=torch.float32, local_files_only=True, ignore_mismatched_sizes=True
    )


def _arguments(params: Any, spec: Spec) -> TrainingArguments:
    """Return our settings by their names there; all else is as it comes."""
    settings = params.train
    every = settings.evaluate_every
    watched = {} if not spec.get("whole") else {
        "eval_strategy": "epoch" if every == "epoch" else "steps",
        "save_strategy": "epoch" if every == "epoch" else "steps",
        **({} if every == "epoch" else {"eval_steps": every, "save_steps": every}),
        "load_best_model_at_end": True, "save_total_limit": 1, "metric_for_best_model": settings.best_metric,
        "greater_is_better": METRICS[settings.best_metric].better == "higher", "per_device_eval_batch_size": 32,
    }  # fmt: skip
    return TrainingArguments(
        output_dir=str(Path(spec["scratch"], "trainer")), use_cpu=True, bf16=spec["precision"] == "bfloat16",
        per_device_train_batch_size=settings.batch_size, num_train_epochs=settings.epochs, learning_rate=settings.lr,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=settings.warmup, weight_decay=settings.weight_decay, adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1], adam_epsilon=settings.epsilon, max_grad_norm=settings.clip_norm or 0.0,
        train_sampling_strategy="group_by_length" if spec["grouped"] else "random",
        report_to="none", disable_tqdm=True, logging_strategy="no",
        seed=params.seed, **{"save_strategy": "no", **watched},
    )  # fmt: skip


def _grouped(data: Examples, size: int) -> list[int]:
    """Return the rows of its own length grouping; the batches, whose content is its, in a drawn order.

    It puts the longest of each fifty batches first: a round of a few steps would see long batches or short ones.
    """
    own = list(LengthGroupedSampler(size, lengths=data.lengths, generator=torch.Generator().manual_seed(0)))
    batches = [own[start : start + size] for start in range(0, len(own) - size + 1, size)]
    return [row for n in np.random.default_rng(0).permutation(len(batches)) for row in batches[n]]


def _whole(line: Line, arguments: TrainingArguments, model: Any, collator: Any, data: Mapping[str, Examples]) -> None:
    def metrics(found: Any) -> dict[str, float]:
        probabilities = softmax(found.predictions)
        judged = Judged(found.label_ids, probabilities)
        return {n: m.compute(judged) for n, m in METRICS.items() if n != "loss"}

    trainer = Trainer(
        model, arguments, data_collator=collator, train_dataset=data["train"], eval_dataset=data["validation"],
        compute_metrics=metrics,
    )  # fmt: skip
    line.say({})
    while line.hear() is not None:
        began = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began
        line.say({"seconds": seconds, "accuracy": trainer.predict(data["test"]).metrics["test_accuracy"]})


class Encoded(TextClassificationPipeline):
    """The pipeline on token rows: what it would make of texts is given to it."""

    def preprocess(self, inputs: Any, **_: Any) -> dict[str, Any]:
        """Return the row as a batch of one, as its tokenizer would."""
        ids = torch.tensor([inputs["ids"]])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


class Pipeline:
    """transformers.pipeline("text-classification") with one process and the threads of OMP_NUM_THREADS."""

    def __init__(self, spec: Spec) -> None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        tokens, base = Path(spec["tokens"]), Path(spec["base"])
        schema = read_json(tokens / "schema.json")
        model = _model(load(Params), base, len(schema["space"]["labels"])).eval()
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        self.rows = token_rows(tokens / "test.arrow", schema["pad_token_id"])
        self.pipe = pipeline(
            "text-classification", model=model, tokenizer=tokenizer, device="cpu", pipeline_class=Encoded
        )

    def predict(self, rows: list[int], batch_size: int) -> dict[str, Any]:
        """Return the seconds that the classes of these test rows take."""
        tokens = self.rows.take(np.array(rows))["input_ids"]

        def stream() -> Iterator[dict[str, Any]]:
            for ids in tokens:
                yield {"ids": ids.tolist()}

        began = time.perf_counter()
        found = sum(1 for _ in self.pipe(stream(), batch_size=batch_size))
        assert found == len(rows)
        return {"seconds": time.perf_counter() - began}
