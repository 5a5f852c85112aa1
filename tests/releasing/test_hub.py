"""Pushing to a loopback hub: what it is told, that the token goes into the header alone, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stages import release
from stages.core.errors import InputError

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "s" * 34


class FakeHub(BaseHTTPRequestHandler):
    """Takes a repository and a commit of plain files; keeps what it was told."""

    protocol_version = "HTTP/1.1"
    told: list[tuple[str, str, str, bytes]]  # method, path, authorization, body

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes) -> None:
        path = self.path.partition("?")[0]
        self.server.told.append((self.command, path, self.headers.get("Authorization", ""), body))  # type: ignore[attr-defined]
        address = f"http://{self.headers['Host']}/ann/model"
        if path == "/api/repos/create":
            found: Any = {"url": address, "name": "ann/model"}
        elif "/preupload/" in path:
            names = [one["path"] for one in json.loads(body)["files"]]
            found = {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]}
        elif "/commit/" in path:
            found = {"success": True, "commitOid": "a" * 40, "commitUrl": f"{address}/commit/{'a' * 40}"}
        elif path == "/api/validate-yaml":
            found = {"errors": [], "warnings": []}
        else:
            found = {"id": "ann/model", "sha": "a" * 40, "siblings": []}
        data = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def hub() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    server.told = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    release.release(made, tmp_path / "release", None)
    return tmp_path / "release"


def push(folder: Path, endpoint: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: the hub's address is read when its library is imported."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    env |= {
        "HF_ENDPOINT": endpoint,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(folder.parent / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [sys.executable, "-m", "stages.release", str(folder), "--push", "ann/model", *more]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("more", "visibility"), [([], "private"), (["--public"], "public")])
def test_every_file_is_uploaded(hub: Any, folder: Path, more: list[str], visibility: str) -> None:
    done = push(folder, f"http://127.0.0.1:{hub.server_port}", *more)
    assert done.returncode == 0, done.stderr
    created = next(json.loads(body) for _, path, _, body in hub.told if path == "/api/repos/create")
    assert created["visibility"] == visibility
    commit = next(body for _, path, _, body in hub.told if "/commit/" in path)
    lines = [json.loads(line) for line in commit.splitlines()]
    sent = {line["value"]["path"] for line in lines if line["key"] == "file"}
    assert sent == {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {authorization for *_, authorization, _ in hub.told if authorization} == {f"Bearer {TOKEN}"}
    assert TOKEN not in done.stdout + done.stderr


def test_a_dry_run_lists_the_files_and_asks_nobody(hub: Any, folder: Path) -> None:
    said = release.push(folder, "ann/model", public=False, dry=True).splitlines()
    assert said == sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert hub.told == []


def test_what_is_not_whole_is_not_pushed(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"not whole, so not pushed: config.json: damaged"):
        release.push(folder, "ann/model", public=False, dry=False)


def test_a_hub_that_cannot_be_reached_is_one_message(folder: Path) -> None:
    done = push(folder, "http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("release: error: --push: ann/model: ")
    assert TOKEN not in done.stderr
