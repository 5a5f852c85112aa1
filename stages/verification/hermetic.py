"""A stage with nothing of the project around it but what dvc.yaml says it reads.

`run` copies a stage's dependencies, and params.yaml with its params alone, to an empty folder, runs the stage there
and names whatever else it opens, lists, writes or removes of the project. Where the system lets us (confinement.py),
the project itself is empty for the stage and all programs it starts, and of the rest of the disk they can write only
to caches and the temporary folder; the field `confinement` of metrics/environment.json says whether it was so. What is
tried in vain is named when Python's audit events tell of it (watching.py), which they do of no other program; without
confinement such a program may read what lies outside its folder, unseen. Whether a file exists may always be asked, and
files of the system may be read.

    python -m stages.verify --environments hermetic

runs every stage so: `command` is what stands in there for the `python` of dvc.yaml's commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.cli import errors_told
from stages.core.errors import InputError
from stages.core.files import read_json, write_json
from stages.core.params import REGISTRIES
from stages.project.graph import GRAPH, Stage, stages
from stages.repro.digests import of_folder
from stages.verification import confinement, watching

PARAMS = "params.yaml"
# Of no stage's deps, for tests keep them free of code: they hold the names of plug-ins, or nothing.
NAMES = ("stages/__init__.py", *sorted(f"{name.replace('.', '/')}/__init__.py" for name in REGISTRIES))
RECORD = "metrics/environment.json"  # no output, for it differs between runs that came out the same
SCRATCH = ".reprise"
NONE = "none: programs other than Python are not seen"
NOT_DECLARED = {"reads": "deps", "lists": "deps", "writes": "outs", "removes": "outs"}


def may_write(stage: Stage) -> tuple[str, ...]:
    """Return the paths at and below which `stage` may write: staging paths of `outputs(…)` too, which may hold several.

    So metrics/.finetune.partial stands beside metrics/finetune/trace.tsv.
    """
    whole = [Path(path) for path in (*stage.outs, RECORD)]
    above = {path for out in whole for path in (out, out.parent) if path.name}
    aside = {path.with_name(f".{path.name}.{kind}") for path in above for kind in ("partial", "replaced")}
    return (SCRATCH, *sorted(path.as_posix() for path in {*whole, *aside}))


def folder(project: Path, name: str) -> Path:
    """Return where the stage `name` of `project` runs: beside the project."""
    return project.with_name(f"{project.name} hermetic") / name


def run(project: Path, stage: Stage, python: str = sys.executable) -> list[str]:
    """Run `stage` of `project` in a folder of its own, move what it wrote to `project`, return what it did amiss.

    An empty list: it touched only what dvc.yaml lists. Raises InputError when a dependency is missing, and when the
    stage fails though it did nothing amiss.
    """
    project = project.resolve()
    sandbox, log = folder(project, stage.name), folder(project, f"{stage.name}.log")
    shutil.rmtree(sandbox, ignore_errors=True)
    log.unlink(missing_ok=True)
    _fill(sandbox, project, stage)
    before = of_folder(sandbox)
    confined = _confined(sandbox, project)
    code, last = _ended(sandbox, project, stage, log, [*confined, python])
    touched = set(log.read_text(encoding="utf-8").splitlines()) if log.is_file() else set()
    after = of_folder(sandbox)
    for path in after.keys() | before.keys():
        if before.get(path) != after.get(path) and not _within(path, may_write(stage)):
            touched.add(f"{'writes' if path in after else 'removes'} {path}")
    amiss = [f"{line}, which {GRAPH} does not list among its {NOT_DECLARED[line.split()[0]]}" for line in touched]
    if code and not amiss:
        why = f": {last}" if last else ""
        raise InputError(f"stage {stage.name} ends with code {code} when only what {GRAPH} lists is there{why}")
    if not amiss:
        _return(sandbox, project, stage, confinement.NAME if confined else NONE)
    shutil.rmtree(sandbox)
    return sorted(amiss)


def _fill(sandbox: Path, project: Path, stage: Stage) -> None:
    for name in (*stage.deps, *(name for name in NAMES if (project / name).is_file())):
        source, target = project / name, sandbox / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy2(source, target)
        else:
            raise InputError(f"{name}: not there, wanted as a dependency of stage {stage.name}")
    sandbox.mkdir(parents=True, exist_ok=True)
    if stage.params:
        tree = _only(yaml12.read(project / PARAMS)[0], stage.params)
        (sandbox / PARAMS).write_text(json.dumps(tree, indent=2), encoding="utf-8")  # JSON is YAML


def _only(tree: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the part of `tree` that the dotted `keys` name; what they name in vain is left out."""
    found: dict[str, Any] = {}
    for key in keys:
        *above, last = key.split(".")
        node: Any = tree
        part = found
        for name in above:
            node = node.get(name) if isinstance(node, dict) else None
            part = part.setdefault(name, {})
        if isinstance(node, Mapping) and last in node:
            part[last] = node[last]
    return found


def _confined(sandbox: Path, project: Path) -> list[str]:
    """Return what confines a command to `sandbox`: the project and the code that verifies it are empty folders then."""
    own, user = Path(__file__).parents[2], os.environ.get("HOME", os.sep)
    caches = [os.environ.get("XDG_CACHE_HOME") or f"{user}/.cache"]  # of what download fetches with
    caches += [os.environ[name] for name in ("REPRISE_CACHE", "HF_HOME") if os.environ.get(name)]
    for cache in caches:
        with contextlib.suppress(OSError):
            Path(cache).mkdir(parents=True, exist_ok=True)
    writable = [sandbox.parent, *map(Path, caches), Path(user, ".npm"), Path(tempfile.gettempdir()), Path("/dev/shm")]
    return confinement.prefix([project, own], [Path(sys.prefix), Path(sys.base_prefix)], writable)


def _ended(sandbox: Path, project: Path, stage: Stage, log: Path, python: list[str]) -> tuple[int, str]:
    """Run the stage's command; return its exit code and the last line it said on standard error."""
    watched = {
        "sandbox": str(sandbox), "project": str(project), "log": str(log), "reads": [*stage.deps, PARAMS, *NAMES],
        "writes": [*may_write(stage)], "free": [sys.prefix, sys.base_prefix],
    }  # fmt: skip
    environment = {**os.environ, watching.WATCHED: json.dumps(watched), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(_python_path(sandbox.parent, environment.get("PYTHONPATH")))
    words = shlex.split(stage.command)
    command = [*python, *words[1:]] if words[0] == "python" else [*python[:-1], *words]
    process = subprocess.Popen(command, cwd=sandbox, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    tail = b""
    while piece := os.read(process.stderr.fileno(), 1 << 16):
        sys.stderr.buffer.write(piece)
        sys.stderr.flush()
        tail = (tail + piece)[-4000:]
    process.stderr.close()
    lines = tail.decode(errors="replace").strip().splitlines()
    return process.wait(), lines[-1] if lines else ""


def _python_path(place: Path, known: str | None) -> Path:
    """Return a folder whose sitecustomize.py watches, after it did what that of the folder `known` does."""
    texts = [Path(watching.__file__).read_text(encoding="utf-8")]
    if known is not None and (Path(known) / "sitecustomize.py").is_file():
        texts.append((Path(known) / "sitecustomize.py").read_text(encoding="utf-8"))
    made = place / "python"
    made.mkdir(exist_ok=True)
    (made / "sitecustomize.py").write_text("\n".join(texts), encoding="utf-8")
    return made


def _within(path: str, known: tuple[str, ...]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in known)


def _return(sandbox: Path, project: Path, stage: Stage, confined: str) -> None:
    """Move what the stage wrote to the project; its record says how it was confined."""
    if (sandbox / RECORD).is_file():
        record = {name: {**facts, "confinement": confined} for name, facts in read_json(sandbox / RECORD).items()}
        write_json(sandbox / RECORD, record)
    for path in (*stage.outs, RECORD):
        source, target = sandbox / path, project / path
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                shutil.rmtree(target)
            shutil.move(source, target)


def stand_in(place: Path, python: Path) -> None:
    """Make bin/python in `place`: it runs hermetically what `python` would run plainly (see `command`)."""
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
    program += f"from {__name__} import command; command({str(place)!r})"
    made = place / "bin/python"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} -c {shlex.quote(program)} "$@"\n', encoding="utf-8")
    made.chmod(0o755)


def command(place: str) -> None:
    """Run the stage of the working folder whose command is `python` with the arguments of this process."""
    given = ["python", *sys.argv[1:]]
    folders = os.environ["PATH"].split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(name for name in folders if name != str(Path(place, "bin")))
    with errors_told("hermetic"):
        stage = next((found for found in stages(Path()) if shlex.split(found.command) == given), None)
        if stage is None:
            os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
        amiss = run(Path(), stage)
        if amiss:
            raise InputError(f"stage {stage.name} " + "\n".join(amiss))
