"""finetune: the base model learns the task, exactly.

Reads data/tokens/ (but for the test rows), models/base/ and models/teacher/; writes models/finetuned/ (with task.json:
what it was trained for), metrics/finetune.json and the curves in metrics/finetune/ (live, as it goes). Run:
python -m stages.finetune. Started again after an interruption it goes on from the last checkpoint, with any number of
workers (REPRISE_WORKERS), and the result is the same.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.finetune", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("finetune")  # the imports below take their time

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.averages import AVERAGES
from stages.core.errors import InputError, nearest
from stages.core.files import SCRATCH, outputs, read_json, write_json
from stages.core.params import Elsewhere, Section, choice, load, name_of, part_of
from stages.encoding import PROBED, contradictions
from stages.objectives import OBJECTIVES
from stages.project import graph
from stages.regularisers import REGULARISERS
from stages.repro import digests, environment, workers
from stages.repro.inputs import Inputs
from stages.repro.streams import Streams
from stages.targets import TARGETS
from stages.tuning import TUNING

if TYPE_CHECKING:
    from stages.training.loop import Loop

TOKENS = ("schema.json", "train.arrow", "validation.arrow")  # of data/tokens: the test rows are none of its business
Rate = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class SeedStreams(Section):
    """Seeds of single streams; null derives the stream from `seed`."""

    init: Seed | None = Field(description="the new head's weights, or all weights with model.init: random")
    order: Seed | None = Field(description="the order of the examples in each epoch")
    dropout: Seed | None = Field(description="the dropout masks")
    split: Elsewhere = None
    augment: Elsewhere = None


class Model(Section):
    """The model as a generator applied to parameters."""

    init: Literal["pretrained", "random"] = Field(description="weights of the base model, or drawn")
    head: Literal["new", "kept"] = Field(description="of a base fine-tuned before: its head, for the same labels")
    overrides: dict[str, Any] = Field(description="fields of the model's own config")
    source: Elsewhere = None
    teacher: Elsewhere = None


class EarlyStopping(Section):
    """When to stop before the last epoch."""

    patience: int = Field(ge=1, description="evaluations without improvement, >= 1")
    min_delta: float = Field(default=0.0, ge=0, description="what counts as an improvement of best_metric, >= 0")


class Train(Section):
    """How it learns."""

    epochs: int = Field(ge=1, description="passes over the training rows, >= 1")
    batch_size: int = Field(ge=1, description="examples an optimiser step, a multiple of shard_size")
    shard_size: int = Field(ge=1, description="examples computed as one piece by one worker; changes the bits")
    lr: float = Field(gt=0, lt=1, description="peak learning rate, (0, 1)")
    schedule: Literal["linear", "cosine", "constant"] = Field(description="learning rate after the warm-up")
    warmup: Rate = Field(description="fraction of all steps, [0, 1): the rate rises linearly from 0")
    weight_decay: Rate = Field(description="AdamW, [0, 1); never on biases and norms")
    betas: tuple[Rate, Rate] = Field(description="AdamW, each [0, 1)")
    epsilon: float = Field(gt=0, description="AdamW, > 0")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(description="largest gradient norm, > 0, or null")
    precision: Literal["float32", "bfloat16"] = Field(description="of matrix products; weights stay float32")
    objective: choice(OBJECTIVES) = Field(description="what is minimised")  # type: ignore[valid-type]
    regularise: choice(REGULARISERS) = Field(description="what holds the weights to the start")  # type: ignore[valid-type]
    class_weights: Literal["none", "balanced"] = Field(description="balanced: inverse to the share of a class or tag")
    tuning: choice(TUNING) = Field(description="which parameters learn")  # type: ignore[valid-type]
    average: choice(AVERAGES) = Field(description="which weights are validated and kept")  # type: ignore[valid-type]
    evaluate_every: Literal["epoch"] | Annotated[int, Field(ge=1)] = Field(description="epoch, or steps >= 1")
    early_stopping: EarlyStopping | None = Field(description="null, or patience and min_delta")
    best_metric: str = Field(description="score of the validation rows by which the best weights are kept: loss, …")
    checkpoint_every: int = Field(ge=1, description="steps between checkpoints for resuming, >= 1")

    @model_validator(mode="after")
    def _shards_fill_the_batch(self) -> Train:
        if self.batch_size % self.shard_size:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of shard_size {self.shard_size}")
        return self


class Params(Section):
    """What this stage reads of params.yaml."""

    seed: Seed = Field(description="the one seed, [0, 2^32)")
    seed_streams: SeedStreams
    target: choice(TARGETS) = Field(description="what is learnt")  # type: ignore[valid-type]
    model: Model
    train: Train

    @model_validator(mode="after")
    def _train_fits(self) -> Params:
        known = part_of(self.target, "metrics").METRICS
        if self.train.best_metric not in known:
            raise ValueError(
                f"train.best_metric: {self.train.best_metric!r} is no score of this target's validation rows"
                f"{nearest(self.train.best_metric, known)}"
            )
        if self.train.tuning.save == "adapter" and self.model.init == "random":
            raise ValueError("train.tuning: an adapter stands on weights of its base: wanted model.init pretrained")
        return self


def finetune(
    params: Params, group: workers.Group, tokens: Path, base: Path, teacher: Path,
    model_out: Path, metrics_out: Path, curves_out: Path, inputs: Inputs | None = None,
) -> None:  # fmt: skip
    """Train on data/tokens (`tokens`) from models/base (`base`) and write the three outputs, on rank 0.

    `teacher`, the folder of the model to learn from, may hold none. `inputs` are those of the stage, taken on rank 0
    before anything was read. Raises InputError for inputs that do not fit each other or the params, for such as changed
    meanwhile, and when training diverges.
    """
    from stages.inference import merge
    from stages.training.saving import save_model

    began = time.perf_counter()
    slow = environment.slow_precision(params.train.precision, group.device.type)
    if slow is not None and group.rank == 0:
        print(f"finetune: {slow}", file=sys.stderr)
    schema: dict[str, Any] = read_json(tokens / "schema.json")
    check_teacher(params.train.objective, (teacher / "config.json").is_file())
    key = run_digest(params, tokens, base, teacher)
    if len(set(group.gather(key))) > 1:
        raise InputError("the workers see different code, params, data or models: give every host the same commit")
    if inputs is not None:
        inputs.check()  # so `key`, by which checkpoints are found again, is that of what was imported and read
    run = _assemble(params, group, schema, tokens, base, teacher, SCRATCH / key[:24], curves_out)
    loop, model = run.loop, run.loop.model
    gap = {}
    loop.run()
    if params.train.tuning.save == "merged":
        model, gap["merge_gap"] = merge(model, params.train.tuning, run.outputs, run.judged)
    if part_of(params.target, "metrics").Judged.settles(schema["space"]):
        schema["space"] |= run.judged(run.outputs(model)).settled()
    memory = group.gather(environment.peak_memory_mb())
    if group.rank == 0:
        accept = None if inputs is None else inputs.accept
        with outputs(model_out, metrics_out, curves_out, accept=accept) as (folder, metrics, curves):
            save_model(params.train.tuning, model, run.head, schema, base, folder, loop.batches.segments)
            write_json(metrics, loop.summary() | gap)
            shutil.copytree(curves_out, curves)
        shutil.rmtree(loop.scratch, ignore_errors=True)
        seconds = time.perf_counter() - began
        environment.record("finetune", {"workers": group.size, "peak_memory_mb": memory, "seconds": round(seconds, 1)})


def check_teacher(objective: Any, given: bool) -> None:
    """Raise InputError where an objective learns from a teacher and none is given, or the other way round."""
    name = name_of(OBJECTIVES, objective)
    if objective.taught and not given:
        raise InputError(f"model.teacher: found null, wanted the model from which train.objective {name} learns")
    if given and not objective.taught:
        raise InputError(f"model.teacher: a model that train.objective {name} does not read: wanted null, or distil")


def run_digest(params: Params, tokens: Path, base: Path, teacher: Path) -> str:
    """Return the digest of all that determines the run: params, data, model, code, libraries."""
    import stages.inference
    import stages.training.loop
    import stages.training.teaching
    import stages.tuning.blocks  # noqa: F401  all that computes is imported now, so sys.modules lists it

    itself = {"stages.finetune": digests.of_file(Path(__file__))}  # as a command it goes by the name of __main__
    return digests.of_value(
        {
            "params": repr(params),
            "tokens": {name: digests.of_file(tokens / name) for name in TOKENS},
            "base": digests.of_folder(base),
            "teacher": digests.of_folder(teacher),
            "code": digests.of_code() | itself,
            "environment": {**environment.describe(), "cores": None},
        }
    )


@dataclass(frozen=True)
class Run:
    """What a run is made of."""

    loop: Loop
    head: frozenset[str]  # names of the parameters that the base has not
    outputs: Callable[[Any], Any]  # of a model for the validation rows
    judged: Callable[[Any], Any]  # what such outputs say of the rows


def _assemble(
    params: Params, group: workers.Group, schema: dict[str, Any], tokens: Path, base: Path, teacher: Path,
    scratch: Path, live: Path,
) -> Run:  # fmt: skip
    """Return the run, before its first step."""
    import numpy as np

    from stages.inference import outputs as computed
    from stages.inference import padding_note, token_rows, whole
    from stages.models import build, fit, is_packed, tuned
    from stages.training.loop import Loop, Settings
    from stages.training.plan import Plan
    from stages.training.schedule import Schedule
    from stages.training.step import Batches, Loss
    from stages.training.teaching import Folders, taught

    train = params.train
    scores = part_of(params.target, "metrics")
    head = part_of(params.target, "head").Head(schema["space"])
    streams = Streams(params.seed, params.seed_streams.model_dump())
    rows, held_out = (token_rows(tokens / f"{name}.arrow", schema["pad_token_id"]) for name in ("train", "validation"))
    if train.objective.taught:
        folders = Folders(tokens, base, teacher)
        rows = taught(rows, head, folders, group, lambda model, of: computed(model, of, head, group, "teacher"))
    held_out = head.scored(held_out)
    built = build(base, head, params.model.init, params.model.head, params.model.overrides, streams.key("init"))
    if group.rank == 0:
        pad, probes = schema["pad_token_id"], rows.take(np.arange(min(PROBED, len(rows.lengths))))["input_ids"]
        for said in (*built.notes, *contradictions(base, schema["max_length"], pad, probes)):
            cli.say(f"finetune: {said}")
    model, new = tuned(built, train.tuning, params.model.head == "kept", streams.key("init", 1))
    model = model.to(group.device)
    fit(model, schema, base, params.model.overrides)
    note = padding_note(model, held_out, head, group.device)
    if note and group.rank == 0:
        cli.say(f"finetune: {note}")
    plan = Plan(rows.lengths, train.batch_size, train.shard_size, train.epochs, streams, is_packed(model))
    answers = whole(held_out)
    classes = head.balanced(whole(rows)) if train.class_weights == "balanced" else None
    loss = Loss(head, train.objective, classes, train.precision)
    paces = train.tuning.paces(model)
    batches = Batches(model, rows, plan, loss, train.regularise, new, paces, streams, group)
    stopping = train.early_stopping
    settings = Settings(
        weight_decay=train.weight_decay, betas=train.betas, epsilon=train.epsilon, clip_norm=train.clip_norm,
        average=train.average,
        evaluate_every=plan.steps_per_epoch if train.evaluate_every == "epoch" else train.evaluate_every,
        checkpoint_every=train.checkpoint_every, scores=tuple(scores.METRICS), best_metric=train.best_metric,
        higher=scores.METRICS[train.best_metric].better == "higher",
        patience=stopping.patience if stopping else None, min_delta=stopping.min_delta if stopping else 0.0,
    )  # fmt: skip

    def computed_by(model: Any) -> Any:
        return computed(model, held_out, head, group, "validation")

    def judged(outputs: Any) -> Any:
        return scores.Judged.of(outputs, answers, schema["space"])

    def validate(model: Any) -> dict[str, float]:
        found = judged(computed_by(model))
        return {name: metric.compute(found) for name, metric in scores.METRICS.items()}

    schedule = Schedule(train.schedule, train.lr, train.warmup, plan.steps)
    return Run(Loop(model, batches, schedule, settings, validate, scratch, live), built.head, computed_by, judged)


def main() -> None:
    """Run the stage on the working folder."""
    with cli.errors_told("finetune"):
        cli.parser("finetune", __doc__).parse_args()
        inputs = graph.inputs("finetune") if workers.leads() else None
        params = load(Params)
        workers.run(
            "stages.finetune",
            lambda group: finetune(
                params, group, Path("data/tokens"), Path("models/base"), Path("models/teacher"),
                Path("models/finetuned"), Path("metrics/finetune.json"), Path("metrics/finetune"),
                inputs,
            ),
            most=params.train.batch_size // params.train.shard_size,
        )  # fmt: skip


if __name__ == "__main__":
    main()
