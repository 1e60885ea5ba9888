"""Maximum margins with certificates, for the l2, l1 and l-infinity norms.

The rows of ``X`` are ``y_i x_i``: the margin of sample i under a linear model w is ``(X w)_i``, and
the maximum margin is ``gamma* = max { min_i (X w)_i : |w| <= 1 }``. Weak duality gives, for every w
and every a >= 0 with sum 1, ``min_i (X w)_i / |w| <= gamma* <= |X' a|_dual``; both are reported.
Cost: one non-negative least squares or one linear programme in n x d.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls

from grokverify._evidence import Measurement, enclosed
from grokverify._proved import Plain, written

Array = NDArray[np.float64]
DUAL = {1.0: math.inf, 2.0: 2.0, math.inf: 1.0}


class NotSeparable(ValueError):
    """No linear model has a positive margin on these data."""


class SolverFailed(ArithmeticError):
    """An optimiser or an integrator stopped short of its tolerance. Never evidence."""


@dataclass(frozen=True, slots=True, eq=False)
class Separator:
    """A maximum-margin separator, its multipliers and the duality gap.

    Args:
        norm: 1, 2 or infinity.
        w: (d,) the solution of ``min |w| subject to X w >= 1``, so that gamma* = 1 / |w|.
        multipliers: (n,) a >= 0. Their sum is 1 / gamma*^2 for the l2 norm, where ``w = X' a``,
            and 1 / gamma* for the other two, where ``|X' a|_dual = 1``.
        lower, upper: what w and a prove about gamma* by weak duality, up to rounding.
    """

    norm: float
    w: Array
    multipliers: Array
    lower: float
    upper: float

    @property
    def margin(self) -> float:
        return (self.lower + self.upper) / 2

    @property
    def support(self) -> NDArray[np.intp]:
        """Indices of the samples with a multiplier above 1e-9 of the largest."""
        return np.flatnonzero(self.multipliers > 1e-9 * self.multipliers.max())

    def slack(self, X: Any) -> float:
        """The least excess margin ``(X w)_i - 1`` outside the support; infinity if all support."""
        outside = np.delete(rows(X) @ self.w, self.support)
        return float(outside.min() - 1) if outside.size else math.inf


def rows(X: Any) -> Array:
    """A torch tensor or array-like of shape (n, d) as a float64 array.

    Raises:
        ValueError: it is not a matrix with finite entries.
    """
    array = np.asarray(X.cpu() if hasattr(X, "cpu") else X, dtype=np.float64)
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise ValueError(
            f"margins need a finite matrix with a row y_i x_i for every sample, not the shape "
            f"{array.shape}{'' if np.isfinite(array).all() else ' with NaN or infinite entries'}."
        )
    return array


def normalised_margin(X: Any, w: Any, norm: float = 2.0) -> float:
    """``min_i (X w)_i / |w|``; negative where w does not separate.

    Raises:
        ValueError: w vanishes.
    """
    size = float(np.linalg.norm(w, norm))
    if size == 0:
        raise ValueError("w = 0 has no normalised margin. Start the optimiser elsewhere.")
    return float((rows(X) @ w).min()) / size


def max_margin(X: Any, norm: float = 2.0) -> Separator:
    """The maximum-margin separator in the l2 (NNLS), l1 or l-infinity norm (HiGHS).

    For the l2 norm ``min_{a >= 0} |X' a|^2 + (1' a - 1)^2`` is the dual up to scale, and
    ``X' a / (1 - 1' a)`` is the separator of margin 1.

    Args:
        X: (n, d) rows y_i x_i.
        norm: 1, 2 or math.inf; the norm that is bounded.

    Raises:
        NotSeparable: no w has a positive margin.
        SolverFailed: the duality gap stayed above 1e-7 of the margin.
    """
    data = rows(X)
    if norm not in DUAL:
        raise ValueError(f"max_margin knows the norms 1, 2 and infinity, not {norm}.")
    w, a = _quadratic(data) if norm == 2 else _linear(data, norm)
    scale = float((data @ w).min())
    if not scale > 0:
        raise _not_separable(data, f"the best w found has least margin {scale:.3g}")
    w = w / scale
    lower = 1 / float(np.linalg.norm(w, norm))
    upper = float(np.linalg.norm(data.T @ a, DUAL[norm])) / float(a.sum())
    if not upper - lower <= 1e-7 * upper:
        raise SolverFailed(
            f"the maximum l{norm:g} margin of a {data.shape} matrix is only known to lie in "
            f"[{lower:.9g}, {upper:.9g}]. The rows differ much in length, or the margin is close "
            "to 0: rescale the rows or draw other data."
        )
    return Separator(norm, w, a, lower, upper)


def inseparable(X: Any) -> str:
    """Why no w separates the rows, as sentences for a message; empty where one does.

    Solvers that failed say with it which of the likely causes it was. The lengths of the rows do
    not matter: each is first divided by its own.
    """
    data = rows(X)
    sizes = np.linalg.norm(data, axis=1)
    try:
        max_margin(data / np.where(sizes > 0, sizes, 1.0)[:, None])
    except (NotSeparable, SolverFailed) as failure:
        return str(failure)[0].upper() + str(failure)[1:]
    return ""


def strong(cs: Sequence[float]) -> None:
    """Refuse values of ``c = log(1/(n lambda))`` whose margins would lose their digits.

    Raises:
        ValueError: a c is infinite, not a number, or beyond 1e12.
    """
    for c in cs:
        if not abs(c) <= 1e12:
            raise ValueError(
                f"c = log(1/(n lambda)) = {c} is out of range: the differences c - q, of order "
                "log c, need |c| <= 1e12. A lambda that underflowed to 0 gives infinity: pass its "
                "logarithm."
            )


def margin_enclosure(name: str, X: Any, separator: Separator) -> Measurement:
    """gamma* between its weak-duality bounds, evaluated in exact rational arithmetic.

    The entries of X, w and a are dyadic rationals, so that nothing is rounded except the final
    conversion to floats, outwards.
    """
    data = [[Fraction(float(x)) for x in row] for row in rows(X)]
    w = [Fraction(float(x)) for x in separator.w]
    a = [max(Fraction(0), Fraction(float(x))) for x in separator.multipliers]
    q = min(sum((x * y for x, y in zip(row, w, strict=True)), Fraction(0)) for row in data)
    pulled = [
        sum((r[k] * s for r, s in zip(data, a, strict=True)), Fraction(0)) for k in range(len(w))
    ]
    total = sum(a, Fraction(0))
    plain = {"kind": "margin", "norm": f"{separator.norm:g}"}

    def proof() -> Plain:
        told = written(plain, matrix=data, w=[w], multipliers=[a])
        return {k: v[0] if k in ("w", "multipliers") else v for k, v in told.items()}

    if separator.norm == 2:
        low, high = q * q / _square(w), _square(pulled) / total**2
        return enclosed(name, _outward(low, -1, 2), _outward(high, 1, 2), proof=proof)
    size = {1.0: lambda v: sum(map(abs, v)), math.inf: lambda v: max(map(abs, v))}
    low = q / size[separator.norm](w)
    high = size[DUAL[separator.norm]](pulled) / total
    return enclosed(name, _outward(low, -1, 1), _outward(high, 1, 1), proof=proof)


def path_constant(multipliers: Any) -> float:
    """``C = log a_max - sum a log a / sum a`` over the positive multipliers; C >= 0.

    On the l2, l1 and l-infinity regularisation paths of the exponential loss the margin falls short
    by ``1 - gamma^lambda / gamma* ~ C / log(1/lambda)``. Scaling a moves nothing.
    """
    a = np.asarray(multipliers, dtype=np.float64)
    a = a[a > 1e-9 * a.max()]
    return float(np.log(a.max()) - (a * np.log(a)).sum() / a.sum())


def kkt_residual(theta: Any, jacobian: Any, multipliers: Any) -> float:
    """``|theta - J' mu| / |theta|``: stationarity of ``min |theta|^2 / 2 s.t. q(theta) >= 1``.

    Args:
        theta: (P,) parameters.
        jacobian: (n, P) gradients of the margins q_i at theta.
        multipliers: (n,) mu >= 0; with ``mu_i`` proportional to ``e^{-q_i}`` the direction of J' mu
            is that of minus the gradient of the exponential loss.
    """
    size = float(np.linalg.norm(theta))
    return float(np.linalg.norm(np.asarray(theta) - np.asarray(jacobian).T @ multipliers)) / size


def _quadratic(X: Array) -> tuple[Array, Array]:
    n, d = X.shape
    size = float(np.linalg.norm(X, axis=1).max())
    if size == 0:
        raise _not_separable(X, "every row is 0")
    target = np.zeros(d + 1)
    target[-1] = 1.0
    a, _ = nnls(np.vstack([X.T / size, np.ones((1, n))]), target)
    left = 1 - float(a.sum())
    if left < 1e-12:
        why = f"has length {left**0.5:.2g} times that of the longest"
        raise _not_separable(X, f"a convex combination of its rows {why}")
    a = a / left / size**2
    return X.T @ a, a


def _linear(X: Array, norm: float) -> tuple[Array, Array]:
    n, d = X.shape
    eye = np.eye(d)
    if norm == 1:  # w = u - v
        solved = linprog(np.ones(2 * d), A_ub=np.hstack([-X, X]), b_ub=-np.ones(n), method="highs")
    else:  # -t <= w <= t
        one = np.ones((d, 1))
        box = np.block([[-X, np.zeros((n, 1))], [eye, -one], [-eye, -one]])
        solved = linprog(
            np.r_[np.zeros(d), 1.0],
            A_ub=box,
            b_ub=np.r_[-np.ones(n), np.zeros(2 * d)],
            bounds=[(None, None)] * d + [(0, None)],
            method="highs",
        )
    if solved.status == 2:
        raise _not_separable(X, "the linear programme X w >= 1 is infeasible")
    if solved.status != 0:
        raise SolverFailed(f"HiGHS on a {X.shape} matrix: {solved.message}")
    w = solved.x[:d] - solved.x[d:] if norm == 1 else solved.x[:d]
    return w, np.maximum(-solved.ineqlin.marginals[:n], 0.0)


def _not_separable(X: Array, why: str) -> NotSeparable:
    n, d = X.shape
    return NotSeparable(
        f"the {n} samples in {d} dimensions are not linearly separable: {why}. Maximum margins, "
        "and every limit towards them, need separable data: draw n < d Gaussian samples, or labels "
        "from a teacher."
    )


def _square(v: list[Fraction]) -> Fraction:
    return sum((x * x for x in v), Fraction(0))


def _outward(value: Fraction, side: int, root: int) -> float:
    """The root of a positive fraction as a float, moved outwards until that is proved."""
    guess = math.sqrt(value) if root == 2 else float(value)
    while side * (Fraction(guess) ** root - value) < 0:
        guess = math.nextafter(guess, side * math.inf)
    return guess
