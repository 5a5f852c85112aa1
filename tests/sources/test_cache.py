from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.sources.cache import folder, held

CONTENT = b"content"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Fetch:
    """Writes the next of some contents each time, and remembers what it was given to begin with."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = list(contents)
        self.beginnings: list[bytes] = []

    def __call__(self, path: Path) -> None:
        self.beginnings.append(path.read_bytes() if path.exists() else b"")
        path.write_bytes(self.contents.pop(0))


def never(path: Path) -> None:
    raise AssertionError(f"asked to fetch {path}")


def names(cache: Path) -> set[str]:
    return {p.name for p in cache.iterdir() if p.suffix != ".lock"}


def test_missing_file_is_fetched_and_named_by_its_sha256(cache: Path) -> None:
    assert held(SHA256, "it", Fetch(CONTENT)) == cache / SHA256
    assert (cache / SHA256).read_bytes() == CONTENT
    assert names(cache) == {SHA256}


def test_file_at_hand_is_not_fetched() -> None:
    path = held(SHA256, "it", Fetch(CONTENT))
    assert held(SHA256, "it", never) == path


def test_damaged_file_is_named_and_fetched_again(capsys: pytest.CaptureFixture[str]) -> None:
    path = held(SHA256, "it", Fetch(CONTENT))
    path.write_bytes(b"cont3nt")
    assert held(SHA256, "it", Fetch(CONTENT)).read_bytes() == CONTENT
    assert capsys.readouterr().err == (f"{path}: damaged (its SHA-256 is not its name); removed, fetching it again\n")


@pytest.mark.parametrize("suffix", ["", ".partial", ".lock"])
@pytest.mark.parametrize("kind", ["link", "link to nothing", "hard link", "pipe", "device"])
def test_what_is_not_ours_is_neither_written_nor_waited_for(
    cache: Path, tmp_path: Path, suffix: str, kind: str
) -> None:
    cache.mkdir(parents=True)
    other, path = tmp_path / "other", cache / f"{SHA256}{suffix}"
    other.write_bytes(b"mine")
    match kind:
        case "hard link":
            os.link(other, path)
        case "pipe":
            os.mkfifo(path)
        case _:
            path.symlink_to({"link": other, "device": Path("/dev/zero")}.get(kind, tmp_path / "none"))
    assert held(SHA256, "it", Fetch(CONTENT)).read_bytes() == CONTENT
    assert (other.read_bytes(), (tmp_path / "none").exists()) == (b"mine", False)


def test_wrong_bytes_show_both_digests_and_leave_nothing(cache: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(InputError) as told:
        held(SHA256, "pkg==1", Fetch(b"other"))
    assert str(told.value) == f"pkg==1: its SHA-256 is {other}, wanted {SHA256}; nothing of it was kept"
    assert names(cache) == set()


def test_beginning_left_by_an_interrupted_fetch_is_handed_on(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{SHA256}.partial").write_bytes(b"con")
    fetch = Fetch(CONTENT)
    held(SHA256, "it", fetch)
    assert fetch.beginnings == [b"con"]


def test_beginning_that_proves_wrong_is_dropped_and_fetched_anew(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{SHA256}.partial").write_bytes(b"xyz")
    fetch = Fetch(b"xyztent", CONTENT)
    assert held(SHA256, "it", fetch).read_bytes() == CONTENT
    assert fetch.beginnings == [b"xyz", b""]


def test_beginning_stays_when_the_fetch_breaks_off(cache: Path) -> None:
    def breaks_off(path: Path) -> None:
        path.write_bytes(b"con")
        raise InputError("network gone")

    with pytest.raises(InputError, match=r"^network gone$"):
        held(SHA256, "it", breaks_off)
    assert (cache / f"{SHA256}.partial").read_bytes() == b"con"


def test_full_disk_names_the_cache_and_its_variable(cache: Path) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")  # as write() raises it

    with pytest.raises(InputError) as told:
        held(SHA256, "it", full)
    assert str(told.value) == (
        f"{cache / SHA256}.partial: the cache cannot be used: No space left on device "
        "(REPRISE_CACHE sets another folder)"
    )


def test_file_where_the_cache_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(InputError, match=r"the cache cannot be used: Not a directory \(REPRISE_CACHE"):
        held(SHA256, "it", never)


def test_two_at_once_fetch_once(capsys: pytest.CaptureFixture[str]) -> None:
    begun, end = threading.Event(), threading.Event()
    calls: list[Path] = []

    def slow(path: Path) -> None:
        calls.append(path)
        begun.set()
        assert end.wait(10)
        path.write_bytes(CONTENT)

    found: list[Path] = []
    first, second = (threading.Thread(target=lambda: found.append(held(SHA256, "it", slow))) for _ in range(2))
    first.start()
    assert begun.wait(10)
    second.start()
    wait_for(lambda: "it: waiting for another process" in capsys.readouterr().err)
    end.set()
    first.join()
    second.join()
    assert len(calls) == 1
    assert found[0] == found[1]


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"REPRISE_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/reprise"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/of/user/.cache/reprise"),
        ({}, "/home/of/user/.cache/reprise"),
        ({"XDG_CACHE_HOME": ""}, "/home/of/user/.cache/reprise"),
    ],
)
def test_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: str) -> None:
    monkeypatch.delenv("REPRISE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/of/user")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert folder() == Path(wanted)


def test_an_empty_place_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_CACHE", "")
    with pytest.raises(InputError, match="^REPRISE_CACHE: found '', wanted a folder$"):
        folder()
