"""Real servers on loopback, which stand before a folder: SSH (asyncssh's) and WebDAV (WsgiDAV on cheroot)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp

USER, PASSWORD = "reader", "correct horse"


class Stall:
    """Lets a transfer stand still once `after` bytes have passed, until it is let go: time to kill the other side."""

    def __init__(self) -> None:
        self.after: int | None = None
        self.passed = 0
        self.standing = threading.Event()

    def due(self, size: int) -> bool:
        """Count bytes; tell whether the transfer is to stand still now."""
        self.passed += size
        return self.after is not None and self.passed > self.after

    async def stand(self) -> None:
        """Stand still until let go, and then refuse: the other side is gone."""
        self.standing.set()
        while self.after is not None:
            await asyncio.sleep(0.01)
        raise asyncssh.SFTPFailure("gone")

    def let_go(self) -> None:
        self.after, self.passed = None, 0
        self.standing.clear()


class _Users(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


def _files(folder: Path, stall: Stall) -> type[asyncssh.SFTPServer]:
    class Files(asyncssh.SFTPServer):
        def __init__(self, channel: Any) -> None:
            super().__init__(channel, chroot=str(folder).encode())

        async def write(self, file: Any, offset: int, data: bytes) -> int:
            if stall.due(len(data)):
                super().write(file, offset, data[: len(data) // 2])
                await stall.stand()
            return super().write(file, offset, data)

        async def read(self, file: Any, offset: int, size: int) -> bytes:
            data = super().read(file, offset, size)
            if stall.due(len(data)):
                await stall.stand()
            return data

    return Files


@contextlib.contextmanager
def ssh(folder: Path, stall: Stall) -> Iterator[int]:
    """Serve `folder` by SSH and SFTP; yield the port."""
    loop = asyncio.new_event_loop()
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=_Users, server_host_keys=[key], sftp_factory=_files(folder, stall)
        )

    async def stop(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    try:
        yield server.get_port()
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def webdav(folder: Path) -> Iterator[int]:
    """Serve `folder` by WebDAV; yield the port."""
    application = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = Server(("127.0.0.1", 0), application)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server.bind_addr[1]
    finally:
        server.stop()
        thread.join(10)
