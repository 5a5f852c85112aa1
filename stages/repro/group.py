"""The group of workers: point-to-point messages over gloo, and nothing that sums."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from stages.core.errors import InputError
from stages.repro.determinism import settle
from stages.repro.workers import RENDEZVOUS, Group

TIMEOUT = timedelta(minutes=5)  # how long a worker waits for a peer that does not answer


class Alone:
    """A group of one worker: nobody to talk to."""

    rank = 0
    size = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def gather(self, value: Any) -> list[Any]:
        """Return [value]."""
        return [value]

    def broadcast(self, tensors: list[torch.Tensor]) -> None:
        """Do nothing: the tensors are here."""

    def swap(self, tensor: torch.Tensor | None, into: torch.Tensor | None, peer: int) -> None:
        raise AssertionError("a group of one has no peer")


class Gloo:
    """Two workers or more, joined by torch.distributed's gloo. Every call raises InputError when a peer is lost."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    def swap(self, tensor: torch.Tensor | None, into: torch.Tensor | None, peer: int) -> None:
        """Send `tensor` (CPU, contiguous) to `peer` and receive into `into` from it; None leaves out that direction."""
        with _peers_watched():
            sent = None if tensor is None else dist.isend(tensor, peer)
            received = None if into is None else dist.irecv(into, peer)
            for work in (sent, received):
                if work is not None:
                    work.wait()

    def gather(self, value: Any) -> list[Any]:
        """Return the `value` (picklable) of every worker, in rank order, on every worker."""
        found: list[Any] = [None] * self.size
        with _peers_watched():
            dist.all_gather_object(found, value)
        return found

    def broadcast(self, tensors: list[torch.Tensor]) -> None:
        """Overwrite each of `tensors` (CPU, contiguous) by that of rank 0."""
        with _peers_watched():
            for tensor in tensors:
                dist.broadcast(tensor, 0)


@contextlib.contextmanager
def _peers_watched() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"another worker of this run was lost ({reason}); start the run again to go on") from error


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Settle the environment, join the group that RANK and WORLD_SIZE describe, and leave it at the end.

    Raises InputError when the others cannot be met.
    """
    device = settle(int(os.environ.get("LOCAL_RANK", "0")))
    size = int(os.environ["WORLD_SIZE"])
    if size & (size - 1):
        raise InputError(f"{size} workers: wanted a power of two")
    if size == 1:
        yield Alone(device)
        return
    here = os.environ.get(RENDEZVOUS)
    method = f"file://{here}" if here else "env://"
    try:
        dist.init_process_group("gloo", method, timeout=TIMEOUT, rank=int(os.environ["RANK"]), world_size=size)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the {size} workers could not meet through {here or 'MASTER_ADDR'}: {reason}") from error
    try:
        yield Gloo(device)
    finally:
        dist.destroy_process_group()
