"""The hub source against a loopback server that speaks the part of the hub's HTTP API that the libraries ask for."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pyarrow.parquet as pq
import pytest

import stages
from stages.core.errors import InputError
from stages.repro.weights import CONVERSION
from stages.sources.hub import Hub, Pinned, _told

ROOT = Path(stages.__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
CARD = b"""---
configs:
- config_name: small
  data_files:
  - {split: train, path: small/train.csv}
  - {split: test, path: small/test.csv}
- config_name: large
  data_files:
  - {split: train, path: large/train.csv}
dataset_info:
- config_name: small
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': bad, '1': good}}}
---
"""
PICTURES = b"""---
dataset_info:
  features:
  - {name: picture, dtype: image}
---
"""
WEIGHTS = b"weights" * 1000
REPOS: dict[tuple[str, str], dict[str, bytes]] = {
    ("models", "ann/model"): {
        "config.json": b'{"a": 1}\n',
        "sub/model.safetensors": WEIGHTS,
        "lying.txt": b"lie",
        "short.txt": b"1234567",
    },
    ("datasets", "ann/data"): {
        "README.md": CARD,
        "small/train.csv": b"text,label\nyes,1\nno,0\nunsaid,-1\n",
        "small/test.csv": b"text,label\nwell,1\n",
    },
    ("datasets", "ann/plain"): {"train.jsonl": b'{"text": "a", "n": 1}\n{"text": "b", "n": 2}\n'},
    ("datasets", "ann/broken"): {"train.csv": b'text,label\n"a,b\n'},
    ("datasets", "ann/hollow"): {"train.csv": b"text,label\n"},
    ("datasets", "ann/pictures"): {"README.md": PICTURES, "train.jsonl": b'{"picture": {"path": "a"}}\n'},
}
ADDRESS = re.compile(
    r"/(?P<api>api/)?((?P<kind>models|datasets)/)?(?P<repo>[\w.-]+/[\w.-]+)/"
    r"(?P<what>resolve|revision|tree|paths-info)/(?P<commit>\w+)/?(?P<path>[^?]*)"
)


class FakeHub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = ADDRESS.match(self.path)
        if found is None:
            return self.reply(404, b"")
        kind = found["kind"] or "models"
        if found["repo"] == "ann/gated" and found["what"] == "resolve":
            return self.reply(403, b"", {"X-Error-Code": "GatedRepo"})
        files = REPOS.get((kind, found["repo"]))
        if files is None:
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        if found["commit"] != COMMIT:
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if found["what"] == "resolve":
            return self.resolve(files, found["path"])
        self.reply(200, json.dumps(answer(files, found["repo"], found["what"], found["path"], body)).encode())

    do_POST = do_GET

    def resolve(self, files: dict[str, bytes], path: str) -> None:
        if path not in files:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        etag = git_digest(b"truth") if path == "lying.txt" else digest(path, files[path])
        self.reply(200, files[path], {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:3] if body == b"1234567" else body)
            self.close_connection = body == b"1234567"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def git_digest(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def digest(path: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if path.endswith(".safetensors") else git_digest(content)


def answer(files: dict[str, bytes], repo: str, what: str, path: str, body: bytes) -> Any:
    if what == "revision":
        return {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files], "tags": []}
    rows = [{"type": "file", "path": name, "size": len(files[name]), "oid": git_digest(files[name])} for name in files]
    folders = sorted({str(p) for name in files for p in Path(name).parents if str(p) != "."})
    rows += [{"type": "directory", "path": name, "oid": git_digest(name.encode())} for name in folders]
    if what == "paths-info":
        asked = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
        return [row for row in rows if row["path"] in asked]
    return [row for row in rows if not path or str(row["path"]).startswith(f"{path}/")]


# One process for many fetches: huggingface_hub reads HF_ENDPOINT when it is imported, and that takes its time.
CLIENT = """
import json, sys, tempfile, time
from pathlib import Path
import stages
from stages.core.errors import InputError
from stages.sources.hub import Hub, Pinned

time.sleep = lambda seconds: None  # the library's pauses between attempts
outcomes = {}
for name, keys in json.load(sys.stdin).items():
    with tempfile.TemporaryDirectory() as folder:
        try:
            keys["files"] = {name: Pinned(**file) for name, file in keys.get("files", {}).items()}
            Hub(**keys).fetch(Path(folder))
            outcomes[name] = {p.relative_to(folder).as_posix(): p.read_bytes().hex()
                              for p in Path(folder).rglob("*") if p.is_file()}
        except InputError as error:
            outcomes[name] = str(error)
        except Exception as error:
            outcomes[name] = repr(error)
print(json.dumps({"outcomes": outcomes, "torch": "torch" in sys.modules}))
"""


def fetch(endpoint: str, home: Path, /, **asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return {name: message of the error, or {file: bytes}} of fetches in a process of their own, and its stderr."""
    keys = {name: {"revision": COMMIT, **given} for name, given in asked.items()}
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(ROOT)}
    decoy = home / "work" / "ann" / "data"  # what stands in the working folder under the dataset's name is not it
    decoy.mkdir(parents=True, exist_ok=True)
    (decoy / "train.csv").write_text("text,label\ndecoy,1\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input=json.dumps(keys),
        env=env,
        cwd=home / "work",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["torch"] is False
    outcomes = told["outcomes"]
    for name, outcome in outcomes.items():
        if isinstance(outcome, dict):
            outcomes[name] = {file: bytes.fromhex(content) for file, content in outcome.items()}
    return outcomes, done.stderr


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


MODEL: dict[str, Any] = {"repo": "ann/model", "repo_type": "model"}
CLOSED = "http://127.0.0.1:9"  # a port that nothing listens on


def pinned(local: str, path: str, content: bytes) -> dict[str, dict[str, str]]:
    return {local: {"path": path, "sha256": hashlib.sha256(content).hexdigest()}}


FILES = REPOS["models", "ann/model"]
CONFIG = {**MODEL, "files": pinned("config.json", "config.json", FILES["config.json"])}
BOTH = {**MODEL, "files": CONFIG["files"] | pinned("model.safetensors", "sub/model.safetensors", WEIGHTS)}
UNPINNED = {**MODEL, "files": {"a/b": {"path": "sub/model.safetensors"}, **CONFIG["files"]}}
DATA = {"repo": "ann/data", "repo_type": "dataset", "config": "small"}
TRAIN = {"train.parquet": "train"}
BOTH_SPLITS = {**DATA, "splits": {**TRAIN, "deep/test.parquet": "test"}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def outcomes(endpoint: str, home: Path) -> dict[str, Any]:
    found, _ = fetch(
        endpoint,
        home,
        files=BOTH,
        lying={**MODEL, "files": pinned("x", "lying.txt", b"truth")},
        short={**MODEL, "files": pinned("x", "short.txt", b"1234567")},
        missing={**MODEL, "files": pinned("x", "confg.json", b"")},
        unpinned=UNPINNED,
        unpinned_missing={**MODEL, "files": {"x": {"path": "confg.json"}}},
        revision={**CONFIG, "revision": OTHER},
        repository={**CONFIG, "repo": "ann/nobody"},
        gated={**CONFIG, "repo": "ann/gated"},
        splits=BOTH_SPLITS,
        splits_again={**DATA, "splits": TRAIN},
        plain={"repo": "ann/plain", "repo_type": "dataset", "splits": TRAIN},
        config={**DATA, "config": "smal", "splits": TRAIN},
        split={**DATA, "splits": {"x.parquet": "tets"}},
        splits_revision={**DATA, "splits": TRAIN, "revision": OTHER},
        splits_gated={"repo": "ann/gated", "repo_type": "dataset", "splits": TRAIN},
        broken={"repo": "ann/broken", "repo_type": "dataset", "splits": TRAIN},
        hollow={"repo": "ann/hollow", "repo_type": "dataset", "splits": TRAIN},
        pictures={"repo": "ann/pictures", "repo_type": "dataset", "splits": TRAIN},
    )
    return found


def test_files_are_fetched_under_their_local_names(outcomes: dict[str, Any]) -> None:
    assert outcomes["files"] == {"config.json": b'{"a": 1}\n', "model.safetensors": WEIGHTS}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "lying",
            f"ann/model at 0123456: lying.txt: its SHA-256 is {hashlib.sha256(b'lie').hexdigest()}, which is not what"
            " is pinned",
        ),
        (
            "unpinned",
            "ann/model at 0123456: every file wants its sha256; those of this commit are:\n  files:\n"
            f"    a/b: {{path: sub/model.safetensors, sha256: {hashlib.sha256(WEIGHTS).hexdigest()}}}\n"
            f"    config.json: {{path: config.json, sha256: {CONFIG['files']['config.json']['sha256']}}}",
        ),
        ("unpinned_missing", "ann/model at 0123456: no file 'confg.json' (nearest: 'config.json')"),
        (
            "short",
            "ann/model at 0123456: the hub cannot be reached: peer closed connection without sending complete message"
            " body (received 3 bytes, expected 7)",
        ),
        ("missing", "ann/model at 0123456: no file 'confg.json' (nearest: 'config.json')"),
        ("revision", "ann/model at fffffff: the repository has no such commit"),
        ("splits_revision", "ann/data at fffffff: the repository has no such commit"),
        (
            "repository",
            "ann/nobody at 0123456: no such repository, or a private one (`hf auth login`); check repo_type",
        ),
        ("gated", "ann/gated at 0123456: gated: accept its terms on the hub, then `hf auth login`"),
        ("splits_gated", "ann/gated at 0123456: gated: accept its terms on the hub, then `hf auth login`"),
        ("config", "ann/data at 0123456: BuilderConfig 'smal' not found. Available: ['small', 'large']"),
        ("split", "ann/data at 0123456: no split 'tets' (nearest: 'test')"),
        ("broken", "ann/broken at 0123456: Error tokenizing data. C error: EOF inside string starting at row 1"),
        ("hollow", 'ann/hollow at 0123456: Instruction "train" corresponds to no data!'),
    ],
)
def test_refusals_say_what_is_wrong(outcomes: dict[str, Any], name: str, message: str) -> None:
    assert outcomes[name] == message


def test_column_that_is_no_table_cell_is_named(outcomes: dict[str, Any]) -> None:
    assert outcomes["pictures"].startswith("ann/pictures at 0123456: train.parquet: column 'picture' is Image(")


def table(content: bytes, folder: Path) -> list[dict[str, Any]]:
    path = folder / "table.parquet"
    path.write_bytes(content)
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_class_numbers_become_names_and_no_label_null(outcomes: dict[str, Any], tmp_path: Path) -> None:
    assert table(outcomes["splits"]["train.parquet"], tmp_path) == [
        {"text": "yes", "label": "good"},
        {"text": "no", "label": "bad"},
        {"text": "unsaid", "label": None},
    ]


def test_each_split_goes_to_its_own_file_and_nothing_else_is_left(outcomes: dict[str, Any], tmp_path: Path) -> None:
    assert sorted(outcomes["splits"]) == ["deep/test.parquet", "train.parquet"]
    assert table(outcomes["splits"]["deep/test.parquet"], tmp_path) == [{"text": "well", "label": "good"}]


def test_dataset_without_card_is_read_by_its_file_names(outcomes: dict[str, Any], tmp_path: Path) -> None:
    assert table(outcomes["plain"]["train.parquet"], tmp_path) == [{"text": "a", "n": 1}, {"text": "b", "n": 2}]


def test_parquet_is_the_same_bytes_each_time(outcomes: dict[str, Any]) -> None:
    assert outcomes["splits_again"]["train.parquet"] == outcomes["splits"]["train.parquet"]


def test_parquet_carries_no_fingerprint(outcomes: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "table.parquet").write_bytes(outcomes["splits"]["train.parquet"])
    assert pq.read_metadata(tmp_path / "table.parquet").metadata is None


def test_files_once_fetched_need_no_hub_but_splits_ask_it(outcomes: dict[str, Any], home: Path) -> None:
    again, _ = fetch(CLOSED, home, files=BOTH, splits={**DATA, "splits": TRAIN})
    assert again["files"] == outcomes["files"]
    assert again["splits"].startswith("ann/data at 0123456: ")


def test_hub_out_of_reach_is_told(tmp_path: Path) -> None:
    told, _ = fetch(CLOSED, tmp_path, files=CONFIG, splits={**DATA, "splits": TRAIN})
    assert told == {
        "files": "ann/model at 0123456: the hub cannot be reached: [Errno 111] Connection refused",
        "splits": "ann/data at 0123456: the hub cannot be reached: [Errno 111] Connection refused",
    }


def test_damaged_files_in_the_hubs_cache_are_fetched_again(
    outcomes: dict[str, Any], home: Path, endpoint: str, tmp_path: Path
) -> None:
    shutil.copytree(home, tmp_path / "home", symlinks=True)
    cached = (
        "models--ann--model/snapshots/{}/config.json",
        "models--ann--model/snapshots/{}/sub/model.safetensors",
        "datasets--ann--data/snapshots/{}/README.md",
        "datasets--ann--data/snapshots/{}/small/train.csv",
    )
    for name in cached:
        blob = (tmp_path / "home/hub" / name.format(COMMIT)).resolve()
        blob.write_bytes(b"T" + blob.read_bytes()[1:])
    again, told = fetch(endpoint, tmp_path / "home", files=BOTH, splits=BOTH_SPLITS)
    assert again == {"files": outcomes["files"], "splits": outcomes["splits"]}
    assert told.count("damaged (not the bytes that are pinned); fetching it again") == len(cached)


def other_bytes(entry: Path) -> None:
    entry.unlink()
    entry.write_bytes(b"{}")


def other_blob(entry: Path) -> None:
    weights = entry.parent / "sub/model.safetensors"
    entry.unlink()
    entry.symlink_to(weights.resolve())


def elsewhere(entry: Path) -> None:
    target = entry.parents[5] / "elsewhere.json"
    target.write_bytes(b"{}")
    entry.unlink()
    entry.symlink_to(target)


@pytest.mark.parametrize("attack", [other_bytes, other_blob, elsewhere])
def test_what_lies_in_the_snapshot_is_believed_by_its_digest_alone(
    outcomes: dict[str, Any], home: Path, endpoint: str, tmp_path: Path, attack: Callable[[Path], None]
) -> None:
    shutil.copytree(home, tmp_path / "home", symlinks=True)
    attack(tmp_path / f"home/hub/models--ann--model/snapshots/{COMMIT}/config.json")
    again, told = fetch(CLOSED, tmp_path / "home", files=CONFIG)
    assert again["files"] == (
        "ann/model at 0123456: config.json: damaged in the hub's cache, and the hub cannot be reached: "
        "[Errno 111] Connection refused"
    )
    assert "config.json: damaged (not the bytes that are pinned); fetching it again" in told
    again, _ = fetch(endpoint, tmp_path / "home", files=CONFIG)
    assert again["files"] == {"config.json": FILES["config.json"]}


def test_error_of_the_library_that_is_none_of_the_disk_is_told() -> None:
    with pytest.raises(InputError, match=r"^it: Consistency check failed$"), _told("it"):
        raise OSError("Consistency check failed")


def test_error_of_the_disk_is_left_to_the_stage() -> None:
    with pytest.raises(OSError, match="No space left"), _told("it"):
        raise OSError(errno.ENOSPC, "No space left on device")


KEYS = {"kind": "hub", "repo": "ann/data", "repo_type": "dataset", "revision": COMMIT}


def test_keys_become_fields(decoded: Callable[..., Any]) -> None:
    file = CONFIG["files"]["config.json"]
    assert decoded(**KEYS, files={"x": file}) == Hub("ann/data", "dataset", COMMIT, files={"x": Pinned(**file)})
    assert decoded(**KEYS, files={"x": "a"}) == Hub("ann/data", "dataset", COMMIT, files={"x": Pinned(path="a")})
    assert decoded(**KEYS, splits=TRAIN) == Hub("ann/data", "dataset", COMMIT, splits=TRAIN)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"files": {"x": {"path": "y"}}, "revision": "main"},
            "data.source.revision: found 'main', wanted a commit's 40 hex digits (a branch or a tag can move)",
        ),
        ({"files": {"x": {"path": "y"}}, "repo": "gpt2"}, "data.source.repo: found 'gpt2', wanted owner/name"),
        ({"files": {"x": {"path": "y"}}, "repo": "../x"}, "data.source.repo: found '../x', wanted owner/name"),
        ({}, "data.source: wanted either files or splits, not both and not neither"),
        (
            {"files": {"x": {"path": "y"}}, "splits": TRAIN},
            "data.source: wanted either files or splits, not both and not neither",
        ),
        (
            {"splits": TRAIN, "repo_type": "model"},
            "data.source: splits: only a repository of repo_type dataset has them",
        ),
        (
            {"files": {"x": {"path": "y"}}, "config": "a"},
            "data.source: config: chooses among splits, and files are asked for",
        ),
        (
            {"files": {"x": {"path": "pytorch_model.bin"}}, "repo_type": "model"},
            "data.source: files: pytorch_model.bin may hold code; wanted weights as safetensors. "
            f"Convert what you trust, once:\n{CONVERSION}",
        ),
    ],
)
def test_bad_keys_are_refused(decoded: Callable[..., Any], keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as told:
        decoded(**{**KEYS, **keys})
    assert str(told.value) == f"params.yaml: {message}"
