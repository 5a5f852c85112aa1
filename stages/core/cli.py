"""How every command begins and ends: 0 when done, 2 with one clear message, 130 and 143 when interrupted."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from stages.core import progress
from stages.core.errors import InputError
from stages.core.shown import cut, paragraphs, terminal

if TYPE_CHECKING:
    import argparse

# The refusals of the disk and of its owner: no fault of the code.
NAMED = 100  # characters of a name that no file can have
DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE,
    errno.EEXIST, errno.ENOTDIR,
)  # fmt: skip
TRACEBACK = "REPRISE_TRACEBACK"  # set by developers: an internal error then shows where it arose
WIDTH = 400  # characters of an internal error's text


class _Leave:
    """What SIGINT does while a command is imported: libraries that are half loaded cannot be told by an exception."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __call__(self, number: int, frame: Any) -> NoReturn:
        print(f"{self.command}: interrupted", file=sys.stderr, flush=True)
        os._exit(128 + number)


def begin(command: str) -> None:
    """Cover the time until `errors_told`, in which a command imports what it needs; called once, before that.

    Ctrl-C is one line and code 130, a failing import one line and code 2. What comes before, the start of Python itself
    (some hundredths of a second), is Python's. Streams that the caller closed are taken, or the first file opened
    would receive what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115  of the process, as Python's own
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8")  # noqa: SIM115
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Leave(command))
    sys.excepthook = lambda kind, error, trace: _leave(command, error)


def _leave(command: str, error: BaseException) -> NoReturn:
    """End the process for an exception that nobody caught."""
    code: Any = 1
    try:
        with errors_told(command):
            raise error
    except SystemExit as ended:
        code = ended.code
    sys.stderr.flush()
    os._exit(code)


def parser(command: str, doc: str | None, **more: Any) -> argparse.ArgumentParser:
    """Return the parser of `python -m stages.COMMAND`, whose help begins with the module's docstring as it stands.

    more: further arguments of ArgumentParser.
    """
    import argparse

    return argparse.ArgumentParser(
        prog=f"python -m stages.{command}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )  # fmt: skip


@contextlib.contextmanager
def errors_told(command: str) -> Iterator[None]:
    """Turn every failure into one message on standard error and code 2, Ctrl-C into 130.

    What the code did not foresee is an internal error, told with its type; REPRISE_TRACEBACK=1 shows where it arose.
    """
    if isinstance(signal.getsignal(signal.SIGINT), _Leave):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        progress.check()
        with _flushed():
            yield
    except InputError as error:
        fail(command, str(error))
    except MemoryError:
        fail(command, "out of memory")
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except BrokenPipeError:
        raise SystemExit(128 + signal.SIGPIPE) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:
            fail(command, f"{error.filename or 'the disk'}: {error.strerror}")
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            fail(command, f"{cut(str(error.filename), NAMED)}: {error.strerror}")
        if os.environ.get(TRACEBACK):
            import traceback

            traceback.print_exc()
        fail(command, _internal(error))


def _takes(stream: TextIO) -> bool:
    """Return whether the file behind `stream` is open for writing; a stream without one is."""
    try:
        return fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError:
        return True


@contextlib.contextmanager
def _flushed() -> Iterator[None]:
    """See that standard output is there and takes all that was printed. Raises InputError."""
    if sys.stdout is None or not _takes(sys.stdout):
        raise InputError("standard output is closed; to throw away what is printed, use >/dev/null")
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python fails once more at its end
            if isinstance(error, BrokenPipeError):
                raise
            raise InputError(f"standard output: {error.strerror}") from None


def _internal(error: Exception) -> str:
    """Return one line on an exception that the code did not foresee."""
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("stages"):
        return f"{sys.executable} has no package {error.name}; `make` installs it, and .venv/bin/python has it then"
    text = " ".join(str(error).split())[:WIDTH]
    kind = type(error).__name__
    return f"internal error: {kind}{f': {text}' if text else ''} ({TRACEBACK}=1 shows where)"


def tell(text: str) -> None:
    """Print a line of a command's answer."""
    print(terminal(text))


def say(text: str) -> None:
    """Print a line of progress or a warning on standard error."""
    print(terminal(text), file=sys.stderr, flush=True)


def fail(command: str, message: str) -> NoReturn:
    """Print `message`, in which nothing moves the cursor, and leave with code 2."""
    print(f"{command}: error: {paragraphs(message)}", file=sys.stderr, flush=True)
    raise SystemExit(2)
