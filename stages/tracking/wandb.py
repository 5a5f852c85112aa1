"""Weights & Biases, offline unless WANDB_MODE says otherwise: a folder in wandb/, sent by `wandb sync` when wanted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

PROJECT = "reprise"


class WandB:
    """One run."""

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        import wandb

        project, mode = os.environ.get("WANDB_PROJECT") or PROJECT, os.environ.get("WANDB_MODE") or "offline"
        quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True)
        self._run = wandb.init(project=project, name=name, mode=mode, config=dict(params), settings=quiet)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Show the values of a step."""
        self._run.log(dict(values), step=step)

    def end(self, step: int, summary: Mapping[str, float], record: Mapping[str, Any], succeeded: bool) -> None:
        """Show what came out of all `step` steps, and close."""
        self._run.summary.update(dict(summary))
        self._run.config.update(dict(record))
        self._run.finish(exit_code=0 if succeeded else 1)
