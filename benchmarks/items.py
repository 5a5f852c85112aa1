"""The items of benchmarks.finetune: which sides each needs, what they are asked, and the rows that come of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.arithmetic import Row, Shape, counted_flops, done_flops, estimated_mb, row
from benchmarks.sides import CORES, Side
from stages.core.tables import Rows, arrow_writer

WARM = 3  # steps of each side before the first round
EVERY = 50  # steps from checkpoint to checkpoint
BATCH_SIZES = (8, 16, 32, 64)  # of the pipeline
TIMES = 10  # as much data
BERT_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
TRAINER = {"kind": "trainer", "precision": "float32", "grouped": False}
SIDES: dict[str, dict[str, Any]] = {
    "ours": {"kind": "ours", "precision": "float32"},
    "ours-1": {"kind": "ours", "precision": "float32", "workers": 1},
    "ours-bfloat16": {"kind": "ours", "precision": "bfloat16"},
    "allreduce": {"kind": "ours", "precision": "float32", "inexact": True},
    "ddp": {"kind": "ddp", "precision": "float32"},
    "trainer": TRAINER,
    "grouped": {**TRAINER, "grouped": True},
    "trainer-bfloat16": {**TRAINER, "precision": "bfloat16"},
    "gemm-1x2": {"kind": "gemm", "starts": 1},
    "gemm-2x1": {"kind": "gemm", "starts": CORES},
}
# Items that are measured in common rounds, and the sides of each besides `ours`.
ROUNDS = {
    "trainer": ("trainer",),
    "grouped": ("grouped",),
    "bfloat16": ("ours-bfloat16",),
    "trainer-bfloat16": ("ours-bfloat16", "trainer-bfloat16"),
    "workers": ("ours-1",),
    "ceiling": ("gemm-1x2", "gemm-2x1"),
    "exactness": ("ddp", "allreduce"),
}


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    rounds: int
    steps: int  # of each side a round
    predicted: int  # test rows a round
    rows: int  # training rows of the smaller data
    gemm_seconds: float  # a round


@dataclass
class Bench:
    """One run: its folders, its amounts, and all that was measured."""

    tokens: Path
    base: Path
    home: Path  # a temporary folder
    amounts: Amounts
    measured: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def side(self, name: str, spec: dict[str, Any], folder: str | None = None) -> Iterator[Side]:
        """Start a side, and end it at the end."""
        told = {"tokens": str(self.tokens), "base": str(self.base), **spec}
        alone = spec["kind"] in ("trainer", "pipeline", "gemm")
        starts = spec.get("starts", 1)
        lines = starts if alone else spec.get("workers", CORES)
        threads = CORES // starts if alone else 1
        with closing(Side(folder or name, told, starts, lines, threads, self.home)) as side:
            yield side

    def tell(self, what: str) -> None:
        """Say on standard error what is being measured."""
        print(f"benchmarks.finetune: {what}", file=sys.stderr, flush=True)


def in_rounds(bench: Bench, items: Sequence[str]) -> list[Row]:
    """Measure all of `items` (of ROUNDS, and memory) in common rounds; return their rows."""
    wanted = [n for item in items for n in ROUNDS.get(item, ("trainer",))]
    names = list(dict.fromkeys(["ours", *wanted]))
    amounts = bench.amounts
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with ExitStack() as stack:
        sides = {"ours": stack.enter_context(bench.side("ours", SIDES["ours"]))}
        sides["ours"].ready()
        facts = sides["ours"].facts
        order = bench.home / "order.json"
        steps = WARM + amounts.rounds * amounts.steps
        order.write_text(json.dumps(sides["ours"].ask("order", count=steps)["order"]), encoding="utf-8")
        for name in names[1:]:
            told = {**SIDES[name], "order": str(order), **_products(name, facts, bench)}
            sides[name] = stack.enter_context(bench.side(name, told))
        for name in names:
            bench.tell(f"waiting for {name}")
            sides[name].ready()
            _one(sides[name], WARM, 0.2)
        for number in range(amounts.rounds):
            bench.tell(f"round {number + 1} of {amounts.rounds}: {', '.join(names)}")
            for name in names if number % 2 == 0 else names[::-1]:
                found[name].append(_one(sides[name], amounts.steps, amounts.gemm_seconds))
        memory = {n: sum(sides[n].ask("memory")["mb"]) for n in names if SIDES[n]["kind"] in ("ours", "trainer")}
    bench.measured["rounds"] = found
    bench.measured["peak_mb"] = memory
    bench.measured["model"] = facts
    rows = [r for item in items if item in ROUNDS for r in RESULTS[item](found, facts)]
    return rows + (_memory(bench, facts, memory) if "memory" in items else [])


def _products(name: str, facts: dict[str, Any], bench: Bench) -> dict[str, Any]:
    """Return the matrix shapes for a gemm side: a process has its share of a batch's real tokens."""
    if SIDES[name]["kind"] != "gemm":
        return {}
    tokens = round(facts["mean_length"] * facts["batch_size"] / SIDES[name]["starts"])
    return {"tokens": tokens, **{key: facts[key] for key in ("layers", "hidden", "intermediate")}}


def _one(side: Side, steps: int, seconds: float) -> dict[str, Any]:
    return side.ask("rate", least=seconds) if side.name.startswith("gemm") else side.ask("steps", count=steps)


def speeds(replies: Sequence[dict[str, Any]]) -> list[float]:
    """Return real tokens a second of each round."""
    return [r["tokens"] / r["seconds"] for r in replies]


def _against(item: str, what: str, one: str, other: str, **wanted: float) -> Callable[..., list[Row]]:
    def rows(found: dict[str, list[dict[str, Any]]], _: dict[str, Any]) -> list[Row]:
        return [row(item, what, "tokens/s", speeds(found[one]), speeds(found[other]), **wanted)]

    return rows


def _exactness(found: dict[str, list[dict[str, Any]]], _: dict[str, Any]) -> list[Row]:
    seconds = {name: [r["seconds"] / r["rows"] * 1000 for r in found[name]] for name in ("ours", "ddp", "allreduce")}
    names = {"ddp": "cost of exactness: time, against DDP", "allreduce": "… against all_reduce of our own sums"}
    return [row("exactness", what, "ms/row", seconds["ours"], seconds[n], most=1.05) for n, what in names.items()]


def _ceiling(found: dict[str, list[dict[str, Any]]], facts: dict[str, Any]) -> list[Row]:
    shape = _shape(facts)
    ours = found["ours"]
    both = [
        [a["flops_a_second"], b["flops_a_second"]] for a, b in zip(found["gemm-1x2"], found["gemm-2x1"], strict=True)
    ]
    best = [max(pair) / 1e9 for pair in both]
    counted = [counted_flops(shape, r["tokens"], r["squares"]) / r["seconds"] / 1e9 for r in ours]
    rows = [row("ceiling", "share of the GEMM ceiling, float32", "GFLOP/s", counted, best, least=0.70)]
    if facts["packed"]:
        done = [done_flops(shape, r["rows"], r["tokens"], r["squares"]) / r["seconds"] / 1e9 for r in ours]
        rows.append(row("ceiling", "… of what the packed model computes", "GFLOP/s", done, best))
    return rows


RESULTS: dict[str, Callable[..., list[Row]]] = {
    "trainer": _against("trainer", "training, against Trainer", "ours", "trainer", least=2.0),
    "grouped": _against("grouped", "… against Trainer grouping by length", "ours", "grouped", least=1.3),
    "bfloat16": _against("bfloat16", "bfloat16, against our float32", "ours-bfloat16", "ours", least=1.8),
    "trainer-bfloat16": _against(
        "trainer-bfloat16", "bfloat16, against Trainer's", "ours-bfloat16", "trainer-bfloat16"
    ),
    "workers": _against("workers", "2 workers, against 1", "ours", "ours-1", least=1.8),
    "ceiling": _ceiling,
    "exactness": _exactness,
}


def _shape(facts: dict[str, Any]) -> Shape:
    rest = facts["parameters"] - facts["embedding"]
    return Shape(facts["layers"], facts["hidden"], facts["intermediate"], facts["labels"], rest)


def _memory(bench: Bench, facts: dict[str, Any], memory: dict[str, float]) -> list[Row]:
    """Peak sizes, and a BERT-base of drawn weights: expected from the smaller model, and as it is."""
    rows = [row("memory", "peak memory, both workers, against Trainer", "MiB", [memory["ours"]], [memory["trainer"]])]
    bench.tell("peak memory of a BERT-base")
    spec = {**SIDES["ours"], "init": "random", "overrides": BERT_BASE}
    with bench.side("bert-base", spec) as side:
        side.ready()
        side.ask("steps", count=WARM)
        large, peaks = side.facts, side.ask("memory")["mb"]
    expected = estimated_mb(facts["start_mb"], memory["ours"] / CORES, _sized(facts), _sized(large))
    bench.measured["bert_base"] = {"model": large, "peak_mb": peaks, "expected_mb": expected}
    what = f"peak of a worker, BERT-base ({large['parameters'] / 1e6:.0f} M), against the estimate"
    return [*rows, row("memory", what, "MiB", [max(peaks)], [expected])]


def _sized(facts: dict[str, Any]) -> tuple[int, int, Shape]:
    return facts["parameters"], facts["embedding"], _shape(facts)


def prediction(bench: Bench) -> list[Row]:
    """Examples a second of the forward pass against the pipeline; token rows are given to both."""
    amounts = bench.amounts
    with bench.side("predict", {"kind": "predict"}) as ours, bench.side("pipeline", {"kind": "pipeline"}) as pipe:
        ours.ready()
        pipe.ready()
        order = np.random.default_rng(0).permutation(ours.facts["rows"])
        chosen = [int(n) for n in order[: amounts.predicted]]
        seconds: dict[str, list[float]] = {"ours": [], **{str(size): [] for size in BATCH_SIZES}}
        ours.ask("predict", rows=chosen[:64])
        pipe.ask("predict", rows=chosen[:64], batch_size=8)
        for number in range(amounts.rounds):
            bench.tell(f"prediction, round {number + 1} of {amounts.rounds}")
            for name in seconds if number % 2 == 0 else reversed(seconds):
                size = {} if name == "ours" else {"batch_size": int(name)}
                side = ours if name == "ours" else pipe
                seconds[name].append(side.ask("predict", rows=chosen, **size)["seconds"])
    bench.measured["prediction"] = {"rows": len(chosen), "seconds": seconds}
    rates = {name: [len(chosen) / s for s in values] for name, values in seconds.items()}
    best = max(map(str, BATCH_SIZES), key=lambda name: float(np.median(rates[name])))
    what = f"prediction, against the pipeline at batch {best}"
    return [row("prediction", what, "examples/s", rates["ours"], rates[best], least=2.0)]


def checkpoint(bench: Bench) -> list[Row]:
    """What one checkpoint every EVERY steps adds to their time."""
    amounts = bench.amounts
    costs, fifty = [], []
    with bench.side("checkpoint", SIDES["ours"]) as side:
        side.ready()
        side.ask("steps", count=WARM)
        for number in range(amounts.rounds):
            bench.tell(f"checkpoints, round {number + 1} of {amounts.rounds}")
            without = side.ask("steps", count=amounts.steps)["seconds"]
            costs.append(side.ask("saved", count=amounts.steps)["seconds"] - without)
            fifty.append(without / amounts.steps * EVERY)
    bench.measured["checkpoint"] = {"checkpoint_seconds": costs, "seconds_of_50_steps": fifty}
    whole = [cost + steps for cost, steps in zip(costs, fifty, strict=True)]
    return [row("checkpoint", "a checkpoint every 50 steps: share of the time", "s", costs, whole, most=0.02)]


def data(bench: Bench) -> list[Row]:
    """Ten times the data: seconds of one epoch on repeated rows, and peak memory of steps on all rows repeated."""
    few, many = _repeat(bench, bench.amounts.rows, 1), _repeat(bench, bench.amounts.rows, TIMES)
    spec = {"kind": "whole", "precision": "float32", "epochs": 1}
    seconds: dict[Path, list[float]] = {few: [], many: []}
    with bench.side("whole", spec) as side:
        side.ready()
        for tokens in (few, few, many, few):  # the first warms up and is left out
            bench.tell("one epoch on ten times the rows" if tokens == many else "one epoch on a few rows")
            seconds[tokens].append(side.ask("run", tokens=str(tokens))["seconds"])
    once = seconds[few][1:]
    peaks: dict[int, list[float]] = {}
    for times in (1, TIMES):
        bench.tell(f"peak memory on {times} times all rows")
        tokens = _repeat(bench, None, times)
        with bench.side("rows", {**SIDES["ours"], "tokens": str(tokens)}, f"rows-{times}") as side:
            side.ready()
            side.ask("steps", count=WARM + bench.amounts.steps)
            peaks[times] = side.ask("memory")["mb"]
    bench.measured["data"] = {"seconds": {"1": once, str(TIMES): seconds[many]}, "peak_mb": peaks}
    return [
        row("data", "10 times the data: time of an epoch", "s", seconds[many] * len(once), once, most=10.5),
        row("data", "… peak memory of a worker", "MiB", [max(peaks[TIMES])], [max(peaks[1])]),
    ]


def _repeat(bench: Bench, rows: int | None, times: int) -> Path:
    """Make a tokens folder of drawn rows (all when None), each repeated; validation rows are a tenth as many."""
    folder = bench.home / f"tokens-{rows}-{times}"
    folder.mkdir()
    (folder / "schema.json").write_bytes((bench.tokens / "schema.json").read_bytes())
    for split, share in (("train", 1), ("validation", 10)):
        table = Rows(bench.tokens / f"{split}.arrow").table
        if rows is not None:
            chosen = np.random.default_rng(0).permutation(len(table))[: max(rows // share, 1)]
            table = table.take(pa.array(chosen))
        with arrow_writer(folder / f"{split}.arrow", table.schema) as writer:
            for _ in range(times):
                writer.write_table(table)
    return folder


def accuracy(bench: Bench) -> list[Row]:
    """Both sides trained to the end with equal settings: accuracy on the test rows, and seconds with evaluations."""
    bench.tell("training to the end, ours")
    with bench.side("ours-whole", {"kind": "whole", "precision": "float32"}) as side:
        side.ready()
        ours = side.ask("run", tokens=str(bench.tokens), test=True)
    bench.tell("training to the end, Trainer")
    with bench.side("trainer-whole", {**TRAINER, "whole": True}) as side:
        side.ready()
        theirs = side.ask("run")
    bench.measured["accuracy"] = {"ours": ours, "trainer": theirs}
    return [
        row("accuracy", "test accuracy, against Trainer", "share", [ours["accuracy"]], [theirs["accuracy"]]),
        row("accuracy", "the whole training: time, against Trainer", "s", [ours["seconds"]], [theirs["seconds"]]),
    ]


SINGLE: dict[str, Callable[[Bench], list[Row]]] = {
    "prediction": prediction, "checkpoint": checkpoint, "data": data, "accuracy": accuracy,
}  # fmt: skip
ITEMS = (*ROUNDS, "memory", "prediction", "checkpoint", "data")


def measure(bench: Bench, items: Sequence[str]) -> list[Row]:
    """Measure `items` and return their rows."""
    common = [item for item in items if item not in SINGLE]
    rows = in_rounds(bench, common) if common else []
    return rows + [r for item in items if item in SINGLE for r in SINGLE[item](bench)]


def settings(bench: Bench) -> dict[str, Any]:
    """Return what was measured how much, for the JSON file."""
    return {"amounts": asdict(bench.amounts), "warm_up_steps": WARM, "cores": CORES}
