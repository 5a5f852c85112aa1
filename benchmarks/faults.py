"""Does verification catch what is wrong? Faults are planted in a project that is verified, and what it says is listed.

    python -m benchmarks.faults FOLDER > docs/faults.md

FOLDER (new) takes the clones: one whose results of the recipe `smoke` are committed, and one for each fault. A fault of
the reproduction changes an input behind dvc.lock's back; a fault of the project is in the code from the start, so its
own results are committed, and an environment has to bring it out. Takes about a minute a line on two cores. Ends with
code 1 when a fault was missed, when the wrong stage or axis was named, or when the control was called different.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD = """# Faults planted, and what verification said

Written by `python -m benchmarks.faults FOLDER` on the recipe `smoke`. *Caught*: the grade is below BITWISE in the
environment named, and the stage is the one at which the fault begins to tell. The first line is the control.

| fault | lies in | environment | caught | grade | first stage | axis | names |
|---|---|---|---|---|---|---|---|"""

DATA, TRAINING = "data processing", "training conditions"


@dataclass(frozen=True)
class Fault:
    """What is done to a clone, and where it should show."""

    name: str
    project: bool  # it is in the project from the start; else it is slipped under a committed lock
    environment: str
    stage: str | None  # the first that is to be named; None: nothing came out otherwise
    axis: str | None
    plant: Callable[[Path], None]


def appended(path: str, code: str) -> Callable[[Path], None]:
    """Return what adds `code` at the end of a module."""

    def plant(clone: Path) -> None:
        with (clone / path).open("a", encoding="utf-8") as file:
            file.write(code)

    return plant


def replaced(path: str, pattern: str, new: str, count: int = 1) -> Callable[[Path], None]:
    """Return what replaces the first `count` matches of `pattern` in a file."""

    def plant(clone: Path) -> None:
        text, done = re.subn(pattern, new, (clone / path).read_text(encoding="utf-8"), count=count, flags=re.MULTILINE)
        if done != count:
            raise SystemExit(f"{path}: {pattern!r} matches {done} times, wanted {count}: this fault needs a new form")
        (clone / path).write_text(text, encoding="utf-8", newline="\n")

    return plant


def reordered(first: str) -> Callable[[Path], None]:
    """Return what writes the rows of every split beginning at row `first`, an expression of a listing or a set."""
    turned = rf"\1\n            columns = [np.roll(np.array(c), {first}) for c in columns]"
    return replaced("stages/preprocess.py", r"^(            columns = \[rows\.ids.*)$", turned)


def two_words(clone: Path) -> None:
    """Give two words of the vocabulary each other's number."""
    path = clone / "files/smoke/model/tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    one, other = sorted(words, key=words.get)[-20:-18]
    words[one], words[other] = words[other], words[one]
    path.write_text(json.dumps(tokenizer, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


FAULTS = (
    Fault("none (control)", False, "hostile", None, None, lambda clone: None),
    Fault(
        "learning rate 10 % higher", False, "same", "finetune", TRAINING,
        replaced("params.yaml", r"^  lr: 2e-3", "  lr: 2.2e-3"),
    ),
    Fault(
        "a rate edited in dvc.lock alone", False, "same", None, None,
        replaced("dvc.lock", r"\blr: 0\.002$", "lr: 0.001"),
    ),
    Fault(
        "a command edited in dvc.lock alone", False, "same", None, None,
        replaced("dvc.lock", r"cmd: python -m stages\.evaluate$", "cmd: python -m stages.other"),
    ),
    Fault(
        "1 % of the labels flipped", False, "same", "download", DATA,
        replaced("files/smoke/train.tsv", "\tgarden$", "\toffice", 3),
    ),
    Fault(
        "a shard dropped", False, "same", "finetune", TRAINING,
        appended(
            "stages/training/plan.py",
            "\n\n_shards = Plan.shards\nPlan.shards = lambda self, step: _shards(self, step)[: 3 if step else None]\n",
        ),
    ),
    Fault("another tokenizer", False, "same", "download", DATA, two_words),
    Fault(
        "seed from the clock", True, "same", "preprocess", DATA,
        appended(
            "stages/repro/streams.py",
            "\n\nimport time\n\n_key = Streams.key\n_now = int(time.time()) // 10\n"
            "Streams.key = lambda self, name, *indices: _key(self, name, _now, *indices)\n",
        ),
    ),
    Fault(
        "unsorted listing", True, "hostile", "preprocess", DATA,
        reordered('__import__("os").listdir("stages/core").index("tables.py")'),
    ),
    Fault(
        "order of a set", True, "hostile", "preprocess", DATA,
        reordered('list({f"word {i}" for i in range(90)}).index("word 0")'),
    ),
    Fault(
        "a sum by threads", True, "threads", "finetune", TRAINING,
        appended(
            "stages/training/schedule.py",
            "\n\nimport os\n\nimport numpy as np\n\n_rate = Schedule.rate\n\n\ndef _summed(self, step):\n"
            '    parts = np.array_split(np.full(999, 0.1, np.float32), int(os.environ.get("RAYON_NUM_THREADS", "1")))\n'
            "    total = np.float32(0)\n    for part in parts:\n        total += np.cumsum(part)[-1]\n"
            "    return _rate(self, step) * float(total) / 99.9\n\n\nSchedule.rate = _summed\n",
        ),
    ),
)  # fmt: skip


def run(clone: Path, command: str, codes: tuple[int, ...] = (0,)) -> None:
    """Run a command of the project in a clone, by this interpreter; its output goes to a log."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    with (clone.parent / f"{clone.name}.log").open("a", encoding="utf-8") as log:
        ended = subprocess.run(command, shell=True, cwd=clone, env=environment, stdout=log, stderr=log, check=False)
    if ended.returncode not in codes:
        raise SystemExit(f"{clone}: {command}: code {ended.returncode}; see {log.name}")


def committed(clone: Path) -> None:
    """Derive and commit the results."""
    run(clone, "dvc repro")
    run(clone, "git add -A && git commit -qm results")


def base(folder: Path) -> Path:
    """Return a clone of this commit whose results of the recipe `smoke` are committed."""
    clone = folder / "honest"
    run(folder, f"git clone -q '{Path.cwd()}' honest")
    for key, value in (("user.name", "Faults"), ("user.email", "faults@example.org")):
        run(clone, f"git config {key} {value}")
    run(clone, "python -m stages.recipe smoke")
    committed(clone)
    return clone


def verified(honest: Path, fault: Fault) -> dict[str, Any]:
    """Plant the fault in a copy of `honest`; return what the certificate says of the environment."""
    clone = honest.parent / re.sub(r"\W+", "-", fault.name)
    shutil.copytree(honest, clone, symlinks=True)
    fault.plant(clone)
    if fault.project:
        committed(clone)
    else:
        run(clone, "git commit -qam planted --allow-empty")
    run(clone, f"python -m stages.verify --environments {fault.environment}", codes=(0, 1))
    stated = json.loads((clone / "metrics/reproduction.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = stated["predicate"]["core"]["environments"][fault.environment]
    return found


def caught(fault: Fault, found: dict[str, Any]) -> bool:
    """Tell whether verification said what it is to: below BITWISE, the right stage and axis; of the control nothing."""
    evidence = found["evidence"]
    place = (evidence["first_stage"], evidence["axis"])
    return place == (fault.stage, fault.axis) and (found["grade"] == "BITWISE") == (fault is FAULTS[0])


def line(fault: Fault, found: dict[str, Any]) -> str:
    """Return the table's line."""
    evidence = found["evidence"]
    named = [f"{item['kind']} `{item['name']}`" for item in evidence["inputs"]]
    if evidence["step"] is not None:
        named.append(f"{evidence['step']['column']} of step {evidence['step']['step']}")
    if not named and evidence["detail"] is not None:
        named.append(f"`{evidence['detail']}`")
    place = "the project" if fault.project else "the reproduction"
    stage, axis = evidence["first_stage"] or "–", evidence["axis"] or "–"
    right = "–" if fault is FAULTS[0] else "yes" if caught(fault, found) else "NO"
    cells = (fault.name, place, fault.environment, right, found["grade"], stage, axis, ", ".join(named) or "–")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Plant all faults, one after the other."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m benchmarks.faults FOLDER")
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True)
    print(HEAD, flush=True)
    honest = base(folder)
    every = True
    for fault in FAULTS:
        found = verified(honest, fault)
        print(line(fault, found), flush=True)
        every = every and caught(fault, found)
    raise SystemExit(0 if every else 1)


if __name__ == "__main__":
    main()
