"""On what a result was made: processor, libraries, settings, and how long it took.

It goes to metrics/environment.json, which is no stage output: it may differ between two runs that came out the same.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.files import outputs, read_json, write_json
from stages.repro import determinism

ENVIRONMENT_FILE = Path("metrics/environment.json")
CPUINFO = Path("/proc/cpuinfo")
PACKAGES = ("datasets", "dvc", "numpy", "pyarrow", "safetensors", "scikit-learn", "tokenizers", "torch", "transformers")


def describe() -> dict[str, Any]:
    """Return the processor, the system, what computes by version, and the settings it has, as plain values."""
    found: dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "processor": _processor(),
        "python": platform.python_version(),
        "settings": determinism.settings(),
        "system": platform.system(),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch_cpu_capability"] = torch.backends.cpu.get_cpu_capability()
        found["accelerator"] = _accelerator(torch) if torch.cuda.is_available() else None
    return found


def _accelerator(torch: Any) -> dict[str, Any]:
    """Return the GPU and what drives it: all on which its bits may depend."""
    device = torch.cuda.get_device_properties(0)
    driver = Path("/proc/driver/nvidia/version")
    return {
        "name": device.name,
        "multiprocessors": device.multi_processor_count,
        "capability": f"{device.major}.{device.minor}",
        "driver": driver.read_text(encoding="utf-8").splitlines()[0].strip() if driver.is_file() else None,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "cublas": _version_of("nvidia-cublas"),
    }


def _version_of(package: str) -> str | None:
    """Return the version of a package whose name may end in its CUDA version (nvidia-cublas-cu12)."""
    for found in importlib.metadata.distributions():
        name = str(found.metadata["Name"] or "")
        if name == package or name.startswith(f"{package}-"):
            return found.version
    return None


def _processor() -> str:
    """Return the processor's model with family, model and stepping, by which "the same kind" can be told."""
    fields = _cpuinfo()
    if not fields:
        return platform.processor() or platform.machine()
    name = fields.get("model name", platform.machine())
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model", "stepping") if key in fields]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def _cpuinfo() -> dict[str, str]:
    """Return what Linux says of the first processor; elsewhere nothing."""
    if not CPUINFO.is_file():
        return {}
    first = CPUINFO.read_text(encoding="utf-8").split("\n\n")[0]
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in first.splitlines())}


def slow_precision(precision: str, device: str) -> str | None:
    """Return one line when `precision` makes training on a device of this type ("cpu") slower, not faster."""
    flags = _cpuinfo().get("flags", "").split()
    if precision != "bfloat16" or device != "cpu" or not flags or "amx_bf16" in flags:
        return None
    return "train.precision: bfloat16 is slower than float32 on this processor, which has no AMX (0.6 of the speed)"


def peak_memory_mb() -> float:
    """Return the largest resident size this process has had, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def record(stage: str, facts: Mapping[str, Any], path: Path = ENVIRONMENT_FILE) -> None:
    """Write the environment and the `facts` of a stage's run to `path`, beside those of the other stages."""
    known = read_json(path) if path.is_file() else {}
    known[stage] = {**describe(), **facts}
    with outputs(path) as (staged,):
        write_json(staged, known)
