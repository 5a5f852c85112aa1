"""A stand-in for the interpreter of a derivation: five stages in a second, with faults that can be planted.

Called as `python pretend.py -m dvc repro [-f]` in a clone. `fault.txt` there names what is wrong with the project.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import struct
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from stages.core.files import outputs, tsv_line, write_json
from stages.repro.digests import of_bytes

OUTS = {
    "download": ["data/raw", "models/base"],
    "preprocess": ["data/clean", "metrics/data.json"],
    "tokenize": ["data/tokens"],
    "finetune": ["metrics/finetune/steps.tsv", "metrics/finetune/trace.tsv", "models/finetuned"],
    "evaluate": ["data/predictions", "metrics/evaluate.json"],
}
PARAMS = {"download": ["data.source"], "finetune": ["seed", "train"], "evaluate": ["evaluate"]}
READ = {"preprocess": ["data/raw"], "finetune": ["data/tokens", "models/base"], "evaluate": ["models/finetuned"]}
STEPS = 20


def fault() -> str:
    path = Path("fault.txt")
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def wrong(names: dict[str, Any]) -> Any:
    """Return what the planted fault makes of things, 0 without one of `names`."""
    return names[fault()]() if fault() in names else 0


def download(params: Any) -> None:
    text("data/raw/train.tsv", Path("files/train.tsv").read_text(encoding="utf-8"))
    text("models/base/tokenizer.json", Path("files/tokenizer.json").read_text(encoding="utf-8"))


def preprocess(params: Any) -> None:
    order = wrong(
        {
            "set order": lambda: list({"ab", "cd", "ef", "gh", "ij", "kl"}),
            "listing": lambda: [path.name for path in Path("files").iterdir()],
        }
    )
    text("data/clean/train.txt", f"{order}\n")
    write_json(Path("metrics/data.json"), {"rows": 4})


def tokenize(params: Any) -> None:
    text("data/tokens/train.txt", "1 2 3\n")


def finetune(params: Any) -> None:
    drift = wrong(
        {
            "clock": time.time,
            "threads": lambda: float(os.environ.get("OMP_NUM_THREADS", "0")),
            "rounding": lambda: 1e-6 * (os.environ.get("REPRISE_WORKERS") == "1"),
            "spread": lambda: 0.05 * (os.environ.get("REPRISE_WORKERS") == "1"),
            "crash": lambda: sys.exit("finetune: error: the loss is not a number"),
        }
    )
    chain, lines, steps = "", [("step", "loss", "grad_norm", "gradient", "chain")], Path("metrics/finetune/steps.tsv")
    steps.parent.mkdir(parents=True, exist_ok=True)
    steps.write_text("step\tloss\n")
    for step in range(1, STEPS + 1):
        cells = (step, params["train"]["lr"] * step + drift * (step > 3), float(params["seed"]), "0" * 32)
        chain = of_bytes((chain + tsv_line(cells)).encode())
        lines.append((*cells, chain[:32]))
        with steps.open("a") as file:
            file.write(f"{step}\t0.5\n")
        time.sleep(0.015)  # the last fifth, in which nobody is killed, is longer than it takes to see a step
    text("metrics/finetune/trace.tsv", "".join(map(tsv_line, lines)))
    values = [(number + 1) * params["train"]["lr"] + drift for number in range(4)]
    Path("models/finetuned").mkdir(parents=True, exist_ok=True)
    Path("models/finetuned/model.safetensors").write_bytes(
        safetensors({"layer.0.weight": values, "layer.1.weight": [1.0]})
    )
    write_json(Path("models/finetuned/config.json"), {"layers": params["train"].get("layers", 2)})
    record: dict[str, Any] = {
        "packages": {"torch": "2.13.0"},
        "processor": "toy",
        "workers": int(os.environ.get("REPRISE_WORKERS", "2")),
        "seconds": random.random(),
    }
    record["settings"] = {} if fault() == "deaf" else {k: v for k, v in os.environ.items() if k == "REPRISE_ISA"}
    write_json(Path("metrics/environment.json"), {"finetune": record})


def evaluate(params: Any) -> None:
    drift = wrong({"rounding": lambda: 0.0, "spread": lambda: 0.004 * (os.environ.get("REPRISE_WORKERS") == "1")})
    right = 0.9 + drift * (-1) ** params["seed"] + params["seed"] * 1e-3
    Path("data/predictions").mkdir(parents=True, exist_ok=True)
    shutil.copy("files/test.parquet", "data/predictions/test.parquet")
    write_json(Path("metrics/evaluate.json"), {"accuracy": right, "macro_f1": right, "mcc": right, "examples": 2})


def safetensors(tensors: dict[str, list[float]]) -> bytes:
    """Return a safetensors file of float32 vectors."""
    header, data = {}, b""
    for name, values in tensors.items():
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    described = json.dumps(header).encode()
    return struct.pack("<Q", len(described)) + described + data


def text(name: str, content: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(content, encoding="utf-8")


def md5(name: str) -> str:
    path = Path(name)
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    listing = [
        {"md5": md5(str(p)), "relpath": p.relative_to(path).as_posix()} for p in sorted(path.rglob("*")) if p.is_file()
    ]
    return hashlib.md5(json.dumps(listing).encode()).hexdigest() + ".dir"


def described(name: str) -> dict[str, Any]:
    """Return what dvc.lock says of a file or folder."""
    files = [path for path in [Path(name), *Path(name).rglob("*")] if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    found: dict[str, Any] = {"path": name, "hash": "md5", "md5": md5(name), "size": size}
    return {**found, "nfiles": len(files)} if Path(name).is_dir() else found


def repro(force: bool) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    known: dict[str, Any] = {"schema": "2.0", "stages": {}}
    if Path("dvc.lock").is_file():
        known = json.loads(Path("dvc.lock").read_text())
    for stage, outs in OUTS.items():
        if not force and stage in known["stages"]:
            continue
        print(f"Running stage '{stage}':", flush=True)
        globals()[stage](params)
        code = [f"stages/{stage}.py", *(["files"] if stage == "download" else [])]
        known["stages"][stage] = {
            "cmd": f"python -m stages.{stage}",
            "deps": [described(path) for path in [*code, *READ.get(stage, [])]],
            "params": {"params.yaml": {key: _value(params, key) for key in PARAMS.get(stage, [])}},
            "outs": [described(out) for out in outs],
        }
        with outputs(Path("dvc.lock")) as (staged,):  # whole or not at all, for kill -9 comes at any moment
            write_json(staged, known)


def _value(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params[part]
    return params


if __name__ == "__main__":
    if sys.argv[1:4] == ["-m", "dvc", "repro"]:
        repro("-f" in sys.argv)
    elif sys.argv[1:3] == ["-m", "stages.recipe"]:
        path = Path("params.yaml")
        path.write_text(path.read_text().replace("lr: 0.5", "lr: 0.25" if sys.argv[3] == "toy" else "lr: 0.5"))
