"""What an attack is, and where it takes place: a folder of its own, and commands that start in a moment."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0  # of one command
MEMORY = 3 << 30  # bytes of addresses that an attack may take beyond those of the process that starts it
CANARY = "canary"  # the file that code which must not run writes
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Broken(Exception):
    """What happened where what must happen did not."""


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class Place:
    """Where one variant of an attack takes place."""

    folder: Path  # empty, its own
    made: Path  # the smoke recipe, run and committed: to be copied, not to be changed

    def copy(self, name: str = "project") -> Path:
        """Return a copy of the project with its data, models, metrics and cache."""
        target = self.folder / name
        shutil.copytree(self.made, target, symlinks=True, copy_function=_linked)
        return target

    def command(
        self, module: str, *words: str, cwd: Path | None = None, given: str | bytes = b"", seconds: float = SECONDS,
        before: Callable[[], None] = lambda: None, **variables: str,
    ) -> Ended:  # fmt: skip
        """Run `python -m MODULE WORDS` in a fork of this process, which has imported what takes long.

        given: its standard input; before: what is called in the new process first. Raises Broken when it takes longer
        than `seconds`.
        """
        source, out, err = (self.folder / f".{name}" for name in ("in", "out", "err"))
        source.write_bytes(given.encode() if isinstance(given, str) else given)
        began, pid = time.monotonic(), os.fork()
        if not pid:
            for number, (path, flags) in enumerate(
                ((source, os.O_RDONLY), (out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
                 (err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            ):  # fmt: skip
                os.dup2(os.open(path, flags, 0o600), number)
            _become([module, *words], cwd or self.folder, {**os.environ, **variables}, before)
        code = _waited(pid, began + seconds, f"{module} {' '.join(words)[:60]}")
        said, complained = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err))
        return Ended(code, said, complained, time.monotonic() - began)

    def program(
        self, *words: str, cwd: Path | None = None, given: bytes = b"", seconds: float = SECONDS, shell: bool = False,
        **variables: str,
    ) -> Ended:  # fmt: skip
        """Run a program from its start. Raises Broken when it takes longer than `seconds`."""
        began = time.monotonic()
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **variables}
        process = subprocess.Popen(
            words[0] if shell else words, shell=shell, cwd=cwd or self.folder, env=environment, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = process.communicate(given, timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Broken(f"{' '.join(words)[:60]}: no end within {seconds:g} s") from None
        said, complained = (text.decode(errors="replace") for text in (out, err))
        return Ended(process.returncode, said, complained, time.monotonic() - began)

    def quiet(self) -> None:
        """Raise Broken when code ran that must not."""
        if found := [path.name for path in self.folder.rglob(f"{CANARY}*")]:
            raise Broken(f"code of the attacker ran: {found[0]} was written")


Act = Callable[[Place, Any], str]


@dataclass(frozen=True)
class Attack:
    """One kind of attack: what is done, what must happen, and how it is done in each variant."""

    name: str
    must: str
    act: Act  # (place, value of the variant) -> what happened; raises Broken where it is not what must happen
    variants: Mapping[str, Any]
    seconds: float = 120.0  # of one variant


def told(ended: Ended, command: str = "", code: int = 2) -> str:
    """Return the one message of a command that refused. Raises Broken for any other end."""
    lines = ended.err.rstrip("\n").split("\n")
    last = next(
        (number for number, line in enumerate(lines) if re.match(rf"{command or '[a-z]+'}: error: ", line)), None
    )
    text = "\n".join(lines[last:]) if last is not None else ended.err[-300:]
    if "Traceback" in ended.err or "Traceback" in ended.out:
        raise Broken(f"a traceback: {lines[-1][:200]}")
    if ended.code != code or last is None:
        raise Broken(f"code {ended.code}: {(text or ended.out)[-300:]!r}")
    if "internal error" in text:
        raise Broken(f"an internal error: {text[:250]}")
    if STEERS.search(text):
        raise Broken(f"the message steers the terminal: {text[:200]!r}")
    if [line for line in lines[last + 1 :] if line and not line.startswith("  ")]:
        raise Broken(f"more than one message: {text[:300]!r}")
    return "refused: " + " ".join(text.partition(": error: ")[2].split())[:160]


def raised(error: BaseException) -> str:
    """Return what a refusal says, shortened."""
    return f"refused: {' '.join(str(error).split())[:160]}"


def hostile_command(folder: Path) -> str:
    """Return a shell command that shows that it ran."""
    return f"touch {folder}/{CANARY}"


def named(values: Sequence[Any]) -> dict[str, Any]:
    """Return variants that are called by how they are written."""
    return {repr(value)[:80]: value for value in values}


def _linked(source: str, target: str) -> None:
    shutil.copy2(source, target)


def bound(memory: int = MEMORY) -> None:
    """Bound the addresses of this process, and leave no core behind."""
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _become(words: list[str], cwd: Path, variables: Mapping[str, str], before: Callable[[], None]) -> NoReturn:
    code: Any = 1
    try:
        os.setpgid(0, 0)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(variables)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        sys.argv, sys.orig_argv = list(words), [sys.executable, "-m", *words]
        sys.path[0] = str(cwd)
        before()
        sys.modules.pop(words[0], None)  # it becomes __main__
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 120
        os._exit(code)


def _waited(pid: int, deadline: float, what: str) -> int:
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            for end in (lambda: os.killpg(pid, signal.SIGKILL), lambda: os.kill(pid, signal.SIGKILL)):
                with contextlib.suppress(ProcessLookupError):
                    end()
            os.waitpid(pid, 0)
            raise Broken(f"{what}: no end in the time given")
        time.sleep(0.01)
