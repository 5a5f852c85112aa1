"""The sides of a measurement: processes that stand ready, and work only while they are asked."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.talk import Line
from stages.core.errors import InputError

CORES = 2
READY = 300.0  # seconds in which a side must stand ready
ENDING = 10.0  # seconds in which it must end


class Side:
    """One side: `starts` processes, which by themselves or by workers of theirs make `lines` connections."""

    def __init__(self, name: str, spec: Mapping[str, Any], starts: int, lines: int, threads: int, home: Path) -> None:
        """Start it. `spec` is what benchmarks.side is told; it may import all it needs while others do the same."""
        self.name = name
        folder = home / name
        folder.mkdir()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(folder / "s"))
        self._server.listen(lines)
        self._wanted = lines
        self._lines: list[Line] = []
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in `close`
        told = json.dumps({**spec, "address": str(folder / "s"), "scratch": str(folder)})
        environment = {
            **os.environ, "REPRISE_SCRATCH": str(folder), "REPRISE_WORKERS": str(lines), "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false",
            "TRANSFORMERS_VERBOSITY": "error",
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.side", told]
        self._processes = [
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
            for _ in range(starts)
        ]
        self.facts: dict[str, Any] = {}

    def ready(self) -> None:
        """Wait until it stands ready, if it does not; `facts` are then those its first process tells."""
        if self._lines:
            return
        self._server.settimeout(0.2)
        waited = 0.0
        while len(self._lines) < self._wanted:
            try:
                self._lines.append(Line(self._server.accept()[0]))
            except TimeoutError:
                waited += 0.2
                if waited > READY or any(p.poll() is not None for p in self._processes):
                    raise self._failed() from None
        self.facts = self._heard()[0]

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Return what the first process replies; `seconds` are those of the slowest, `mb` those of each."""
        for line in self._lines:
            with contextlib.suppress(OSError):  # its silence is told below
                line.say({"do": do, **arguments})
        replies = self._heard()
        found = dict(replies[0])
        if "seconds" in found:
            found["seconds"] = max(r["seconds"] for r in replies)
        if "mb" in found:
            found["mb"] = [r["mb"] for r in replies]
        return found

    def close(self) -> None:
        """End it and wait for that."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.close()
        self._server.close()
        for process in self._processes:
            if not self._lines:
                process.terminate()
            try:
                process.wait(ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()

    def _heard(self) -> list[dict[str, Any]]:
        replies = [line.hear() for line in self._lines]
        if None in replies:
            raise self._failed()
        return [r for r in replies if r is not None]

    def _failed(self) -> InputError:
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDING)
        self._log.seek(0)
        said = self._log.read().strip().splitlines()
        return InputError(f"the side {self.name} failed: {said[-1] if said else 'it said nothing'}")
