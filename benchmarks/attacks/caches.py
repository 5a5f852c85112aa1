"""The per-user cache and the hub's cache, changed before they are used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.attacks.downloads import CONTENT, SHA256, fetched, served, shortened, whole
from benchmarks.attacks.place import Attack, Broken, Place
from stages.sources.hub import Hub, Pinned
from stages.sources.url import Remote, Url


def _cache(place: Place, how: str) -> str:
    """Change what lies in the per-user cache before it is used; the server has the right bytes."""
    shortened()
    os.environ["REPRISE_CACHE"] = str(place.folder / "cache")
    folder, other = place.folder / "cache/archives", place.folder / "other"
    folder.mkdir(parents=True)
    other.write_bytes(b"mine")
    path, partial = folder / SHA256, folder / f"{SHA256}.partial"
    match how:
        case "other bytes":
            path.write_bytes(b"x" * 100)
        case "a link to other bytes":
            path.symlink_to(other)
        case "a link to nothing":
            path.symlink_to(place.folder / "none")
        case "a beginning of other bytes":
            partial.write_bytes(b"x" * 100)
        case "a beginning that is too long":
            partial.write_bytes(CONTENT + b"x" * 100)
        case "a beginning that is a link":
            partial.symlink_to(other)
        case "a beginning that is a link to nothing":
            partial.symlink_to(place.folder / "none")
        case "a lock that is a link":
            path.with_suffix(".lock").symlink_to(other)
        case "a folder in its place":
            path.mkdir()
        case "a folder for its beginning":
            partial.mkdir()
        case "a FIFO in its place":
            os.mkfifo(path)
        case "a FIFO for its beginning":
            os.mkfifo(partial)
        case "a device in its place":
            path.symlink_to("/dev/zero")
        case "a hard link to mine":
            os.link(other, path)
        case "a beginning that is a hard link to mine":
            os.link(other, partial)
        case "no rights":
            path.write_bytes(b"x")
            path.chmod(0)
    address = f"http://127.0.0.1:{served(lambda n, s: whole())}/file.bin"
    said = fetched(place, Url({"file.bin": Remote(url=address, sha256=SHA256, limit_mb=3)}))
    if other.read_bytes() not in (b"mine",) or (place.folder / "none").exists():
        raise Broken("a file outside the cache was written")
    return said


CACHES = (
    "other bytes", "a link to other bytes", "a link to nothing", "a beginning of other bytes",
    "a beginning that is too long", "a beginning that is a link",
    "a beginning that is a link to nothing", "a lock that is a link", "a folder in its place",
    "a folder for its beginning", "a FIFO in its place",
    "a FIFO for its beginning", "a device in its place", "a hard link to mine",
    "a beginning that is a hard link to mine", "no rights",
)  # fmt: skip


def _hub(place: Place, how: str) -> str:
    """Change what lies in the hub's cache, which cannot be reached."""
    from huggingface_hub import constants

    constants.HF_HUB_CACHE = str(place.folder / "hub")
    commit, root = "0" * 40, place.folder / "hub/models--ann--model"
    snapshot, blobs = root / "snapshots" / commit, root / "blobs"
    for folder in (snapshot, blobs, root / "refs"):
        folder.mkdir(parents=True)
    (root / "refs/main").write_text(commit, encoding="utf-8")
    (blobs / SHA256).write_bytes(CONTENT)
    (blobs / "other").write_bytes(CONTENT[::-1])
    (place.folder / "secret").write_bytes(b"secret")
    path = snapshot / "model.safetensors"
    if how not in ("a regular file", "nothing"):
        path.symlink_to(blobs / SHA256)
    changes: dict[str, Callable[[], Any]] = {
        "as it should be": lambda: None, "nothing": lambda: None,
        "a regular file": lambda: path.write_bytes(CONTENT[::-1]),
        "another blob": lambda: (path.unlink(), path.symlink_to(blobs / "other")),
        "a link to elsewhere": lambda: (path.unlink(), path.symlink_to(place.folder / "secret")),
        "the blob changed": lambda: (blobs / SHA256).write_bytes(b"x" + CONTENT[1:]),
        "the blob cut": lambda: (blobs / SHA256).write_bytes(CONTENT[:9]),
        "a circle": lambda: (path.unlink(), path.symlink_to(path)), "a folder": lambda: (path.unlink(), path.mkdir()),
        "a FIFO": lambda: (path.unlink(), os.mkfifo(path)),
        "a device": lambda: (path.unlink(), path.symlink_to("/dev/zero")),
        "said not to be there": lambda: _absent(root, commit),
        "the snapshot is a link": lambda: (snapshot.rename(root / "x"), snapshot.symlink_to(root / "x")),
        "the blob is a folder": lambda: ((blobs / SHA256).unlink(), (blobs / SHA256).mkdir()),
    }  # fmt: skip
    changes[how]()
    said = fetched(
        place, Hub("ann/model", "model", commit, {"w.safetensors": Pinned(path="model.safetensors", sha256=SHA256)})
    )
    if (place.folder / "secret").read_bytes() != b"secret":
        raise Broken("a file outside the cache was changed")
    return said


def _absent(root: Path, commit: str) -> None:
    (root / ".no_exist" / commit).mkdir(parents=True)
    (root / ".no_exist" / commit / "model.safetensors").touch()


HUB = (
    "as it should be", "nothing", "a regular file", "another blob", "a link to elsewhere", "the blob changed",
    "the blob cut", "a circle", "a folder", "a FIFO", "a device",
    "said not to be there", "the snapshot is a link", "the blob is a folder",
)  # fmt: skip

ATTACKS = (
    Attack("the per-user cache changed", "the pinned bytes, or refused; no file outside it is written", _cache,
        {how: how for how in CACHES}, seconds=60),
    Attack("the hub's cache changed, and the hub away", "the pinned bytes, or refused; no file outside it is changed",
        _hub, {how: how for how in HUB}, seconds=60),
)  # fmt: skip
