"""Where a run can be shown as it goes: trackers that people already use, none of which the project needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stages.tracking.mlflow import MLflow
from stages.tracking.sender import Tracker
from stages.tracking.tensorboard import TensorBoard
from stages.tracking.wandb import WandB

TRACKERS: dict[str, Callable[[str, Mapping[str, Any]], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
}
