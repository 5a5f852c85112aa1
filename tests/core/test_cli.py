"""How a command ends: exit codes and what stands on standard error."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from stages.core.cli import errors_told, fail
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


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), errors_told("train"):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), errors_told("train"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_nothing_wrong() -> None:
    with errors_told("train"):
        done = True
    assert done


def test_a_reader_that_leaves_is_no_error() -> None:
    """As in `python -m stages.recipe | head -1`: no traceback, neither then nor when Python flushes at its end."""
    program = (
        "from stages.core.cli import errors_told\n"
        "with errors_told('list'):\n"
        "    while True:\n"
        "        print('line' * 1000, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=30) == 128 + signal.SIGPIPE
        assert process.stderr.read() == ""
