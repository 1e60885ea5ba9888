"""Minimisers with an l1 penalty: the exponential loss at any lambda, and least squares (LASSO).

Both walk along the orthants of w: Newton (or a solve) on the current support, a step up to the
first coordinate that reaches 0, entry of the coordinate that violates ``|gradient| <= penalty``
most. Each result comes with a feasible dual point, and the duality gap bounds how far it is from
the minimum. Cost: a few dozen solves of the size of the support.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from grokverify._evidence import Measurement, enclosed
from grokverify.margin_paths import PathPoint
from grokverify.margins import Array, NotSeparable, SolverFailed, max_margin, rows, strong


def l1_path(X: Any, cs: Sequence[float]) -> Iterator[PathPoint]:
    """Minimisers of ``1/n sum_i exp(-q_i) + lambda |w|_1`` at increasing ``c = log(1/(n lambda))``.

    Equivalently of ``sum_i exp(c - q_i) + |w|_1``, so that lambda = 1e-1000 is as easy as 1e-2. The
    radius of a point is the duality gap over the minimum.

    Raises:
        ValueError: a c that is not finite, or beyond 1e12.
        NotSeparable: no w separates the rows; the minimiser then exists, but its limit does not.
        SolverFailed: the active set does not settle.
    """
    data = rows(X)
    strong(cs)
    max_margin(data, 1.0)  # raises where the rows are not separable
    w, at = np.zeros(data.shape[1]), 0.0
    for c in cs:
        while True:
            to = min(c, at + max(1.0, 0.25 * abs(at)))
            w = _orthants(data, w * (to / at if at > 4 else 1.0), to)  # w grows like c
            at = to
            if at == c:
                break
        q = data @ w
        log_p = c - q
        size = float(np.abs(w).sum())
        if size == 0:
            raise SolverFailed(
                f"at log(1/(n lambda)) = {c:.4g} the minimiser is w = 0: lambda is too large for "
                "any margin. Take a larger c."
            )
        gap = _gap(data, w, c) / (float(np.exp(log_p).sum()) + size)
        if not gap < 1e-6:
            raise SolverFailed(f"the l1 path at c = {c:.6g} kept a relative duality gap {gap:.2g}.")
        yield PathPoint(c, w, q, log_p, 1.0, max(gap, 0.0))


def _gap(X: Array, w: Array, c: float) -> float:
    """Primal minus dual: ``sum p + |w|_1`` against ``sum s p (1 + c - log(s p))``, s feasible."""
    q = X @ w
    p = np.exp(c - q)
    s = min(1.0, 1.0 / float(np.abs(X.T @ p).max()))
    return float(p.sum() + np.abs(w).sum() - (s * p * (1 + q - math.log(s))).sum())


def _orthants(X: Array, w: Array, c: float) -> Array:
    """Newton on the support within an orthant; at most one coordinate enters at a time."""
    w = w.copy()
    for _ in range(40 + 8 * min(X.shape)):
        q = X @ w
        p = np.exp(np.minimum(c - q, 300.0))
        pulled = X.T @ p
        J = np.flatnonzero(w)
        sign = np.sign(w)
        free = np.where(w == 0, np.abs(pulled) - 1, -1.0)
        enter = int(np.argmax(free))
        if not len(J) or (np.abs(pulled[J] - sign[J]).max() < 1e-9 and free[enter] > 1e-9):
            if free[enter] <= 1e-9:
                return w
            J = np.append(J, enter)
            sign[enter] = np.sign(pulled[enter])
        elif np.abs(pulled[J] - sign[J]).max() < 1e-12:
            return w
        A = X[:, J]
        step = np.linalg.lstsq((A.T * p) @ A, pulled[J] - sign[J], rcond=1e-14)[0]
        moved = float(np.abs(A @ step).max())
        size = 1.0 if moved < 1 else 1 / moved
        leaving = (w[J] != 0) & (np.sign(w[J] + size * step) != sign[J])
        if leaving.any():  # stop where the first coordinate reaches 0
            room = np.where(leaving, -w[J] / np.where(step == 0, 1, step), np.inf)
            first = int(np.argmin(room))
            size = float(room[first])
            w[J] += size * step
            w[J[first]] = 0.0
            continue
        small = size == 1.0 and moved < 1e-12 * max(1.0, abs(c))
        w[J] += size * step
        if small and (np.abs(X.T @ np.exp(c - X @ w)) <= 1 + 1e-9).all():
            return w
    return w


@dataclass(frozen=True, slots=True, eq=False)
class Lasso:
    """``argmin 1/n |X w - y|^2 + lam |w|_1`` with a feasible dual point.

    Args:
        w: (d,) the minimiser; dual: (n,) u with ``|X' u|_inf <= lam``, near ``-2 (X w - y) / n``.
        gap: primal minus dual value, an upper bound on how far w is from optimal.
    """

    w: Array
    dual: Array
    lam: float
    gap: float


def lasso(X: Any, y: Any, lam: float) -> Lasso:
    """LASSO by its homotopy from large penalties (LARS); the norm of w is bounded as lam -> 0.

    Raises:
        ValueError: lam is not positive and finite.
        SolverFailed: the gap stays above 1e-9 of the value at w = 0, as when features coincide.
    """
    data, target = rows(X), np.asarray(y, dtype=np.float64)
    n, d = data.shape
    if not (lam > 0 and math.isfinite(lam)):
        raise ValueError(
            f"lasso() needs a finite penalty lam > 0, not {lam}. For lam -> 0 use min_l1()."
        )
    w = np.zeros(d)
    pulled = 2 * data.T @ target / n
    level, J, signs = float(np.abs(pulled).max()), [int(np.argmax(np.abs(pulled)))], []
    signs = [float(np.sign(pulled[J[0]]))]
    for _ in range(20 * min(n, d) + 20):
        if level <= lam:
            break
        A, s = data[:, J], np.asarray(signs)
        move = np.linalg.lstsq(2 * A.T @ A / n, s, rcond=None)[0]  # dw/d(-level)
        slope = 2 * data.T @ (A @ move) / n
        pulled = 2 * data.T @ (target - data @ w) / n
        best, event, who = level - lam, "end", -1
        for k in range(d):
            if k in J:
                continue
            for sign in (1.0, -1.0):
                rate = 1.0 - sign * slope[k]
                room = level - sign * pulled[k]
                if rate > 1e-12 and 1e-13 * level < room / rate < best:
                    best, event, who = room / rate, "enter", k
                    entering = float(sign)
        for i, k in enumerate(J):
            if w[k] * move[i] < 0 and -w[k] / move[i] < best:
                best, event, who = -w[k] / move[i], "leave", i
        w[J] += best * move
        level -= best
        if event == "enter":
            J.append(who)
            signs.append(entering)
        elif event == "leave":
            w[J[who]] = 0.0
            del J[who], signs[who]
        else:
            break
    return _with_gap(data, target, w, lam)


def _with_gap(data: Array, target: Array, w: Array, lam: float) -> Lasso:
    n = len(data)
    residual = target - data @ w
    u = 2 * residual / n
    u = u * min(1.0, lam / max(float(np.abs(data.T @ u).max()), 1e-300))
    gap = float(residual @ residual / n + lam * np.abs(w).sum() - (u @ target - n * u @ u / 4))
    if not gap <= 1e-9 * float(target @ target) / n:
        raise SolverFailed(
            f"the LASSO at lam = {lam:.3g} kept a duality gap of {gap:.2g}. Features that coincide "
            "or nearly so do that: remove duplicates or rescale the data."
        )
    return Lasso(w, u, lam, gap)


def lasso_gap(name: str, X: Any, y: Any, found: Lasso) -> Measurement:
    """The duality gap of a LASSO solution in exact rational arithmetic, rounded outwards.

    It is >= 0, and w is within this of the minimum, whatever the solver did.
    """
    data = [[Fraction(float(x)) for x in row] for row in rows(X)]
    n, w = len(data), [Fraction(float(v)) for v in found.w]
    target, lam = [Fraction(float(v)) for v in np.asarray(y)], Fraction(found.lam)
    u = [Fraction(float(v)) for v in found.dual]
    pulled = max(
        abs(sum((row[k] * v for row, v in zip(data, u, strict=True)), Fraction(0)))
        for k in range(len(w))
    )
    scale = min(Fraction(1), lam / pulled) if pulled else Fraction(1)
    u = [scale * v for v in u]
    miss = [
        t - sum((x * v for x, v in zip(row, w, strict=True)), Fraction(0))
        for row, t in zip(data, target, strict=True)
    ]
    primal = sum((m * m for m in miss), Fraction(0)) / n + lam * sum(map(abs, w), Fraction(0))
    dual = sum((v * t for v, t in zip(u, target, strict=True)), Fraction(0))
    dual -= n * sum((v * v for v in u), Fraction(0)) / 4
    gap = float(primal - dual)  # correctly rounded
    return enclosed(name, math.nextafter(gap, -math.inf), math.nextafter(gap, math.inf))


__all__ = ["Lasso", "NotSeparable", "l1_path", "lasso", "lasso_gap"]
