"""How every command ends: 0 when done, 2 with one clear message for bad input, 130 and 143 when interrupted."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from stages.core.errors import InputError

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)  # the disk's refusals, no fault of the code


@contextlib.contextmanager
def errors_told(command: str) -> Iterator[None]:
    """Turn InputError and a full or failing disk into one message on standard error and code 2, Ctrl-C into 130."""
    try:
        yield
    except InputError as error:
        fail(command, str(error))
    except MemoryError:
        fail(command, "out of memory")
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None
    except OSError as error:
        if error.errno not in DISK:
            raise
        fail(command, f"{error.filename or 'the disk'}: {error.strerror}")


def fail(command: str, message: str) -> NoReturn:
    """Print `message` and leave with code 2."""
    print(f"{command}: error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(2)
