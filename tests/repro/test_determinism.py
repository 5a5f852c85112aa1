"""The environment is asserted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stages.core.errors import InputError
from stages.repro.determinism import ENVIRONMENT, ISA, LEVELS, STEERING, pinned, settings, settle
from tests.tiny import ROOT

SHOW = (
    "from stages.repro.determinism import ensure_environment; ensure_environment()\n"
    "import os, torch; from stages.repro.determinism import settle; settle(0)\n"
    "print(torch.get_num_threads(), os.environ['PYTHONHASHSEED'], hash('reprise'))\n"
)


def shown(**environment: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", SHOW], env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_a_process_in_another_environment_replaces_itself() -> None:
    asked = shown(OMP_NUM_THREADS="8", PYTHONHASHSEED="5")
    assert asked.startswith("1 0 ")
    assert asked == shown(OMP_NUM_THREADS="1", PYTHONHASHSEED="random")


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = pinned(os.environ)
    for name in os.environ.keys() - wanted.keys():
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    settle(0)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(("name", "wanted"), [*ENVIRONMENT.items(), ("MKL_CBWR", None), ("ATEN_CPU_CAPABILITY", None)])
def test_a_setting_that_could_not_be_had_is_an_error(
    name: str, wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "other")
    with pytest.raises(InputError, match=f"not repeatable: {name}: found 'other', wanted {wanted!r}"):
        settle(0)


SHELL = {
    "MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_MAX_CPU_ISA": "SSE41", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "DNNL_DEFAULT_FPMATH_MODE": "BF16",
    "ATEN_CPU_CAPABILITY": "default", "NPY_DISABLE_CPU_FEATURES": "AVX2", "OPENBLAS_CORETYPE": "Prescott",
    "OMP_SCHEDULE": "dynamic", "OMP_NUM_THREADS": "7", "KMP_AFFINITY": "none", "GOMP_CPU_AFFINITY": "0",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2", "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2", "BLIS_ARCH_TYPE": "zen",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "TORCH_BLAS_PREFER_CUBLASLT": "1", "TORCH_LINALG_PREFER_CUSOLVER": "1",
    "TORCH_CUDNN_V8_API_DISABLED": "1", "PYTORCH_TUNABLEOP_ENABLED": "1", "NVIDIA_TF32_OVERRIDE": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":16:8", "CUDNN_LOGDEST_DBG": "x", "DISABLE_ADDMM_CUDA_LT": "1", "NCCL_ALGO": "Tree",
    "CUDA_FORCE_PTX_JIT": "1", "XLA_USE_BF16": "1", "TRANSFORMERS_OFFLINE": "0", "USE_TORCH": "0",
    "USE_HUB_KERNELS": "1", "HF_HUB_OFFLINE": "0", "PYTHONHASHSEED": "5", "PYTHONOPTIMIZE": "2",
}  # fmt: skip


@pytest.mark.parametrize("name", SHELL)
def test_a_worker_has_nothing_of_the_shell_that_changes_bits(name: str) -> None:
    assert pinned({name: SHELL[name]}) == ENVIRONMENT
    assert pinned({name: SHELL[name], ISA: "avx2"}) == {**ENVIRONMENT, ISA: "avx2", **LEVELS["avx2"]}


@pytest.mark.parametrize("begin", STEERING)
def test_all_that_begins_so_is_left_out(begin: str) -> None:
    assert pinned({f"{begin}_ANY": "1"}) == ENVIRONMENT


@pytest.mark.parametrize(
    "name", ["PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES", "TORCHELASTIC_RUN_ID", "NCCL_SOCKET_IFNAME", "HF_HOME"]
)
def test_what_changes_no_bits_stays(name: str) -> None:
    assert pinned({name: "x"}) == {**ENVIRONMENT, name: "x"}


def test_another_instruction_set_is_refused() -> None:
    with pytest.raises(InputError, match=r"^REPRISE_ISA: found 'avx', wanted avx2 or default \(nearest: 'avx2'\)$"):
        pinned({ISA: "avx"})


def test_what_can_change_bits_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ISA, "LD_PRELOAD", "MKL_CBWR", "PATH"):
        monkeypatch.setenv(name, "x")
    assert {"REPRISE_ISA": "x", "LD_PRELOAD": "x", "MKL_CBWR": "x"}.items() <= settings().items()
    assert "PATH" not in settings()
