"""The environment is asserted, not hoped for.

Libraries read settings from the environment when they are loaded, and some of these change the bits of a result. So
each worker starts with an environment in which those of `ENVIRONMENT` are set and all others of `STEERING` are absent,
whatever the user's shell has; the rest is set after torch is imported, and all is checked. One switch is the user's:
REPRISE_ISA, which asks for the kernels of an older processor. It goes into the record of the run, and into the digest
by which a run that was stopped goes on.

The stages without workers (download, preprocess, tokenize) compute no floating-point numbers: none of these settings
reaches their bytes, as the environment `hostile` of verification shows of the hash seed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stages.core.errors import InputError, nearest

if TYPE_CHECKING:
    import torch

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # one thread a worker: sums of two threads have other bits than those of one
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_DYNAMIC": "FALSE",
    "MKL_DYNAMIC": "FALSE",
    "PYTHONHASHSEED": "0",  # read when Python starts: too late inside a running process
    "TOKENIZERS_PARALLELISM": "false",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "NCCL_ALGO": "Ring",
    "HF_HUB_OFFLINE": "1",  # a worker reads files of the pipeline and nothing else
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # standard error belongs to our own progress and messages
    "TRANSFORMERS_VERBOSITY": "error",
    # No bits, only speed: glibc keeps freed activations instead of giving their pages back after every shard.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 26),
}

# Whatever begins so may change bits, or stop a run that ran elsewhere: a worker has it from ENVIRONMENT or ISA alone.
STEERING = (
    "OMP_", "GOMP_", "KMP_",  # threads, and how loops are shared out
    "MKL_", "MKLDNN_", "ONEDNN_", "DNNL_", "FBGEMM_", "ATEN_",  # torch's products and kernels on the CPU
    "OPENBLAS_", "GOTO_", "BLIS_", "NPY_", "NVPL_",  # NumPy's
    "GLIBC_TUNABLES",  # which exp and log the C library takes
    "TORCH_ALLOW_", "TORCH_BLAS_", "TORCH_COMPILE_", "TORCH_CUDNN_", "TORCH_JIT_", "TORCH_LINALG_", "TORCH_LINEAR_",
    "TORCH_MKLDNN_", "PYTORCH_JIT", "PYTORCH_TENSOREXPR", "PYTORCH_TUNABLEOP_",
    "PYTORCH_MIOPEN_", "PYTORCH_NVFUSER_", "PYTORCH_TEST",
    "CUBLAS_", "CUBLASLT_", "CUDNN_", "NVIDIA_TF32_OVERRIDE", "CUDA_FORCE_", "CUDA_DISABLE_", "DISABLE_ADDMM_CUDA_LT",
    "ROCBLAS_", "HIPBLASLT_", "MIOPEN_", "NCCL_ALGO", "NCCL_PROTO", "XLA_", "FLASH_ATTENTION_",
    "TRANSFORMERS_", "USE_TORCH", "USE_TF", "USE_JAX", "USE_FLAX", "USE_HUB_KERNELS", "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_PROGRESS_BARS", "TOKENIZERS_",
    "PYTHONHASHSEED", "PYTHONOPTIMIZE",  # without docstrings transformers builds no model
)  # fmt: skip
LOADED = "LD_PRELOAD"  # can change every function, and what needs it may not start without: left, and on record
ISA = "REPRISE_ISA"
# Each variable covers its own library alone, so they go together. MKL knows no level below AVX2 but "any processor",
# and oneDNN none above SSE4.1 below AVX.
LEVELS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Haswell",
    },
    "default": {
        "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Prescott",
    },
}  # fmt: skip
CHECKED = sorted({*ENVIRONMENT, *(name for level in LEVELS.values() for name in level)})


def pinned(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker whose starter has `variables`.

    Raises InputError when REPRISE_ISA is none of LEVELS.
    """
    level = variables.get(ISA)
    if level is not None and level not in LEVELS:
        raise InputError(f"{ISA}: found {level!r}, wanted {' or '.join(LEVELS)}{nearest(level, LEVELS)}")
    kept = {name: value for name, value in variables.items() if not name.startswith(STEERING)}
    return {**kept, **ENVIRONMENT, **(LEVELS[level] if level else {})}


def settings() -> dict[str, str]:
    """Return what this process has of the variables that a worker may have and that can change bits."""
    return {name: os.environ[name] for name in (*CHECKED, ISA, LOADED) if name in os.environ}


def ensure_environment() -> None:
    """Replace this process by itself in the environment of a worker, unless it has that.

    Call before torch or scikit-learn is imported: they set variables of their own. Raises InputError as `pinned` does.
    """
    wanted = pinned(os.environ)
    if wanted != dict(os.environ):
        os.execve(sys.executable, sys.orig_argv, wanted)


def settle(local_rank: int) -> torch.device:
    """Import torch, set what makes it repeatable, check it, and return this worker's device.

    Raises InputError when a setting could not be had.
    """
    import torch

    asked = pinned(os.environ)
    torch.set_num_threads(1)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time; our writes are tested
    _pin_kernels()
    had = {
        "threads": (torch.get_num_threads(), 1),
        "interop threads": (torch.get_num_interop_threads(), 1),
        "deterministic algorithms": (torch.are_deterministic_algorithms_enabled(), True),
        **{name: (os.environ.get(name), asked.get(name)) for name in CHECKED},
    }
    for name, (found, wanted) in had.items():
        if found != wanted:
            raise InputError(f"the environment is not repeatable: {name}: found {found!r}, wanted {wanted!r}")
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
        return device
    return torch.device("cpu")


def _pin_kernels() -> None:
    """Leave one kernel of each kind on a GPU: the one whose sums are in full precision and in a fixed order."""
    from torch.backends import cuda, cudnn

    cudnn.benchmark = False
    cudnn.deterministic = True
    cudnn.allow_tf32 = False
    cuda.matmul.allow_tf32 = False
    cuda.matmul.allow_fp16_reduced_precision_reduction = False
    cuda.matmul.allow_bf16_reduced_precision_reduction = False
    cuda.allow_fp16_bf16_reduction_math_sdp(False)
    for kernel in (cuda.enable_flash_sdp, cuda.enable_mem_efficient_sdp, cuda.enable_cudnn_sdp):
        kernel(False)  # attention is that of the plain products (math)
    cuda.enable_math_sdp(True)
