"""The url source against a loopback server that misbehaves on demand."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import ssl
import threading
import urllib.error
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.sources import url as url_module
from stages.sources.url import Remote, Url

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Server(ThreadingHTTPServer):
    """Gives the next of `answers` to each request, and the last of them for ever; keeps what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = ["whole"]
        self.asked: list[str | None] = []
        self.encodings: list[str | None] = []
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.headers["Range"])
        server.encodings.append(self.headers["Accept-Encoding"])
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.close_connection = True
        getattr(self, answer if not answer.isdecimal() else "status")(start, answer)

    def head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def status(self, start: int, answer: str) -> None:
        self.head(int(answer), 0)

    def whole(self, start: int, answer: str) -> None:
        if start:
            self.head(206, len(CONTENT) - start, Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.head(200, len(CONTENT))
        self.wfile.write(CONTENT[start:])

    def ignores_range(self, start: int, answer: str) -> None:
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT)

    def other_range(self, start: int, answer: str) -> None:
        self.head(206, len(CONTENT) - 1, Content_Range=f"bytes 1-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.wfile.write(CONTENT[1:])

    def other_range_unasked(self, start: int, answer: str) -> None:
        self.head(206, 5, Content_Range=f"bytes 5-9/{len(CONTENT)}")
        self.wfile.write(CONTENT[5:10])

    def one_byte(self, start: int, answer: str) -> None:
        self.head(206, len(CONTENT) - start, Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.wfile.write(CONTENT[start : start + 1])

    def endless(self, start: int, answer: str) -> None:
        self.head(200, None, Transfer_Encoding="chunked")
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"%x\r\n%s\r\n" % (HALF, CONTENT[:HALF]))

    def continues(self, start: int, answer: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def of_5000_digits(self, start: int, answer: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")

    def long(self, start: int, answer: str) -> None:
        self.head(200, 10**15)

    def truncated(self, start: int, answer: str) -> None:
        if start:
            self.head(206, len(CONTENT) - start, Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.head(200, len(CONTENT))
        self.wfile.write(CONTENT[start : start + HALF // 2])

    def ends_at_five(self, start: int, answer: str) -> None:
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT[:5])

    def chunked_and_truncated(self, start: int, answer: str) -> None:
        self.head(200, None, Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%s\r\n" % (HALF, CONTENT[:HALF]))

    def chunked(self, start: int, answer: str) -> None:
        self.head(200, None, Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT))

    def stalled(self, start: int, answer: str) -> None:
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT[:HALF])
        self.wfile.flush()
        self.server.released.wait(10)

    def dropped(self, start: int, answer: str) -> None:
        """Close the connection without an answer."""

    def other(self, start: int, answer: str) -> None:
        self.head(200, 5)
        self.wfile.write(b"other")

    def redirect(self, start: int, answer: str) -> None:
        self.head(302, 0, Location="/elsewhere.bin")

    def to_a_file(self, start: int, answer: str) -> None:
        self.head(302, 0, Location="file:///etc/hostname")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take no pause between attempts; return those that would have been taken."""
    taken: list[float] = []
    monkeypatch.setattr(url_module.time, "sleep", taken.append)
    monkeypatch.setenv("no_proxy", "*")
    return taken


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def fetched(server: Server, into: Path, *answers: str, sha256: str = SHA256) -> bytes:
    """Return the file as it arrives when the server gives these answers."""
    server.answers = list(answers)
    Url({"sub/file": Remote(url=server.address, sha256=sha256)}).fetch(into)
    return (into / "sub/file").read_bytes()


@pytest.mark.parametrize("answer", ["whole", "chunked"])
def test_file_arrives_under_its_local_name(server: Server, into: Path, answer: str) -> None:
    assert fetched(server, into, answer) == CONTENT
    assert server.asked == [None]


def test_members_of_an_archive_come_in_its_place(into: Path, cache: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/train.txt", "one")
        archive.writestr("other.txt", "two")
    sha256 = hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest()
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tmp_path / "a.zip", cache / sha256)
    asked = {"url": "https://example.org/a.zip", "sha256": sha256, "members": {"t.txt": "deep/train.txt"}}
    Url({"a.zip": Remote(**asked)}).fetch(into)
    assert {path.name: path.read_text() for path in into.iterdir()} == {"t.txt": "one"}
    with pytest.raises(InputError, match="https://example.org/a.zip: no member 'trian.txt'"):
        Url({"a.zip": Remote(**asked | {"members": {"t.txt": "trian.txt"}})}).fetch(into)


def test_no_file_is_written_twice() -> None:
    one = Remote(url="https://example.org/a", sha256=SHA256)
    with pytest.raises(ValueError, match=r"^files: 'b' is written twice$"):
        Url({"a": one.model_copy(update={"members": {"b": "x"}}), "b": one})


def test_second_time_nothing_is_asked(server: Server, into: Path) -> None:
    fetched(server, into, "whole")
    assert fetched(server, into, "500") == CONTENT
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", ["401", "403", "404", "410"])
def test_refusal_is_told_at_once(server: Server, into: Path, status: str, cache: Path) -> None:
    with pytest.raises(InputError, match=rf"^{server.address}: HTTP {status} [A-Z]"):
        fetched(server, into, status)
    assert len(server.asked) == 1
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("passing", ["500", "502", "503", "429", "408", "dropped"])
def test_passing_trouble_is_tried_again(server: Server, into: Path, passing: str, pauses: list[float]) -> None:
    assert fetched(server, into, passing, passing, "whole") == CONTENT
    assert server.asked == [None] * 3
    assert pauses == [1, 2]


def test_lasting_trouble_ends_after_five_attempts(server: Server, into: Path, pauses: list[float]) -> None:
    with pytest.raises(InputError) as told:
        fetched(server, into, "500")
    assert str(told.value) == f"{server.address}: HTTP 500 Internal Server Error; gave up after 5 attempts"
    assert len(server.asked) == 5
    assert pauses == [1, 2, 4, 8]


def test_truncated_body_is_resumed_where_it_ended(server: Server, into: Path) -> None:
    assert fetched(server, into, "truncated", "whole") == CONTENT
    assert server.asked == [None, f"bytes={HALF // 2}-"]


def test_truncated_chunks_are_resumed(server: Server, into: Path) -> None:
    assert fetched(server, into, "chunked_and_truncated", "whole") == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


def test_progress_starts_the_count_of_attempts_again(server: Server, into: Path) -> None:
    assert fetched(server, into, *["500"] * 4, "truncated", *["500"] * 3, "whole") == CONTENT


def test_always_truncated_at_the_same_byte_ends(server: Server, into: Path) -> None:
    with pytest.raises(InputError, match=rf"the transfer ended after 5 of {len(CONTENT):,} bytes; gave up after 5"):
        fetched(server, into, "ends_at_five")


def test_stalled_transfer_is_broken_off_and_resumed(
    server: Server, into: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(url_module, "TIMEOUT_S", 0.2)
    assert fetched(server, into, "stalled", "whole") == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]
    assert capsys.readouterr().err == f"{server.address}: stalled: no byte for 0.2 s; trying again in 1 s\n"


def test_server_that_ignores_ranges_sends_all_again(server: Server, into: Path) -> None:
    assert fetched(server, into, "truncated", "ignores_range") == CONTENT
    assert server.asked == [None, f"bytes={HALF // 2}-"]


def test_answer_with_another_range_is_not_appended(server: Server, into: Path) -> None:
    assert fetched(server, into, "truncated", "other_range", "whole") == CONTENT
    assert server.asked == [None, f"bytes={HALF // 2}-", None]


def test_another_range_in_answer_to_the_first_request_is_tried_again(server: Server, into: Path) -> None:
    assert fetched(server, into, "other_range_unasked", "whole") == CONTENT


def test_one_byte_a_connection_ends(server: Server, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_module, "ATTEMPTS", 7)
    with pytest.raises(InputError, match=r"the transfer ended after 7 of .* bytes; gave up after 7 attempts"):
        fetched(server, into, "one_byte")


def test_a_trickle_is_broken_off(server: Server, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_module, "PATIENCE_S", -1.0)
    monkeypatch.setattr(url_module, "SLOWEST", 10**15)
    with pytest.raises(InputError, match=r"slower than 1,000,000,000,000,000 bytes a second; gave up after 5 attempts"):
        fetched(server, into, "ends_at_five")


def test_a_head_without_end_is_broken_off(server: Server, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_module, "ANSWER_S", 0.1)
    with pytest.raises(InputError, match=r"no answer: .*; gave up after 5 attempts"):
        fetched(server, into, "continues")


def test_a_length_that_is_no_number_is_as_none(server: Server, into: Path) -> None:
    with pytest.raises(InputError, match=r"gave up after 5 attempts|its SHA-256 is "):
        fetched(server, into, "of_5000_digits")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("endless", "it sends more than 1,000,000 bytes (limit_mb)"),
        ("long", "1,000,000,000,000,000 bytes, more than 1,000,000 (limit_mb)"),
    ],
)
def test_a_server_that_does_not_end(server: Server, into: Path, answer: str, message: str) -> None:
    server.answers = [answer]
    with pytest.raises(InputError) as told:
        Url({"x": Remote(url=server.address, sha256=SHA256, limit_mb=1)}).fetch(into)
    assert str(told.value) == f"{server.address}: {message}"
    assert list(into.iterdir()) == []


def test_a_beginning_that_is_a_link_is_not_followed(server: Server, into: Path, cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    (tmp_path / "mine").write_bytes(b"mine")
    (cache / SHA256).with_suffix(".partial").symlink_to(tmp_path / "mine")
    assert fetched(server, into, "whole") == CONTENT
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_range_not_satisfiable_starts_anew(server: Server, into: Path) -> None:
    assert fetched(server, into, "truncated", "416", "whole") == CONTENT
    assert server.asked == [None, f"bytes={HALF // 2}-", None]


def test_next_run_resumes_what_an_earlier_one_began(server: Server, into: Path) -> None:
    with pytest.raises(InputError, match="HTTP 404 Not Found"):
        fetched(server, into, "truncated", "404")
    assert fetched(server, into, "whole") == CONTENT
    assert server.asked[-1] == f"bytes={HALF // 2}-"


def test_wrong_hash_shows_both_and_leaves_nothing(server: Server, into: Path, cache: Path) -> None:
    with pytest.raises(InputError) as told:
        fetched(server, into, "other")
    other = hashlib.sha256(b"other").hexdigest()
    assert str(told.value) == f"{server.address}: its SHA-256 is {other}, wanted {SHA256}; nothing of it was kept"
    assert [p.suffix for p in cache.iterdir()] == [".lock"]
    assert list(into.iterdir()) == []


def test_redirect_is_followed(server: Server, into: Path) -> None:
    assert fetched(server, into, "redirect", "whole") == CONTENT


def test_redirect_to_a_local_file_is_refused(server: Server, into: Path) -> None:
    with pytest.raises(InputError, match=r"HTTP 302 .*Redirection to url 'file:///etc/hostname' is not allowed"):
        fetched(server, into, "to_a_file")


def test_redirects_without_end_are_told(server: Server, into: Path) -> None:
    with pytest.raises(InputError, match=r"HTTP 302 .*infinite loop"):
        fetched(server, into, "redirect")


def test_server_out_of_reach_is_told(into: Path) -> None:
    with pytest.raises(InputError) as told:
        Url({"x": Remote(url="http://127.0.0.1:9/x", sha256=SHA256)}).fetch(into)
    assert str(told.value) == (
        "http://127.0.0.1:9/x: no answer: [Errno 111] Connection refused; gave up after 5 attempts"
    )


def test_host_that_is_no_name_is_told_at_once(into: Path) -> None:
    with pytest.raises(InputError, match=r"^http://a\.\.b/x: no address that can be asked: "):
        Url({"x": Remote(url="http://a..b/x", sha256=SHA256)}).fetch(into)


def test_certificate_that_is_not_trusted_is_told_at_once(
    into: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    refusal = ssl.SSLCertVerificationError("certificate verify failed")
    refusal.verify_message = "self-signed certificate"

    class Opener:
        def open(self, request: object, timeout: float) -> None:
            raise urllib.error.URLError(refusal)

    monkeypatch.setattr(url_module, "_opener", Opener)
    with pytest.raises(InputError, match=r"^https://a/x: its certificate is not trusted: self-signed certificate$"):
        Url({"x": Remote(url="https://a/x", sha256=SHA256)}).fetch(into)
    assert pauses == []


def test_bytes_are_asked_for_as_they_are(server: Server, into: Path) -> None:
    fetched(server, into, "whole")
    assert server.encodings == ["identity"]


def test_keys_become_fields(decoded: Callable[..., Any]) -> None:
    keys = {"url": "https://example.org/a?b=c", "sha256": SHA256}
    assert decoded(kind="url", files={"x": keys}) == Url({"x": Remote(**keys)})


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        ({"url": "ftp://example.org/x"}, "data.source.files.x.url: found 'ftp://example.org/x', wanted http://… or"),
        ({"url": "file:///etc/passwd"}, "data.source.files.x.url: found 'file:///etc/passwd', wanted http://… or"),
        ({"url": "https:///x"}, "data.source.files.x.url: found 'https:///x', wanted http://… or"),
        (
            {"url": "https://example.org/ä"},
            "data.source.files.x.url: found 'https://example.org/ä', wanted http://… or",
        ),
        ({"url": "http://a/b c"}, "data.source.files.x.url: found 'http://a/b c', wanted http://… or"),
        (
            {"url": "https://me:secret@example.org/x"},
            "data.source.files.x.url: holds a user name or password; params.yaml is no place for one",
        ),
        ({"sha256": "A" * 64}, f"data.source.files.x.sha256: found '{'A' * 64}', wanted a SHA-256"),
        ({"sha": "x"}, "data.source.files.x.sha: unknown key (nearest: 'sha256')"),
    ],
)
def test_bad_keys_are_refused(decoded: Callable[..., Any], remote: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as told:
        decoded(kind="url", files={"x": {"url": "https://example.org/x", "sha256": SHA256, **remote}})
    assert str(told.value).startswith(f"params.yaml: {message}")


def test_missing_hash_is_refused(decoded: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"^params.yaml: data.source.files.x.sha256: missing$"):
        decoded(kind="url", files={"x": {"url": "https://example.org/x"}})
