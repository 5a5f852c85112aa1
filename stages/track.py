"""Show a run in TensorBoard, MLflow or Weights & Biases as it goes.

    python -m stages.track tensorboard -- dvc repro
    python -m stages.track mlflow wandb -- dvc exp run -S train.lr=3e-5

Runs the command after `--` and follows the curves that finetune writes; at its end come params, scores, the digest of
dvc.lock and the environment. The command knows nothing of it, so its bits are the same with and without, whatever
becomes of the tracker. Ends with the command's own code; 2 for bad input.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.track", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("track")  # the imports below take their time

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError, nearest
from stages.core.files import read_json
from stages.repro.digests import of_file
from stages.tracking import TRACKERS
from stages.tracking.following import Follower
from stages.tracking.sender import Sender

POLL = 1.0  # seconds
METRICS = Path("metrics")
RESULTS = {METRICS / "finetune.json": "finetune", METRICS / "evaluate.json": "test"}


def track(names: Sequence[str], command: Sequence[str], root: Path = Path()) -> int:
    """Run `command` and show it in the trackers `names`; return its exit code. Raises InputError for unknown names."""
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"{name}: no such tracker{nearest(name, TRACKERS)}")
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:  # without origin: a mere folder of that name
            raise InputError(f"{name} is not installed: pip install --constraint requirements.lock '.[{name}]'")
    title = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    follower = Follower(root / METRICS / "finetune")
    senders: list[Sender] = []
    try:
        running = subprocess.Popen(command, cwd=root)
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be run: {error.strerror}") from None
    with _passed_on(running):
        while running.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(POLL)
            for step, values in follower.new(ended=running.returncode is not None):
                if not senders:  # only now: `dvc exp run -S` writes params.yaml before the first step
                    params = dict(yaml12.leaves(yaml12.read(root / "params.yaml")[0]))
                    senders = [Sender(name, partial(TRACKERS[name], title, params)) for name in names]
                for sender in senders:
                    sender.send(methodcaller("log", step, values))
    if not senders:
        print("track: finetune took no step, so there is nothing to show", file=sys.stderr)
    succeeded = running.returncode == 0
    summary = results(root) if succeeded else {}
    for sender in senders:
        sender.send(methodcaller("end", follower.last, summary, record(root), succeeded))
    for sender in senders:
        sender.close()
    return running.returncode


def results(root: Path) -> dict[str, float]:
    """Return the numbers at the top of the stages' metrics, named after their files."""
    found = {}
    for path, prefix in RESULTS.items():
        content = read_json(root / path) if (root / path).is_file() else {}
        found.update({f"{prefix}/{k}": v for k, v in content.items() if type(v) in (int, float)})
    return found


def record(root: Path) -> dict[str, Any]:
    """Return what the numbers rest on: the digest of dvc.lock, and on what the model was trained."""
    lock, environment = root / "dvc.lock", root / METRICS / "environment.json"
    had = dict(yaml12.leaves(read_json(environment).get("finetune", {}))) if environment.is_file() else {}
    return {**({"dvc.lock": of_file(lock)} if lock.is_file() else {}), **had}


@contextlib.contextmanager
def _passed_on(running: subprocess.Popen[bytes]) -> Iterator[None]:
    """Outlive the command: Ctrl-C reaches it by itself, SIGTERM is passed on."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: running.terminate()),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """Run the command that the command line names."""
    parser = cli.parser("track", __doc__, usage="%(prog)s TRACKER [TRACKER …] -- COMMAND …")
    parser.add_argument("trackers", nargs="+", metavar="TRACKER", help=f"of {', '.join(TRACKERS)}")
    with cli.errors_told("track"):
        own, dashes, command = _split(sys.argv[1:])
        arguments = parser.parse_args(own)
        if not dashes or not command:
            raise InputError("found no command: wanted TRACKER … -- COMMAND …, for example tensorboard -- dvc repro")
        code = track(list(dict.fromkeys(arguments.trackers)), command)
        sys.stderr.flush()
        os._exit(128 - code if code < 0 else code)  # not waiting for a tracker that was left alone


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return arguments, False, []
    place = arguments.index("--")
    return arguments[:place], True, arguments[place + 1 :]


if __name__ == "__main__":
    main()
