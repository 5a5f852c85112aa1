"""The environment is asserted, not hoped for.

Settings that libraries read when they are loaded are put in the environment of each worker before Python starts
(`ENVIRONMENT`); the rest is set after torch is imported, and all is checked.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from stages.core.errors import InputError

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


def ensure_environment() -> None:
    """Replace this process by itself with ENVIRONMENT set, unless it is set. Call before torch or numpy is imported."""
    if all(os.environ.get(key) == value for key, value in ENVIRONMENT.items()):
        return
    os.execve(sys.executable, sys.orig_argv, {**os.environ, **ENVIRONMENT})


def settle(local_rank: int) -> torch.device:
    """Import torch, set what makes it repeatable, check it, and return this worker's device.

    Raises InputError when a setting could not be had.
    """
    import torch

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
        **{key: (os.environ.get(key), value) for key, value in ENVIRONMENT.items()},
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
