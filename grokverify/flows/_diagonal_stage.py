"""The integration of one stage of the reduced flow of diagonal nets; see ``flows.diagonal``."""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy.integrate import solve_ivp

from grokverify.flows._clock import Clock
from grokverify.flows.diagonal_net import DiagonalNet, Square
from grokverify.margins import Array, SolverFailed, inseparable

EVALUATIONS = 20_000  # an honest run takes a few thousand
LINEAR = 1e-8  # phi_L(y) = y to double precision below: the next term is at most y^3 / 4


def pull(net: DiagonalNet, q: Array, log_factor: float) -> tuple[Array, Array]:
    """``e^log_factor r(q)`` and its derivative in q."""
    q = np.asarray(q, dtype=np.float64)
    if isinstance(net.loss, Square):
        gain = 2 * math.exp(log_factor)
        return gain * (net.loss.y - q), np.full(len(q), -gain)
    rate = np.exp(np.minimum(log_factor + net.loss.slope(q), 300.0))
    return rate, rate * net.loss.bend(q)


class Stage:
    """One stage from ``tau = start``: of p while eps > 1 (``scaled``), of rho afterwards.

    Deep in the kernel regime the net is linear in p to double precision, and its outputs are
    ``X X' p``: n^2 operations in place of 2 n d.
    """

    def __init__(self, net: DiagonalNet, start: float, *, scaled: bool) -> None:
        self.net, self.scaled, self.blocks = net, scaled, _blocks(net.X)
        self.size = max(float(np.einsum("ij,ij->i", net.X, net.X).max()), 1e-300)
        first = net.log_gain(start) + math.log(self.size) if start == 0 else 0.0
        # the late stage converges as it goes; 1 and 0.3 take the fewest right-hand sides
        self.clock = Clock(start, max(first, 0.0), 1.0 if scaled else 0.3)
        self.evaluations = self.jacobians = 0
        self.reach = max(1.0, net.log_gain(start))  # of the margins
        if isinstance(net.loss, Square):
            self.reach = max(float(np.abs(net.loss.y).max()), 1e-300)
        self.kernel: Array | None = None
        if scaled and net.depth * net.log_alpha > -math.log(LINEAR):
            self.kernel = sum((c.T @ c for c in self.blocks), np.zeros((len(net.X),) * 2))
            self.widest = max(float(np.sqrt(np.square(c).sum(1).max())) for c in self.blocks)

    def outputs(self, log_eps: float, p: Array, *, bend: bool) -> tuple[Array, Array]:
        """q and, with ``bend``, its Jacobian in p (or rho)."""
        if self.kernel is not None:
            y = math.exp(-self.net.depth * log_eps) * self.widest * math.sqrt(float(p @ p))
            if y < LINEAR:  # a bound of |y_k|, by Cauchy and Schwarz
                return self.kernel @ p, self.kernel
        q, thin = np.zeros(len(p)), p.astype(self.net.X.dtype)
        K = np.zeros((len(p), len(p)) if bend else (1, 1))
        for columns in self.blocks:  # each is read once and stays in the cache for its second use
            w, slope = self.net.weights(log_eps, columns @ thin)
            q += w.astype(thin.dtype) @ columns
            if bend:
                K += (columns.T * slope.astype(thin.dtype)) @ columns
        return q, K

    def look(self, sigma: float, p: Array, *, bend: bool) -> tuple[float, Array, Array]:
        """The speed of the decay, the pull on p and, with ``bend``, the Jacobian of that."""
        net = self.net
        tau, log_speed = self.clock.read(sigma)
        log_eps = net.log_alpha - tau
        q, K = self.outputs(log_eps, p, bend=bend)
        factor = net.log_gain(tau) - net.depth * min(log_eps, 0.0) + log_speed
        rate, change = pull(net, q, factor)
        fade = net.depth * math.exp(log_speed) if self.scaled else 0.0
        return fade, rate, change[:, None] * K if bend else K

    def velocity(self, sigma: float, p: Array) -> Array:
        self.evaluations += 1
        if self.evaluations > EVALUATIONS:
            raise SolverFailed(self.stopped(sigma, f"{EVALUATIONS} evaluations spent."))
        fade, rate, _ = self.look(sigma, p, bend=False)
        return rate - fade * p

    def jacobian(self, sigma: float, p: Array) -> Array:
        self.jacobians += 1
        fade, _, J = self.look(sigma, p, bend=True)
        return J - fade * np.eye(len(p))

    def solve(self, state: Array, times: Array, rtol: float) -> Array:
        """(times, n) states at increasing values of tau.

        LSODA is quick, but may stay too long with its method for equations that are not stiff,
        often so where the loss is quadratic; BDF then takes over, with a budget of its own.
        """
        clock, why = self.clock.at(times), ""
        for method in ("BDF",) if isinstance(self.net.loss, Square) else ("LSODA", "BDF"):
            self.evaluations = 0
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")  # failures are handled here
                    run = solve_ivp(
                        self.velocity,
                        (0.0, max(float(clock[-1]), 1e-300)),
                        state,
                        method=method,
                        jac=self.jacobian,
                        t_eval=clock,
                        rtol=rtol,
                        atol=1e-2 * rtol * self.reach / self.size,  # p is about q / |x|^2
                    )
            except SolverFailed as failure:
                why = str(failure)
                continue
            if run.status == 0 and run.y.shape[1] == len(clock) and np.isfinite(run.y).all():
                return np.asarray(run.y.T)
            why = self.stopped(run.t[-1] if len(run.t) else 0.0, run.message)
        cause = "" if isinstance(self.net.loss, Square) else inseparable(self.net.X)
        usual = "Rows of very different length, or a tolerance near rounding, do that; rescale the "
        raise SolverFailed(f"{why} {cause or usual + 'data or loosen rtol.'}")

    def stopped(self, sigma: float, why: str) -> str:
        net = self.net
        return (
            f"the flow of a diagonal net of depth {net.depth} on {len(net.X)} samples stopped at "
            f"lambda t = {self.clock.read(sigma)[0]:.6g} (log alpha = {net.log_alpha:.4g}, "
            f"log lambda = {net.log_lam:.4g}): {why}"
        )


def _blocks(X: Array) -> list[Array]:
    """The columns of X as the rows of contiguous matrices of about 2 MiB."""
    size = max(1, 2**21 // (X.itemsize * len(X)))
    return [np.ascontiguousarray(X[:, k : k + size].T) for k in range(0, X.shape[1], size)]
