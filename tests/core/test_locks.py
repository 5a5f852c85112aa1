"""Locks, and file systems that have none."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.locks import taken


def test_one_has_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert taken(first, "REPRISE_SCRATCH")
        assert not taken(second, "REPRISE_SCRATCH")
        first.close()
        assert taken(second, "REPRISE_SCRATCH", wait=True)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    wanted = (
        f"{tmp_path / 'lock'}: this file system has no locks ({os.strerror(code)}): "
        "set REPRISE_SCRATCH to a folder on a local disk"
    )
    with (tmp_path / "lock").open("w") as file, pytest.raises(InputError, match=f"^{re.escape(wanted)}$"):
        taken(file, "REPRISE_SCRATCH")
