"""Bad days, on purpose: full disks, other file systems, edits and kills while stages run, hostile shells."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.attacks.place import Attack, Broken, Ended, Place, told
from stages.core import yaml12

PAGE = 4096  # bytes of a tmpfs that a file takes at a time
STAGES = ("download", "preprocess", "tokenize", "finetune", "evaluate")
OUTS = ("data/raw", "models/base", "data/clean", "data/tokens", "models/finetuned", "metrics", "data/predictions")


def _tree(project: Path) -> dict[str, bytes]:
    """Return the bytes of all outputs, but for the record of times."""
    files = (path for out in OUTS for path in sorted((project / out).rglob("*")) if path.is_file())
    return {str(p.relative_to(project)): p.read_bytes() for p in files if p.name != "environment.json"}


def _left(project: Path) -> list[str]:
    return [
        str(p)
        for out in ("data", "models", "metrics")
        for p in (project / out).rglob(".*")
        if p.name.endswith((".partial", ".replaced"))
    ]


def _kept(project: Path, before: dict[str, bytes], said: str) -> str:
    if _tree(project) != before:
        raise Broken(f"outputs changed: {sorted(dict(_tree(project).items() ^ before.items()))[:3]}: {said}")
    if left := _left(project):
        raise Broken(f"left behind: {left[:3]}: {said}")
    return said


def _small(place: Place, value: tuple[str, int]) -> str:
    """Let no file grow beyond some bytes, as on a full disk."""
    stage, limit = value
    project = place.copy()
    before = _tree(project)

    def bound() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with (place.folder / "err").open("wb") as err:
        ended = subprocess.run(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=project,
            stderr=subprocess.PIPE,
            stdout=err,
            preexec_fn=bound,
            timeout=110,
        )
    if ended.returncode == 0:
        return _kept(project, before, "all fitted")
    return _kept(project, before, told(Ended(ended.returncode, "", ended.stderr.decode(errors="replace"), 0)))


def _mounted(place: Place, value: tuple[str, str]) -> str:
    """Run a stage on a mount of its own: a small disk, or the lower layer of an overlay."""
    stage, kind = value
    project = place.copy()
    before = _tree(project)
    upper = place.folder / "mounted"
    upper.mkdir()
    pages = sum(-(-path.lstat().st_size // PAGE) + 1 for path in project.rglob("*"))  # and one for its name
    size = pages * PAGE // 1024
    own = os.geteuid() == 0  # else the mount is that of a user, whose marks in an overlay have other names
    lower = f"lowerdir={project},upperdir={upper}/u,workdir={upper}/w{'' if own else ',userxattr'}"
    mount = {
        "a small disk": f"mount -t tmpfs -o size={size + 300}k none {upper} && cp -a {project}/. {upper}/ && "
        f"head -c 100m /dev/zero >{upper}/fill 2>/dev/null; cd {upper}",
        "an overlay": f"mount -t tmpfs none {upper} && mkdir {upper}/u {upper}/w {upper}/m && "
        f"mount -t overlay -o {lower} none {upper}/m && cd {upper}/m",
    }[kind]
    script = f"""set -e; {mount}; set +e
        {sys.executable} -m stages.{stage}; code=$?
        mkdir {place.folder}/seen; cp -a data models metrics {place.folder}/seen/; exit $code"""
    ended = place.program("unshare", "-m" if own else "-rm", "sh", "-c", script, seconds=110)
    if "unshare" in ended.err or "mount:" in ended.err:
        return "this machine allows no mounts: not tried"
    if ended.code and kind == "an overlay":
        raise Broken(f"code {ended.code}: {ended.err[-200:]}")
    return _kept(place.folder / "seen", before, "the same bytes" if ended.code == 0 else told(ended))


EDITS = {  # what is edited while a stage runs: file, what is put in the place of what
    "params.yaml: lr": ("params.yaml", "lr: 2e-3", "lr: 3e-3"), "params.yaml: seed": ("params.yaml", "seed: 42",
    "seed: 43"),
    "code": ("stages/training/loop.py", "", "# edited\n"), "a file of data": ("data/tokens/schema.json", "", " "),
    "the base": ("models/base/config.json", "", " "),
    "the lock of packages": ("requirements.lock", "", "# edited\n"), "params.yaml there and back": ("params.yaml",
    "lr: 2e-3", "lr: 3e-3"),
}  # fmt: skip


def _edited(place: Place, how: str) -> str:
    """Edit something while dvc runs finetune; what it records must be what was run."""
    project = place.copy()
    before = (project / "dvc.lock").read_bytes()
    path = project / EDITS[how][0]
    original = path.read_text(encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "-f", "-s", "finetune"],
        cwd=project,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        deadline = time.monotonic() + 100
        while not list(project.glob(".reprise/*/*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        old, new = EDITS[how][1:]
        text = original.replace(old, new) if old else original + new
        path.unlink()
        path.write_text(text, encoding="utf-8")
        if how.endswith("back"):
            time.sleep(1)
            path.write_text(original, encoding="utf-8")
        said = process.communicate(timeout=200)[0].decode(errors="replace")
    if process.returncode == 0:
        if how.endswith("back") and (project / "dvc.lock").read_bytes() == before:
            return "the same result, as what was read had not changed"
        tree = yaml12.values((project / "dvc.lock").read_text(encoding="utf-8"), "dvc.lock")
        raise Broken(f"dvc.lock was written: {str(tree['stages']['finetune'].get('params'))[:100]}")
    lines = [line for line in said.splitlines() if ": error: " in line]
    if (project / "dvc.lock").read_bytes() != before or not lines:
        raise Broken(f"dvc.lock changed, or no message: {said[-200:]}")
    return f"refused: {lines[0].partition(': error: ')[2][:150]}"


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


_DRAW = random.Random(1)


def _killed(place: Place, after: float) -> str:
    """Kill a whole `dvc repro` with -9 at some moment, and go on: the same dvc.lock must come out."""
    project = place.copy()
    wanted = (project / "dvc.lock").read_bytes()
    for out in OUTS[:-2]:
        shutil.rmtree(project / out)
    shutil.rmtree(project / ".dvc/cache")
    command = [sys.executable, "-m", "dvc", "repro", "-f"]
    with subprocess.Popen(
        command,
        cwd=project,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        time.sleep(after)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    place.program(sys.executable, "-m", "stages.unlock", cwd=project)
    ended = place.program(*command[:4], cwd=project, seconds=250)
    if ended.code:
        raise Broken(f"code {ended.code}: {ended.err[-250:]}")
    if (project / "dvc.lock").read_bytes() != wanted:
        raise Broken("another dvc.lock came out")
    return "the same dvc.lock"


SHELLS: dict[str, dict[str, str]] = {
    "MKL": {"MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "MKL_NUM_THREADS": "4"},
    "oneDNN": {"ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16"},
    "ATen": {"ATEN_CPU_CAPABILITY": "default"}, "threads": {"OMP_NUM_THREADS": "3", "KMP_AFFINITY": "scatter",
    "OMP_SCHEDULE": "dynamic", "GOMP_CPU_AFFINITY": "0"},
    "OpenBLAS": {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "3"},
    "NumPy": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F"},
    "libc": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"},
    "Python": {"PYTHONOPTIMIZE": "2", "PYTHONHASHSEED": "7", "PYTHONWARNINGS": "error"},
    "torch": {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "TORCH_BLAS_PREFER_CUBLASLT": "1", "PYTORCH_JIT": "0"},
    "transformers": {"TRANSFORMERS_VERBOSITY": "debug", "USE_TORCH": "NO", "TOKENIZERS_PARALLELISM": "true"},
    "surroundings": {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "COLUMNS": "20", "TERM": "dumb"},
}  # fmt: skip


def _shell(place: Place, name: str) -> str:
    """Train and evaluate anew under a shell that would change bits."""
    project = place.copy()
    before = _tree(project)
    for stage in ("finetune", "evaluate"):
        ended = place.program(sys.executable, "-m", f"stages.{stage}", cwd=project, seconds=150, **SHELLS[name])
        if ended.code:
            raise Broken(f"{stage}: code {ended.code}: {ended.err[-250:]}")
    return _kept(project, before, "the same bytes")


LIMITS: dict[str, Any] = {
    f"{stage}, {limit} bytes": (stage, limit)
    for stage in STAGES
    for limit in ((0, 1000, 20_000) if stage != "finetune" else (0, 20_000))
}

ATTACKS = (
    Attack("no file may grow beyond some bytes",
        "one message that names the file, outputs as before, nothing left behind", _small, LIMITS),
    Attack("a stage on a full disk, or on the lower layer of an overlay",
        "the same bytes, or one message and outputs as before", _mounted,
           {f"{kind}: {stage}": (stage, kind) for kind in ("a small disk", "an overlay") for stage in STAGES},
           seconds=150),
    Attack("an edit while dvc runs finetune", "refused, and dvc.lock is as before", _edited,
        {how: how for how in EDITS}, seconds=320),
    Attack("kill -9 of all of `dvc repro`, then the same again", "the very dvc.lock of the run without a kill", _killed,
           {f"after {after:.1f} s": after for after in (_DRAW.uniform(4, 60) for _ in range(6))}, seconds=380),
    Attack("training and evaluation in a shell that would change bits", "the same bytes of every output", _shell,
        {name: name for name in SHELLS}, seconds=320),
)  # fmt: skip
