"""One side of benchmarks.finetune, as a process that does what it is asked; started by it with a SPEC.

SPEC is JSON: `kind` (see main), `address` (where to connect), `tokens` and `base` (folders), `scratch`, and what
the kind itself takes. Torch is imported only here, so that each side has its own threads and settings.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m benchmarks.side", file=sys.stderr)
    sys.exit(2)

import json
import os
import sys
from typing import Any

from benchmarks.talk import call, serve
from stages.core.cli import errors_told
from stages.repro import workers

WORKERS = 64  # more than any side has: benchmarks.finetune says how many in REPRISE_WORKERS


def _joined(spec: dict[str, Any], group: workers.Group) -> None:
    from benchmarks import engine

    side = {"ours": engine.Ours, "predict": engine.Predict, "ddp": engine.Ddp, "whole": engine.Whole}[spec["kind"]]
    made = side(spec, group)
    line = call(spec["address"])
    line.say(made.facts)
    serve(line, made.commands)


def _gemm(spec: dict[str, Any]) -> None:
    from benchmarks.gemm import Gemm

    made = Gemm(spec)
    line = call(spec["address"])
    line.say({})
    serve(line, {"rate": made.rate})


def _trainer(spec: dict[str, Any]) -> None:
    from benchmarks import peers

    peers.train(spec, call(spec["address"]))


def _pipeline(spec: dict[str, Any]) -> None:
    from benchmarks import peers

    made = peers.Pipeline(spec)
    line = call(spec["address"])
    line.say({})
    serve(line, {"predict": made.predict})


ALONE = {"gemm": _gemm, "trainer": _trainer, "pipeline": _pipeline}


def main() -> None:
    """Be the side that the first argument describes."""
    with errors_told("benchmarks.side"):
        spec = json.loads(sys.argv[1])
        if spec["kind"] in ALONE:
            ALONE[spec["kind"]](spec)
        else:
            if spec.get("inexact"):
                os.environ.pop(workers.MEMORY, None)  # its workers do not share memory
            workers.run("benchmarks.side", lambda group: _joined(spec, group), WORKERS)


if __name__ == "__main__":
    main()
