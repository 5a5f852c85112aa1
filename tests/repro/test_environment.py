"""The record of what a result was made on."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from stages.core.files import read_json
from stages.repro import environment


def test_it_names_processor_and_versions() -> None:
    found = environment.describe()
    assert found["packages"]["torch"] == importlib.metadata.version("torch")
    assert found["processor"]
    assert found["cores"] >= 1


def test_each_stage_has_its_own_record(tmp_path: Path) -> None:
    file = tmp_path / "metrics" / "environment.json"
    environment.record("finetune", {"seconds": 1.5}, file)
    environment.record("evaluate", {"seconds": 2.5}, file)
    environment.record("finetune", {"seconds": 3.5}, file)
    assert {stage: facts["seconds"] for stage, facts in read_json(file).items()} == {"evaluate": 2.5, "finetune": 3.5}


def test_the_host_is_not_named(tmp_path: Path) -> None:
    import platform

    file = tmp_path / "environment.json"
    environment.record("finetune", {}, file)
    assert platform.node() not in file.read_text()


INTEL = "processor\t: 0\nmodel name\t: A\nflags\t\t: fpu avx512_bf16 {}\n\nprocessor\t: 1\n"
SLOW = "train.precision: bfloat16 is slower than float32 on this processor, which has no AMX (0.6 of the speed)"


@pytest.mark.parametrize(
    ("cpuinfo", "precision", "device", "line"),
    [
        (INTEL.format("avx2"), "bfloat16", "cpu", SLOW),
        (INTEL.format("amx_bf16 amx_tile"), "bfloat16", "cpu", None),
        (INTEL.format("avx2"), "float32", "cpu", None),
        (INTEL.format("avx2"), "bfloat16", "cuda", None),
        ("processor\t: 0\nFeatures\t: bf16\n", "bfloat16", "cpu", None),
        (None, "bfloat16", "cpu", None),
    ],
)
def test_bfloat16_without_amx_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpuinfo: str | None, precision: str, device: str, line: str | None
) -> None:
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "cpuinfo")
    if cpuinfo is not None:
        environment.CPUINFO.write_text(cpuinfo, encoding="utf-8")
    assert environment.slow_precision(precision, device) == line
