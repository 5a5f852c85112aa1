"""What a run shows of itself as it goes: the curves that finetune writes line by line in metrics/finetune/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CURVES = {"steps": "train", "validation": "validation"}  # file -> first part of the names of its values
SKIPPED = ("step", "epoch")


class Follower:
    """Yields every step once as the curves grow, though a run that goes on writes its first lines anew."""

    def __init__(self, folder: Path) -> None:
        """Begin: what stands in `folder` already is of an earlier run and is not shown."""
        self._earlier = {folder / f"{name}.tsv": _stamp(folder / f"{name}.tsv") for name in CURVES}
        self.last = 0  # the last step yielded

    def new(self, ended: bool = False) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield (step, values) in order; the newest, whose validation may still be under way, when `ended`."""
        found: dict[int, dict[str, float]] = {}
        for (path, earlier), prefix in zip(self._earlier.items(), CURVES.values(), strict=True):
            if _stamp(path) not in (None, earlier):
                for step, values in _lines(path):
                    found.setdefault(step, {}).update({f"{prefix}/{key}": value for key, value in values.items()})
        steps = [step for step in sorted(found) if f"{CURVES['steps']}/loss" in found[step]]
        for step in steps if ended else steps[:-1]:
            if step > self.last:
                self.last = step
                yield step, found[step]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _lines(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the whole lines; the last may still be half-written."""
    text = path.read_text(encoding="utf-8")
    lines = [line.rstrip("\n").split("\t") for line in text.splitlines(keepends=True) if line.endswith("\n")]
    for row in lines[1:]:
        values = {name: float(cell) for name, cell in zip(lines[0], row, strict=True) if cell}
        yield int(values["step"]), {name: value for name, value in values.items() if name not in SKIPPED}
