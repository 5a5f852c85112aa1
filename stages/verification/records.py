"""What was found out about one derivation: plain records that pass through JSON unchanged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.params import Section

Axis = Literal["data processing", "model architecture", "training conditions", "results"]
Grade = Literal["BITWISE", "NUMERIC", "STATISTICAL", "INCONCLUSIVE", "DIFFERENT"]
GRADES: tuple[Grade, ...] = ("BITWISE", "NUMERIC", "STATISTICAL", "INCONCLUSIVE", "DIFFERENT")  # best first


class Input(Section):
    """A param, a command, a piece of code or data, or a part of the environment that was not the same."""

    kind: Literal["param", "command", "code", "data", "lock", "package", "environment"]  # lock: else stated in dvc.lock
    name: str  # dotted key, path, package or field
    reference: str | None  # null: not there
    derived: str | None
    axis: Axis


class FirstStep(Section):
    """Where two traces part."""

    step: int
    column: str  # loss, grad_norm or gradient
    reference: str
    derived: str


class Weights(Section):
    """How far the weights of two models lie apart."""

    tensors: int
    equal: int  # tensors of the same bytes
    largest: float  # absolute difference
    tensor: str | None  # the one that holds it
    first_tensor: str | None  # the first that differs, in the order of the file
    ulp: int  # that difference in units in the last place


class Predictions(Section):
    """How far two models agree on the test rows."""

    rows: int
    agreeing: int  # rows of the same predicted class
    largest: float  # difference of a probability


class Score(Section):
    """One metric of metrics/evaluate.json in both runs."""

    reference: float | None
    derived: float | None


class Pair(Section):
    """The scores of both sides for one seed; null: that run crashed or diverged."""

    seed: int
    reference: dict[str, float] | None
    derived: dict[str, float] | None


class Evidence(Section):
    """All that was found when one derivation was held against the reference."""

    failed_stage: str | None = None  # the derivation ended there
    message: str | None = None  # what it said
    undone: str | None = None  # what the environment asked for and could not be done
    compared: dict[str, int] = Field(default={})  # stage -> outputs held against each other
    differing: dict[str, list[str]] = Field(default={})  # stage -> outputs of other bytes, only stages that have any
    first_stage: str | None = None
    axis: Axis | None = None
    detail: str | None = None  # which file within the first output that differs
    inputs: list[Input] = Field(default=[])
    step: FirstStep | None = None
    weights: Weights | None = None
    predictions: Predictions | None = None
    scores: dict[str, Score] = Field(default={})
    pairs: list[Pair] = Field(default=[])  # of several seeds
    not_compared: list[str] = Field(default=[])
