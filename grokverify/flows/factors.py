"""Gradient flow of matrix completion in the factors U and V themselves, from any start.

``U' = -(2G + lambda) U``, ``V' = (2G - lambda) V`` with G the symmetric gradient of the loss in
``W = U U' - V V'`` (Lyu et al., eq. 5), in time tau = lambda t. Cost: one stiff integration in
2 d^2 dimensions with its exact Jacobian, 32 d^4 bytes that LSODA keeps twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from grokverify.completion import Completion
from grokverify.flows._grid import finished, times
from grokverify.margins import Array


def factor_flow(
    problem: Completion, U: Any, V: Any, lam: float, taus: Sequence[float], *, rtol: float = 1e-9
) -> list[tuple[Array, Array]]:
    """The flow of the factors themselves, from any start, at times tau = lambda t.

    Args:
        problem, taus: what is observed, and where to report, in lambda t.
        U, V: (d, d) the start.
        lam: weight decay.
        rtol: relative tolerance of the integrator (LSODA with the exact Jacobian).

    Raises:
        ValueError: the decay or the factors are out of range, or a factor has the wrong shape.
        SolverFailed: the integrator stops early.
    """
    d, grid = problem.d, times(taus, 0.0)
    _checked(d, U, V, lam)
    start = np.concatenate([np.ravel(U), np.ravel(V)]).astype(np.float64)

    def split(x: Array) -> tuple[Array, Array, Array]:
        A, B = x[: d * d].reshape(d, d), x[d * d :].reshape(d, d)
        return A, B, problem.gradient(A @ A.T - B @ B.T)

    def velocity(_: float, x: Array) -> Array:
        A, B, G = split(x)
        return np.concatenate([(-2 / lam * (G @ A)).ravel(), (2 / lam * (G @ B)).ravel()]) - x

    def jacobian(_: float, x: Array) -> Array:
        A, B, G = split(x)
        unit = np.array([problem.symmetric(e) for e in np.eye(len(problem.rows))])
        # G = sum_k g_k E_k with g_k = c_k (W_k - y_k) / n, twice that on the diagonal
        scale = problem.counts / problem.n * (3 - problem.multiplicity)
        i, j, m = problem.rows, problem.cols, np.arange(len(problem.rows))
        slopes = np.zeros((len(i), 2, d, d))
        for side, M, sign in ((0, A, 1.0), (1, B, -1.0)):
            slopes[m, side, i] += sign * M[j]
            slopes[m, side, j] += sign * M[i]  # twice on the diagonal
        pulled = np.concatenate([-(unit @ A), unit @ B], axis=1).reshape(len(i), -1)
        J = 2 / lam * pulled.T @ (scale[:, None] * slopes.reshape(len(i), -1))
        blocks = J.reshape(2, d, d, 2, d, d)
        for side, sign in ((0, -1.0), (1, 1.0)):  # +-2/lam G x 1, without making it
            np.einsum("ikjk->ijk", blocks[side, :, :, side])[...] += sign * 2 / lam * G[:, :, None]
        J.flat[:: 2 * d * d + 1] -= 1
        return np.asarray(J)

    run = solve_ivp(
        velocity,
        (0.0, float(grid[-1])),
        start,
        method="LSODA",
        jac=jacobian,
        t_eval=grid,
        rtol=rtol,
        atol=1e-3 * rtol,
    )
    finished(run, f"the flow of the factors at lambda = {lam:.3g}", "tau", grid[-1])
    return [(x[: d * d].reshape(d, d), x[d * d :].reshape(d, d)) for x in run.y.T]


def _checked(d: int, U: Any, V: Any, lam: float) -> None:
    shapes, large = (np.shape(U), np.shape(V)), max(np.abs(U).max(), np.abs(V).max())
    if shapes != ((d, d), (d, d)) or not large < 1e150 or not 0 < lam < np.inf:
        raise ValueError(
            f"factors of shapes {shapes[0]} and {shapes[1]} with entries up to {large:.3g} and "
            f"lambda = {lam} do not fit a matrix of size {d}: U and V are {d} x {d}, products "
            "must not overflow, and lambda is positive (without decay nothing leads to low rank)."
        )
