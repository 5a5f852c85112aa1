"""A stand-in for the interpreter of a derivation, whose pipeline is what dvc.yaml says and takes no time.

Called in a clone as `python toy.py -m dvc repro -f` and `python toy.py -m stages.recipe NAME`. The accuracy is a known
function of the seeds: the streams `split` and `init` move it, `order` does not. `train.fault` names what goes wrong.
Each run adds a line to the file $TOY_LOG.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import yaml

FILES = {
    "params.yaml": """seed: 42
seed_streams:
  split: null
  init: null
  order: null
data:
  source:
    kind: file
    path: files/train.tsv
train:
  lr: 0.5
  fault: {}
evaluate: {}
""",
    "dvc.yaml": """stages:
  download:
    cmd: python -m stages.download
    deps: [files, stages/download.py]
    params: [data.source]
    outs: [data/raw]
  preprocess:
    cmd: python -m stages.preprocess
    deps: [data/raw, requirements.lock, stages/preprocess.py]
    params: [seed, seed_streams.split]
    outs: [data/clean]
  finetune:
    cmd: python -m stages.finetune
    deps: [data/clean, requirements.lock, stages/core, stages/finetune.py]
    params: [seed, seed_streams.init, seed_streams.order, train]
    outs: [models/finetuned]
  evaluate:
    cmd: python -m stages.evaluate
    deps: [models/finetuned, stages/core]
    params: [evaluate]
    metrics:
      - metrics/evaluate.json:
          cache: false
""",
    "recipes/toy.yaml": "train: {lr: 0.25, fault: {}}\n",
    "recipes/faulty.yaml": "train: {lr: 0.25, fault: {'2': crash, '3': undefined}}\n",
    "recipes/offline.yaml": "train: {lr: 0.25, fault: {'42': offline}}\n",
    "files/train.tsv": "a\tb\n",
    "requirements.lock": "torch==2.13.0\n",
    "stages/core/a.py": "\n",
    "stages/core/deep/b.py": "#\n",
    **{f"stages/{name}.py": "\n" for name in ("download", "preprocess", "finetune")},
    ".gitignore": "/data\n/models\n.reprise\n",
    ".dvc/config": "",
}


def accuracy(split: int, init: int) -> float:
    """Return what a run scores."""
    return round(0.95 + 0.001 * (split % 3) + 0.002 * (init % 4), 6)


def repro() -> None:
    """Run the stages of dvc.yaml and write dvc.lock as DVC does."""
    graph, params = (yaml.safe_load(Path(name).read_text()) for name in ("dvc.yaml", "params.yaml"))
    with Path(os.environ["TOY_LOG"]).open("a") as log:
        log.write(f"{params['seed']} {json.dumps(params['seed_streams'])}\n")
    seeds = {name: params["seed"] if own is None else own for name, own in params["seed_streams"].items()}
    fault = params["train"]["fault"].get(str(params["seed"]))
    locked: dict[str, Any] = {}
    for stage, entry in graph["stages"].items():
        print(f"Running stage '{stage}':", flush=True)
        if (stage, fault) in (("download", "offline"), ("finetune", "crash")):
            sys.exit(f"{stage}: error: {fault}")
        outs = entry.get("outs", []) + [name for metric in entry.get("metrics", []) for name in metric]
        for out in outs:
            content = [stage, params["train"], seeds] if stage != "download" else Path("files/train.tsv").read_text()
            if out.endswith(".json"):
                score = None if fault == "undefined" else accuracy(seeds["split"], seeds["init"])
                content = {"accuracy": score, "loss": 0.5, "examples": 9}
            Path(out).parent.mkdir(parents=True, exist_ok=True)
            Path(out).write_text(json.dumps(content))
        own = {key: value(params, key) for key in entry.get("params", [])}
        locked[stage] = {
            "cmd": entry["cmd"], "deps": [{"path": path, "md5": md5(Path(path))} for path in entry["deps"]],
            "params": {"params.yaml": own}, "outs": [{"path": out, "md5": md5(Path(out))} for out in outs],
        }  # fmt: skip
        if stage == "finetune":
            record = {"packages": {"torch": "2.13.0"}, "processor": "toy", "seconds": time.time()}
            Path("metrics").mkdir(exist_ok=True)
            Path("metrics/environment.json").write_text(json.dumps({"finetune": record}))
        Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": locked}))


def value(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params[part]
    return params


def md5(path: Path) -> str:
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    listing = [{"md5": md5(path / name), "relpath": name} for name in names]
    return hashlib.md5(json.dumps(listing).encode()).hexdigest() + ".dir"


def recipe(name: str) -> None:
    """Lay recipes/NAME.yaml over params.yaml, section by section."""
    params, overlay = (yaml.safe_load(Path(path).read_text()) for path in ("params.yaml", f"recipes/{name}.yaml"))
    Path("params.yaml").write_text(yaml.safe_dump({**params, **overlay}, sort_keys=False))


if __name__ == "__main__":
    if sys.argv[1:4] == ["-m", "dvc", "repro"]:
        repro()
    elif sys.argv[1:3] == ["-m", "stages.recipe"]:
        recipe(sys.argv[3])
