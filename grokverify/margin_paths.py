"""Minimisers of ``L(w) + lambda |w|^r`` on linear models for any lambda, in log scale.

With ``c = log(1/(n lambda))`` and ``p_i = -l'(q_i) / (n lambda)`` all that overflows stays in an
exponent, so that lambda = 1e-1000 is as easy as 1e-2. ``L`` is the mean over n samples. Cost: a few
solves of at most d equations for each lambda.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from grokverify.margins import DUAL, Array, Separator, SolverFailed, inseparable, rows, strong


@dataclass(frozen=True, slots=True)
class Loss:
    """A decreasing loss by ``slope(q) = log(-l'(q))`` and the derivative of that.

    Beyond ``c = reach`` the direction of its l2 path no longer moves in double precision.
    """

    name: str
    slope: Callable[[Array], Array]
    bend: Callable[[Array], Array]
    reach: float = math.inf


EXPONENTIAL = Loss("exponential", lambda q: -q, lambda q: -np.ones_like(q))
LOGISTIC = Loss("logistic", lambda q: -np.logaddexp(0.0, q), lambda q: -expit(q))


def polynomial(k: float) -> Loss:
    """``l(q) = (1 + q)^(-k)`` for q > -1: decreasing, but with no exponential tail."""
    return Loss(
        f"(1+q)^-{k:g}",
        lambda q: math.log(k) - (k + 1) * np.log1p(np.maximum(q, -0.999)),
        lambda q: -(k + 1) / (1 + np.maximum(q, -0.999)),
        reach=40 * (k + 2),  # there q is about e^40
    )


@dataclass(frozen=True, slots=True, eq=False)
class PathPoint:
    """One regularised minimiser.

    Args:
        c: log(1/(n lambda)).
        w: (d,) the minimiser; q: (n,) its margins.
        log_p: (n,) log(-l'(q_i) / (n lambda)), the logs of the multipliers.
        norm: which norm was penalised.
        radius: bound on the relative error of w (l2) or relative defect of the optimality
            conditions (l1, l-infinity), from the residual that is left.
    """

    c: float
    w: Array
    q: Array
    log_p: Array
    norm: float
    radius: float

    @property
    def margin(self) -> float:
        """gamma^lambda, the least margin over the norm."""
        top = float(np.abs(self.w).max())
        return float(self.q.min() / top / np.linalg.norm(self.w / top, self.norm))

    @property
    def depth(self) -> float:
        """``c - log sum p``; for the exponential loss this is log(1/(n L(w)))."""
        return self.c - float(np.logaddexp.reduce(self.log_p))


def l2_path(X: Any, cs: Sequence[float], loss: Loss = EXPONENTIAL) -> Iterator[PathPoint]:
    """Minimisers of ``L(w) + lambda |w|_2^2 / 2`` at increasing ``c = log(1/(n lambda))``.

    They solve ``w = X' p`` with ``log p_i = c + slope((X w)_i)``: damped Newton in w from the
    previous solution, in legs of c that shrink where it fails. The objective over lambda is
    1-strongly convex, so that the residual bounds the distance to the minimiser: the radius.

    Raises:
        ValueError: a c that is not finite, or beyond 1e12.
        SolverFailed: Newton's method fails on the shortest leg, or a radius is above 1e-6.
    """
    data = rows(X)
    strong(cs)
    w, at, leg = np.zeros(data.shape[1]), min(0.0, cs[0]) - 4.0, 4.0
    for c in cs:
        while at < c:
            to = min(c, at + leg)
            moved = _newton(data, w + (to - at) * _tangent(data, w, at, loss), to, loss)
            if moved is not None:
                w, at, leg = moved, to, 2 * leg
            elif leg < 1e-3:
                raise SolverFailed(_stalled(data, at, loss))
            else:
                leg /= 4
        q = data @ w
        log_p = c + loss.slope(q)
        radius = _size(w - data.T @ np.exp(np.minimum(log_p, 300.0))) / _size(w)
        if not radius < 1e-6:  # p so large that Newton's method saw rounding only
            raise SolverFailed(_stalled(data, c, loss))
        yield PathPoint(c, w, q, log_p, 2.0, radius)


def _stalled(X: Array, c: float, loss: Loss) -> str:
    return f"the regularisation path stalls at log(1/(n lambda)) = {c:.6g} ({loss.name} loss). " + (
        inseparable(X) or "Rows of very different length do that: rescale the data."
    )


def face_path(X: Any, separator: Separator, cs: Sequence[float]) -> Iterator[PathPoint]:
    """Minimisers of ``L(w) + lambda |w|`` (exponential loss) in the l1 or l-infinity norm.

    On the face of the norm ball that holds the maximum-margin separator the norm is linear,
    ``w = E v`` with ``|w| = b' v``, and ``(X E)' exp(c - X E v) = b``, a convex Newton problem.
    That the minimum over all w lies on this face is certified afterwards: ``|X' p|_dual <= 1`` and
    ``|w| = p' X w``, whose relative defect is the radius.

    Args:
        X: (n, d) rows y_i x_i.
        separator: of the same data, in the l1 or l-infinity norm.
        cs: values of log(1/(n lambda)).

    Raises:
        SolverFailed: Newton's method stalls, or the minimiser lies on another face because lambda
            is too large (raise c).
    """
    data = rows(X)
    strong(cs)
    E, b = _face(separator)
    A, S = data @ E, separator.support
    log_a = np.log(separator.multipliers[S])
    for c in cs:
        v = np.linalg.lstsq(A[S], c - log_a, rcond=None)[0]
        for _ in range(60):
            p = np.exp(np.minimum(c - A @ v, 300.0))
            step = np.linalg.lstsq((A.T * p) @ A, A.T @ p - b, rcond=None)[0]
            v = v + step * min(1.0, 1.0 / max(1e-300, float(np.abs(A @ step).max())))
            if np.abs(A @ step).max() < 1e-12 * c:
                break
        else:
            raise SolverFailed(
                f"Newton on the face of the maximum l{separator.norm:g} margin of a {data.shape} "
                f"matrix stalls at c = {c:.6g}, with a step of {np.abs(A @ step).max():.2g} in the "
                "margins left. A lambda that is too large, or rows of very different length, do "
                "that: take a larger c or rescale the data."
            )
        w, log_p = E @ v, c - A @ v
        pulled = float(np.linalg.norm(data.T @ np.exp(log_p), DUAL[separator.norm]))
        size = float(np.linalg.norm(w, separator.norm))
        defect = max(pulled - 1, abs(size - float(np.exp(log_p) @ (data @ w))) / size)
        if not defect < 1e-8:
            raise SolverFailed(
                f"at c = {c:.6g} the minimiser is not on the face of the maximum l"
                f"{separator.norm:g} margin: optimality fails by {defect:.2g}. Take a larger c, or "
                "a smaller one where c > 1e7 and rounding decides."
            )
        yield PathPoint(c, w, A @ v, log_p, separator.norm, max(defect, 0.0))


def strengths(X: Any, separator: Separator) -> list[float]:
    """Five doublings of ``log(1/(n lambda))`` up to lambda = 1e-1000, or beyond.

    The last is 16 times ``settled`` where that is more, so that all five lie where the margin is a
    power series in ``1 / log(1/(n L))`` up to exponentially small terms.
    """
    top = max(1000 * math.log(10) - math.log(len(rows(X))), 16 * settled(X, separator))
    return [top / 2**k for k in (4, 3, 2, 1, 0)]


def settled(X: Any, separator: Separator) -> float:
    """How large ``log(1/lambda)`` must be before the path follows its expansion in the inverse.

    Samples off the support fade like ``e^(-slack log(1/lambda))``, and to first order the solution
    differs from ``log(1/lambda)`` times the separator by a constant vector; multipliers and
    coordinates may not cross their bounds. The value is the largest of ``40 / slack`` and twice the
    ratios of that vector to the room there is.
    """
    data, S = rows(X), separator.support
    log_a = np.log(separator.multipliers[S] / separator.multipliers.sum())
    if separator.norm == 2:
        room = separator.multipliers[S]
        move = np.linalg.lstsq(data[S] @ data[S].T, log_a, rcond=None)[0]
    else:
        E, b = _face(separator)
        v = np.linalg.lstsq(E, separator.w, rcond=None)[0]
        move = np.linalg.lstsq(data[S] @ E, log_a, rcond=None)[0]
        room = v * b
        if separator.norm == math.inf:  # the free coordinates stay below the last, |w|_inf
            free = b == 0
            room[free] = v[-1] - np.abs(v[free])
            move[free] = np.abs(move[free]) + abs(move[-1])
    return max(40.0 / separator.slack(data), 2.0 * float(np.abs(move / room).max()))


def extrapolated(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """The value at x -> 0 of the polynomial through the points (Neville), and its last change.

    Args:
        x: distinct positive nodes that fall; the last two are the closest to 0.
        y: the values there.

    Returns:
        (limit, change): the change from the polynomial of one degree less, an estimate of the
        error of that lesser one.

    Raises:
        ValueError: fewer than three points, or two equal nodes.
    """
    if len(x) < 3 or len(x) != len(y) or len(set(x)) < len(x):
        raise ValueError(
            f"extrapolation needs at least three distinct nodes, one value each; got {list(x)} "
            f"and {list(y)}."
        )
    table = [float(value) for value in y]
    before = table[-1]
    for order in range(1, len(x)):
        before = table[-1]
        table = [
            (x[k] * table[k + 1] - x[k + order] * table[k]) / (x[k] - x[k + order])
            for k in range(len(table) - 1)
        ]
    return table[0], abs(table[0] - before)


def _newton(X: Array, w: Array, c: float, loss: Loss) -> Array | None:
    """The zero of the gradient ``w - X' exp(c + slope(X w))``; None if 60 steps do not reach it."""

    def gradient(w: Array) -> tuple[Array, Array]:
        p = np.exp(np.minimum(c + loss.slope(X @ w), 300.0))  # far off: any large number does
        return np.asarray(w - X.T @ p), p

    g, p = gradient(w)
    for _ in range(60):
        try:
            step: Array = np.asarray(np.linalg.solve(_hessian(X, w, p, loss), -g), np.float64)
        except np.linalg.LinAlgError:  # p so large that the identity is lost
            return None
        size, fall = 1.0, float(g @ step)
        while size > 1e-8:  # the objective is convex: stop before its slope along the step turns up
            ahead, p_ahead = gradient(w + size * step)
            slope = float(ahead @ step)
            if abs(slope) <= 0.9 * abs(fall):
                break
            size /= 2
        else:
            return w if _size(step) < 1e-10 * _size(w) else None
        w, g, p = w + size * step, ahead, p_ahead
        if size == 1.0 and _size(step) < 1e-12 * _size(w):
            return w
    return None


def _hessian(X: Array, w: Array, p: Array, loss: Loss) -> Array:
    return np.asarray(np.eye(len(w)) - (X.T * (p * loss.bend(X @ w))) @ X)


def _tangent(X: Array, w: Array, c: float, loss: Loss) -> Array:
    """dw/dc along the path; 0, no prediction, where p is so large that the identity is lost."""
    p = np.exp(np.minimum(c + loss.slope(X @ w), 300.0))
    try:
        return np.asarray(np.linalg.solve(_hessian(X, w, p, loss), X.T @ p), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.zeros_like(w)


def _size(v: Array) -> float:
    """The l2 norm, also where squares overflow."""
    top = float(np.abs(v).max())
    return top * float(np.linalg.norm(v / top)) if top > 0 else 0.0


def _face(separator: Separator) -> tuple[Array, Array]:
    """(d, k) embedding of the face's cone and its (k,) norm functional."""
    w, d = separator.w, len(separator.w)
    size = float(np.abs(w).max())
    if separator.norm == 1:
        J = np.flatnonzero(np.abs(w) > 1e-9 * size)
        return np.eye(d)[:, J] * np.sign(w[J]), np.ones(len(J))
    if separator.norm == math.inf:
        top = np.abs(w) > (1 - 1e-9) * size
        free = np.eye(d)[:, ~top]
        E = np.hstack([free, (np.sign(w) * top)[:, None]])
        return E, np.r_[np.zeros(free.shape[1]), 1.0]
    raise ValueError("face_path is for the l1 and l-infinity norms; use l2_path for the l2 norm.")
