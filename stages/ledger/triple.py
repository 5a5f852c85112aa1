"""What makes a run the same run: (generator, parameters, data), and the digest of the three.

All three are taken from dvc.lock, which says what each stage read when it ran; params.yaml of the same commit may have
been edited since. What cannot change the bits is left out:

- the stage `download`: it only fetches. The data are the digests of what it wrote, wherever that came from, so two
  mirrors are one; its code, its source params and the folder `inputs` are not counted;
- sizes and file counts, which the digests imply, and in what order or spelling the lock names things (1.0 is 1);
- NEUTRAL params, of which the tests show that they leave the bits alone;
- which of `seed` and `seed_streams.NAME` a stream takes its seed from: the triple holds the seed each stream had.

How many workers there were, the processor and the library versions found are environment, not triple; what
requirements.lock pins is generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stages.project.lock import Lock, within
from stages.repro import digests

FETCHING = "download"
NEUTRAL = frozenset({"train.checkpoint_every"})  # a run that goes on from a checkpoint is the run that was never killed
STREAMS = "seed_streams."
CODE = ("stages/", "requirements.lock")


@dataclass(frozen=True)
class Triple:
    """What decides the bits of a run."""

    code: dict[str, str]  # path, or `command STAGE` -> digest, or the command
    parameters: dict[str, Any]  # dotted key -> value; each `seed_streams.NAME` has the seed that stream had
    data: dict[str, str]  # path -> digest of what was fetched, or came with the repository

    @cached_property
    def digest(self) -> str:
        """Return the digest by which runs are told to be of one triple."""
        return digests.of_value([self.code, self.parameters, self.data])


def of(stages: Lock) -> Triple:
    """Return the triple of `stages`, among which FETCHING is not."""
    deps = {path: digest for stage in stages.values() for path, digest in stage.deps.items()}
    made = [out for stage in stages.values() for out in stage.outs]
    files = {path: digest for path, digest in deps.items() if path.startswith(CODE)}
    return Triple(
        code=files | {f"command {name}": stage.command for name, stage in stages.items()},
        parameters=_decisive(stages),
        data={p: d for p, d in deps.items() if p not in files and not any(within(p, out) for out in made)},
    )


def _decisive(stages: Lock) -> dict[str, Any]:
    params = dict(leaf for stage in stages.values() for leaf in stage.params.items())
    found = {key: number(value) for key, value in params.items() if key not in NEUTRAL}
    seed = found.pop("seed", None)
    return {key: seed if key.startswith(STREAMS) and own is None else own for key, own in found.items()}


def number(value: Any) -> Any:
    """Return `value` with whole fractions as integers: 1.0 and 1 are one number, with one spelling in JSON."""
    if isinstance(value, list):
        return [number(item) for item in value]
    if isinstance(value, dict):
        return {key: number(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
