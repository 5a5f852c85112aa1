"""Locks of files, which the kernel takes back from whoever ends, by kill -9 too."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import IO, Any

from stages.core.errors import InputError

_NONE = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # answers of file systems that have no locks


def taken(file: IO[Any], variable: str, wait: bool = False) -> bool:
    """Take the lock of `file` until it is closed; return False when another process holds it and we do not `wait`.

    variable: the environment variable that puts the file elsewhere.

    Raises InputError that names it where the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NONE:
            raise
        raise InputError(
            f"{file.name}: this file system has no locks ({os.strerror(error.errno)}): "
            f"set {variable} to a folder on a local disk"
        ) from error
    return True
