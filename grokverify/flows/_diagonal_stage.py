"""The integration of the reduced flow of diagonal nets; see ``flows.diagonal``."""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy.integrate import solve_ivp

from grokverify.flows._clock import Clock
from grokverify.flows.diagonal_net import DiagonalNet, Square
from grokverify.margins import Array, SolverFailed, inseparable

EVALUATIONS = 20_000  # an honest run takes a few thousand
LOOSE = 1e-4  # relative tolerance where errors are forgotten
LINEAR = 1e-8  # phi_L(y) = y to double precision below: the next term is at most y^3 / 4


def pull(net: DiagonalNet, q: Array, log_factor: float) -> Array:
    """``e^log_factor r(q)``."""
    if isinstance(net.loss, Square):
        return np.asarray(2 * math.exp(log_factor) * (net.loss.y - q))
    return np.asarray(np.exp(np.minimum(log_factor + net.loss.slope(q), 300.0)))


def bend(net: DiagonalNet, q: Array, log_factor: float) -> Array:
    """The derivative of that in q."""
    if isinstance(net.loss, Square):
        return np.full(len(q), -2 * math.exp(log_factor))
    return np.asarray(pull(net, q, log_factor) * net.loss.bend(q))


class Stage:
    """The integration of ``s = rho (1 + eps^L)`` from 0.

    With ``a = 1 + eps^-L``: ``ds/d tau = a 2 L^2 eps^(2L-2) / (n lambda) r(q) - L s / a``. Deep in
    the kernel regime the net is linear in s to double precision, and its outputs are
    ``X X' s / a``: n^2 operations in place of 2 n d.
    """

    def __init__(self, net: DiagonalNet) -> None:
        self.net, self.blocks = net, _blocks(net.X)
        self.size = max(float(np.einsum("ij,ij->i", net.X, net.X).max()), 1e-300)
        first = net.log_gain(0.0) + math.log(self.size)
        self.clock = Clock(0.0, max(first, 0.0), 0.5)  # this pace takes the fewest evaluations
        self.evaluations = self.jacobians = 0
        self.limit = EVALUATIONS
        self.reach = max(1.0, net.log_gain(0.0))  # of the margins
        if isinstance(net.loss, Square):
            self.reach = max(float(np.abs(net.loss.y).max()), 1e-300)
        self.kernel: Array | None = None
        if net.depth * net.log_alpha > -math.log(LINEAR):
            self.kernel = sum((c @ c.T for c in self.blocks), np.zeros((len(net.X),) * 2))
            self.widest = max(float(np.sqrt(np.square(c).sum(0).max())) for c in self.blocks)

    def linear(self, low: float, s: Array) -> bool:
        """Whether the net is linear in s, by a bound of |y_k| after Cauchy and Schwarz."""
        size = math.exp(-low) * math.sqrt(float(s @ s))
        return self.kernel is not None and size * self.widest < LINEAR

    def outputs(self, log_eps: float, s: Array, *, turn: bool = False) -> tuple[Array, Array]:
        """q = X w and, with ``turn``, dq/ds."""
        low, high = self.net.shares(log_eps)
        if self.kernel is not None and self.linear(low, s):
            fade = math.exp(-high)
            return fade * (self.kernel @ s), fade * self.kernel if turn else self.kernel
        thin, q = s.astype(self.net.X.dtype, copy=False), np.zeros(len(s))
        K = np.zeros((len(s), len(s)) if turn else (1, 1))
        for columns in self.blocks:  # each is read once and stays in the cache for its second use
            z = thin @ columns
            q += columns @ self.net.weights(log_eps, z).astype(thin.dtype, copy=False)
            if turn:
                slopes = self.net.slopes(log_eps, z).astype(thin.dtype, copy=False)
                K += (columns * slopes) @ columns.T
        return q, K

    def scales(self, sigma: float) -> tuple[float, float, float]:
        """log eps, the log of what multiplies r(q), and the rate at which s fades."""
        tau, log_speed = self.clock.read(sigma)
        log_eps = self.net.log_alpha - tau
        high = self.net.shares(log_eps)[1]
        factor = self.net.log_gain(tau) + high + log_speed
        return log_eps, factor, self.net.depth * math.exp(log_speed - high)

    def velocity(self, sigma: float, s: Array) -> Array:
        self.evaluations += 1
        if self.evaluations > self.limit:
            raise SolverFailed(self.stopped(sigma, f"{EVALUATIONS} evaluations spent."))
        log_eps, factor, fade = self.scales(sigma)
        rate = pull(self.net, self.outputs(log_eps, s)[0], factor)
        rate -= fade * s
        return rate

    def jacobian(self, sigma: float, s: Array) -> Array:
        self.jacobians += 1
        log_eps, factor, fade = self.scales(sigma)
        q, K = self.outputs(log_eps, s, turn=True)
        J = bend(self.net, q, factor)[:, None] * K
        J.flat[:: len(s) + 1] -= fade
        return np.asarray(J)

    def solve(self, times: Array, rtol: float) -> Array:
        """(times, n) values of s at increasing values of tau.

        While the net is linear any two solutions approach each other like ``e^(-L tau)`` in the
        norm of ``X X'``, since r(q) falls in q. What comes long before the first time asked for is
        thus forgotten, and is integrated loosely: at alpha = 1e128 a third of all evaluations.
        """
        net, state, start = self.net, np.zeros(len(self.net.X)), 0.0
        wait = math.log(max(1.0, LOOSE / (1e-2 * rtol))) / net.depth
        quiet = min(float(times[0]), net.log_alpha - 6.0) - wait
        if quiet > 1.0:
            state, start = self.run(state, 0.0, np.array([quiet]), LOOSE)[-1], quiet
        return self.run(state, start, times, rtol)

    def run(self, state: Array, start: float, times: Array, rtol: float) -> Array:
        """The same from a state at tau = start.

        LSODA is quick, but may stay too long with its method for equations that are not stiff,
        often so where the loss is quadratic; BDF then takes over, with a budget of its own.
        """
        clock, why = self.clock.at(np.append(start, times)), ""
        for method in ("BDF",) if isinstance(self.net.loss, Square) else ("LSODA", "BDF"):
            self.limit = self.evaluations + EVALUATIONS
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")  # failures are handled here
                    run = solve_ivp(
                        self.velocity,
                        (float(clock[0]), max(float(clock[-1]), 1e-300)),
                        state,
                        method=method,
                        jac=self.jacobian,
                        t_eval=clock[1:],
                        rtol=rtol,
                        atol=1e-2 * rtol * self.reach / self.size,  # s is about q / |x|^2
                    )
            except SolverFailed as failure:
                why = str(failure)
                continue
            if run.status == 0 and run.y.shape[1] == len(times) and np.isfinite(run.y).all():
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
    """The columns of X in contiguous matrices of about 2 MiB; long rows are read twice as fast."""
    size = max(1, 2**21 // (X.itemsize * len(X)))
    return [np.ascontiguousarray(X[:, k : k + size]) for k in range(0, X.shape[1], size)]
