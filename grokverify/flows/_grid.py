"""Reporting times and scales of an integration, and whether it got there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from grokverify.margins import Array, SolverFailed

LARGEST = 1e5  # log alpha; at 1e6 outputs are wrong by a factor


def times(values: Sequence[float], least: float) -> Array:
    """Reporting times as an array, checked to increase from ``least``."""
    grid = np.asarray(values, dtype=np.float64)
    ordered = grid.ndim == 1 and grid.size > 0 and bool((np.diff(grid) > 0).all())
    if not ordered or not np.isfinite(grid).all() or grid[0] < least:
        raise ValueError(
            f"times must be finite and increase from {least:g}; got {grid.ravel()[:4].tolist()}..."
        )
    return grid


def in_range(log_alpha: float, log_lam: float) -> None:
    """Refuse scales at which lambda t - log(alpha) has no digits left for a tolerance of 1e-8."""
    if not max(abs(log_alpha), abs(log_lam)) <= LARGEST:
        raise ValueError(
            f"log alpha = {log_alpha:.6g} and log lambda = {log_lam:.6g} have to lie within "
            f"{LARGEST:g} of 0: beyond, rounding in their sums moves the outputs. They are natural "
            "logarithms; was a scale passed for its logarithm?"
        )


def finished(run: Any, what: str, clock: str, end: float) -> None:
    """Raise SolverFailed unless an integration reached its end with finite numbers."""
    if run.status != 0 or not np.isfinite(run.y).all():
        raise SolverFailed(
            f"{what} stopped before {clock} = {end:.4g}: {run.message} Ask for an earlier end, a "
            "smaller alpha or a looser rtol."
        )
