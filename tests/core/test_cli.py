"""How a command ends: exit codes and what stands on standard error."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from stages.core.cli import errors_told, fail, parser
from stages.core.errors import InputError


def test_bad_input_is_one_message_and_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, errors_told("train"):
        raise InputError("params.yaml, line 3: lr: missing")
    assert ended.value.code == 2
    assert capfd.readouterr() == ("", "train: error: params.yaml, line 3: lr: missing\n")


def test_fail(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        fail("train", "no such thing")
    assert ended.value.code == 2
    assert capfd.readouterr() == ("", "train: error: no such thing\n")


def test_out_of_memory(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, errors_told("train"):
        raise MemoryError
    assert ended.value.code == 2
    assert capfd.readouterr().err == "train: error: out of memory\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_or_failing_disk(capfd: pytest.CaptureFixture[str], number: int) -> None:
    with pytest.raises(SystemExit) as ended, errors_told("train"):
        raise OSError(number, os.strerror(number), "metrics/curve.tsv")
    assert ended.value.code == 2
    assert capfd.readouterr().err == f"train: error: metrics/curve.tsv: {os.strerror(number)}\n"


def test_a_short_write_names_no_file(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), errors_told("train"):
        raise OSError(errno.EFBIG, "File too large")
    assert capfd.readouterr().err == "train: error: the disk: File too large\n"


def test_interrupted(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, errors_told("train"):
        raise KeyboardInterrupt
    assert ended.value.code == 128 + signal.SIGINT
    assert capfd.readouterr().err == "train: interrupted\n"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ZeroDivisionError(), "internal error: ZeroDivisionError"),
        (ValueError("a\n\tb"), "internal error: ValueError: a b"),
        (FileNotFoundError(2, "Not there", "x"), "internal error: FileNotFoundError: [Errno 2] Not there: 'x'"),
        (KeyError("k" * 1000), f"internal error: KeyError: '{'k' * 399}"),
    ],
)  # fmt: skip
def test_what_the_code_did_not_foresee_is_one_line(
    capfd: pytest.CaptureFixture[str], error: Exception, text: str
) -> None:
    with pytest.raises(SystemExit) as ended, errors_told("train"):
        raise error
    assert ended.value.code == 2
    assert capfd.readouterr() == ("", f"train: error: {text} (REPRISE_TRACEBACK=1 shows where)\n")


def test_a_developer_is_shown_where(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_TRACEBACK", "1")
    with pytest.raises(SystemExit) as ended, errors_told("train"):
        raise ZeroDivisionError
    assert ended.value.code == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "test_cli.py" in "".join(lines)
    assert lines[-1] == "train: error: internal error: ZeroDivisionError (REPRISE_TRACEBACK=1 shows where)"


def test_nothing_wrong() -> None:
    with errors_told("train"):
        done = True
    assert done


FOREGROUND = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job of `&` ignores Ctrl-C
BEGUN = f"{FOREGROUND}from stages.core import cli\nimport os, sys, time\ncli.begin('list')\n"


@contextlib.contextmanager
def speaking(program: str) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """Start a program; yield it with its two streams when it has written its first line."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        yield process, process.stdout, process.stderr


def ended(program: str, shell: str = "", **environment: str) -> tuple[int, str, str]:
    """Return the code, standard output and standard error of a program, run with the redirections `shell`."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" "$@" {shell}', sys.executable, "-c", program],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


CLOSED = "list: error: standard output is closed; to throw away what is printed, use >/dev/null\n"
TOLD = f"{BEGUN}with cli.errors_told('list'):\n    print('a line')\n"


@pytest.mark.parametrize(
    ("shell", "code", "out", "err"),
    [
        ("", 0, "a line\n", ""),
        ("<&-", 0, "a line\n", ""),
        ("2>&-", 0, "a line\n", ""),
        (">&-", 2, "", CLOSED),
        ("1</dev/null", 2, "", CLOSED),
        (">&- 2>&-", 2, "", ""),
        (">/dev/full", 2, "", "list: error: standard output: No space left on device\n"),
    ],
)
def test_streams_that_are_closed_or_full(shell: str, code: int, out: str, err: str) -> None:
    assert ended(TOLD, shell, PYTHONUNBUFFERED="") == (code, out, err)


def test_a_closed_stream_is_not_given_to_the_first_file_opened(tmp_path: Path) -> None:
    program = f"{BEGUN}file = open({str(tmp_path / 'x')!r}, 'w')\nos.write(2, b'noise')\nassert file.fileno() > 2\n"
    assert ended(program, "<&- 2>&-") == (0, "", "")
    assert (tmp_path / "x").read_bytes() == b""


@pytest.mark.parametrize(
    "rest", ["", "with cli.errors_told('list'):\n    ", "try:\n    "], ids=["importing", "working", "swallowing"]
)
def test_ctrl_c(rest: str) -> None:
    """From the first import on; an import that swallows every exception changes nothing."""
    program = f"{BEGUN}{rest}print('here', flush=True); time.sleep(60)\n"
    if rest.startswith("try"):
        program += "except BaseException:\n    pass\n"
    with speaking(program) as (process, _, err):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert err.read() == "list: interrupted\n"


def test_an_import_that_fails_is_one_line() -> None:
    text = "`make` installs it, and .venv/bin/python has it then"
    assert ended(f"{BEGUN}import no_such_package") == (
        2, "", f"list: error: {sys.executable} has no package no_such_package; {text}\n",
    )  # fmt: skip


def test_help_begins_with_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser("list", "Say it.\n\n    100 %  as it stands", epilog="End.").parse_args(["--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.split("\n\n") == [
        "usage: python -m stages.list [-h]",
        "Say it.",
        "    100 %  as it stands",
        "options:\n  -h, --help  show this help message and exit",
        "End.\n",
    ]


def test_a_reader_that_leaves_is_no_error() -> None:
    """As in `python -m stages.recipe | head -1`: no traceback, neither then nor when Python flushes at its end."""
    program = (
        "from stages.core.cli import errors_told\n"
        "with errors_told('list'):\n"
        "    while True:\n"
        "        print('line' * 1000, flush=True)\n"
    )
    with speaking(program) as (process, out, err):
        out.close()
        assert process.wait(timeout=30) == 128 + signal.SIGPIPE
        assert err.read() == ""
