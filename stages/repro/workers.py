"""Workers are processes: one command starts them, watches them and ends with them.

Run plainly, `run` is the supervisor: it starts workers of the same module and waits. In a process that has RANK in its
environment, started by the supervisor or by torchrun on one machine or many, it joins the group and does the work.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from stages.core.errors import InputError
from stages.core.files import SCRATCH
from stages.core.processes import end_with_dvc, taken
from stages.repro.determinism import ensure_environment, pinned
from stages.repro.placement import MEMORY, RENDEZVOUS, SUPERVISOR, count, placement

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LEFT = 128 + signal.SIGTERM  # the code of a worker that ended at a checkpoint, and said so
GRACE = 5.0  # seconds that workers have to end by themselves after one of them failed
_PR_SET_PDEATHSIG = 1


class Group(Protocol):
    """The workers of one run, as one of them sees them."""

    rank: int
    size: int
    device: torch.device
    shares_memory: bool  # whether `share` makes one tensor of all workers'

    def share(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return tensors with the contents of rank 0's `tensors`, the same memory on every worker, if it can be had."""

    def barrier(self) -> None:
        """Wait until every worker is here."""

    def swap(self, tensor: Tensor | None, into: Tensor | None, peer: int) -> None:
        """Send `tensor` to `peer` and receive its tensor into `into`; None leaves out that direction."""

    def gather(self, value: Any) -> list[Any]:
        """Return the `value` of every worker, in rank order, on every worker."""

    def broadcast(self, tensors: list[Tensor]) -> None:
        """Overwrite `tensors` by those of rank 0."""


def run(module: str, work: Callable[[Group], None], most: int) -> None:
    """Do `work` in as many workers as there are cores (REPRISE_WORKERS says otherwise), a power of two, at most `most`.

    `module` is what `python -m` runs, for the workers to be started by. Raises InputError, or SystemExit with the
    workers' exit code when one of them failed or was interrupted.
    """
    name = module.rsplit(".", 1)[-1]
    if "RANK" not in os.environ:
        end_with_dvc(name)
        _supervise(module, name, count(most))
        return
    rank = placement()[0]
    ensure_environment()
    _die_with_parent()
    from stages.repro import group

    # The supervisor has the lock; under torchrun the host of rank 0 takes it.
    locked = contextlib.nullcontext() if SUPERVISOR in os.environ or rank else lock(name)
    with locked, group.joined() as joined:
        work(joined)


def leads() -> bool:
    """Tell whether this process is the worker of rank 0, which writes."""
    return os.environ.get("RANK") == "0"


def lock(name: str) -> IO[str]:
    """Take the lock of this working folder for `name`; it lasts as long as the returned file is open, or the process.

    Raises InputError when another process holds it, and when the scratch folder cannot be used.
    """
    if os.environ.get("REPRISE_SCRATCH") == "":
        raise InputError("REPRISE_SCRATCH: found '', wanted a folder")
    try:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as opened:
            file = opened.enter_context((SCRATCH / f"{name}.lock").open("a+"))
            if not taken(file, "REPRISE_SCRATCH"):
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise InputError(
                    f"{name} is already running in this folder (process {holder}): wait for it, or stop it"
                )
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            opened.pop_all()
    except OSError as error:
        place = error.filename or SCRATCH
        raise InputError(f"{place}: cannot be used: {error.strerror} (REPRISE_SCRATCH sets another folder)") from error
    return file


def _supervise(module: str, name: str, workers: int) -> None:
    with lock(name), contextlib.ExitStack() as stack:
        stopped: list[int] = []
        before = {
            s: signal.signal(s, lambda number, _: stopped.append(number)) for s in (signal.SIGINT, signal.SIGTERM)
        }
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reprise-"))
        logs = [None] + [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(1, workers)]
        memory = stack.enter_context(_memory())
        processes = [_start(module, rank, workers, folder, logs[rank], memory.fileno()) for rank in range(workers)]
        try:
            failed = _watch(processes, stopped)
        finally:
            for process in processes:
                process.kill()
                process.wait()
            for number, handler in before.items():
                signal.signal(number, handler)
        if stopped:
            if all(process.returncode != LEFT for process in processes):  # nobody came to say it
                print(f"{name}: interrupted", file=sys.stderr, flush=True)
            raise SystemExit(128 + stopped[0])
        if failed is not None:
            _report(failed, processes, logs)


def _memory() -> IO[bytes]:
    """Return a file that lives in memory and ends with the last process that has it open."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("reprise"), "wb")
    return tempfile.TemporaryFile()


def _start(
    module: str, rank: int, workers: int, folder: str, log: IO[str] | None, memory: int
) -> subprocess.Popen[bytes]:
    mine = {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(workers),
        SUPERVISOR: str(os.getpid()), RENDEZVOUS: str(Path(folder, "rendezvous")), MEMORY: str(memory),
        "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    environment = {**pinned(os.environ), **mine}
    return subprocess.Popen(command, env=environment, stderr=log, stdin=subprocess.DEVNULL, pass_fds=(memory,))


def _watch(processes: list[subprocess.Popen[bytes]], stopped: list[int]) -> int | None:
    """Wait for all; return the rank that failed first, or None. A signal is passed on once, as SIGTERM."""
    passed_on = False
    deadline: float | None = None
    failed: int | None = None
    while None in (codes := [p.poll() for p in processes]):
        if failed is None and (failed := next((rank for rank, code in enumerate(codes) if code), None)) is not None:
            deadline = time.monotonic() + GRACE
        if deadline is not None and time.monotonic() > deadline:
            return failed
        if stopped and not passed_on:
            passed_on = True
            for process in processes:
                process.terminate()
        time.sleep(0.02)
    return failed if failed is not None else next((rank for rank, code in enumerate(codes) if code), None)


def _report(failed: int, processes: list[subprocess.Popen[bytes]], logs: Sequence[IO[str] | None]) -> None:
    """Say why the run ended, and leave with the code of the worker that failed first."""
    log = logs[failed]
    if log is not None and processes[0].returncode != processes[failed].returncode:
        log.seek(0)
        print(log.read(), end="", file=sys.stderr)
    code = processes[failed].returncode
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (the system may be out of memory)" if name == "SIGKILL" else ""
        print(f"worker {failed} was ended by {name}{hint}: the run ends; start it again to go on", file=sys.stderr)
        code = 1
    raise SystemExit(code)


def _die_with_parent() -> None:
    """Have the kernel end this worker when its parent goes, even by kill -9 (Linux; elsewhere the group notices).

    The parent is our supervisor, which says its number, or torchrun's agent. Either may be process 1 of a container.
    """
    if sys.platform != "linux":
        return
    parent = os.environ.get(SUPERVISOR, str(os.getppid()))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if str(os.getppid()) != parent:
        raise InputError(f"the process that started this worker (process {parent[:20]}) is gone: the run ends")
