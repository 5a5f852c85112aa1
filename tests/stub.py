"""A project on DVC whose training takes no time: real params and checks, made-up curves, no torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stages import recipe

ROOT = Path(__file__).parent.parent
GRAPH = """\
stages:
  tokenize:
    cmd: python stub.py tokenize
    params: [tokenize]
    outs: [data/tokens.txt]
  finetune:
    cmd: python stub.py finetune
    deps: [data/tokens.txt]
    params: [seed, model.overrides, train]
    outs: [models/finetuned.txt]
    metrics:
      - metrics/finetune.json: {cache: false}
    plots:
      - metrics/finetune/validation.tsv: {cache: false}
  evaluate:
    cmd: python stub.py evaluate
    deps: [models/finetuned.txt]
    params: [evaluate]
    metrics:
      - metrics/evaluate.json: {cache: false}
"""
STUB = '''\
"""A stage of the stub: finetune is best at a rate of 1e-3, and better with batches of 8; evaluate leaves a mark."""
import json, math, os, signal, sys, time
from pathlib import Path
from stages.core.cli import errors_told
from stages.core.files import SCRATCH
from stages.core.params import load
from stages.finetune import Params
from stages.repro import workers

def finetune():
    train = load(Params).train
    scratch = SCRATCH / "key"
    with workers.lock("finetune"):
        stopping = []
        signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
        curve = "step\\tepoch\\tloss\\taccuracy\\tmacro_f1\\n"
        known = len((scratch / "validation.tsv").read_text().splitlines()) - 1 if scratch.is_dir() else 0
        scratch.mkdir(parents=True, exist_ok=True)
        Path("metrics/finetune").mkdir(parents=True, exist_ok=True)
        for epoch in range(1, train.epochs + 1):
            score = round(1 - abs(math.log10(train.lr / 1e-3)) / 4 - train.batch_size / 1000 - 0.1 / epoch, 6)
            curve += f"{epoch * 10}\\t{float(epoch)}\\t{1 - score}\\t{score}\\t{score}\\n"
            if epoch > known:  # else this epoch was trained before the stop
                time.sleep(float(os.environ.get("STUB_SECONDS", "0")))
                Path(os.environ["STUB_LOG"]).open("a").write(f"{train.lr} {epoch}\\n")
            (scratch / "validation.tsv").write_text(curve)
            if stopping:
                sys.exit(143)
        Path("metrics/finetune/validation.tsv").write_text(curve)
        scores = {f"validation_{name}": value for name, value in
                  (("loss", 1 - score), ("accuracy", score), ("macro_f1", score))}
        Path("metrics/finetune.json").write_text(json.dumps({**scores, "steps": epoch * 10}))
        Path("models").mkdir(exist_ok=True)
        Path("models/finetuned.txt").write_text(str(score))
        (scratch / "validation.tsv").unlink()
        scratch.rmdir()

def evaluate():
    Path(os.environ["STUB_LOG"]).open("a").write("evaluate\\n")
    score = float(Path("models/finetuned.txt").read_text())
    Path("metrics/evaluate.json").write_text(json.dumps({"accuracy": score - 0.01, "macro_f1": score - 0.02}))

def tokenize():
    Path("data").mkdir(exist_ok=True)
    Path("data/tokens.txt").write_text("tokens")

with errors_told(sys.argv[1]):
    globals()[sys.argv[1]]()
'''


class Stub:
    """A repository of the stub, its results committed, and how to run commands in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root, root.parent / "log"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("REPRISE_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "STUB_LOG": str(self.log),
            "GIT_CONFIG_GLOBAL": str(root.parent / "gitconfig"),
            "DVC_NO_ANALYTICS": "1",
        }

    def make(self) -> None:
        """Write the project and run it once."""
        self.root.mkdir(parents=True)
        params = (ROOT / "params.yaml").read_text(encoding="utf-8")
        self._write("params.yaml", recipe.merged("smoke", params, folder=ROOT / "recipes"))
        self._write("dvc.yaml", GRAPH)
        self._write("stub.py", STUB)
        self._write(".gitignore", "/.reprise\n")
        self.run("git init -q -b main")
        self.run("git config --global user.name Test")
        self.run("git config --global user.email t@example.org")
        self.run("dvc init -q")
        self.run("dvc config core.autostage true")
        self.run("dvc repro -q")
        self.run("git add -A")
        self.run("git commit -qm stub")

    def _write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def start(self, command: str, **more: str) -> subprocess.Popen[str]:
        """Start a shell command in a session of its own."""
        return subprocess.Popen(
            f"exec {command}", shell=True, cwd=self.root, env={**self.environment, **more}, text=True,
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str, code: int = 0, **more: str) -> str:
        """Run a shell command; return what it said. Fails unless it ends with `code`."""
        process = self.start(command, **more)
        said = process.communicate(timeout=300)[0]
        assert process.returncode == code, f"{command}: code {process.returncode}\n{said}"
        return said

    def copy(self, folder: Path) -> Stub:
        """Return a copy in another folder."""
        shutil.copytree(self.root.parent, folder, symlinks=True)
        return Stub(folder / self.root.name)

    def trained(self) -> list[str]:
        """Return what the stages of the stub noted: `LR EPOCH` for each epoch trained, `evaluate`."""
        return self.log.read_text(encoding="utf-8").splitlines()
