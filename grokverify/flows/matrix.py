"""Gradient flow of symmetric matrix completion by ``W = U U' - V V'``, reduced exactly.

With ``L = 1/n sum_k (W_k - y_k)^2 + lambda/2 (|U|^2 + |V|^2)`` (Lyu et al., eq. 5) and G the
symmetric gradient of the first term in W, ``U' = -(2G + lambda) U`` and ``V' = (2G - lambda) V``,
so that V'U (transposed V) decays like ``e^(-2 lambda t)``. From U = V = alpha I therefore
``V = eps^2 U^-T`` with ``eps = alpha e^(-lambda t)``, and with ``K = log(U U' / eps^2)``

    W = 2 eps^2 sinh K,     dK/dtau = -4/lambda psi(ad_K) G,     psi(x) = x/2 coth(x/2),

in time tau = lambda t: in the eigenbasis of K, psi multiplies entry (a, b) of G by psi(k_a - k_b).
Nothing cancels while eps is large, and nothing grows faster than tau once it is small. As lambda
and 1/alpha tend to 0 there remains one curve in ``sigma = tau - log alpha``: the observed entries
stay fitted, which fixes G / lambda. Cost: one eigendecomposition of d x d a step; for the limit
curve a Cholesky factorisation in the number of observed entries as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import cho_factor, cho_solve

from grokverify.completion import Completion
from grokverify.margins import Array, SolverFailed

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class MatrixPoint:
    """One point of the flow.

    Args:
        tau: lambda t; NaN on the limit curve, which has only sigma = -log eps.
        log_eps: log alpha - tau.
        K: (d, d) symmetric.
        evaluations: right-hand sides that the whole integration took.
    """

    tau: float
    log_eps: float
    K: Array
    evaluations: int

    @cached_property
    def W(self) -> Array:
        """(d, d) the matrix that the model holds."""
        values, vectors = np.linalg.eigh(self.K)
        return np.asarray(2 * (vectors * _scaled_sinh(values, self.log_eps)) @ vectors.T)

    @property
    def norm2(self) -> float:
        """``|U|^2 + |V|^2``, which is at least the nuclear norm of W."""
        k = np.asarray(np.linalg.eigvalsh(self.K), dtype=np.float64)
        return float(2 * _scaled_cosh(k, self.log_eps).sum())


def matrix_flow(
    problem: Completion, alpha: float, lam: float, taus: Sequence[float], *, rtol: float = 1e-10
) -> list[MatrixPoint]:
    """The flow from U = V = alpha I at increasing values of tau = lambda t.

    Args:
        problem: what is observed.
        alpha, lam: scale of the start and weight decay, both positive.
        taus: where to report it; the flow starts at 0.
        rtol: relative tolerance of the integrator (LSODA).

    Raises:
        ValueError: alpha, lambda or the times are out of range, or alpha^2 / (n lambda) is so
            large that rounding of the residuals rules (then use ``limit_flow``).
        SolverFailed: the integrator stops early.
    """
    grid = _times(taus, 0.0)
    if not (0 < alpha < math.inf and 0 < lam < math.inf):
        raise ValueError(f"alpha = {alpha} and lambda = {lam} must be positive and finite.")
    stiffness = 16 * alpha**2 / (problem.n * lam) if alpha < 1e150 else math.inf
    if not stiffness < 1e13:
        raise ValueError(
            f"alpha = {alpha:.3g} with lambda = {lam:.3g} and n = {problem.n:g} makes residuals "
            f"relax {stiffness:.2g} times faster than the weights decay: in double precision they "
            "are noise. Use limit_flow(), which needs neither, with sigma = lambda t - log alpha."
        )
    upper, place = _packing(problem.d)
    unit = np.array([problem.symmetric(e) for e in np.eye(len(problem.rows))])
    # G = sum_k g_k E_k, and g_k = share_k (E_k . W) / 2 + constant
    share = 2 * problem.counts / problem.n / problem.multiplicity**2
    twice = np.where(upper[0] == upper[1], 1.0, 2.0)

    def jacobian(tau: float, h: Array) -> Array:
        """The stiff part: how the residuals answer, with psi and the eigenbasis held fixed."""
        e2 = alpha**2 * math.exp(-2 * tau)
        values, vectors = np.linalg.eigh(h[place] / (2 * (e2 + 1)))
        turned = vectors.T @ unit @ vectors
        push = vectors @ (_psi_factor(values) * turned) @ vectors.T
        pull = vectors @ (_slope_factor(values, math.log(alpha) - tau) * turned) @ vectors.T
        left, right = push[:, upper[0], upper[1]], pull[:, upper[0], upper[1]] * twice
        J = -(4 / lam) * (left.T * share) @ right
        J[np.diag_indices(len(J))] -= 2 * e2 / (e2 + 1)
        return np.asarray(J)

    def velocity(tau: float, h: Array) -> Array:
        e2 = alpha**2 * math.exp(-2 * tau)  # h = 2 (eps^2 + 1) K: about W early and 2 K late
        values, vectors = np.linalg.eigh(h[place] / (2 * (e2 + 1)))
        W = 2 * (vectors * _scaled_sinh(values, math.log(alpha) - tau)) @ vectors.T
        pushed = _psi(values, vectors, problem.gradient(W))
        return np.asarray(-(8 / lam) * (e2 + 1) * pushed[upper] - 2 * e2 / (e2 + 1) * h)

    run = solve_ivp(
        velocity,
        (0.0, float(grid[-1])),
        np.zeros(len(upper[0])),
        method="LSODA",
        jac=jacobian,
        t_eval=grid,
        rtol=rtol,
        atol=1e-3 * rtol * max(1.0, float(np.abs(problem.values).max())),
    )
    _finished(run, f"the flow at alpha = {alpha:.3g}, lambda = {lam:.3g}", "tau", grid[-1])
    points = []
    for tau, h in zip(run.t, run.y.T, strict=True):
        log_eps = math.log(alpha) - tau
        points.append(
            MatrixPoint(tau, log_eps, h[place] / (2 * (math.exp(2 * log_eps) + 1)), run.nfev)
        )
    return points


def limit_flow(
    problem: Completion,
    sigmas: Sequence[float],
    *,
    rtol: float = 1e-9,
    evaluations: int = 20_000,
) -> list[MatrixPoint]:
    """The limit of the flow as lambda and 1/alpha tend to 0, at values of ``tau - log alpha``.

    The observed entries equal their values, and ``dK/dsigma = -2 psi(ad_K) Gamma`` where Gamma,
    the limit of 2 G / lambda, vanishes off the observed entries and on them solves
    ``(Gamma H + H Gamma) = -2 y / eps^2``, H = 2 cosh K. It starts from the first terms of its
    expansion in eps^-2: ``K = X / (2 eps^2) - P(X^3) / (48 eps^6)``, where X holds the observed
    entries and zeros, and P keeps observed entries.

    Args:
        problem: what is observed.
        sigmas: where to report it, increasing.
        rtol: relative tolerance of the integrator (LSODA).
        evaluations: how many right-hand sides at most.

    Raises:
        ValueError: the values do not increase.
        SolverFailed: the integrator stops early, as it does beyond sigma of about 10, where the
            observed entries no longer determine Gamma in double precision.
    """
    X = problem.observed()
    size = float(np.linalg.norm(X, 2))
    if size == 0:
        raise ValueError("every observed entry is 0, and so is the whole flow.")
    first = 0.5 * math.log(1e-3 / size)  # there |X| / eps^2 = 1e-3
    grid = _times(sigmas, -math.inf)
    start = min(first, float(grid[0]) - 1)
    z = math.exp(2 * start)
    cubic = np.where(problem.mask(), X @ X @ X, 0.0)
    upper, place = _packing(problem.d)
    solve, asked = _Fitted(problem), 0

    def velocity(sigma: float, k: Array) -> Array:  # k = (1 + eps^2) K
        nonlocal asked
        asked += 1
        if asked > evaluations:
            raise SolverFailed(
                f"the limit flow took {evaluations} evaluations to reach sigma = {sigma:.4g} of "
                f"{grid[-1]:.4g}. Beyond about 8 rounding decides: stop earlier."
            )
        e2 = math.exp(-2 * sigma)
        values, vectors = np.linalg.eigh(k[place] / (1 + e2))
        gamma = solve(values, vectors, sigma)
        pushed = _psi(values, vectors, gamma)[upper]
        return np.asarray(-2 * (1 + e2) * pushed - 2 * e2 / (1 + e2) * k)

    run = solve_ivp(
        velocity,
        (start, float(grid[-1])),
        (1 + 1 / z) * (z * X / 2 - z**3 * cubic / 48)[upper],
        method="LSODA",
        t_eval=grid,
        rtol=rtol,
        atol=1e-2 * rtol * size,
    )
    _finished(run, "the limit flow", "sigma", grid[-1])
    return [
        MatrixPoint(math.nan, -s, k[place] / (1 + math.exp(-2 * s)), run.nfev)
        for s, k in zip(run.t, run.y.T, strict=True)
    ]


class _Fitted:
    """Gamma on the observed entries such that ``Gamma H + H Gamma`` takes given values there."""

    def __init__(self, problem: Completion) -> None:
        i, j, m = problem.rows, problem.cols, len(problem.rows)
        self.problem = problem
        parts: list[tuple[Indices, Indices, Indices, Indices]] = []
        for own, other in ((i, j), (j, i)):  # entry (own, other) of E_l H + H E_l
            for a, b in ((i, j), (j, i)):  # E_l has ones at (a, b) and (b, a)
                k, at = np.nonzero(own[:, None] == a[None, :])
                keep = (i[at] != j[at]) | (a is i)  # a diagonal E_l has one entry only
                k, at = k[keep], at[keep]
                parts.append((k, at, b[at], other[k]))
        k, at, p, q = (np.concatenate([part[c] for part in parts]) for c in range(4))
        self.place, self.p, self.q, self.m = k * m + at, p, q, m

    def __call__(self, values: Array, vectors: Array, sigma: float) -> Array:
        """Solve with H = 2 cosh K times eps^2 on the left and -2 y on the right."""
        problem, m = self.problem, self.m
        H = (vectors * (2 * _scaled_cosh(values, -sigma))) @ vectors.T
        entries: Array = np.bincount(self.place, H[self.p, self.q], m * m).astype(np.float64)
        A = entries.reshape(m, m) * problem.multiplicity[:, None]  # symmetric now
        try:
            g = cho_solve(
                cho_factor(A, check_finite=False), -2 * problem.values * problem.multiplicity
            )
        except np.linalg.LinAlgError as e:
            raise SolverFailed(
                f"at sigma = {sigma:.3g} the {m} observed entries no longer determine the limit "
                f"flow in double precision ({e}). Stop earlier: e^(-2 sigma) is the weight that "
                "the start still has."
            ) from None
        return problem.symmetric(g)


def factor_flow(
    problem: Completion,
    U: Any,
    V: Any,
    lam: float,
    taus: Sequence[float],
    *,
    rtol: float = 1e-9,
) -> list[tuple[Array, Array]]:
    """The flow of the factors themselves, from any start, at times tau = lambda t.

    Args:
        problem: what is observed.
        U, V: (d, d) the start.
        lam: weight decay. taus: where to report it.
        rtol: relative tolerance of the integrator (LSODA with the exact Jacobian).

    Raises:
        SolverFailed: the integrator stops early.
    """
    d, grid = problem.d, _times(taus, 0.0)
    start = np.concatenate([np.ravel(U), np.ravel(V)]).astype(np.float64)
    eye = np.eye(d)

    def split(x: Array) -> tuple[Array, Array, Array]:
        A, B = x[: d * d].reshape(d, d), x[d * d :].reshape(d, d)
        return A, B, problem.gradient(A @ A.T - B @ B.T)

    def velocity(_: float, x: Array) -> Array:
        A, B, G = split(x)
        return np.concatenate([(-2 / lam * (G @ A)).ravel(), (2 / lam * (G @ B)).ravel()]) - x

    def jacobian(_: float, x: Array) -> Array:
        A, B, G = split(x)
        still = np.kron(G, eye)
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
        J[: d * d, : d * d] -= 2 / lam * still
        J[d * d :, d * d :] += 2 / lam * still
        return np.asarray(J - np.eye(2 * d * d))

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
    _finished(run, f"the flow of the factors at lambda = {lam:.3g}", "tau", grid[-1])
    return [(x[: d * d].reshape(d, d), x[d * d :].reshape(d, d)) for x in run.y.T]


def _psi(values: Array, vectors: Array, G: Array) -> Array:
    """``psi(ad_K) G`` from the eigendecomposition of K."""
    return np.asarray(vectors @ (_psi_factor(values) * (vectors.T @ G @ vectors)) @ vectors.T)


def _psi_factor(values: Array) -> Array:
    half = (values[:, None] - values[None, :]) / 2
    small = np.abs(half) < 1e-4
    return np.where(small, 1 + half**2 / 3, half / np.tanh(np.where(small, 1.0, half)))


def _slope_factor(values: Array, log_eps: float) -> Array:
    """Divided differences of ``2 eps^2 sinh``: the derivative of W in K, in the eigenbasis of K."""
    half = (values[:, None] - values[None, :]) / 2
    small = np.abs(half) < 1e-4
    ratio = np.where(small, 1 + half**2 / 6, np.sinh(half) / np.where(small, 1.0, half))
    middle = (values[:, None] + values[None, :]) / 2
    return np.asarray(2 * _scaled_cosh(middle, log_eps) * ratio)


def _scaled_sinh(k: Array, log_eps: float) -> Array:
    """``eps^2 sinh k`` without overflow in either factor."""
    rest = np.exp(2 * log_eps + np.abs(k)) * -np.expm1(-2 * np.abs(k)) / 2
    return np.asarray(np.sign(k) * rest)


def _scaled_cosh(k: Array, log_eps: float) -> Array:
    return np.asarray(np.exp(2 * log_eps + np.abs(k)) * (1 + np.exp(-2 * np.abs(k))) / 2)


def _packing(d: int) -> tuple[tuple[Any, ...], Indices]:
    """Indices of the upper triangle, and for each entry of a symmetric matrix its place there."""
    upper = np.triu_indices(d)
    place = np.zeros((d, d), dtype=np.intp)
    place[upper] = np.arange(len(upper[0]))
    return upper, np.maximum(place, place.T)


def _times(values: Sequence[float], least: float) -> Array:
    grid = np.asarray(values, dtype=np.float64)
    ordered = grid.ndim == 1 and grid.size > 0 and bool((np.diff(grid) > 0).all())
    if not ordered or not np.isfinite(grid).all() or grid[0] < least:
        raise ValueError(
            f"times must be finite and increase from {least:g}; got {grid.ravel()[:4].tolist()}..."
        )
    return grid


def _finished(run: Any, what: str, clock: str, end: float) -> None:
    if run.status != 0 or not np.isfinite(run.y).all():
        raise SolverFailed(
            f"{what} stopped before {clock} = {end:.4g}: {run.message} Ask for an earlier end, a "
            "smaller alpha or a looser rtol."
        )
