"""Commands started in a hostile shell: closed streams, full disks, settings of another type, odd options, signals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.attacks.place import Attack, Broken, Ended, Place, told

ONE = "as without it, or one message and code 2 (130 and 143 when interrupted); never a traceback"
COMMANDS = {
    "params": ("params",), "recipe": ("recipe",), "results": ("results",), "report": ("report",), "check": ("verify",
    "check"),
    "unlock": ("unlock",), "objects": ("objects",), "diverge": ("diverge", "metrics/finetune", "metrics/finetune"),
    "preprocess": ("preprocess",), "download": ("download",), "tokenize": ("tokenize",), "predict": ("predict",
    "texts.txt"),
}  # fmt: skip
DIGITS = "9" * 5000
SETTINGS = (
    ("REPRISE_SCRATCH", ""), ("REPRISE_SCRATCH", "params.yaml"), ("REPRISE_SCRATCH", "/proc/x"), ("REPRISE_SCRATCH",
    "/dev/null"), ("REPRISE_SCRATCH", "x" * 5000),
    ("REPRISE_CACHE", ""), ("REPRISE_CACHE", "params.yaml"), ("REPRISE_CACHE", "/dev/full"), ("REPRISE_WORKERS",
    DIGITS), ("REPRISE_WORKERS", "0"),
    ("REPRISE_WORKERS", "-1"), ("REPRISE_WORKERS", "x"), ("REPRISE_WORKERS", ""), ("REPRISE_WORKERS", "3"),
    ("REPRISE_WORKERS", "١"), ("REPRISE_WORKERS", "1e3"),
    ("REPRISE_ISA", "x"), ("REPRISE_ISA", ""), ("LOCAL_RANK", "a"), ("LOCAL_RANK", DIGITS), ("RANK", "0"), ("RANK",
    "-1"), ("RANK", "x"), ("WORLD_SIZE", "0"),
    ("MASTER_PORT", "x"), ("TQDM_MININTERVAL", "abc"), ("TQDM_DISABLE", "x"), ("TQDM_NCOLS", "-5"), ("TQDM_MINITERS",
    "x"), ("TQDM_ASCII", "\x1b[2K"),
    ("PYTHONOPTIMIZE", "2"), ("PYTHONUTF8", "0"), ("PYTHONIOENCODING", "ascii"), ("LC_ALL", "C"), ("LC_ALL",
    "xx_XX.latin1"), ("HOME", "/nowhere"), ("HOME", ""),
    ("TMPDIR", "/nowhere"), ("TZ", "/dev/zero"), ("COLUMNS", "x"), ("COLUMNS", "1"), ("TERM", "dumb"),
    ("XDG_CACHE_HOME", "relative"),     ("PYTHONWARNINGS", "error"), ("PYTHONDEVMODE", "1"),
    ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONNODEBUGRANGES",
    "1"), ("MALLOC_ARENA_MAX", "1"),
    ("OMP_NUM_THREADS", "x"), ("MKL_NUM_THREADS", "-1"), ("KMP_AFFINITY", "rubbish"), ("CUDA_VISIBLE_DEVICES", "x"),
    ("HF_HOME", "/dev/null"), ("HF_ENDPOINT", "x"),
    ("TRANSFORMERS_CACHE", "/dev/null"), ("PYTHONHASHSEED", "0"), ("GLIBC_TUNABLES", "x"), ("no_proxy", "*"),
    ("DVC_ROOT", "/nowhere"), ("DVC_STAGE", "x"), ("PATH", ""),
)  # fmt: skip
NEEDS = {
    "REPRISE_CACHE": "download",
    "HF": "predict",
    "TRANSFORMERS_CACHE": "predict",
    "TQDM": "tokenize",
    "PATH": "check",
}


def texts(project: Path) -> Path:
    """Write what is predicted."""
    (project / "texts.txt").write_text("wheat prices rose\nquarterly profit up\n", encoding="utf-8")
    return project


def _fine(ended: Ended, codes: tuple[int, ...] = (0,)) -> str:
    if ended.code in codes and "Traceback" not in ended.err + ended.out and "internal error" not in ended.err:
        return f"code {ended.code}"
    return told(ended)


def _start(place: Place, project: Path, words: tuple[str, ...], **variables: str) -> Ended:
    return place.program(sys.executable, "-m", f"stages.{words[0]}", *words[1:], cwd=project, **variables)


def _setting(place: Place, value: tuple[str, str]) -> str:
    name, content = value
    project = texts(place.copy())
    for prefix, command in NEEDS.items():
        if name.startswith(prefix):
            return _fine(_start(place, project, COMMANDS[command], **{name: content}))
    command = (
        "predict"
        if name.startswith(("REPRISE", "RANK", "WORLD", "LOCAL", "MASTER", "OMP", "PYTHONO"))
        else "preprocess"
    )
    return _fine(_start(place, project, COMMANDS[command], **{name: content}))


def _training(place: Place, variables: dict[str, str]) -> str:
    return _fine(_start(place, place.copy(), ("finetune",), **variables))


STREAMS = {
    "out closed": ">&-", "error closed": "2>&-", "in closed": "<&-", "all closed": "<&- >&- 2>&-",
    "out full": ">/dev/full", "error full": "2>/dev/full",
    "out to a reader that goes": "| true", "in is a folder": "</", "out is read-only": "1</dev/null",
    "in is write-only": "0>/dev/null",
}  # fmt: skip


def _stream(place: Place, value: tuple[str, str]) -> str:
    command, how = value
    project = texts(place.copy())
    words = " ".join(COMMANDS[command])
    ended = place.program(f"{sys.executable} -m stages.{words} {STREAMS[how]}", cwd=project, shell=True)
    if "Traceback" in ended.err or "Exception ignored" in ended.err or "internal error" in ended.err:
        raise Broken(ended.err[-250:])
    if (project / "0").exists() or "error: " in (project / "params.yaml").read_text(encoding="utf-8"):
        raise Broken("what is printed went into a file")
    return f"code {ended.code}" if ended.code in (0, 1, 2, 141) else told(ended)


INPUTS: dict[str, bytes] = {
    "nothing": b"", "a bad byte": b"good\nbad \xff\n", "NUL": b"a\x00b\n", "half a character": b"a \xe2\x82",
    "a line of 12 MB": b"x" * 12_000_000,
    "200,000 empty lines": b"\n" * 20_000, "line ends of old": b"a\rb\rc\r", "escapes": b"\x1b[2K\x07 wheat\n",
    "UTF-16": "wheat\n".encode("utf-16"),
    "surrogates": b"\xed\xa0\x80\n", "combining": ("e" + "\u0301" * 100_000 + "\n").encode(),
    "one word": b"a" * 1_000_000 + b"\n",
    "special tokens": b"[CLS] [SEP] [PAD] [MASK] [UNK] </s> <s>\n", "directions": "\u202e\u2066abc\n".encode(),
    "ZWJ": "\u200d\ufeff\n".encode(),
}  # fmt: skip


def _input(place: Place, given: bytes) -> str:
    return _fine(place.command("stages.predict", cwd=place.made, given=given))


OPTIONS: tuple[tuple[str, ...], ...] = (
    ("predict", "--window", "1" + "0" * 20), ("predict", "--window", "0"), ("predict", "--window", "-1"), ("predict",
    "--window", "１"), ("predict", "--window", ""),
    ("predict", "--column", "\x1b[2K"), ("predict", "texts.txt", "--format", "x"), ("predict", "texts.txt", "--format",
    "csv", "--delimiter", "ab"),
    ("predict", "texts.txt", "--format", "csv", "--delimiter", "\n"), ("predict", "texts.txt", "--format", "csv",
    "--delimiter", '"'),
    ("predict", "texts.txt", "--format", "csv", "--header", "a,a"), ("predict", "--encoding", "rot13"), ("predict",
    "--encoding", "idna"), ("predict", "--encoding", "hex"),
    ("predict", "--encoding", "undefined"), ("predict", "--encoding", "\x00"), ("predict", "--encoding", "mbcs"),
    ("predict", "--encoding", "utf-7"),
    ("predict", "none.txt"), ("predict", "/"), ("predict", "/dev/null"), ("predict", "x" * 5000), ("predict",
    "--model", "/"), ("predict", "--model", "none"),
    ("predict", "--model", ""), ("predict", "--model", "someone/repo"), ("predict", "--model", "bert-base-uncased"),
    ("predict", "--model", "http://127.0.0.1:1/x"),
    ("verify", "check", "none"), ("verify", "check", "/"), ("verify", "check", "/dev/null"), ("verify", "check",
    "params.yaml"), ("verify", "check", "../x\x1b[2K"),
    ("verify", "--rev", "--help"), ("verify", "--rev", "x" * 5000), ("verify", "--rev", "HEAD:params.yaml"), ("verify",
    "--rev", "HEAD^{/x}"), ("verify", "--rev", ""),
    ("verify", "--rev", "@{-1}"), ("verify", "--rev", ":/"), ("verify", "--rev", "HEAD\n"), ("verify", "--rev",
    "$(touch canary)"), ("verify", "--environments", "x"),
    ("verify", "--environments", ""), ("verify", "--environments", "workers=x"), ("verify", "--environments",
    f"workers={DIGITS}"), ("verify", "--environments", "isa=x"),
    ("verify", "--environments", "interpreter=/bin/true"), ("verify", "--environments", "interpreter=none"), ("verify",
    "--environments", "threads=-1"),
    ("verify", "--environments", "interrupted=99999999999"), ("verify", "--recipe", "../params"), ("verify",
    "--recipe", "/etc/passwd"), ("verify", "--recipe", ""),
    ("verify", "--jobs", "0"), ("verify", "--jobs", DIGITS), ("verify", "--seeds", "-1"), ("verify", "--out", "x.md"),
    ("verify", "claims", "none"),
    ("report", "--against", "none"), ("report", "--against", "--output=x"), ("report", "--against", ""), ("report",
    "--against", "x" * 3000),
    ("recipe", "none"), ("recipe", "../params"), ("recipe", "/etc/passwd"), ("recipe", ""), ("recipe", "smoke",
    "--params", "/"), ("recipe", "smoke", "--params", "none"),
    ("recipe", "smoke", "--params", "/dev/null"), ("params", "--params", "/"), ("params", "--params", "/dev/null"),
    ("params", "--params", "dvc.lock"),
    ("results", "--where", "x"), ("results", "--where", "a=b=c"), ("results", "--where", "train.lr>="), ("results",
    "--sort", "-"), ("results", "--columns", ","),
    ("results", "--where", "train.lr=" + DIGITS), ("results", "--where", "train.lr>1e999"), ("results", "--where",
    "__class__=1"), ("results", "groups", "--metric", "x"),
    ("results", "groups", "--plot", "x.exe"), ("results", "groups", "--by", ""), ("diverge", "/", "/"), ("diverge",
    "none", "none"), ("diverge", "params.yaml", "dvc.lock"),
    ("diverge", "/dev/null", "/dev/null"), ("objects", "--remote", "none"), ("objects", "--remote", "--help"),
    ("objects", "--mend"), ("search",), ("search", "none.yaml"),
    ("search", "-S", "train.lr=log(0, 1)"), ("search", "-S", "train.lr=log(a, 1)"), ("search", "-S", "x=1,2"),
    ("search", "-S", "train.lr=" + "(" * 5000),
    ("search", "-S", "train.lr=__import__('os').system('touch canary')"), ("search", "--trials", "0"), ("search",
    "--trials", DIGITS), ("search", "--name", "../x"),
    ("track", "none", "--", "true"), ("track", "tensorboard"), ("track", "tensorboard", "--", "none"), ("variance",
    "--runs", "0"), ("variance", "--recipe", "../x"),
)  # fmt: skip


def _option(place: Place, words: tuple[str, ...]) -> str:
    if any("\0" in word for word in words):
        words = tuple(word.replace("\0", "\ufffd") for word in words)
    project = texts(place.copy())
    ended = place.command(f"stages.{words[0]}", *words[1:], cwd=project, given="wheat\n")
    place.quiet()
    usage = ended.code == 2 and ended.err.startswith("usage: ") and "Traceback" not in ended.err
    return "refused, with the usage" if usage else _fine(ended, (0, 1))


def _interrupted(place: Place, value: tuple[str, str, float]) -> str:
    """Send a signal after some time; outputs must be whole, and the end must be told in one line."""
    command, name, after = value
    project = texts(place.copy())
    before = {path: path.read_bytes() for path in _outputs(project)}
    words = [sys.executable, "-m", *(f"stages.{w}" if n == 0 else w for n, w in enumerate(COMMANDS[command]))]
    with subprocess.Popen(
        words,
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        time.sleep(after)
        if process.poll() is None:
            os.killpg(process.pid, getattr(signal, name))
        err = process.communicate(timeout=60)[1].decode(errors="replace")
    wanted = {"SIGINT": (130,), "SIGTERM": (143, -15), "SIGKILL": (-9,), "SIGHUP": (129, -1)}[name]
    if process.returncode not in (0, *wanted):
        raise Broken(f"code {process.returncode}: {err[-200:]}")
    if "Traceback" in err:
        raise Broken(f"a traceback after {after:g} s: {err[-200:]}")
    after_it = {path: path.read_bytes() for path in _outputs(project)}
    if name != "SIGKILL" and after_it != before:  # the same inputs give the same bytes, so nothing may have changed
        raise Broken(f"outputs changed: {sorted(str(p) for p in {*before} ^ {*after_it})[:3]}")
    if any(after_it.get(path) != content for path, content in before.items()):
        raise Broken("an output is not whole")
    return f"code {process.returncode}, outputs whole"


def _outputs(project: Path) -> list[Path]:
    folders = ("data/clean", "data/raw", "data/tokens", "models", "metrics")
    return [
        p
        for name in folders
        for p in (project / name).rglob("*")
        if p.is_file() and "environment" not in p.name and ".partial" not in str(p)
    ]


_DRAW = random.Random(0)
MOMENTS: dict[str, Any] = {
    f"{command}: {name} after {after:.2f} s": (command, name, after)
    for command in ("preprocess", "download", "tokenize", "predict", "params")
    for name in ("SIGINT", "SIGTERM", "SIGKILL") for after in (0.15, _DRAW.uniform(0.2, 1), _DRAW.uniform(1, 4))
}  # fmt: skip

ATTACKS = (
    Attack("a variable of the shell, set to what it should not be", ONE, _setting, {f"{n}={v!a}"[:70]: (n, v) for n,
        v in SETTINGS}),
    Attack("a variable of the shell, where finetune reads it", ONE, _training, {
        " ".join(v)[:60]: v for v in ({"RANK": "0"}, {"RANK": "0", "WORLD_SIZE": "x"}, {"RANK": "5",
        "WORLD_SIZE": "2"}, {"LOCAL_RANK": "a", "RANK": "0", "WORLD_SIZE": "1"},
                                      {"REPRISE_WORKERS": DIGITS}, {"REPRISE_WORKERS": "x"},
                                      {"REPRISE_ISA": "avx1024"}, {"REPRISE_SCRATCH": "params.yaml"})}),
    Attack("closed, full and odd streams", "no traceback, nothing printed into a file; code 0, 1, 2 or 141", _stream,
           {f"{command}: {how}": (command, how) for command in ("params", "recipe", "predict", "check",
           "results") for how in STREAMS}),
    Attack("what stands on predict's standard input", ONE, _input, INPUTS),
    Attack("options and arguments", ONE, _option, {" ".join(words).replace(DIGITS,
        "9…")[:70] or "none": words for words in OPTIONS}),
    Attack("a signal at some moment", "one line and code 130 or 143; outputs as before, or whole", _interrupted,
        MOMENTS),
)  # fmt: skip
