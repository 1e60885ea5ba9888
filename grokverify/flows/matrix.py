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
from grokverify.flows._grid import finished, times
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
        problem, taus: what is observed, and where to report; the flow starts at tau = 0.
        alpha, lam: scale of the start and weight decay, both positive.
        rtol: relative tolerance of the integrator (LSODA).

    Raises:
        ValueError: alpha, lambda or the times are out of range, or alpha^2 / (n lambda) is so
            large that rounding of the residuals rules (then use ``limit_flow``).
        SolverFailed: the integrator stops early.
    """
    grid = times(taus, 0.0)
    if not (0 < alpha < math.inf and 0 < lam < math.inf):
        raise ValueError(f"alpha = {alpha} and lambda = {lam} must be positive and finite.")
    stiffness = 16 * alpha**2 / (problem.n * lam) if alpha < 1e150 else math.inf
    if not stiffness < 1e13:
        raise ValueError(
            f"alpha = {alpha:.3g} with lambda = {lam:.3g} and n = {problem.n:g} makes residuals "
            f"relax {stiffness:.2g} times faster than the weights decay: in double precision they "
            "are noise. Use limit_flow(), which needs neither, with sigma = lambda t - log alpha."
        )
    flow = _Reduced(problem, alpha, lam)
    run = solve_ivp(
        flow.velocity,
        (0.0, float(grid[-1])),
        np.zeros(len(flow.upper[0])),
        method="LSODA",
        jac=flow.jacobian,
        t_eval=grid,
        rtol=rtol,
        atol=1e-3 * rtol * max(1.0, float(np.abs(problem.values).max())),
    )
    finished(run, f"the flow at alpha = {alpha:.3g}, lambda = {lam:.3g}", "tau", grid[-1])
    points = []
    for tau, h in zip(run.t, run.y.T, strict=True):
        log_eps = math.log(alpha) - tau
        K = h[flow.place] / (2 * (math.exp(2 * log_eps) + 1))
        points.append(MatrixPoint(tau, log_eps, K, run.nfev))
    return points


class _Reduced:
    """The equation of ``h = 2 (eps^2 + 1) K``, which is about W early and 2 K late."""

    def __init__(self, problem: Completion, alpha: float, lam: float) -> None:
        self.problem, self.alpha, self.lam = problem, alpha, lam
        self.upper, self.place = _packing(problem.d)
        self.unit = np.array([problem.symmetric(e) for e in np.eye(len(problem.rows))])
        # G = sum_k g_k E_k, and g_k = share_k (E_k . W) / 2 + constant
        self.share = 2 * problem.counts / problem.n / problem.multiplicity**2
        self.twice = np.where(self.upper[0] == self.upper[1], 1.0, 2.0)

    def _spectrum(self, tau: float, h: Array) -> tuple[float, Any, Any]:
        e2 = self.alpha**2 * math.exp(-2 * tau)
        return e2, *np.linalg.eigh(h[self.place] / (2 * (e2 + 1)))

    def velocity(self, tau: float, h: Array) -> Array:
        e2, values, vectors = self._spectrum(tau, h)
        W = 2 * (vectors * _scaled_sinh(values, math.log(self.alpha) - tau)) @ vectors.T
        pushed = _psi(values, vectors, self.problem.gradient(W))
        return np.asarray(-(8 / self.lam) * (e2 + 1) * pushed[self.upper] - 2 * e2 / (e2 + 1) * h)

    def jacobian(self, tau: float, h: Array) -> Array:
        """The stiff part: how the residuals answer, with psi and the eigenbasis held fixed."""
        e2, values, vectors = self._spectrum(tau, h)
        turned = vectors.T @ self.unit @ vectors
        slopes = _slope_factor(values, math.log(self.alpha) - tau)
        push = vectors @ (_psi_factor(values) * turned) @ vectors.T
        pull = vectors @ (slopes * turned) @ vectors.T
        i, j = self.upper
        J = -(4 / self.lam) * (push[:, i, j].T * self.share) @ (pull[:, i, j] * self.twice)
        J[np.diag_indices(len(J))] -= 2 * e2 / (e2 + 1)
        return np.asarray(J)


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
        problem, sigmas: what is observed, and where to report, increasing.
        rtol: relative tolerance of the integrator (LSODA).
        evaluations: how many right-hand sides at most.

    Raises:
        ValueError: the values do not increase.
        SolverFailed: the integrator stops early, as it does beyond sigma of about 10, where the
            observed entries no longer determine Gamma in double precision.
    """
    grid = times(sigmas, -math.inf)
    curve = _Limit(problem, evaluations, float(grid[-1]))
    start, k0 = curve.start(float(grid[0]))
    run = solve_ivp(
        curve.velocity,
        (start, float(grid[-1])),
        k0,
        method="LSODA",
        t_eval=grid,
        rtol=rtol,
        atol=1e-2 * rtol * curve.size,
    )
    finished(run, "the limit flow", "sigma", grid[-1])
    return [
        MatrixPoint(math.nan, -s, k[curve.place] / (1 + math.exp(-2 * s)), run.nfev)
        for s, k in zip(run.t, run.y.T, strict=True)
    ]


class _Limit:
    """The equation of ``k = (1 + eps^2) K`` on the limit curve."""

    def __init__(self, problem: Completion, evaluations: int, end: float) -> None:
        self.X = problem.observed()
        self.size = float(np.linalg.norm(self.X, 2))
        if self.size == 0:
            raise ValueError("every observed entry is 0, and so is the whole flow.")
        self.upper, self.place = _packing(problem.d)
        self.problem, self.solve = problem, _Fitted(problem)
        self.left, self.allowed, self.end = evaluations, evaluations, end

    def start(self, first: float) -> tuple[float, Array]:
        """A sigma below the first where |X| / eps^2 is at most 1e-3, and k there."""
        sigma = min(0.5 * math.log(1e-3 / self.size), first - 1)
        z = math.exp(2 * sigma)
        cubic = np.where(self.problem.mask(), self.X @ self.X @ self.X, 0.0)
        return sigma, ((1 + 1 / z) * (z * self.X / 2 - z**3 * cubic / 48))[self.upper]

    def velocity(self, sigma: float, k: Array) -> Array:
        self.left -= 1
        if self.left < 0:
            raise SolverFailed(
                f"the limit flow took {self.allowed} evaluations to reach sigma = {sigma:.4g} of "
                f"{self.end:.4g}. Beyond about 8 rounding decides: stop earlier."
            )
        e2 = math.exp(-2 * sigma)
        values, vectors = np.linalg.eigh(k[self.place] / (1 + e2))
        pushed = _psi(values, vectors, self.solve(values, vectors, sigma))[self.upper]
        return np.asarray(-2 * (1 + e2) * pushed - 2 * e2 / (1 + e2) * k)


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


def _psi(values: Array, vectors: Array, G: Array) -> Array:
    """``psi(ad_K) G`` from the eigendecomposition of K."""
    return np.asarray(vectors @ (_psi_factor(values) * (vectors.T @ G @ vectors)) @ vectors.T)


def _psi_factor(values: Array) -> Array:
    half = (values[:, None] - values[None, :]) / 2
    small = np.abs(half) < 1e-4
    return np.where(small, 1 + half**2 / 3, half / np.tanh(np.where(small, 1.0, half)))


def _slope_factor(values: Array, log_eps: float) -> Array:
    """Divided differences of ``2 eps^2 sinh``: the derivative of W in K, in the eigenbasis of K."""
    gap = values[:, None] - values[None, :]
    small = np.abs(gap) < 1e-4
    high = 2 * _scaled_sinh(values, log_eps)
    middle = (values[:, None] + values[None, :]) / 2
    ratio = (high[:, None] - high[None, :]) / np.where(small, 1.0, gap)
    return np.where(small, 2 * _scaled_cosh(middle, log_eps), ratio)


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
