"""Repositories with locks and metrics as the pipeline leaves them, written through `git fast-import`."""

from __future__ import annotations

import hashlib
import json
import subprocess
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml


def md5(value: Any) -> str:
    return hashlib.md5(json.dumps(value, sort_keys=True).encode()).hexdigest()


def blob(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=2) + "\n").encode()


@dataclass(frozen=True)
class Made:
    """One outcome of the pipeline: what a lock and the metrics beside it are made from."""

    raw: str = "raw"
    inputs: str = "inputs"
    url: str = "mirror"
    core: str = "core"
    params: dict[str, Any] = field(default_factory=dict)  # of train, beside lr and checkpoint_every
    lr: Any = 3e-5
    every: int = 50
    seed: int = 42
    order: int | None = None
    weights: str = "weights"
    accuracy: float = 0.97
    rmse: float | None = None  # with it evaluate has a score of which less is better, and says so
    environment: dict[str, Any] | None = field(default_factory=lambda: {"seconds": 600.1, "processor": "A"})

    def but(self, **changes: Any) -> Made:
        return replace(self, **changes)

    def metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = {"accuracy": self.accuracy, "notes": [], "averages": [{"f1": 1}], "certain": True}
        if self.rmse is None:
            return found
        return found | {
            "rmse": self.rmse,
            "metrics": [["rmse", "lower", 0.02, None], ["accuracy", "higher", None, 0.0]],
        }

    def stages(self) -> dict[str, Any]:
        core = {"path": "stages/core", "md5": md5(self.core)}
        raw, tokens = ({"path": path, "md5": md5([path, self.raw])} for path in ("data/raw", "data/tokens"))
        model = {"path": "models/finetuned", "md5": md5([self.weights, self.raw])}
        train = {"lr": self.lr, "checkpoint_every": self.every, **self.params}
        scores = hashlib.md5(blob(self.metrics())).hexdigest()
        return {
            "download": _stage("download", [core, {"path": "files", "md5": md5(self.inputs)}],
                               {"data.source": {"kind": "url", "url": self.url}}, [raw]),
            "tokenize": _stage("tokenize", [raw, core], {"tokenize": {"max_length": 96}}, [tokens]),
            "finetune": _stage("finetune", [tokens, core],
                               {"seed": self.seed, "seed_streams.order": self.order, "train": train}, [model]),
            "evaluate": _stage("evaluate", [model, core], {"evaluate": {"bootstrap": 1000}},
                               [{"path": "metrics/evaluate.json", "md5": scores}]),
        }  # fmt: skip

    def files(self) -> dict[str, bytes]:
        found = {
            "dvc.lock": yaml.safe_dump({"schema": "2.0", "stages": self.stages()}, sort_keys=False).encode(),
            "metrics/evaluate.json": blob(self.metrics()),
        }
        if self.environment is not None:
            found["metrics/environment.json"] = blob({"finetune": self.environment})
        return found


def _stage(name: str, deps: list[Any], params: dict[str, Any], outs: list[Any]) -> dict[str, Any]:
    entry = {"cmd": f"python -m stages.{name}", "deps": deps, "params": {"params.yaml": params}, "outs": outs}
    return deepcopy(entry)  # without it YAML has aliases, which DVC writes nowhere


class History:
    """A repository that grows commit by commit; nothing is checked out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.time = 1_700_000_000
        root.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)

    def commit(self, *made: Made | dict[str, bytes], ref: str = "refs/heads/main", parent: str | None = None) -> str:
        """Add one commit for each of `made` to `ref`, which begins at `parent`; return the last one's id."""
        stream = bytearray()
        for each in made:
            files = each.files() if isinstance(each, Made) else each
            self.time += 60
            stream += f"commit {ref}\ncommitter A <a@example.org> {self.time} +0000\ndata 1\nx\n".encode()
            if parent is not None:
                stream += f"from {parent}\n".encode()
            parent = None
            stream += b"deleteall\n"
            for path, content in files.items():
                stream += f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n"
        self.git("fast-import", "--quiet", "--force", given=bytes(stream))
        return self.git("rev-parse", ref)

    def experiment(self, name: str, made: Made, parent: str) -> str:
        """Add a commit as `dvc exp run` does."""
        return self.commit(made, ref=f"refs/exps/{parent[:2]}/{parent[2:]}/{name}", parent=parent)

    def git(self, *arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(["git", "-C", self.root, *arguments], input=given, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()
