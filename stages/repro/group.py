"""The group of workers: shared memory on one host, messages over gloo between hosts, and nothing that sums."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from stages.core.errors import InputError
from stages.repro.determinism import settle
from stages.repro.placement import MEMORY, RENDEZVOUS, placement
from stages.repro.workers import Group

TIMEOUT = timedelta(minutes=5)  # how long a worker waits for a peer that does not answer


class Alone:
    """A group of one worker: nobody to talk to."""

    rank = 0
    size = 1
    shares_memory = True

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def gather(self, value: Any) -> list[Any]:
        """Return [value]."""
        return [value]

    def broadcast(self, tensors: list[torch.Tensor]) -> None:
        """Do nothing: the tensors are here."""

    def share(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return `tensors`."""
        return tensors

    def barrier(self) -> None:
        """Do nothing: everybody is here."""

    def swap(self, tensor: torch.Tensor | None, into: torch.Tensor | None, peer: int) -> None:
        raise AssertionError("a group of one has no peer")


class Gloo:
    """Two workers or more, joined by torch.distributed's gloo. Every call raises InputError when a peer is lost."""

    shares_memory = False

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

    def share(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return `tensors`: memory is not shared between hosts."""
        return tensors

    def barrier(self) -> None:
        """Wait until every worker is here."""
        with _peers_watched():
            dist.barrier()


class Local(Gloo):
    """Workers of one host, which share the memory behind the descriptor `memory`."""

    shares_memory = True

    def __init__(self, device: torch.device, memory: int) -> None:
        super().__init__(device)
        self.memory = memory
        self._used = 0  # bytes, a multiple of the page size

    def share(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return tensors with the contents of rank 0's `tensors` (CPU), in the memory of all workers."""
        offsets = [0]
        for tensor in tensors:
            offsets.append(offsets[-1] + -(-tensor.nbytes // 64) * 64)
        length = -(-offsets[-1] // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        try:
            if self.rank == 0:
                os.ftruncate(self.memory, self._used + length)
            self.barrier()
            block = mmap.mmap(self.memory, length, offset=self._used)
        except OSError as error:
            raise InputError(f"{length >> 20} MB of memory for the workers to share cannot be had: {error}") from error
        self._used += length
        flat = torch.frombuffer(block, dtype=torch.uint8)
        shared = [
            flat[start:][: tensor.nbytes].view(tensor.dtype).view(tensor.shape)
            for start, tensor in zip(offsets, tensors, strict=False)
        ]
        if self.rank == 0:
            torch._foreach_copy_(shared, [tensor.detach() for tensor in tensors])
        self.barrier()
        return shared


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
    rank, size, local = placement()
    device = settle(local)
    if size == 1:
        yield Alone(device)
        return
    here = os.environ.get(RENDEZVOUS)
    method = f"file://{here}" if here else "env://"
    try:
        dist.init_process_group("gloo", method, timeout=TIMEOUT, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the {size} workers could not meet through {here or 'MASTER_ADDR'}: {reason}") from error
    try:
        memory = os.environ.get(MEMORY)
        yield Local(device, int(memory)) if memory and device.type == "cpu" else Gloo(device)
    finally:
        dist.destroy_process_group()
