"""Gradient flow of the exponential loss on linear models, in logarithmic time.

``dw/dt = 1/n sum_i e^{-q_i} X_i`` with q = X w moves in the span of the rows. With ``w = w(0) +
X' p`` and ``s = log(1 + t)`` it reads ``dp_i/ds = e^{s - q_i} / n``: n equations whose right-hand
side tends to the multipliers of the hard-margin problem, so that t = e^1000 is within reach. Cost:
one stiff integration in n dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from grokverify.flows._grid import times
from grokverify.margins import Array, NotSeparable, Separator, SolverFailed, inseparable, rows

EVALUATIONS = 50_000  # an honest run takes a few thousand


@dataclass(frozen=True, slots=True, eq=False)
class LinearPoint:
    """One point of the flow.

    Args:
        log_time: s = log(1 + t).
        w: (d,) the weights; q: (n,) their margins.
        pull: (n,) ``(1 + t) e^{-q_i} / n``, which tends to the multipliers.
    """

    log_time: float
    w: Array
    q: Array
    pull: Array

    @property
    def loss_times_time(self) -> float:
        """``(1 + t) L(w(t))``."""
        return float(self.pull.sum())

    @property
    def depth(self) -> float:
        """``log(1/(n L))``."""
        return self.log_time - math.log(len(self.q) * self.loss_times_time)


def linear_flow(
    X: Any, w0: Any, log_times: Sequence[float], *, rtol: float = 1e-11
) -> list[LinearPoint]:
    """The flow from w0 at increasing values of ``log(1 + t)``.

    Args:
        X: (n, d) rows y_i x_i.
        w0: (d,) start.
        log_times: where to report it; the flow starts at 0.
        rtol: relative tolerance of the integrator (LSODA).

    Raises:
        ValueError: the start does not fit the data, or the times are negative or do not increase.
        NotSeparable: no w separates the rows; p then grows like time itself, not like its log.
        SolverFailed: the integrator stops early.
    """
    data, start, grid = rows(X), np.asarray(w0, dtype=np.float64), times(log_times, 0.0)
    _suited(data, start)
    K, q0, n = data @ data.T, data @ start, len(data)
    count = 0

    def velocity(s: float, p: Array) -> Array:
        nonlocal count
        count += 1
        if count > EVALUATIONS:
            raise SolverFailed(stopped(s, f"{EVALUATIONS} evaluations are spent."))
        return np.asarray(np.exp(np.minimum(s - q0 - K @ p, 600.0)) / n)

    def jacobian(s: float, p: Array) -> Array:
        return np.asarray(-velocity(s, p)[:, None] * K)

    end = float(grid[-1])

    def stopped(s: float, why: str) -> str:
        return (
            f"the flow on {n} samples stopped at log(1 + t) = {s:.4g} of {end:.4g}: {why} Rows of "
            f"very different length, a maximum margin near 0, or a start with margins far below 0 "
            f"(the least is {q0.min():.3g}) do that: rescale the data, or stop earlier."
        )

    run = solve_ivp(
        velocity,
        (0.0, end),
        np.zeros(n),
        method="LSODA",
        jac=jacobian,
        t_eval=grid,
        rtol=rtol,
        atol=1e-12 / float(np.abs(np.diag(K)).max()),
    )
    if run.status != 0 or not np.isfinite(run.y).all():
        raise SolverFailed(stopped(float(run.t[-1]) if len(run.t) else 0.0, run.message))
    points = []
    for s, p in zip(run.t, run.y.T, strict=True):
        w = start + data.T @ p
        points.append(LinearPoint(float(s), w, data @ w, velocity(float(s), p)))
    return points


def _suited(data: Array, start: Array) -> None:
    """Refuse a start that does not fit the rows, and rows that no weight separates."""
    if start.shape != (data.shape[1],) or not np.isfinite(start).all():
        raise ValueError(
            f"rows of length {data.shape[1]} need a finite start of that length, not one of shape "
            f"{start.shape}{'' if np.isfinite(start).all() else ' with NaN or infinite entries'}."
        )
    if why := inseparable(data):
        raise NotSeparable(f"linear_flow() runs in log(1 + t), so that margins must grow: {why}")
    least = float((data @ start).min())
    if least < -300:
        raise ValueError(
            f"the start has a margin of {least:.4g}, where the loss is e^{-least:.4g}. Start "
            "nearer to 0."
        )


def horizon(X: Any, separator: Separator, *, folds: float = 30.0) -> float:
    """The log time by which every transient of the flow has fallen by ``e^-folds``.

    Samples off the support fade like ``e^(-slack s)``, and on the support the margins approach
    their asymptotes at the rates that are the eigenvalues of ``diag(a)^(1/2) K diag(a)^(1/2)``.
    """
    data, S = rows(X), separator.support
    root = np.sqrt(separator.multipliers[S])
    rates = np.linalg.eigvalsh((data[S] @ data[S].T) * np.outer(root, root))
    return folds / min(1.0, separator.slack(data), float(rates.min()))
