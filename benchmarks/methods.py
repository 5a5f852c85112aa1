"""What the tuning methods reach, and what they cost: writes benchmarks/METHODS.md and benchmarks/methods.json.

    python -m benchmarks.methods                                  # all of it: some hours on two cores
    python -m benchmarks.methods --tasks r8,sick-r --methods full,lora

Each cell is a run of finetune and evaluate by DVC in a clone of the last commit, below .reprise/methods/. The rows of a
task are the same for all methods and seeds: the streams `init`, `order` and `dropout` alone follow the seed. A cell
that methods.json holds for these params is not run again, so an interrupted table is taken up where it was. The rates
were fixed beforehand, by a rule: methods that let little learn have five times the rate of the recipe, those that let
next to nothing learn twenty-five times.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m benchmarks.methods", file=sys.stderr)
    sys.exit(2)

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from scipy import stats

from stages.core.cli import errors_told
from stages.core.errors import InputError, nearest
from stages.core.files import read_json, write_json
from stages.repro import environment

ROOT = Path(__file__).parent.parent
FOUND, PAGE, CLONES = ROOT / "benchmarks/methods.json", ROOT / "benchmarks/METHODS.md", ROOT / ".reprise/methods"
TASKS = ("r8", "sick-r", "conll2003")  # recipes
ROWS, EPOCHS, SEEDS = 1000, 4, (1, 2, 3)
METHODS: dict[str, tuple[dict[str, Any], float]] = {  # train.tuning, and its rate in parts of the recipe's
    "full": ({"name": "full"}, 1),
    "layerwise": ({"name": "layerwise", "decay": 0.9}, 1),
    "gradual": ({"name": "gradual", "layers": 3}, 1),
    "frozen": ({"name": "frozen", "layers": 3}, 1),
    "bitfit": ({"name": "bitfit"}, 5),
    "lora": ({"name": "lora", "rank": 8, "modules": "linear"}, 5),
    "dora": ({"name": "lora", "rank": 8, "modules": "linear", "dora": True}, 5),
    "adapter": ({"name": "adapter", "width": 48}, 5),
    "ia3": ({"name": "ia3"}, 25),
    "prefix": ({"name": "prefix", "length": 16}, 25),
    "prompt": ({"name": "prompt", "length": 16}, 25),
}
HEAD = f"""# Tuning methods compared

Written by `python -m benchmarks.methods` ({{processor}}, two workers): {ROWS} rows a split at most, {EPOCHS} epochs,
the seeds {", ".join(map(str, SEEDS))} for the head and what is added, the order and the dropout. The score is the mean
over the seeds on the test rows, with its 95 % interval by Student's t. The rates were fixed beforehand by a rule, so a
method that wants another rate is worse here than it need be. `learns` is the share of parameters that learn,
`checkpoint` the weights and moments that a checkpoint holds, `saved` the file of weights. Tokens a second are those of
the whole stage finetune, its start and the validation rows with it. Memory is the largest of the workers'.
"""


def clone_of(task: str) -> Path:
    """Return a clone of the last commit with the params of a recipe, few rows and fixed splits."""
    folder = CLONES / task
    commit = _told("git", "rev-parse", "HEAD", cwd=ROOT)
    if folder.is_dir() and _told("git", "merge-base", "HEAD", commit, cwd=folder) == commit:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    subprocess.run([sys.executable, "-m", "stages.recipe", task], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


def _told(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False).stdout.strip()


def asked(folder: Path, method: str, seed: int, rate: float) -> dict[str, Any]:
    """Return the params of a cell; `rate` is the recipe's."""
    with (folder / "params.yaml").open() as file:
        tree: dict[str, Any] = YAML().load(file)
    tuning, factor = METHODS[method]
    tree["data"]["limit"] = ROWS
    tree["seed_streams"] |= {"init": seed, "order": seed, "dropout": seed}
    tree["train"] |= {"tuning": tuning, "lr": rate * factor, "epochs": EPOCHS}
    return tree


def cell(folder: Path, tree: Mapping[str, Any]) -> dict[str, Any]:
    """Run the params `tree` in the clone; return what came out. Raises InputError when a stage fails."""
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(tree, file)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"{folder}: {(done.stdout + done.stderr).strip()[-600:]}")
    scores, trained = (read_json(folder / f"metrics/{stage}.json") for stage in ("evaluate", "finetune"))
    had = read_json(folder / "metrics/environment.json")["finetune"]
    main = scores["metrics"][0][0]
    return {
        "score": main,
        "value": scores[main],
        "learning": trained["learning_parameters"],
        "parameters": trained["parameters"],
        "tokens_per_second": round(trained["tokens"] / had["seconds"]),
        "memory_mb": max(had["peak_memory_mb"]),
        "saved": sum(path.stat().st_size for path in (folder / "models/finetuned").glob("*model.safetensors")),
    }


def page(found: Mapping[str, Any]) -> str:
    """Return the page: a table for each task of which there are cells."""
    lines = [HEAD.format(processor=environment.describe()["processor"])]
    for task in TASKS:
        rows = [(name, [found[key] for key in _keys(task, name) if key in found]) for name in METHODS]
        if not any(cells for _, cells in rows):
            continue
        score = next(cells[0]["score"] for _, cells in rows if cells)
        lines += [
            f"## {task}\n",
            f"| method | seeds | {score} | 95 % | learns | tokens/s | memory, MB | checkpoint, MB | saved, MB |",
        ]
        lines += ["|---|---|---|---|---|---|---|---|---|"]
        lines += [f"| {name} | {len(cells)} | {_numbers(cells)} |" for name, cells in rows if cells]
        lines += [""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _keys(task: str, method: str) -> list[str]:
    return [f"{task}/{method}/{seed}" for seed in SEEDS]


def _numbers(cells: list[Any]) -> str:
    """Return the columns of a row but for the first two; its cells are runs of one method with other seeds."""
    values = [one["value"] for one in cells]
    mean, interval = statistics.fmean(values), "–"
    if len(values) > 1:
        half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
        interval = f"{mean - half:.4f} – {mean + half:.4f}"
    one = cells[0]
    speed = statistics.median(cell["tokens_per_second"] for cell in cells)
    memory = statistics.median(cell["memory_mb"] for cell in cells)
    checkpoint, saved = 12 * one["learning"] / 1e6, one["saved"] / 1e6
    share = 100 * one["learning"] / one["parameters"]
    return f"{mean:.4f} | {interval} | {share:.2f} % | {speed:,.0f} | {memory:,.0f} | {checkpoint:.1f} | {saved:.1f}"


def some(names: str, known: Mapping[str, Any] | tuple[str, ...]) -> list[str]:
    """Return the names of a list with commas. Raises InputError for one that is not known."""
    chosen = names.split(",")
    for name in chosen:
        if name not in known:
            raise InputError(f"{name!r}: unknown{nearest(name, known)}")
    return chosen


def main() -> None:
    """Run the cells that are wanted, and write the page after each."""
    with errors_told("methods"):
        parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description="Tuning methods compared.")
        parser.add_argument("--tasks", default=",".join(TASKS))
        parser.add_argument("--methods", default=",".join(METHODS))
        chosen = parser.parse_args()
        tasks, methods = some(chosen.tasks, TASKS), some(chosen.methods, METHODS)
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        found: dict[str, Any] = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
        for seed in SEEDS:
            for task in tasks:
                for method in methods:
                    key = f"{task}/{method}/{seed}"
                    if key in found:
                        continue
                    folder = clone_of(task)
                    with (ROOT / "recipes" / f"{task}.yaml").open() as file:
                        own = YAML().load(file).get("train", {}).get("lr", "2e-4")
                    found[key] = cell(folder, asked(folder, method, seed, float(own)))
                    print(f"{key}: {found[key]['score']} {found[key]['value']:.4f}", flush=True)
                    write_json(FOUND, found)
                    PAGE.write_text(page(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
