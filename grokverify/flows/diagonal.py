"""Gradient flow with weight decay on diagonal linear nets of any depth, reduced to n equations.

``f(theta; x) = sum_k (u_k^L - v_k^L) x_k`` starts at u = v = alpha (1, ..., 1) and follows minus
the gradient of ``1/n sum_i l(q_i) + lambda/2 |theta|^2``, q = X w, w = u^L - v^L (Lyu et al. 2024,
Sect. 3.2.3, who treat L = 2). With ``eps = alpha e^(-lambda t)`` two things are conserved exactly,

    L = 2:  u_k v_k = eps^2,          L > 2:  u_k^(2-L) + v_k^(2-L) = 2 eps^(2-L),

whence ``w = eps^L phi_L(X' rho)`` with ``phi_2(y) = 2 sinh(y/2)``, and for L > 2, k = (L-2) / (2L)
and m = L / (L-2), ``phi_L(y) = (1 - k y)^-m - (1 + k y)^-m``; phi_L(y) = y + O(y^3). What is left,

    d rho/d tau = 2 L^2 / (n lambda) eps^(L-2) r(q),    tau = lambda t,  r = -l'(q),

is solved for ``s = rho (1 + eps^L)``, which is p = eps^L rho while eps is large and the net nearly
linear in p, and rho in the end: one integration, since each restart inside of the transition costs
hundreds of right-hand sides. The start, a layer of width lambda / alpha^(2L-2), takes a logarithmic
clock that turns linear behind it. Everything that overflows stays in exponents: alpha = 1e128 costs
about twice what alpha = 1e4 does, for sharper kinks. Cost: two products with X for each right-hand
side, n^2 d for each of the few Jacobians; n^2 for either where the net is linear in doubles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from grokverify.flows._diagonal_stage import Stage, pull
from grokverify.flows.diagonal_net import DiagonalNet, Square
from grokverify.margin_paths import EXPONENTIAL, LOGISTIC
from grokverify.margins import Array, SolverFailed

__all__ = [
    "EXPONENTIAL",
    "LOGISTIC",
    "DiagonalNet",
    "DiagonalPoint",
    "Square",
    "Trajectory",
    "diagonal_flow",
]


@dataclass(frozen=True, slots=True, eq=False)
class DiagonalPoint:
    """The flow at one time.

    Args:
        tau: lambda t; log_eps: log(alpha) - tau.
        y: (d,) X' rho, with w = eps^L phi_L(y).
        w: (d,) effective weight; q: (n,) outputs X w (margins in classification).
        pull: (n,) ``-l'(q_i) / (n lambda)``, the multipliers of the late problem.
        dual: (n,) p = eps^L rho; in the kernel regime w is nearly X' p.
    """

    tau: float
    log_eps: float
    y: Array
    w: Array
    q: Array
    pull: Array
    dual: Array
    net: DiagonalNet = field(repr=False)

    @property
    def theta(self) -> Array:
        """(2d,) the parameters (u, v)."""
        return self.net.parameters(self.log_eps, self.y)

    @property
    def h(self) -> Array:
        """(2d,) ``eps^L (theta / eps - (1, 1))``, App. C; also where theta / eps rounds to 1."""
        L, y = self.net.depth, np.concatenate([self.y, -self.y])
        delta = np.expm1(y / 4) if L == 2 else np.expm1(-np.log1p((2 - L) / (2 * L) * y) / (L - 2))
        tiny = np.abs(y) < 1e-200  # where delta = y / (2 L), and y underflows in the end
        z = self.net.X.T @ self.dual
        share = np.where(tiny, 1 / (2 * L), delta / np.where(tiny, 1.0, y))
        return np.asarray(share * np.concatenate([z, -z]))

    def kkt(self) -> float:
        """``|theta - sum_i mu_i grad q_i| / |theta|``, mu = pull: stationarity for (R1), (R2)."""
        theta, L = self.theta, self.net.depth
        d = len(self.w)
        s = L * (self.net.X.T @ self.pull)
        power = theta ** (L - 1)
        miss = theta - np.concatenate([s * power[:d], -s * power[d:]])
        return float(np.linalg.norm(miss) / np.linalg.norm(theta))


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Points at the requested times, computed one by one; they are large where d is."""

    net: DiagonalNet
    taus: Array
    duals: Array  # (times, n): s = rho (1 + eps^L)
    evaluations: int
    jacobians: int

    def __len__(self) -> int:
        return len(self.taus)

    def weights(self) -> Array:
        """(times, d) the effective weights at all times, in one pass over the data."""
        z = self.duals.astype(self.net.X.dtype) @ self.net.X
        scales = self.net.log_alpha - self.taus
        return np.array([self.net.weights(float(s), row) for s, row in zip(scales, z, strict=True)])

    def __iter__(self) -> Iterator[DiagonalPoint]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, k: int) -> DiagonalPoint:
        net, tau = self.net, float(self.taus[k])
        log_eps = net.log_alpha - tau
        z = self.duals[k].astype(net.X.dtype) @ net.X
        w = net.weights(log_eps, z)
        q = net.X @ w.astype(net.X.dtype)
        rate = pull(net, q, -math.log(len(q)) - net.log_lam)
        low, high = net.shares(log_eps)
        y, dual = math.exp(-low) * z, math.exp(-high) * self.duals[k]
        return DiagonalPoint(tau, log_eps, y, w, q, rate, dual, net)


def diagonal_flow(net: DiagonalNet, taus: Sequence[float], *, rtol: float = 1e-8) -> Trajectory:
    """The flow at increasing values of ``tau = lambda t``, from tau = 0.

    Raises:
        ValueError: the times are negative or do not increase.
        SolverFailed: the integrator stops, or at depth > 2 rounding decides the large weights.
    """
    times = np.asarray(taus, dtype=np.float64)
    if times.ndim != 1 or not len(times) or times[0] < 0 or (np.diff(times) <= 0).any():
        raise ValueError(f"times lambda t must increase from 0; got {times[:3].tolist()}...")
    stage = Stage(net)
    run = Trajectory(net, times, stage.solve(times, rtol), stage.evaluations, stage.jacobians)
    _trusted(run, rtol)
    return run


def _trusted(run: Trajectory, rtol: float) -> None:
    """For L > 2 the room ``1 - k |y|`` of the largest weight must stand clear of the tolerance."""
    L = run.net.depth
    log_eps = run.net.log_alpha - float(run.taus[-1])
    if L == 2 or log_eps >= 0:
        return
    y = math.exp(-run.net.shares(log_eps)[0]) * (run.net.X.T @ run.duals[-1])
    room = float(1 - (L - 2) / (2 * L) * np.abs(y).max())
    if room < 1e3 * rtol:
        raise SolverFailed(
            f"at depth {L} and eps = e^{log_eps:.4g} the largest weight hangs on the difference "
            f"{room:.2g} of numbers near 1, too near the tolerance {rtol:g}. Stop at a "
            "smaller lambda t, or tighten rtol."
        )
