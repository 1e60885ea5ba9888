"""A look at the machine before theory is trusted to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from grokverify._machine import describe


def examine(device: str) -> Iterator[tuple[bool, str]]:
    """Facts and self-tests as (healthy, text); a failed one says what it endangers."""
    facts = describe(device)
    for key, value in facts.items():
        if key not in ("matmul_tf32", "flush_denormal"):
            yield True, f"{key}: {value}"
    yield (
        not facts["matmul_tf32"],
        f"TF32 matrix products: {facts['matmul_tf32']} (on, float32 loses 13 of its 23 bits)",
    )
    yield (
        not facts["flush_denormal"],
        f"denormals flushed to zero: {facts['flush_denormal']} (certified bounds need them)",
    )
    yield True, f"numpy BLAS: {_blas()}"
    yield _integers_are_exact(device)
    yield _cholesky_is_accurate(device)


def _blas() -> str:
    config = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {}) if isinstance(config, dict) else {}
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _integers_are_exact(device: str) -> tuple[bool, str]:
    """Products of small integers are exact in float64, in every order of summation."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-1000, 1000, (200, 200)) for _ in range(2))
    x, y = (torch.as_tensor(m, dtype=torch.float64, device=device) for m in (a, b))
    same = bool(((x @ y).cpu().numpy() == a @ b).all())
    return same, "self-test: float64 matrix products of integers equal the integer ones"


def _cholesky_is_accurate(device: str) -> tuple[bool, str]:
    x = torch.as_tensor(np.random.default_rng(1).standard_normal((100, 200)), device=device)
    k = x @ x.T
    factor = torch.linalg.cholesky(k)
    error = float((factor @ factor.T - k).norm() / k.norm())
    return error < 1e-13, f"self-test: Cholesky factor reproduces its matrix to {error:.1e}"
