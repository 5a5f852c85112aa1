"""Files from the web, each pinned by its SHA-256: retried, resumed where they broke off, cached."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from stages.core import cli, progress
from stages.core.errors import InputError
from stages.core.params import Section
from stages.core.shown import terminal
from stages.sources.archive import unpack
from stages.sources.cache import held
from stages.sources.local import LocalFiles, Sha256, place

CHUNK = 1 << 18  # bytes read at a time
TIMEOUT_S = 30.0  # seconds without a byte after which a transfer counts as stalled
SLOWEST = 1000  # bytes a second, on average after the first PATIENCE_S
PATIENCE_S = 60.0
ANSWER_S = 60.0  # seconds until the head of an answer is whole
ATTEMPTS = 100  # in all for one file, however much each of them brings
WAITS_S = (1.0, 2.0, 4.0, 8.0)  # seconds before each further attempt; any progress starts the row again
PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})  # HTTP statuses worth another attempt


def _http_address(url: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", url) or not urlsplit(url).hostname:
        raise ValueError(f"found {url!r}, wanted http://… or https://… in ASCII (percent-encode the rest)")
    if urlsplit(url).username is not None:
        raise ValueError("holds a user name or password; params.yaml is no place for one")
    return url


class Remote(Section):
    """One file on the web."""

    url: Annotated[str, AfterValidator(_http_address), Field(description="http:// or https:// address")]
    sha256: Sha256
    limit_mb: Annotated[int, Field(ge=1, le=1_000_000, description="MB the file may have, [1, 1 000 000]")] = 10_000
    members: Annotated[
        LocalFiles[str] | None,
        Field(description="of a zip or tar.gz, written in its place: file or folder to write: that in the archive"),
    ] = None
    unpack_limit_mb: Annotated[int, Field(ge=1, le=1_000_000, description="MB it may unpack to, [1, 1 000 000]")] = 1000


@dataclass(frozen=True)
class Url:
    """Files by http or https, each with its own SHA-256."""

    files: Annotated[LocalFiles[Remote], Field(min_length=1, description="file to write: url and sha256")]

    def __post_init__(self) -> None:
        written = [name for local, remote in self.files.items() for name in (remote.members or (local,))]
        for name in written:
            if written.count(name) > 1:
                raise ValueError(f"files: {name!r} is written twice")

    def fetch(self, into: Path) -> None:
        """Fill `into` with the files, or with members of them. Without network for those the cache holds."""
        for name, remote in self.files.items():
            fetch = partial(transfer, remote.url, limit=remote.limit_mb * 1_000_000)
            file = held(remote.sha256, remote.url, fetch)
            if remote.members is None:
                place(file, into, name)
            else:
                unpack(file, remote.url, remote.members, into, remote.unpack_limit_mb * 1_000_000)


class _Broken(Exception):
    """A transfer that broke off in a way that may pass."""


def transfer(url: str, path: Path, limit: int) -> None:
    """Bring `path` to the whole content of `url`, going on from the bytes it holds where the server can.

    Raises InputError for an answer that will not change, after len(WAITS_S) + 1 attempts without progress, after
    ATTEMPTS in all, and for more than `limit` bytes; what was received stays in `path` for a later call.
    """
    failures, most = 0, _size(path)
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(url, path, limit)
        except _Broken as problem:
            if _size(path) > most:
                failures, most = 0, _size(path)
            if failures == len(WAITS_S) or attempt == ATTEMPTS - 1:
                raise InputError(f"{url}: {problem}; gave up after {attempt + 1} attempts") from None
            cli.say(f"{url}: {problem}; trying again in {WAITS_S[failures]:g} s")
            time.sleep(WAITS_S[failures])
            failures += 1


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _attempt(url: str, path: Path, limit: int) -> None:
    """Make one request and write what comes; raises _Broken when it does not come to its end."""
    start = _size(path)
    with _opened(url, path) as response:
        if response.status != 206:
            start = 0  # the server sends all of it
        elif not (response.headers["Content-Range"] or "").startswith(f"bytes {start}-"):
            path.unlink(missing_ok=True)
            raise _Broken("the server sent another part of the file than was asked for")
        length = response.headers["Content-Length"]
        total = start + int(length) if re.fullmatch("[0-9]{1,18}", length or "") else None
        if total is not None and total > limit:
            raise InputError(f"{url}: {total:,} bytes, more than {limit:,} (limit_mb)")
        began, received = time.monotonic(), start
        name = terminal(url.rsplit("/", 1)[-1])[:40]
        with (
            path.open("ab" if start else "wb") as file,
            progress.bar(total=total, initial=start, unit="B", unit_scale=True, desc=name, disable=None) as bar,
        ):
            while piece := _read(response):
                received += len(piece)
                if received > limit:
                    raise InputError(f"{url}: it sends more than {limit:,} bytes (limit_mb)")
                file.write(piece)
                bar.update(len(piece))
                seconds = time.monotonic() - began
                if seconds > PATIENCE_S and received - start < SLOWEST * seconds:
                    raise _Broken(f"slower than {SLOWEST:,} bytes a second")
    if total is not None and _size(path) != total:
        raise _Broken(f"the transfer ended after {_size(path):,} of {total:,} bytes")


def _opened(url: str, path: Path) -> http.client.HTTPResponse:
    """Return the answer to a request for what `path` lacks of `url`."""
    headers = {"User-Agent": "reprise"}
    if start := _size(path):
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        response: http.client.HTTPResponse = _opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        problem = f"HTTP {error.code} {error.reason}"
        if error.code == 416:  # nothing lies beyond the bytes at hand, so they are no beginning of this file
            path.unlink(missing_ok=True)
        if error.code in PASSING:
            raise _Broken(problem) from None
        raise InputError(f"{url}: {problem}") from None
    except (http.client.InvalidURL, ValueError) as error:
        raise InputError(f"{url}: no address that can be asked: {error}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise InputError(f"{url}: its certificate is not trusted: {reason.verify_message}") from None
        raise _Broken(f"no answer: {reason}") from None
    return response


class _Answered:
    """A connection that breaks off when the head of an answer takes more than ANSWER_S: some never end."""

    def getresponse(self) -> http.client.HTTPResponse:
        held: Any = self
        timer = threading.Timer(ANSWER_S, held.sock.shutdown, (socket.SHUT_RDWR,))
        timer.daemon = True
        timer.start()
        try:
            response: http.client.HTTPResponse = super().getresponse()  # type: ignore[misc]
            return response
        finally:
            timer.cancel()


class _Http(_Answered, http.client.HTTPConnection):
    pass


class _Https(_Answered, http.client.HTTPSConnection):
    pass


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Http, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Https, req)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https only, so that no redirect leads to a local file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, _HttpHandler, _HttpsHandler,
        urllib.request.HTTPRedirectHandler, urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor, urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)  # what has arrived, so that a stall loses nothing
    except TimeoutError:
        raise _Broken(f"stalled: no byte for {TIMEOUT_S:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"broke off: {error or type(error).__name__}") from None
