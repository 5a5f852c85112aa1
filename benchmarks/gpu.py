"""What a GPU keeps of the promise: same bits over runs, kills and workers on one card; how far a processor's bits are.

    python -m benchmarks.gpu FOLDER [--steps 60] [--out FILE]

FOLDER holds data/tokens and models/base as the stages of this project wrote them. Each run is `python -m
stages.finetune` in a folder of its own. Prints a Markdown table. Needs no dvc and no network. Ends with 1 when runs
that must be equal are not.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m benchmarks.gpu", file=sys.stderr)
    sys.exit(2)

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from stages.core import yaml12
from stages.repro.digests import of_file

ROOT = Path(__file__).parent.parent
MODEL, TRACE = "models/finetuned/model.safetensors", "metrics/finetune/trace.tsv"


@dataclass(frozen=True)
class Case:
    """One way to run the same training."""

    name: str
    group: str  # cases of one group must give the same bytes
    variables: dict[str, str] = field(default_factory=dict)
    precision: str = "float32"
    kills: int = 0


HERE = {"CUDA_VISIBLE_DEVICES": "0"}
CASES = (
    Case("GPU", "float32", HERE),
    Case("GPU again", "float32", HERE),
    Case("GPU, two workers", "float32", {**HERE, "REPRISE_WORKERS": "2"}),
    Case("GPU, killed twice", "float32", HERE, kills=2),
    Case("GPU, bfloat16", "bfloat16", HERE, "bfloat16"),
    Case("GPU, bfloat16, again", "bfloat16", HERE, "bfloat16"),
    Case("processor", "processor", {"CUDA_VISIBLE_DEVICES": "", "REPRISE_WORKERS": "2"}),
)


@dataclass(frozen=True)
class Run:
    """What a case gave."""

    case: Case
    seconds: float
    digests: tuple[str, str]  # of the model and of the trace
    folder: Path
    message: str = ""


def prepared(source: Path, folder: Path, precision: str, rows: int) -> Path:
    """Make a folder in which finetune can run on the first `rows` training rows of `source`."""
    import pyarrow as pa

    from stages.core.tables import arrow_writer

    (folder / "data/tokens").mkdir(parents=True)
    shutil.copytree(source / "models/base", folder / "models/base")
    shutil.copytree(source / "data/tokens", folder / "data/tokens", dirs_exist_ok=True)
    table = pa.ipc.open_file(pa.memory_map(str(source / "data/tokens/train.arrow"))).read_all().slice(0, rows)
    with arrow_writer(folder / "data/tokens/train.arrow", table.schema) as writer:
        writer.write_table(table.combine_chunks())
    (folder / "stages").symlink_to(ROOT / "stages")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    weights = (source / "models/base/model.safetensors").is_file()
    for key, value in {
        "precision": precision, "epochs": "1", "checkpoint_every": "10", "init": "pretrained" if weights else "random",
    }.items():  # fmt: skip
        lines = text.splitlines()
        place = max(i for i, line in enumerate(lines) if line.startswith(f"  {key}:"))
        lines[place] = f"  {key}: {value}"
        text = "\n".join(lines) + "\n"
    yaml12.parse(text, "params.yaml")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return folder


def run(case: Case, source: Path, place: Path, rows: int) -> Run:
    """Run a case in the new folder `place`."""
    prepared(source, place, case.precision, rows)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **case.variables}
    began = time.perf_counter()
    for kill in range(case.kills + 1):
        process = subprocess.Popen(
            [sys.executable, "-m", "stages.finetune"], cwd=place, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if kill < case.kills:
            _kill_after(process, place / "metrics/finetune/steps.tsv", steps=15 * (kill + 1))
        _, text = process.communicate()
        code = process.returncode
    seconds = time.perf_counter() - began
    if code:
        return Run(case, seconds, ("", ""), place, (text.strip().splitlines() or [f"code {code}"])[-1])
    return Run(case, seconds, (of_file(place / MODEL), of_file(place / TRACE)), place)


def _kill_after(process: subprocess.Popen[str], curve: Path, steps: int) -> None:
    while process.poll() is None:
        if curve.is_file() and curve.read_bytes().count(b"\n") > steps:
            os.killpg(process.pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def gap(one: Path, other: Path) -> float:
    """Return the largest absolute difference of a weight between two runs."""
    ours, theirs = load_file(one / MODEL), load_file(other / MODEL)
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def parting(one: Path, other: Path) -> int:
    """Return the first step at which two traces differ; 0 when none does."""
    pairs = zip((one / TRACE).read_text().splitlines(), (other / TRACE).read_text().splitlines(), strict=True)
    return next((step for step, (ours, theirs) in enumerate(pairs) if ours != theirs), 0)


def told(one: Run, first: Run, kin: Run) -> str:
    """Return how `one` differs from `first`, the first run of all, and from `kin`, the first of its group."""
    if one.message:
        return one.message
    if one is first or first.message or kin.message:
        return ""
    if one.digests == first.digests:
        return "identical: model and trace"
    words = f"parts at step {parting(first.folder, one.folder)}; a weight is {gap(first.folder, one.folder):.2g} off"
    if one is kin:
        return words
    return f"{words}; {'identical to' if one.digests == kin.digests else 'OTHER BITS than'} the first of its kind"


def table(runs: list[Run]) -> tuple[str, bool]:
    """Return the Markdown table of `runs`, and whether all that must be equal is."""
    firsts: dict[str, Run] = {}
    lines = ["| run | seconds | model | against the first |", "|---|---|---|---|"]
    equal = True
    for one in runs:
        kin = firsts.setdefault(one.case.group, one)
        equal &= not one.message and one.digests == kin.digests
        digest = "failed" if one.message else f"`{one.digests[0][:12]}`"
        lines.append(f"| {one.case.name} | {one.seconds:.0f} | {digest} | {told(one, runs[0], kin)} |")
    return "\n".join(lines) + "\n", equal


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="with data/tokens and models/base")
    parser.add_argument("--steps", type=int, default=60, help="of the training, 16 rows each")
    parser.add_argument("--out", type=Path, default=None, help="file for the table, besides standard output")
    parser.add_argument("--cases", type=int, default=len(CASES), help="only so many of the cases, from the first")
    given = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as place:
        for number, case in enumerate(CASES[: given.cases]):
            runs.append(run(case, given.folder, Path(place, str(number)), 16 * given.steps))
            print(f"{case.name}: {runs[-1].seconds:.0f} s {runs[-1].message}", file=sys.stderr, flush=True)
        text, equal = table(runs)
    print(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")
    raise SystemExit(0 if equal else 1)


if __name__ == "__main__":
    main()
