"""How many workers there are, and which of them a process is: what the environment may say, and what not."""

from __future__ import annotations

import os

import pytest

from stages.core.errors import InputError
from stages.repro import placement, workers


@pytest.mark.parametrize(("most", "cores", "wanted"), [(8, 2, 2), (8, 7, 4), (3, 8, 2), (1, 8, 1), (16, 1, 1)])
def test_the_largest_power_of_two_that_cores_and_shards_allow(
    most: int, cores: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPRISE_WORKERS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert placement.count(most) == wanted


def test_the_number_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_WORKERS", "8")
    assert placement.count(8) == 8
    with pytest.raises(InputError, match="found '8', wanted a power of two from 1 to 7"):
        placement.count(7)


LONG = "9" * 5000
SHOWN = "'" + "9" * 20 + "…'"
NEEDED = "missing beside RANK; torchrun sets both (without RANK, this machine's own workers are started)"
MET = {"MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@pytest.mark.parametrize("asked", ["0", "3", "16", "-1", "two", "", "1.0", " 2", "٢", LONG])
def test_a_wrong_number_is_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("REPRISE_WORKERS", asked)
    shown = SHOWN if asked == LONG else repr(asked)
    with pytest.raises(InputError, match=f"^REPRISE_WORKERS: found {shown}, wanted a power of two from 1 to 8 "):
        placement.count(8)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "0"}, f"WORLD_SIZE: {NEEDED}"),
        ({"RANK": "0", "WORLD_SIZE": "two"}, "WORLD_SIZE: found 'two', wanted a whole number from 1 to 1048576"),
        ({"RANK": "0", "WORLD_SIZE": LONG}, f"WORLD_SIZE: found {SHOWN}, wanted a whole number from 1 to 1048576"),
        ({"RANK": "0", "WORLD_SIZE": "3"}, "WORLD_SIZE: found 3, wanted a power of two"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK: found '2', wanted a whole number from 0 to 1"),
        ({"RANK": "", "WORLD_SIZE": "2"}, "RANK: found '', wanted a whole number from 0 to 1"),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "a"},
         "LOCAL_RANK: found 'a', wanted a whole number from 0 to 0"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, f"MASTER_PORT: {NEEDED}"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "29500"}, f"MASTER_ADDR: {NEEDED}"),
        ({"RANK": "0", "WORLD_SIZE": "2", **MET, "MASTER_PORT": "0"},
         "MASTER_PORT: found '0', wanted a whole number from 1 to 65535"),
    ],
)  # fmt: skip
def test_a_wrong_placement_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", *MET):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        workers.run("stages.finetune", lambda _: pytest.fail("it ran"), most=4)
    assert str(caught.value) == message


def test_a_right_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", **MET}.items():
        monkeypatch.setenv(name, value)
    assert placement.placement() == (3, 4, 1)
