"""Symmetric matrix completion, and its nuclear-norm optima with a certified duality gap.

Two convex problems over symmetric W: ``min |W|_*`` with ``W_k = y_k`` on the observed entries,
and ``min 1/n sum_k c_k (W_k - y_k)^2 + lambda/2 |W|_*`` (Lyu et al., eq. 42), where entry k was
seen c_k times, n times in all. A symmetric Z that vanishes off the observed entries bounds both
from below; W and Z come from the alternating direction method of multipliers, since scipy has no
semidefinite programming. Cost: one symmetric eigendecomposition of d x d for each of a hundred to
ten thousand iterations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grokverify._evidence import Measurement, enclosed
from grokverify.linalg.certified import least_eigenvalue
from grokverify.margins import Array, SolverFailed


@dataclass(frozen=True, slots=True, eq=False)
class Completion:
    """What is known of a symmetric d x d matrix.

    Args:
        d: its size.
        rows, cols: (m,) the distinct observed entries, rows <= cols.
        counts: (m,) how often each was observed; (i, j) and (j, i) are one entry.
        values: (m,) what was seen.
    """

    d: int
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    counts: Array
    values: Array

    @property
    def n(self) -> float:
        """Number of observations, repeats included."""
        return float(self.counts.sum())

    @property
    def multiplicity(self) -> Array:
        """(m,) 1 on the diagonal and 2 off it: entries of W that an observation fixes."""
        return np.where(self.rows == self.cols, 1.0, 2.0)

    def symmetric(self, g: Array) -> Array:
        """The symmetric (d, d) matrix with entries g (m,) where observed, and zeros."""
        M = np.zeros((self.d, self.d))
        M[self.rows, self.cols] = g
        M[self.cols, self.rows] = g
        return M

    def observed(self) -> Array:
        """(d, d) the observed values, and zeros elsewhere."""
        return self.symmetric(self.values)

    def mask(self) -> NDArray[np.bool_]:
        """(d, d) which entries are known, by symmetry as well."""
        return self.symmetric(np.ones(len(self.rows))) > 0

    def residuals(self, W: Array) -> Array:
        """(m,) ``W_k - y_k``."""
        return np.asarray(W[self.rows, self.cols] - self.values)

    def loss(self, W: Array) -> float:
        """``1/n sum_k c_k (W_k - y_k)^2``."""
        return float(self.counts @ self.residuals(W) ** 2) / self.n

    def gradient(self, W: Array) -> Array:
        """The symmetric gradient of the loss in W, (d, d)."""
        return self.symmetric(2 * self.counts * self.residuals(W) / self.n / self.multiplicity)


def observe(X: Any, pairs: Iterable[Any]) -> Completion:
    """Observe entries (i, j) of a symmetric matrix; repeats and mirror images are counted.

    Raises:
        ValueError: X is not a finite symmetric matrix, or the pairs are empty or out of range.
    """
    M = np.asarray(X.cpu() if hasattr(X, "cpu") else X, dtype=np.float64)
    if M.ndim != 2 or M.shape[0] != M.shape[1] or not np.isfinite(M).all():
        raise ValueError(f"matrix completion needs a finite square matrix, not shape {M.shape}.")
    skew = float(np.abs(M - M.T).max())
    if skew > 1e-12 * float(np.abs(M).max()):
        raise ValueError(
            f"the matrix differs from its transpose by {skew:.3g}, but U U' - V V' is symmetric: "
            "no weights fit it. Symmetrise it first."
        )
    raw = pairs.tolist() if hasattr(pairs, "tolist") else list(pairs)
    ij = np.asarray(raw, dtype=np.intp).reshape(-1, 2)
    if not ij.size or ij.min() < 0 or ij.max() >= len(M):
        raise ValueError(
            f"{len(ij)} observed entries with indices between {ij.min(initial=0)} and "
            f"{ij.max(initial=0)} do not fit a matrix of size {len(M)}: give at least one (i, j) "
            f"with 0 <= i, j < {len(M)}."
        )
    entries, counts = np.unique(np.sort(ij, axis=1), axis=0, return_counts=True)
    i, j = entries.T
    return Completion(len(M), i, j, counts.astype(np.float64), M[i, j])


def sampled(X: Any, cells: Any) -> Completion:
    """Observe the cells of a d x d matrix that are numbered row by row, ``i d + j``."""
    flat = [int(c) for c in cells]
    d = len(X)
    return observe(X, [(c // d, c % d) for c in flat])


def nuclear_norm(W: Any) -> float:
    """The sum of the absolute eigenvalues of a symmetric matrix."""
    return float(np.abs(np.linalg.eigvalsh(np.asarray(W))).sum())


@dataclass(frozen=True, slots=True, eq=False)
class NuclearOptimum:
    """A minimiser and its certificate.

    Args:
        lam: the penalty; 0 where the observed entries are constraints.
        W: (d, d) the minimiser, exact on the observed entries if lam = 0.
        Z: (d, d) the certificate, zero off the observed entries, with spectral norm at most 1
            (at most lambda / 2 if lam > 0).
        lower, upper: the values of dual and primal objective, up to rounding.
    """

    lam: float
    W: Array
    Z: Array
    lower: float
    upper: float


def minimum_nuclear_norm(
    problem: Completion, lam: float = 0.0, *, gap: float = 1e-9, iterations: int = 100_000
) -> NuclearOptimum:
    """Solve the constrained problem (lam = 0) or the penalised one.

    Args:
        problem: what is observed.
        lam: penalty, 0 or positive.
        gap: relative duality gap at which to stop.
        iterations: how many steps at most.

    Raises:
        ValueError: the penalty is negative or not finite.
        SolverFailed: the gap stayed above ``gap``.
    """
    if not 0 <= lam < math.inf:
        raise ValueError(f"the penalty lambda = {lam} must be 0 (constraints) or positive.")
    y = problem.observed()
    if not y.any():
        zero = np.zeros_like(y)
        return NuclearOptimum(lam, zero, zero, 0.0, 0.0)
    i, j = problem.rows, problem.cols
    # in units of the nuclear norm: |W|_* + sum_k a_k (W_k - y_k)^2, a infinite for constraints
    weight = 2 * problem.counts / (problem.n * lam * problem.multiplicity) if lam else None
    rho = 4 * len(y) / nuclear_norm(y)
    Z, dual = y, np.zeros_like(y)
    for k in range(iterations):
        free = Z - dual
        seen = free[i, j]
        fitted = (
            problem.values
            if weight is None
            else (2 * weight * problem.values + rho * seen) / (2 * weight + rho)
        )
        W = free.copy()
        W[i, j] = W[j, i] = fitted
        values, vectors = np.linalg.eigh(W + dual)
        Z, before = (
            (vectors * np.sign(values) * np.maximum(np.abs(values) - 1 / rho, 0)) @ vectors.T,
            Z,
        )
        dual = dual + W - Z
        if k % 25 == 24:
            found = _certified(problem, lam, W, rho * dual)
            if found.upper - found.lower <= gap * found.upper:
                return found
            primal, moved = float(np.linalg.norm(W - Z)), float(np.linalg.norm(Z - before))
            if k < 2000 and not 0.1 <= primal / max(moved, 1e-300) <= 10:  # residual balancing
                factor = 2.0 if primal > moved else 0.5
                rho, dual = rho * factor, dual / factor
    raise SolverFailed(
        f"the minimum nuclear norm of a {len(y)} x {len(y)} matrix with {len(i)} observed entries "
        f"and lambda = {lam:.3g} is only known to lie in [{found.lower:.9g}, {found.upper:.9g}] "
        f"after {iterations} iterations. Ask for a wider gap or more iterations."
    )


def nuclear_enclosure(name: str, problem: Completion, found: NuclearOptimum) -> Measurement:
    """The optimal value between its primal and dual bounds, every rounding error accounted for.

    Sums over entries are taken in Fractions; the spectral norm of Z is bounded by certified least
    eigenvalues, and ``|W|_* <= sum |v_a| |q_a|^2 + sqrt(d) |W - Q diag(v) Q'|_F`` for any Q and v.
    """
    lam, n = Fraction(found.lam), Fraction(problem.n)
    Z = torch.as_tensor(problem.symmetric(found.Z[problem.rows, problem.cols]))  # that part only
    ends = [float(least_eigenvalue("end", side * Z).lo) for side in (1, -1)]
    top = float(max(-ends[0], -ends[1], 0.0))
    limit = Fraction(found.lam) / 2 if found.lam else Fraction(1)
    shrink = min(Fraction(1), limit / Fraction(top)) if top else Fraction(1)
    low = Fraction(0)
    for i, j, c, y, m in zip(
        problem.rows,
        problem.cols,
        problem.counts,
        problem.values,
        problem.multiplicity,
        strict=True,
    ):
        z = shrink * Fraction(float(Z[i, j])) * Fraction(m)
        low += z * Fraction(y) - (n * z * z / (4 * Fraction(c)) if lam else 0)
    high = _nuclear_above(found.W)
    if lam:
        pairs = zip(problem.counts, found.W[problem.rows, problem.cols], strict=True)
        fit = sum(
            (
                Fraction(c) * (Fraction(w) - Fraction(y)) ** 2
                for (c, w), y in zip(pairs, problem.values, strict=True)
            ),
            Fraction(0),
        )
        high = fit / n + lam / 2 * high
    elif (found.W[problem.rows, problem.cols] != problem.values).any():
        raise ValueError(f"{name!r}: W differs from the observed values, so it is no candidate.")
    return enclosed(name, _down(low), -_down(-high))


def _certified(problem: Completion, lam: float, W: Array, dual: Array) -> NuclearOptimum:
    """Primal and dual values of W and of the multiplier, made feasible by scaling it down."""
    mult, values = problem.multiplicity, problem.values
    Z = problem.symmetric(dual[problem.rows, problem.cols])
    Z = Z / max(1.0, float(np.abs(np.linalg.eigvalsh(Z)).max()))
    if not lam:
        z = mult * Z[problem.rows, problem.cols]
        return NuclearOptimum(0.0, W, Z, float(z @ values), nuclear_norm(W))
    Z = lam / 2 * Z
    z = mult * Z[problem.rows, problem.cols]
    low = float(z @ values - (problem.n * z**2 / (4 * problem.counts)).sum())
    return NuclearOptimum(lam, W, Z, low, problem.loss(W) + lam / 2 * nuclear_norm(W))


def _nuclear_above(W: Array) -> Fraction:
    values, vectors = np.linalg.eigh(W)
    Q = np.vectorize(Fraction, otypes=[object])(vectors)
    v = np.array([Fraction(x) for x in values], dtype=object)
    rest = np.vectorize(Fraction, otypes=[object])(W) - (Q * v) @ Q.T
    squares = Fraction(-_down(-sum((x * x for x in rest.ravel()), Fraction(0))))
    root = Fraction(math.sqrt(len(W) * squares)) * (1 + Fraction(1, 2**50))
    return sum(((abs(x) * (q @ q)) for x, q in zip(v, Q.T, strict=True)), root)


def _down(value: Fraction) -> float:
    """The largest float found that is at most a fraction."""
    guess = float(value)
    while Fraction(guess) > value:
        guess = math.nextafter(guess, -math.inf)
    return guess
