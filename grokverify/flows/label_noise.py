"""What label noise makes of a diagonal linear net after it has fitted its data, in closed form.

``f = <u^2 - v^2, x>`` from u = v = alpha 1 under SGD on ``(f - y + xi)^2``, xi standard normal,
with a small rate eta (Lyu et al., eq. 6). In the time ``t = eta^2 (steps)`` the weights drift along
the interpolating solutions by ``-1/2 P grad tr H`` (Li, Wang & Arora 2022), where ``tr H = 8 sum_k
m_k (u_k^2 + v_k^2)`` and m_k is the mean of x_k^2. Its solution is ``w_k = 2 e_k sinh z_k`` with
``e_k = alpha^2 e^(-16 m_k t)`` and z in the row space of X such that X w = y; t = 0 is the limit of
gradient flow. Cost: a few dozen Newton steps in n variables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from grokverify.margins import Array, SolverFailed, rows


def drifted(X: Any, y: Any, alpha: float, times: Sequence[float]) -> list[Array]:
    """The weights w (d,) at increasing times ``t = eta^2 (steps)``.

    Args:
        X, y: (n, d) inputs with independent rows, (n,) labels.
        alpha: scale of the start, positive.
        times: nonnegative and increasing.

    Raises:
        ValueError: rows that depend on one another, or a value out of range.
        SolverFailed: Newton's method stalls, as it may where e_k underflows.
    """
    data, labels = rows(X), np.asarray(y, dtype=np.float64)
    grid = np.asarray(times, dtype=np.float64)
    rank = int(np.linalg.matrix_rank(data))
    if rank < len(data):
        raise ValueError(
            f"the {len(data)} inputs have rank {rank}: no unique multipliers, and perhaps no "
            "interpolating solution. Drop the dependent rows."
        )
    if not (0 < alpha < math.inf) or (np.diff(grid) <= 0).any() or (grid < 0).any():
        raise ValueError(
            f"alpha = {alpha} must be positive, and the times {grid[:4].tolist()} nonnegative and "
            "increasing."
        )
    m = (data**2).mean(0)
    multipliers, at, found = np.zeros(len(data)), 0.0, []
    for t in grid:
        for stop in np.linspace(at, t, max(2, math.ceil((t - at) * float(m.max()) * 16)))[1:]:
            multipliers = _newton(data, labels, 2 * math.log(alpha) - 16 * m * stop, multipliers)
        if t == at:
            multipliers = _newton(data, labels, 2 * math.log(alpha) - 16 * m * t, multipliers)
        at = float(t)
        found.append(_weights(data.T @ multipliers, 2 * math.log(alpha) - 16 * m * t))
    return found


def _weights(z: Array, log_e: Array) -> Array:
    size = np.abs(z)
    return np.asarray(-np.sign(z) * np.exp(log_e + size) * np.expm1(-2 * size))


def _newton(X: Array, y: Array, log_e: Array, p: Array) -> Array:
    """``X w(X' p) = y``: the gradient of a convex function of p, by damped Newton steps."""

    def value(q: Array) -> float:
        z = X.T @ q
        size = np.abs(z) + log_e
        return float(
            np.exp(np.minimum(size, 300.0)).sum() + np.exp(log_e - np.abs(z)).sum() - y @ q
        )

    size = float(np.linalg.norm(y))
    for _ in range(200):
        z = X.T @ p
        gap = y - X @ _weights(z, log_e)
        if np.linalg.norm(gap) <= 1e-11 * size:
            return p
        curve = np.exp(log_e + z) + np.exp(log_e - z)
        step = np.linalg.lstsq((X * curve) @ X.T, gap, rcond=None)[0]
        scale, before = min(1.0, 4.0 / max(1e-300, float(np.abs(X.T @ step).max()))), value(p)
        while value(p + scale * step) > before - 1e-4 * scale * float(gap @ step) and scale > 1e-9:
            scale /= 2
        p = p + scale * step
    if np.linalg.norm(gap) <= 1e-7 * size:
        return p
    raise SolverFailed(
        f"the interpolating weights are only fitted to {np.linalg.norm(gap) / size:.2g} with "
        f"e_k down to e^{log_e.min():.3g}. Ask for an earlier time or a larger alpha."
    )
