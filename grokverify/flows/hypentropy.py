"""The limit lambda -> 0 of regression on diagonal nets: a curve of interpolants without lambda.

For depth 2 the effective weight of the flow is, at every time and for every loss,

    w(t) = argmin { Q_eps(w) : X w = X w(t) },
    Q_eps(w) = sum_k w_k asinh(w_k / (2 eps^2)) - sqrt(w_k^2 + 4 eps^4),  eps = alpha e^(-lambda t),

because ``asinh(w / (2 eps^2))`` stays in the row space of X: weight decay shrinks the scale of
initialisation of Woodworth et al. (2020) as time goes by. In regression X w(t) -> y as lambda -> 0,
and what is left is a curve in eps alone, from least l2 norm (eps -> infinity) to least l1 norm
(eps -> 0). The same holds at depth L with the phi_L of ``flows.diagonal``. Cost: a few Newton steps
in n variables for each eps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from grokverify.flows.diagonal import DiagonalNet
from grokverify.margins import Array, SolverFailed, rows


def interpolants(X: Any, y: Any, log_eps: Sequence[float], *, depth: int = 2) -> Array:
    """The interpolating w with ``w = eps^L phi_L(X' rho)`` at falling scales eps.

    Args:
        X: (n, d) inputs with independent rows; y: (n,) targets.
        log_eps: decreasing logs of the scale.
        depth: L >= 2.

    Returns:
        (len(log_eps), d) weights.

    Raises:
        ValueError: the rows are dependent, or log_eps increases.
        SolverFailed: Newton's method stalls.
    """
    data, target = rows(X), np.asarray(y, dtype=np.float64)
    independent(data)
    scales = np.asarray(log_eps, dtype=np.float64)
    if (np.diff(scales) > 0).any():
        raise ValueError(f"the scales must fall, but log eps starts {scales[:3].tolist()}.")
    net = DiagonalNet(data, depth, 0.0, 0.0)
    at = max(float(scales[0]), 1.0 + math.log1p(float(np.abs(target).max())))
    p: Array = np.asarray(
        np.linalg.solve(data @ data.T, target), np.float64
    )  # eps -> infinity, where w = X' p
    found = []
    for goal in scales:
        while True:
            to = max(float(goal), at - 0.5)
            p = _newton(net, target, p, to)
            at = to
            if to == goal:
                break
        found.append(net.weights(at, data.T @ p))
    return np.asarray(found)


def independent(X: Array) -> None:
    """Refuse dependent rows, for which interpolation is impossible or not unique in the dual.

    Raises:
        ValueError: the smallest singular value is below 1e-7 of the largest, where the matrix
            X X', which squares that ratio, is singular to rounding.
    """
    values = np.linalg.svd(X, compute_uv=False)
    if len(X) > X.shape[1] or values[-1] < 1e-7 * values[0]:
        raise ValueError(
            f"the {len(X)} feature vectors in {X.shape[1]} dimensions are linearly dependent "
            f"(singular values from {values[-1]:.2g} to {values[0]:.2g}); the kernel interpolant "
            "needs independent ones (Assumption 3.8). Drop repeated inputs, or take n < d."
        )


def hypentropy(w: Any, log_eps: float) -> float:
    """``Q_eps(w)``, which the flow of depth 2 minimises among the weights with its outputs."""
    v, scale = np.asarray(w, dtype=np.float64), 2 * math.exp(2 * log_eps)
    return float((v * np.arcsinh(v / scale) - np.hypot(v, scale)).sum())


def _newton(net: DiagonalNet, y: Array, p: Array, log_eps: float) -> Array:
    """Outputs equal to y: the gradient of a convex function of p, so Newton with a line search."""
    X = net.X

    def look(p: Array) -> tuple[Array, Array]:
        z = X.T @ p
        return X @ net.weights(log_eps, z) - y, net.slopes(log_eps, z)

    miss, slope = look(p)
    for _ in range(80):
        step = np.linalg.lstsq((X * slope) @ X.T, -miss, rcond=None)[0]
        size, fall = 1.0, float(miss @ step)
        while size > 1e-10:
            ahead, slope_ahead = look(p + size * step)
            if np.isfinite(ahead).all() and abs(float(ahead @ step)) <= 0.9 * abs(fall):
                break
            if np.abs(ahead).max() <= 1e-13 * np.abs(y).max():
                break
            size /= 2
        p = p + size * step
        miss, slope = ahead, slope_ahead
        if np.abs(miss).max() <= 1e-13 * max(1.0, float(np.abs(y).max())) or size <= 1e-10:
            break
    if np.abs(miss).max() > 1e-9 * np.abs(y).max():
        raise SolverFailed(
            f"at eps = e^{log_eps:.4g} the interpolant of depth {net.depth} misses its targets by "
            f"{np.abs(miss).max():.2g}. Nearly dependent rows do that, or eps so small that a "
            "weight vanishes to rounding."
        )
    return p
