"""Gradient methods as pure functions: ``update(state, gradient) -> state``.

Every rule acts on tuples of arrays: torch tensors on any device, or numpy object arrays of
Fractions, where the arithmetic is exact (rules with a square root then need a rational ``root``).
The conventions are those of torch.optim. Cost: a few operations a parameter and step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from grokverify import _adamw

Parameters = tuple[Any, ...]
Gradient = Callable[[Parameters], Parameters]


@dataclass(frozen=True, slots=True)
class State:
    """Parameters, the rule's memory (none before the first step) and the steps taken so far."""

    theta: Parameters
    memory: tuple[Parameters, ...] = ()
    t: int = 0


Update = Callable[[State, Parameters], State]


class Diverged(FloatingPointError):
    """A parameter became NaN or infinite."""


def gradient_descent(rate: Any, *, decay: Any = 0) -> Update:
    """``theta - rate (g + decay theta)``."""
    plain = isinstance(decay, int) and decay == 0  # one pass fewer over the parameters

    def update(state: State, g: Parameters) -> State:
        if plain:
            moved = _each(lambda x, d: _along(x, d, -rate), state.theta, g)
        else:
            moved = _each(lambda x, d: x - rate * (d + decay * x), state.theta, g)
        return State(moved, (), state.t + 1)

    return update


def momentum(rate: Any, beta: Any = 0.9, *, decay: Any = 0) -> Update:
    """Heavy ball: ``m = beta m + g + decay theta``, ``theta - rate m``."""

    def update(state: State, g: Parameters) -> State:
        (m,) = state.memory or (_zeros(g),)
        m = _each(lambda a, d, x: beta * a + d + decay * x, m, g, state.theta)
        return State(_each(lambda x, a: x - rate * a, state.theta, m), (m,), state.t + 1)

    return update


def adam(
    rate: Any,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    eps: Any = 1e-8,
    *,
    decay: Any = 0,
    root: Callable[[Any], Any] = torch.sqrt,
) -> Update:
    """Adam (Kingma and Ba 2015); with ``decay`` AdamW (Loshchilov and Hutter 2019).

    ``m = beta1 m + (1 - beta1) g``, ``v = beta2 v + (1 - beta2) g^2``, both divided by one minus
    their beta to the power t, and ``(1 - rate decay) theta - rate m / (root(v) + eps)``.
    """

    def update(state: State, g: Parameters) -> State:
        m, v = state.memory or (_zeros(g), _zeros(g))
        t, given = state.t + 1, (rate, beta1, beta2, eps, decay)
        if root is torch.sqrt and _adamw.applies(g, *given):
            return State(*_adamw.step(state.theta, (m, v), g, t, given), t)
        m = _each(lambda a, d: beta1 * a + (1 - beta1) * d, m, g)
        v = _each(lambda a, d: beta2 * a + (1 - beta2) * d * d, v, g)
        c1, c2 = 1 - beta1**t, 1 - beta2**t

        def moved(x: Any, a: Any, b: Any) -> Any:
            return x - rate * decay * x - rate * (a / c1) / (root(b / c2) + eps)

        return State(_each(moved, state.theta, m, v), (m, v), t)

    return update


def rmsprop(
    rate: Any, beta: Any = 0.99, eps: Any = 1e-8, *, root: Callable[[Any], Any] = torch.sqrt
) -> Update:
    """``v = beta v + (1 - beta) g^2``, ``theta - rate g / (root(v) + eps)``."""

    def update(state: State, g: Parameters) -> State:
        (v,) = state.memory or (_zeros(g),)
        v = _each(lambda a, d: beta * a + (1 - beta) * d * d, v, g)
        moved = _each(lambda x, d, a: x - rate * d / (root(a) + eps), state.theta, g, v)
        return State(moved, (v,), state.t + 1)

    return update


def adagrad(rate: Any, eps: Any = 1e-10, *, root: Callable[[Any], Any] = torch.sqrt) -> Update:
    """``v = v + g^2``, ``theta - rate g / (root(v) + eps)`` (Duchi, Hazan and Singer 2011)."""

    def update(state: State, g: Parameters) -> State:
        (v,) = state.memory or (_zeros(g),)
        v = _each(lambda a, d: a + d * d, v, g)
        moved = _each(lambda x, d, a: x - rate * d / (root(a) + eps), state.theta, g, v)
        return State(moved, (v,), state.t + 1)

    return update


def sign_descent(rate: Any) -> Update:
    """``theta - rate sign(g)``, with sign(0) = 0."""

    def update(state: State, g: Parameters) -> State:
        moved = _each(lambda x, d: x - rate * _sign(d), state.theta, g)
        return State(moved, (), state.t + 1)

    return update


def normalised_descent(rate: Any, *, runs: int = 0) -> Update:
    """``theta - rate g / |g|`` with the Euclidean norm over all parameters; torch only.

    Args:
        runs: how many leading axes count separate runs, each with a norm of its own.
    """

    def update(state: State, g: Parameters) -> State:
        size = torch.stack([d.square().flatten(runs).sum(-1) for d in g]).sum(0).sqrt()

        def step(x: Any, d: Any) -> Any:
            return x - rate * d / size.reshape(size.shape + (1,) * (d.ndim - runs))

        moved = _each(step, state.theta, g)
        return State(moved, (), state.t + 1)

    return update


def trajectory(
    update: Update, gradient: Gradient, state: State, n: int, *, every: int = 1
) -> tuple[State, ...]:
    """The states after 0, every, 2 every, ... steps, and after the last step n.

    Args:
        update: one of the rules above, or your own.
        gradient: parameters -> gradient, see ``gradient_of``.
        state: where to start, ``State((W, V))``; a later state continues a run.
        n: number of steps.
        every: keep one state in so many.

    Raises:
        Diverged: a parameter is NaN or infinite; the message names the step.
        ValueError: n is negative or every is below 1.
    """
    if n < 0 or every < 1:
        raise ValueError(f"trajectory() takes n >= 0 and every >= 1; got n={n}, every={every}.")
    kept = [state]
    for k in range(1, n + 1):
        state = update(state, gradient(state.theta))
        for i, x in enumerate(state.theta):
            if not _finite(x):
                raise Diverged(
                    f"step {state.t} made parameter {i} (shape {tuple(x.shape)}) NaN or infinite. "
                    "Most likely the rate is too large for this start: lower it, or start smaller."
                )
        if k % every == 0 or k == n:
            kept.append(state)
    return tuple(kept)


def gradient_of(loss: Callable[[Parameters], torch.Tensor]) -> Gradient:
    """The gradient of a scalar torch function of the parameters, by automatic differentiation."""

    def gradient(theta: Parameters) -> Parameters:
        leaves = tuple(x.detach().requires_grad_() for x in theta)
        return tuple(torch.autograd.grad(loss(leaves), leaves))

    return gradient


def square_loss_gradient(x: tuple[Any, Any, Any], y: Any) -> Gradient:
    """The gradient of the quadratic network's square loss in closed form, for exact arithmetic.

    ``L = (1/n) sum_i (g(U; x_i) - y_i)^2`` (Mohamadi et al. 2024, eq. (2.2) without penalty). With
    ``z_i = W[:, a_i] + W[:, p + b_i]`` and ``r_i = 2 (g_i - y_i) / n``: ``dL/dV[c]`` is the sum of
    ``r_i z_i^2`` over ``c_i = c``, and ``dL/dW[:, a]`` that of ``2 r_i V[c_i] z_i`` over
    ``a_i = a``, likewise for ``p + b``. Automatic differentiation does not see Fractions.

    Args:
        x: ``(a, b, c)``, three integer numpy arrays of shape (n,).
        y: (n,) labels, a numpy array.

    Returns:
        A function of ``(W, V)``, numpy object arrays of shapes (h, 2p) and (p, h).
    """
    a, b, c = x

    def gradient(theta: Parameters) -> Parameters:
        W, V = theta
        p = len(V)
        z = (W[:, a] + W[:, p + b]).T
        r = Fraction(2, len(y)) * ((V[c] * z * z).sum(1) - y)
        dW, dV = W - W, V - V
        np.add.at(dV, c, r[:, None] * z * z)
        slope = 2 * r[:, None] * V[c] * z
        np.add.at(dW.T, a, slope)
        np.add.at(dW.T, p + b, slope)
        return dW, dV

    return gradient


def penalised(gradient: Gradient, *, l2: Any = 0, sup: Any = 0, runs: int = 0) -> Gradient:
    """The gradient of the loss plus ``l2/2 |theta|^2 + sup max |theta_i|``, eq. (2.2) with sup.

    Unlike decoupled decay this changes the gradient that momentum, Adam or a normalised rule sees.

    Args:
        l2, sup: strengths, the same for all runs or tensors that broadcast to the parameters.
        runs: how many leading axes count separate runs, each with a maximum of its own.
    """

    def total(theta: Parameters) -> Parameters:
        g = gradient(theta)
        if not (isinstance(l2, int) and l2 == 0):
            g = _each(lambda d, x: d + l2 * x, g, theta)
        if not (isinstance(sup, int) and sup == 0):
            g = _each(lambda d, s: d + sup * s, g, sup_norm_subgradient(theta, runs=runs))
        return g

    return total


def sup_norm(theta: Parameters, *, runs: int = 0) -> Any:
    """``max |theta_i|`` over all parameters of each run, torch only."""
    return torch.stack([x.abs().flatten(runs).amax(-1) for x in theta]).amax(0)


def sup_norm_subgradient(theta: Parameters, *, runs: int = 0) -> Parameters:
    """The subgradient of ``max |theta_i|`` that shares ties equally.

    It is the only choice that commutes with permutations of the parameters: one that picks a
    single largest entry depends on their order. Exact on numpy object arrays.

    Args:
        runs: how many leading axes count separate runs, each with a maximum of its own; torch only.
    """
    if runs:
        peak = sup_norm(theta, runs=runs)
        tops = [x.abs() == peak.reshape(peak.shape + (1,) * (x.ndim - runs)) for x in theta]
        hits = torch.stack([t.flatten(runs).sum(-1) for t in tops]).sum(0)
        return tuple(
            x.sign() * t / hits.reshape(hits.shape + (1,) * (x.ndim - runs))
            for x, t in zip(theta, tops, strict=True)
        )
    top = max(abs(x).max() for x in theta)
    ties = sum(int((abs(x) == top).sum()) for x in theta)
    share = 1 / ties if isinstance(theta[0], torch.Tensor) else Fraction(1, ties)
    return tuple(_sign(x) * (abs(x) == top) * share for x in theta)


def _each(f: Callable[..., Any], *arrays: Parameters) -> Parameters:
    return tuple(f(*parts) for parts in zip(*arrays, strict=True))


def _along(x: Any, d: Any, step: Any) -> Any:
    if isinstance(step, float) and isinstance(x, torch.Tensor):
        return torch.add(x, d, alpha=step)  # one pass over the memory
    return x + step * d


def _zeros(g: Parameters) -> Parameters:
    return tuple(x - x for x in g)


def _sign(x: Any) -> Any:
    if isinstance(x, torch.Tensor):
        return x.sign()
    if x.dtype == object:
        return (x > 0).astype(int).astype(object) - (x < 0).astype(int).astype(object)
    return np.sign(x)


def _finite(x: Any) -> bool:
    if isinstance(x, torch.Tensor):
        return bool(torch.isfinite(x).all())
    return x.dtype == object or bool(np.isfinite(x).all())
