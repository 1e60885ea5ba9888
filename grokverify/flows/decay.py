"""Gradient flow with weight decay on any smooth homogeneous net, from an initial scale of any size.

With ``eps = alpha e^(-lambda t)``, ``theta = eps (theta_bar + delta)``, ``h = eps^L delta`` and
``tau = lambda t`` (Lyu et al. 2024, App. C), for f(theta_bar) = 0,

    dh/d tau = eps^(2L-2) / lambda  1/n sum_i r_i grad q_i(theta_bar + delta) - L h.

While eps > 1 the integrator sees h, which stays of the size of the outputs however large alpha is,
and the net supplies ``q(theta_bar + delta) - q(theta_bar)`` without cancellation; afterwards it
sees theta itself. Cost: one stiff integration in as many dimensions as there are parameters.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from grokverify.flows._grid import in_range
from grokverify.margin_paths import EXPONENTIAL
from grokverify.margins import Array, SolverFailed, rows

EVALUATIONS = 200_000  # an honest run takes 5,000, or 110,000 at alpha = e^1000


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """A homogeneous net around a start with zero outputs.

    Args:
        name: for messages.
        degree: L.
        theta_bar: (P,) where the outputs vanish.
        rise: delta -> (n,) ``q(theta_bar + delta)``, exact for tiny delta as well.
        jacobian: theta -> (n, P) gradients of q at theta.
        outputs: (delta, x) -> f(theta_bar + delta; x) at other inputs.
        features: x -> (m, P) gradients of f(.; x) at theta_bar.
    """

    name: str
    degree: int
    theta_bar: Array
    rise: Callable[[Array], Array]
    jacobian: Callable[[Array], Array]
    outputs: Callable[[Array, Array], Array]
    features: Callable[[Array], Array]


def squares(x: Any, y: Any, v: Any, W: Any) -> Net:
    """``f(theta; x) = sum_j v_j (w_j . x)^2`` (degree 3), doubled with the sign of v flipped.

    theta = (v, w_1, ..., w_h) starts at the doubled units, so that f vanishes identically there
    (the symmetric start of Chizat et al. 2019).

    Args:
        x: (n, d) inputs; y: (n,) labels or ones.
        v: (m,) and W: (m, d) half of the units.
    """
    inputs, labels = rows(x), np.asarray(y, dtype=np.float64)
    half, d = np.asarray(W).shape
    h = 2 * half
    theta_bar = np.concatenate([v, -np.asarray(v), np.tile(np.asarray(W).ravel(), 2)])
    v0, W0 = theta_bar[:h], theta_bar[h:].reshape(h, d)

    def outputs(delta: Array, points: Array) -> Array:
        dv, z, dz = delta[:h], points @ W0.T, points @ delta[h:].reshape(h, d).T
        # (v0 + dv)(z + dz)^2 - v0 z^2, where sum v0 z^2 = 0
        return np.asarray((z + dz) ** 2 @ dv + (dz * (2 * z + dz)) @ v0)

    def gradients(theta: Array, points: Array) -> Array:
        z = points @ theta[h:].reshape(h, d).T
        inner = (2 * theta[:h] * z)[:, :, None] * points[:, None, :]
        return np.hstack([z**2, inner.reshape(len(points), -1)])

    return Net(
        f"quadratic net of width {h}",
        3,
        theta_bar,
        lambda delta: labels * outputs(delta, inputs),
        lambda theta: labels[:, None] * gradients(theta, inputs),
        outputs,
        lambda points: gradients(theta_bar, points),
    )


@dataclass(frozen=True, slots=True, eq=False)
class DecayPoint:
    """One time of the flow.

    Args:
        tau: lambda t; log_eps: log(alpha) - tau.
        h: (P,) ``eps^L delta``, which converges to the kernel solution in the kernel regime.
        q: (n,) margins (or outputs); pull: (n,) ``r_i / (n lambda)``.
        theta: (P,) parameters where they can be represented, else None (eps beyond 1e300).
    """

    tau: float
    log_eps: float
    h: Array
    q: Array
    pull: Array
    theta: Array | None
    net: Net

    def outputs(self, x: Array) -> Array:
        """f(theta; x) at inputs x of shape (m, d)."""
        L = self.net.degree
        if self.log_eps > 0:
            return _lifted(lambda delta: self.net.outputs(delta, x), self.h, L * self.log_eps)
        assert self.theta is not None
        return self.net.outputs(self.theta - self.net.theta_bar, x)

    def kkt(self) -> float:
        """``|theta - sum_i mu_i grad q_i| / |theta|`` with mu = pull.

        Raises:
            ValueError: theta is too large to be represented.
        """
        if self.theta is None:
            raise ValueError(f"theta of scale e^{self.log_eps:.4g} overflows; ask for a later tau.")
        miss = self.theta - self.net.jacobian(self.theta).T @ self.pull
        return float(np.linalg.norm(miss) / np.linalg.norm(self.theta))


def decayed_flow(
    net: Net,
    log_alpha: float,
    log_lam: float,
    taus: Sequence[float],
    *,
    loss: Any = EXPONENTIAL,
    rtol: float = 1e-8,
) -> list[DecayPoint]:
    """The flow from ``alpha theta_bar`` at increasing ``tau = lambda t``; alpha >= 1.

    Raises:
        ValueError: alpha < 1, a decay that is not positive, f(theta_bar) != 0, or wrong times.
        SolverFailed: the integrator stops.
    """
    times, n, L = (
        _times(net, log_alpha, log_lam, taus),
        len(net.rise(0 * net.theta_bar)),
        net.degree,
    )
    first = math.log(float(np.square(net.jacobian(net.theta_bar)).sum(1).max()))
    log_c = max(first - math.log(n) + (2 * L - 2) * log_alpha - log_lam, 0.0)

    def early(sigma: float, h: Array) -> Array:
        speed = sigma - log_c
        log_eps = log_alpha - math.exp(speed) + math.exp(-log_c)
        delta = math.exp(-L * log_eps) * h
        q = _lifted(net.rise, h, L * log_eps)
        rate = speed + (2 * L - 2) * log_eps - log_lam - math.log(n) + loss.slope(q)
        pull = np.exp(np.minimum(rate, 60.0))  # a trial step far off: large is enough
        return np.asarray(net.jacobian(net.theta_bar + delta).T @ pull - L * math.exp(speed) * h)

    def late(_: float, theta: Array) -> Array:
        q = net.rise(theta - net.theta_bar)
        pull = np.exp(np.minimum(loss.slope(q) - log_lam - math.log(n), 60.0))
        return np.asarray(net.jacobian(theta).T @ pull - theta)

    before = times[times <= log_alpha]
    after = times[times > log_alpha]
    clock = np.unique(np.append(before, log_alpha)) if len(after) else before
    points, h = [], 0 * net.theta_bar
    if len(clock):
        with np.errstate(divide="ignore"):
            sigma = np.logaddexp(0.0, log_c + np.log(clock))
        states = _solve(net, early, 0.0, sigma, h, rtol)
        h = states[-1]
        points = [
            _early_point(net, t, log_alpha, log_lam, s, loss)
            for t, s in zip(before, states, strict=False)
        ]
    if len(after):
        states = _solve(net, late, log_alpha, after, net.theta_bar + h, rtol)
        for t, theta in zip(after, states, strict=True):
            eps = math.exp(log_alpha - t)
            q = net.rise(theta - net.theta_bar)
            pull = np.exp(loss.slope(q) - log_lam - math.log(n))
            shift = eps**L * (theta / eps - net.theta_bar)
            points.append(DecayPoint(float(t), log_alpha - t, shift, q, pull, theta, net))
    return points


def _times(net: Net, log_alpha: float, log_lam: float, taus: Sequence[float]) -> Array:
    times = np.asarray(taus, dtype=np.float64)
    if not (math.isfinite(log_alpha) and math.isfinite(log_lam) and log_alpha >= 0):
        raise ValueError(
            f"decayed_flow() needs log alpha >= 0 and a finite log lambda, not {log_alpha} and "
            f"{log_lam}: alpha >= 1 and lambda > 0, given by their logarithms."
        )
    in_range(log_alpha, log_lam)
    if len(times) == 0 or times[0] < 0 or (np.diff(times) <= 0).any():
        raise ValueError(f"times lambda t must increase from 0; got {times[:3].tolist()}...")
    off = float(np.abs(net.rise(-net.theta_bar)).max())  # q(0) - q(theta_bar) = -q(theta_bar)
    if off > 1e-9 * float(np.abs(net.jacobian(net.theta_bar) @ np.abs(net.theta_bar)).max()):
        raise ValueError(
            f"the {net.name} starts with outputs up to {off:.3g}, not 0 (Assumption 3.2), "
            "and these grow like alpha^L. Double its units with the sign of the output flipped."
        )
    return times


def _early_point(
    net: Net, tau: float, log_alpha: float, log_lam: float, h: Array, loss: Any
) -> DecayPoint:
    log_eps, L = log_alpha - float(tau), net.degree
    q = _lifted(net.rise, h, L * log_eps)
    pull = np.exp(np.minimum(loss.slope(q) - log_lam - math.log(len(q)), 700.0))
    theta = None
    if log_eps < 690:
        theta = math.exp(log_eps) * (net.theta_bar + math.exp(-L * log_eps) * h)
    return DecayPoint(float(tau), log_eps, h, q, pull, theta, net)


def _lifted(function: Callable[[Array], Array], h: Array, scale: float) -> Array:
    """``e^scale f(e^-scale h)``, f(0) = 0; the derivative at 0 where e^-scale would underflow."""
    cut = min(scale, 300.0)
    return math.exp(cut) * function(math.exp(-cut) * h)


def _solve(
    net: Net,
    velocity: Callable[[float, Array], Array],
    start: float,
    clock: Array,
    y0: Array,
    rtol: float,
) -> Array:
    end, why, count = max(float(clock[-1]), start + 1e-12), "", 0

    def counted(t: float, y: Array) -> Array:
        nonlocal count
        count += 1
        if count > EVALUATIONS:
            raise SolverFailed(f"at {t:.6g} after {EVALUATIONS} evaluations")
        return velocity(t, y)

    for method in ("LSODA", "BDF"):  # the second where the first fails
        count = 0
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # failures are handled here
                run = solve_ivp(
                    counted,
                    (start, end),
                    y0,
                    method=method,
                    t_eval=clock,
                    rtol=rtol,
                    atol=1e-3 * rtol,
                )
        except SolverFailed as failure:
            why = str(failure)
            continue
        if run.status == 0 and run.y.shape[1] == len(clock) and np.isfinite(run.y).all():
            return np.asarray(run.y.T)
        why = f"at {run.t[-1] if len(run.t) else start:.6g}: {run.message}"
    raise SolverFailed(
        f"the flow of the {net.name} towards {end:.6g} in its clock stopped {why} Inputs of very "
        f"different length, data that it cannot separate, or a tolerance of {rtol:g} below "
        "rounding do that; rescale the inputs, loosen rtol or take a smaller alpha."
    )
