"""Settings of the process that all checks share: none may leave them other than it found them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

_TINY = torch.tensor(5e-324, dtype=torch.float64)


def settings() -> dict[str, Any]:
    """What arithmetic depends on, by the name that a message gives it."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's TF32 flag": torch.backends.cuda.matmul.allow_tf32,
        "torch's thread count": torch.get_num_threads(),
        "torch's deterministic flag": torch.are_deterministic_algorithms_enabled(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "the flushing of denormals": flushes_denormals(),
        "numpy's error handling": np.geterr(),
        "Python's recursion limit": sys.getrecursionlimit(),
        "the longest integer that Python prints": sys.get_int_max_str_digits(),
    }


def flushes_denormals() -> bool:
    """Whether the processor rounds numbers below the normal ones to zero."""
    return bool((_TINY + _TINY).item() == 0.0)


def restored(before: dict[str, Any]) -> list[str]:
    """Put the settings back to what they were; the names of those that had moved."""
    now = settings()
    moved = [key for key, value in now.items() if value != before[key]]
    if moved:
        old = list(before.values())
        torch.set_default_dtype(old[0])
        torch.backends.cuda.matmul.allow_tf32 = old[1]
        torch.set_num_threads(old[2])
        torch.use_deterministic_algorithms(old[3])
        torch.set_grad_enabled(old[4])
        torch.set_flush_denormal(old[5])
        np.seterr(**old[6])
        sys.setrecursionlimit(old[7])
        sys.set_int_max_str_digits(old[8])
    return moved
