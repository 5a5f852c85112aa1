"""TensorBoard: event files in runs/NAME, shown by `tensorboard --logdir runs`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.files import canonical_json

FOLDER = Path("runs")


class TensorBoard:
    """One run, in a folder of its own."""

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(FOLDER / name))
        self._text("params", params)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Show the values of a step."""
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def end(self, step: int, summary: Mapping[str, float], record: Mapping[str, Any], succeeded: bool) -> None:
        """Show what came out of all `step` steps, and close."""
        self.log(step, summary)
        self._text("record", {**record, "succeeded": succeeded})
        self._writer.close()

    def _text(self, tag: str, content: Mapping[str, Any]) -> None:
        lines = canonical_json(dict(content)).splitlines()
        self._writer.add_text(tag, "\n".join(f"    {line}" for line in lines))  # indented: a block in Markdown
