"""How long `python -m stages.results` takes on a repository with many experiments.

    python -m benchmarks.results [EXPERIMENTS]

Makes a repository in which the lock and metrics of this one lie on one commit, and as many experiments upon it, each
with another learning rate, model and score: none shares a lock with any other. Prints seconds, of the clock and of the
processor, and peak memory.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m benchmarks.results", file=sys.stderr)
    sys.exit(2)

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def stream(experiments: int) -> bytes:
    """Return a `git fast-import` stream with the base commit and the experiments."""
    paths = [ROOT / "dvc.lock", *sorted((ROOT / "metrics").glob("*.json"))]
    base = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    commits = [_commit("refs/heads/main", 0, base, "")]
    weights = base["dvc.lock"].split(b"path: models/finetuned")[1].split(b" md5: ")[1][:32]
    scores = hashlib.md5(base["metrics/evaluate.json"]).hexdigest().encode()
    for number in range(1, experiments + 1):
        name = f"{number:032x}".encode()
        scored = base["metrics/evaluate.json"].replace(b'"macro_f1": 0', f'"run": {number},\n  "macro_f1": 0'.encode())
        lock = base["dvc.lock"].replace(b"          lr: ", f"          lr: {number}e-7\n          old: ".encode())
        lock = lock.replace(weights, name)
        lock = lock.replace(scores, hashlib.md5(scored).hexdigest().encode())
        environment = base["metrics/environment.json"].replace(b'"seconds": ', f'"seconds": {number}'.encode())
        files = {**base, "dvc.lock": lock, "metrics/evaluate.json": scored, "metrics/environment.json": environment}
        ref = f"refs/exps/{'0' * 2}/{'0' * 38}/run-{number}"
        commits.append(_commit(ref, number, files, "from refs/heads/main\n"))
    return b"".join(commits)


def _commit(ref: str, number: int, files: dict[str, bytes], parent: str) -> bytes:
    head = f"commit {ref}\ncommitter A <a@example.org> {1_700_000_000 + number} +0000\ndata 1\nx\n{parent}"
    blobs = [f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n" for path, data in files.items()]
    return head.encode() + b"".join(blobs)


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
        subprocess.run(["git", "-C", folder, "fast-import", "--quiet"], input=stream(experiments), check=True)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "stages.results", "--csv"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    lines = done.stdout.count(b"\n") - 1
    print(f"{lines} runs in {seconds:.1f} s ({processor:.1f} s of processor time), {used.ru_maxrss / 1024:.0f} MiB")
    sys.exit(lines != experiments + 1)


if __name__ == "__main__":
    main()
