"""Workers that meet over the network, as on many machines: the same bytes, and one clear error when a peer is missing.

Each host has a folder of its own: nothing but messages passes between them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.exactness import processes
from tests.exactness.conftest import undisturbed
from tests.exactness.ledger import Ledger
from tests.exactness.warm import Started, Warm


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def hosts(root: Path, tmp_path: Path) -> list[Path]:
    return [root, Path(shutil.copytree(root, tmp_path / "other host", symlinks=True))]


def join(warm: Warm, hosts: list[Path], port: int, rank: int, seconds: float = 60) -> Started:
    """Start one worker of two as torchrun does: by its environment."""
    return warm.start(
        hosts[rank], {"do": "timeout", "seconds": seconds}, RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK="0",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo",
    )  # fmt: skip


METHODS = {"objective": "{name: pgd}", "regularise": "{name: mixout}", "average": "{name: ema}"}


@pytest.mark.parametrize("changes", [{}, METHODS], ids=["default", "methods"])
def test_two_hosts_make_what_one_makes(warm: Warm, hosts: list[Path], ledger: Ledger, changes: dict[str, str]) -> None:
    for host in hosts:
        tiny.set_params(host, **changes)
    alone, port = undisturbed(warm, hosts[0]), free_port()
    ended = [started.wait() for started in [join(warm, hosts, port, rank) for rank in (0, 1)]]
    assert ended == [(0, ""), (0, "")]
    assert not (hosts[1] / "models/finetuned").exists()
    assert ledger.same("two hosts, a folder each", "forked", tiny.outputs(hosts[0]), alone)


def test_a_host_that_nobody_meets_says_so(warm: Warm, hosts: list[Path]) -> None:
    began = time.monotonic()
    code, said = join(warm, hosts, free_port(), 0, seconds=2).wait()
    assert time.monotonic() - began < 30
    assert code == 2
    assert said.startswith("finetune: error: the 2 workers could not meet through MASTER_ADDR: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("lost", [pytest.param(0, marks=pytest.mark.full), 1])
def test_a_lost_host_ends_the_other_with_its_reason(warm: Warm, hosts: list[Path], ledger: Ledger, lost: int) -> None:
    alone = undisturbed(warm, hosts[0])
    for host in hosts:
        tiny.set_params(host, epochs="500")
    port = free_port()
    started = [join(warm, hosts, port, rank) for rank in (0, 1)]
    wait_for(hosts[0] / "metrics/finetune/trace.tsv")
    began = time.monotonic()
    started[lost].send(signal.SIGKILL)
    assert started[lost].wait()[0] == -signal.SIGKILL
    code, said = started[1 - lost].wait()
    assert time.monotonic() - began < 10
    assert code == 2
    assert said.startswith("finetune: error: another worker of this run was lost (")
    assert said.endswith("start the run again to go on\n")
    assert said.count("\n") == 1
    for host in hosts:
        tiny.set_params(host)
    ended = [started.wait()[0] for started in [join(warm, hosts, port, rank) for rank in (0, 1)]]
    assert ended == [0, 0]
    assert ledger.same("two hosts, after one was lost", "forked", tiny.outputs(hosts[0]), alone)


Torchrun = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def torchrun() -> Iterator[Torchrun]:
    """Return what starts the agent of one host; in the end nothing of any is left."""
    agents: list[subprocess.Popen[str]] = []

    def start(host: Path, rank: int, port: int, kind: str) -> subprocess.Popen[str]:
        command = [
            sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
            *RENDEZVOUS[kind], "-m", "stages.finetune",
        ]  # fmt: skip
        agents.append(
            subprocess.Popen(
                [part.format(rank=rank, port=port) for part in command], cwd=host, text=True, start_new_session=True,
                env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        return agents[-1]

    yield start
    for agent in agents:
        if agent.poll() is None:
            for pid in (*children(agent), agent.pid):
                os.kill(pid, signal.SIGKILL)
            agent.communicate()


def wait_for(file: Path) -> None:
    """Wait until the file is there."""
    deadline = time.monotonic() + 120
    while not file.is_file():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(agent: subprocess.Popen[str]) -> list[int]:
    """Return the workers of an agent."""
    return [int(pid) for pid in Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()]


RENDEZVOUS = {
    "c10d": ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:{port}", "--local-addr", "127.0.0.1"],
    "static": ["--node-rank", "{rank}", "--master-addr", "127.0.0.1", "--master-port", "{port}"],
}


@pytest.mark.full
@pytest.mark.parametrize("kind", RENDEZVOUS)
def test_torchrun(warm: Warm, hosts: list[Path], ledger: Ledger, torchrun: Torchrun, kind: str) -> None:
    alone, port = undisturbed(warm, hosts[0]), free_port()
    agents = [torchrun(host, rank, port, kind) for rank, host in enumerate(hosts)]
    said = [agent.communicate(timeout=180)[1] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    (made,) = [host for host in hosts if (host / "models/finetuned").exists()]  # c10d chooses which is rank 0
    assert ledger.same(
        f"torchrun --nnodes 2 --nproc-per-node 1, {kind} rendezvous", "torchrun", tiny.outputs(made), alone
    )


@pytest.mark.full
def test_torchrun_with_a_lost_host(hosts: list[Path], torchrun: Torchrun) -> None:
    for host in hosts:
        tiny.set_params(host, epochs="500")
    port = free_port()
    agents = [torchrun(host, rank, port, "static") for rank, host in enumerate(hosts)]
    wait_for(hosts[0] / "metrics/finetune/trace.tsv")
    workers = [children(agent) for agent in agents]  # each leads a session of its own
    for member in (agents[1].pid, *workers[1]):
        os.kill(member, signal.SIGKILL)
    agents[1].communicate()
    began = time.monotonic()
    said = agents[0].communicate(timeout=60)[1]
    assert time.monotonic() - began < 20
    assert agents[0].returncode != 0
    assert "finetune: error: another worker of this run was lost (" in said
    assert all(processes.all_gone(leader) for leader in (agents[0].pid, *workers[0], *workers[1]))
