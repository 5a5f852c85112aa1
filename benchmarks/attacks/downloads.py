"""Servers that never end, send something else or lead elsewhere; and caches whose files were changed."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.attacks.place import Attack, Broken, Place, raised
from stages.core.errors import InputError
from stages.sources import url as url_module
from stages.sources.url import Remote, Url

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MUST = "refused in one message after bounded time, bytes and attempts, or the very bytes that are pinned"
OK = b"HTTP/1.1 200 OK\r\n"


def whole(more: bytes = b"", body: bytes = CONTENT) -> bytes:
    return OK + more + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def _chunks(count: int | None = None) -> Iterator[bytes]:
    yield OK + b"Transfer-Encoding: chunked\r\n\r\n"
    while count is None or (count := count - 1) >= 0:
        yield b"10000\r\n" + bytes(65536) + b"\r\n"


def _repeat(head: bytes, piece: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield piece


def _part(start: str, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 206 Partial Content\r\nContent-Range: {start}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


Answer = Callable[[int, int], Any]  # (number of the request, first byte asked for) -> bytes, or pieces of them
ANSWERS: dict[str, Answer] = {
    "endless chunks": lambda n, s: _chunks(), "an endless body": lambda n, s: _repeat(OK + b"\r\n", bytes(65536)),
    "endless headers": lambda n, s: _repeat(OK, b"X-A: " + b"a" * 60_000 + b"\r\n"), "an endless header": lambda n,
    s: _repeat(OK + b"X: ", b"a" * 65536),
    "an endless status line": lambda n, s: _repeat(b"HTTP/1.1 200 ", b"a" * 65536), "endless 100 Continue": lambda n,
    s: _repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "one byte a connection": lambda n, s: (_part(f"bytes {s}-{len(CONTENT) - 1}/{len(CONTENT)}",
    CONTENT[s:])[: -len(CONTENT[s:]) + 1] if s
                                           else whole()[: -len(CONTENT) + 1]),
    "nothing": lambda n, s: b"", "rubbish": lambda n, s: bytes(range(256)) * 9, "no length": lambda n,
    s: OK + b"\r\n" + CONTENT,
    "a length below 0": lambda n, s: OK + b"Content-Length: -5\r\n\r\n" + CONTENT, "a length of text": lambda n,
    s: OK + b"Content-Length: x\r\n\r\n" + CONTENT,
    "a length of 2^70": lambda n, s: OK + f"Content-Length: {1 << 70}\r\n\r\n".encode() + CONTENT,
    "a length of 5,000 digits": lambda n, s: OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a length that is short": lambda n, s: OK + b"Content-Length: 10\r\n\r\n" + CONTENT, "two lengths": lambda n,
    s: OK + b"Content-Length: 10\r\n" + whole()[len(OK):],
    "other bytes": lambda n, s: whole(body=CONTENT[::-1]), "one byte other": lambda n,
    s: whole(body=b"x" + CONTENT[1:]), "one byte more": lambda n, s: whole(body=CONTENT + b"x"),
    "gzip": lambda n, s: whole(b"Content-Encoding: gzip\r\n"), "a bad chunk": lambda n,
    s: OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk of 2^63": lambda n, s: OK + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n" + CONTENT,
    "a chunk below 0": lambda n, s: OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx",
    "a circle of redirects": lambda n, s: b"HTTP/1.1 302 x\r\nLocation: /file.bin\r\nContent-Length: 0\r\n\r\n",
    "a redirect to a file": lambda n, s: b"HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "a redirect to ftp": lambda n, s: b"HTTP/1.1 302 x\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n",
    "a redirect to data": lambda n, s: b"HTTP/1.1 302 x\r\nLocation: data:text/plain,x\r\nContent-Length: 0\r\n\r\n",
    "a redirect to nowhere": lambda n, s: b"HTTP/1.1 302 x\r\nLocation: http://[::\r\nContent-Length: 0\r\n\r\n",
    "a redirect without place": lambda n, s: b"HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n",
    "a redirect that steers": lambda n, s: b"HTTP/1.1 302 x\r\nLocation: http://\x1b[2K/\r\nContent-Length: 0\r\n\r\n",
    "a reason that steers": lambda n, s: b"HTTP/1.1 404 \x1b[2Kholds\r\nContent-Length: 0\r\n\r\n",
    "another part": lambda n, s: _part("bytes 5-9/20", b"xxxxx"), "a part without range": lambda n,
    s: b"HTTP/1.1 206 x\r\nContent-Length: 5\r\n\r\nxxxxx",
    "a part of rubbish": lambda n, s: _part(f"bytes {s}-x/y", b"xxxxx"), "a part that grows": lambda n,
    s: _part(f"bytes {s}-{s + 9}/*", b"x" * 100_000),
    "416 for ever": lambda n, s: b"HTTP/1.1 416 x\r\nContent-Length: 0\r\n\r\n", "429 for ever": lambda n,
    s: b"HTTP/1.1 429 x\r\nContent-Length: 0\r\nRetry-After: 999999\r\n\r\n",
    "401": lambda n, s: b'HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n',
    "407": lambda n, s: b"HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n",
    "204": lambda n, s: b"HTTP/1.1 204 x\r\n\r\n", "999": lambda n, s: b"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n",
    "HTTP/9": lambda n, s: b"HTTP/9.9 200 OK\r\n\r\n", "HTTP/0.9": lambda n, s: CONTENT,
    "whole in the third attempt": lambda n, s: b"" if n < 2 else whole(),
}  # fmt: skip


def served(answer: Answer) -> int:
    server = socket.create_server(("127.0.0.1", 0))

    def speak(connection: socket.socket, number: int) -> None:
        with connection:
            asked = connection.recv(65536).decode(errors="replace").lower()
            start = asked.partition("range: bytes=")[2].partition("-")[0]
            said = answer(number, int(start) if start.isdecimal() else 0)
            try:
                for piece in [said] if isinstance(said, bytes) else said:
                    connection.sendall(piece)
            except OSError:
                pass  # it went away, as it should

    def listen() -> None:
        number = 0
        while True:
            threading.Thread(target=speak, args=(server.accept()[0], number), daemon=True).start()
            number += 1

    threading.Thread(target=listen, daemon=True).start()
    return int(server.getsockname()[1])


def fetched(place: Place, source: Any) -> str:
    into = place.folder / "into"
    into.mkdir()
    try:
        source.fetch(into)
        said = "the pinned bytes"
    except (InputError, IsADirectoryError) as error:  # the stage tells what the disk refuses
        said = raised(error)
    for path in into.rglob("*"):
        if said == "the pinned bytes" and path.read_bytes() != CONTENT:
            raise Broken("other bytes were taken")
    return said


def shortened() -> None:
    url_module.WAITS_S, url_module.TIMEOUT_S = (0.01,) * 4, 2.0
    url_module.PATIENCE_S = url_module.ANSWER_S = 2.0


def _server(place: Place, answer: Answer) -> str:
    shortened()
    os.environ["REPRISE_CACHE"] = str(place.folder / "cache")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        os.environ.pop(name, None)
    address = f"http://127.0.0.1:{served(answer)}/file.bin"
    said = fetched(place, Url({"file.bin": Remote(url=address, sha256=SHA256, limit_mb=3)}))
    held = [p for p in (place.folder / "cache").rglob("*") if p.is_file()]
    if most := [p.name for p in held if p.stat().st_size > 3_200_000]:
        raise Broken(f"more than the limit was kept: {most}")
    if [p for p in held if p.name == SHA256 and p.read_bytes() != CONTENT]:
        raise Broken("other bytes are cached")
    return said


ADDRESSES = (
    "file:///etc/passwd", "ftp://x/y", "http:///x", "http://", "http://a b/", "http://u:p@h/", "http://h:99999/",
    "http://h:x/", "http://[::1/", "http://\u202eh/", "HTTP://h/",
    "http://h/\x1b[2K", "data:,x", "//h/x", "", "http://h:0/", "http://127.0.0.1:1/x", "http://0x7f.1:1/",
    "http://%00/", "http://..:1/", "http://-:1/", "javascript:x", "gopher://h/",
)  # fmt: skip


def _address(place: Place, address: str) -> str:
    from pydantic import ValidationError

    shortened()
    os.environ["REPRISE_CACHE"] = str(place.folder / "cache")
    try:
        return fetched(place, Url({"x": Remote(url=address, sha256=SHA256)}))
    except ValidationError as error:
        return f"refused: {error.errors()[0]['msg'][:120]}"


ATTACKS = (
    Attack("a server, with its pauses shortened", MUST, _server, ANSWERS, seconds=60),
    Attack("an address that is none", MUST, _address, {ascii(text)[:60]: text for text in ADDRESSES}, seconds=60),
)  # fmt: skip
