"""Runs of finetune that start by fork in a process which has imported everything: a second each instead of ten.

Supervisor, workers, their environment and their open files are those of the command; exec alone is left out. What needs
a fresh Python (threads asked for, hash seed) is tested through the command itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.exactness import faults, processes
from tests.tiny import ROOT


@dataclass
class Started:
    """A run under way; `pid` is its supervisor's, who leads a session of its own."""

    warm: Warm
    pid: int
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 120) -> tuple[int, str]:
        """Return the exit code, negative for a signal, and what was said. Kills and fails after `seconds`."""
        code = self.warm.ask("wait", self.pid, seconds)
        assert code is not None, f"still running after {seconds} s\n{self.log.read_text()}"
        return code, self.log.read_text()


class Warm:
    """The process that forks."""

    def __init__(self, logs: Path) -> None:
        from stages.repro.determinism import pinned

        self.logs = logs
        self.runs = 0
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.exactness.warm"], cwd=ROOT, env=pinned(os.environ), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, *request: Any) -> Any:
        """Send a request; return the answer."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())

    def start(self, root: Path, fault: Mapping[str, Any] | None = None, **environment: str) -> Started:
        """Start finetune in the folder, with a fault (see `faults.arm`) if there is one."""
        self.runs += 1
        log = self.logs / f"{self.runs}.log"
        return Started(self, self.ask("start", str(root), str(log), fault, environment), log)

    def run(self, root: Path, fault: Mapping[str, Any] | None = None, **environment: str) -> tuple[int, str]:
        """Run finetune in the folder to its end; return exit code and what it said."""
        return self.start(root, fault, **environment).wait()

    def close(self) -> None:
        """End the process."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()


class Forked:
    """Stands in for subprocess.Popen in the supervisor."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], stderr: IO[str] | None = None,
        pass_fds: Sequence[int] = (), **_: Any,
    ) -> None:  # fmt: skip
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if stderr is not None:
            os.dup2(stderr.fileno(), 2)
        kept = sorted({0, 1, 2, *pass_fds})
        for low, high in zip(kept, [*kept[1:], 4096], strict=True):
            os.closerange(low + 1, high)
        os.environ.clear()
        os.environ.update(env)
        _leave_after(_finetune)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("worker", timeout or 0.0)
            time.sleep(0.005)
        return code

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to stop."""
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _finetune() -> None:
    from stages import finetune

    finetune.main()


def _leave_after(work: Callable[[], None]) -> NoReturn:
    """Do `work` and end this process as Python would."""
    try:
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Said:
    """What a run says, taken from a pipe: a limit on the size of files, as a fault sets it, would cut a file short."""

    def __init__(self, log: str) -> None:
        self.log = log
        self.end, self.writing = os.pipe()
        os.set_blocking(self.end, False)

    def take(self) -> None:
        """Move what is there to the log."""
        with Path(self.log).open("ab") as file, contextlib.suppress(BlockingIOError):
            while data := os.read(self.end, 1 << 16):
                file.write(data)

    def close(self) -> None:
        """Take the rest."""
        self.take()
        os.close(self.end)


RUNNING: dict[int, Said] = {}


def _start(root: str, log: str, fault: dict[str, Any] | None, environment: dict[str, str]) -> int:
    said = Said(log)
    pid = os.fork()
    if pid:
        os.close(said.writing)
        RUNNING[pid] = said
        return pid
    os.setsid()
    os.chdir(root)
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said.writing, 1)
    os.dup2(said.writing, 2)
    os.closerange(3, 4096)
    sys.argv = ["finetune"]
    if fault is not None:
        faults.arm(**fault)
    _leave_after(_finetune)


def _wait(pid: int, seconds: float) -> int | None:
    said, deadline = RUNNING.pop(pid), time.monotonic() + seconds
    while time.monotonic() < deadline:
        said.take()
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            said.close()
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    for member in processes.of_session(pid):
        os.kill(member, signal.SIGKILL)
    os.waitpid(pid, 0)
    said.close()
    return None


def main() -> None:
    """Answer requests, a JSON line each, until standard input ends."""
    import stages.inference
    import stages.repro.group
    import stages.training.loop  # noqa: F401
    from stages.repro import workers

    class Forking:
        """Stands in for the module subprocess."""

        Popen = Forked
        DEVNULL = subprocess.DEVNULL

    workers.subprocess = Forking  # type: ignore[attr-defined, assignment]
    for line in sys.stdin:
        what, *request = json.loads(line)
        print(json.dumps({"start": _start, "wait": _wait}[what](*request)), flush=True)


if __name__ == "__main__":
    main()
