"""Every input with every target that fits it: from raw rows to predictions, the same bits whoever computes them.

A new combination is one line of TASKS in tests/contracts/tasks.py. Each is learnt by a tiny model from few rows.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from stages import evaluate, predict
from stages.core.files import read_json
from stages.core.params import decode
from stages.inputs.marked import Marked
from stages.predicting.reading import reading
from stages.repro.digests import of_folder
from stages.scoring.generation import Generate
from tests import tiny
from tests.contracts.tasks import CPU, GENERATE, TASKS, Task, killed_and_resumed, params, tokenized
from tests.exactness.warm import Warm


@pytest.fixture(scope="module", params=TASKS, ids=lambda task: f"{task.input}-{task.target}")
def task(request: pytest.FixtureRequest) -> Task:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def root(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which every stage ran, as one worker."""
    root = tmp_path_factory.mktemp("task")
    tree = params(task)
    tokenized(task, root, tree)
    tiny.run_here(root)
    evaluate.evaluate(decode(evaluate.Params, tree, {}, "params.yaml"), CPU, root)
    return root


def test_what_is_written_is_told_by_forms(root: Path, task: Task) -> None:
    scores = read_json(root / "metrics/evaluate.json")
    assert scores["metrics"][0][0] == task.main
    assert scores["intervals"][task.main][0] <= scores[task.main] <= scores["intervals"][task.main][1]
    assert {path.name for path in (root / "metrics/evaluate").iterdir()} == {"bars", "lines", "matrix"}
    header = (root / "metrics/finetune/validation.tsv").read_text().splitlines()[0].split("\t")
    assert header[:3] == ["step", "epoch", "loss"]
    assert header[-1] == {
        "exact_match": "perplexity",
        "accuracy": "macro_f1",
        "f1": "f1" if task.input == "words" else "overlap",
    }.get(task.main, task.main)
    assert read_json(root / "models/finetuned/task.json")["target"]["name"] == task.target


def test_two_workers_that_are_killed_write_the_same(root: Path, tmp_path: Path, warm: Warm) -> None:
    other = Path(shutil.copytree(root, tmp_path / "run", symlinks=True))
    killed_and_resumed(warm, other, 2)
    assert of_folder(other / "models/finetuned") == of_folder(root / "models/finetuned")
    assert of_folder(other / "metrics/finetune") == of_folder(root / "metrics/finetune")


def test_evaluate_writes_the_same_bytes_again(root: Path, task: Task, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "run", symlinks=True))
    shutil.rmtree(other / "data/predictions")
    evaluate.evaluate(decode(evaluate.Params, params(task), {}, "params.yaml"), CPU, other)
    for name in ("data/predictions", "metrics"):
        assert of_folder(other / name) == of_folder(root / name)


def said(root: Path, task: Task) -> list[dict[str, Any]]:
    """Return what predict says of the test rows."""
    told = predict.Task.of(root / "models/finetuned")
    asked = dict.fromkeys(["format", "delimiter", "header", "column", "encoding"])
    examples = reading(root / "data/raw/test.jsonl", asked, told.example, root / "params.yaml").examples(
        root / "data/raw/test.jsonl"
    )
    how = (
        Generate(max_new_tokens=GENERATE["max_new_tokens"]) if task.input == "chat" else None
    )  # any window: none changes a response
    lines = predict.predict(root / "models/finetuned", told, examples, 7 if how else 1000, CPU, how)
    return [json.loads(line) for line in lines]


def test_predict_says_what_evaluate_wrote(root: Path, task: Task) -> None:
    written = pq.read_table(root / "data/predictions/test.parquet").to_pylist()
    key = {"classes": "label", "relations": "label", "span": "answer", "masked": task.main, "next": task.main}
    if task.input == "chat":
        key["next"] = "response"
    found = [line[key.get(task.target, task.target)] for line in said(root, task)]
    assert ["" if one is None else one for one in found] == [row["prediction"] for row in written]


def spans_are_found(folder: Path, rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """Compute the windows of a passage with transformers' own, and look for each best candidate among them."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    model, tokenizer = (
        AutoModelForQuestionAnswering.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    for row, line in zip(rows, found, strict=True):
        inputs = tokenizer(
            row["question"], row["passage"], truncation="only_second", stride=2, max_length=16, padding=True,
            return_overflowing_tokens=True, return_offsets_mapping=True, return_tensors="pt",
        )  # fmt: skip
        offsets = inputs.pop("offset_mapping").tolist()
        inputs.pop("overflow_to_sample_mapping", None)
        with torch.no_grad():
            said = model(**inputs)
        best = line["candidates"][0]
        totals = []
        for window, of in enumerate(offsets):
            own = [place for place, one in enumerate(inputs.sequence_ids(window)) if one == 1]
            totals += [
                (float(said.start_logits[window, a] + said.end_logits[window, b]), of[a][0], of[b][1])
                for a in own for b in own if a <= b
            ]  # fmt: skip
        score, begin, end = max(totals)
        assert (best["begin"], best["end"]) == (begin, end)
        assert best["score"] == pytest.approx(score, abs=1e-4)
        assert best["answer"] == row["passage"][begin:end]


def tokens_are_found(folder: Path, rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """Hide every second token of a text (1 / 0.4, rounded), then the others."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for row, line in zip(rows, found, strict=True):
        ids = tokenizer(row["text"], truncation=True, max_length=16, return_tensors="pt")["input_ids"]
        losses = []
        for turn in range(2):
            places = torch.arange(1 + turn, ids.shape[1] - 1, 2)
            hidden = ids.clone()
            hidden[0, places] = tokenizer.mask_token_id
            with torch.no_grad():
                logits = model(input_ids=hidden).logits[0, places]
            losses.append(torch.nn.functional.cross_entropy(logits, ids[0, places], reduction="none"))
        assert line["tokens"] == ids.shape[1] - 2
        assert line["pseudo_perplexity"] == pytest.approx(float(torch.cat(losses).mean().exp()), rel=1e-4)


def followers_are_found(folder: Path, rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """Compute the loss of each text by itself."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    if "prompt" in rows[0]:
        for row, line in zip(rows, found, strict=True):
            turns = [{"role": "user", "content": row["prompt"]}]
            asked = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            length = asked["input_ids"].shape[1]
            written = model.generate(**asked, max_new_tokens=GENERATE["max_new_tokens"], do_sample=False)[0, length:]
            assert line["response"] == tokenizer.decode(written, skip_special_tokens=True).strip()
        return
    for row, line in zip(rows, found, strict=True):
        ids = tokenizer(row["text"], return_tensors="pt")["input_ids"]
        with torch.no_grad():
            loss = model(input_ids=ids, labels=ids).loss
        assert line["tokens"] == ids.shape[1] - 1
        assert line["perplexity"] == pytest.approx(float(loss.exp()), rel=1e-4)


def test_plain_transformers_say_the_same(root: Path, task: Task) -> None:
    from transformers import pipeline

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    rows = [json.loads(line) for line in (root / "data/raw/test.jsonl").read_text().splitlines()][:12]
    found = said(root, task)[:12]
    if task.target == "tags":
        whole: Any = pipeline("ner", model=str(root / "models/finetuned"))
        for row, line in zip(rows, found, strict=True):
            tags = ["O"] * len(row["words"])
            starts = {sum(len(word) + 1 for word in row["words"][:n]): n for n in range(len(tags))}
            for entity in whole(" ".join(row["words"])):
                if entity["start"] in starts:  # the first token of a word
                    tags[starts[entity["start"]]] = entity["entity"]
            assert tags == line["tags"]
        return
    if task.target in ("span", "masked", "next"):
        {"span": spans_are_found, "masked": tokens_are_found, "next": followers_are_found}[task.target](
            root / "models/finetuned", rows, found
        )
        return
    whole = pipeline("text-classification", model=str(root / "models/finetuned"))
    asked = [
        {"text": row["first"], "text_pair": row["second"]}
        if task.input == "pair"
        else Marked().read(row["text"])[0]
        if task.input == "marked"
        else row["text"]
        for row in rows
    ]
    if task.target == "labels":
        for one, line in zip(asked, found, strict=True):
            scores = whole([one], truncation=True, top_k=None)[0]
            assert sorted(found["label"] for found in scores if found["score"] >= 0.5) == line["labels"]
        return
    theirs = [whole(one, truncation=True) for one in asked]
    theirs = [one[0] if isinstance(one, list) else one for one in theirs]
    if task.target in ("classes", "relations"):
        assert [one["label"] for one in theirs] == [line["label"] for line in found]
    else:
        np.testing.assert_allclose([one["score"] for one in theirs], [line["number"] for line in found], atol=1e-4)
