"""Reporting times of an integration, and whether it got there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from grokverify.margins import Array, SolverFailed


def times(values: Sequence[float], least: float) -> Array:
    """Reporting times as an array, checked to increase from ``least``."""
    grid = np.asarray(values, dtype=np.float64)
    ordered = grid.ndim == 1 and grid.size > 0 and bool((np.diff(grid) > 0).all())
    if not ordered or not np.isfinite(grid).all() or grid[0] < least:
        raise ValueError(
            f"times must be finite and increase from {least:g}; got {grid.ravel()[:4].tolist()}..."
        )
    return grid


def finished(run: Any, what: str, clock: str, end: float) -> None:
    """Raise SolverFailed unless an integration reached its end with finite numbers."""
    if run.status != 0 or not np.isfinite(run.y).all():
        raise SolverFailed(
            f"{what} stopped before {clock} = {end:.4g}: {run.message} Ask for an earlier end, a "
            "smaller alpha or a looser rtol."
        )
