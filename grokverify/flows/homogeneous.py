"""Gradient flow of the exponential loss on positively homogeneous models, by its direction.

For ``q_i(c theta) = c^L q_i(theta)`` and the loss ``mean exp(-q_i)`` write theta = e^ell u with
|u| = 1 and ``g = sum_i p_i grad q_i(u)``, p the softmax of ``-q``. The flow moves along g, so that

    du/d ell = g / (u . g) - u,

an equation in which the loss never underflows and time, about exp(e^(L ell)), never appears. Once
the loss is below 1/n the norm grows for ever (Lyu & Li 2020), so that ell is a clock from there on.
Cost: one stiff integration in as many dimensions as there are parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from grokverify.margins import Array, SolverFailed, rows


@dataclass(frozen=True, slots=True)
class Homogeneous:
    """Margins ``q(theta)`` of shape (n,), their Jacobian (n, P) and the degree in theta."""

    name: str
    degree: int
    margins: Callable[[Array], Array]
    jacobian: Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A point of the flow: direction u, log of the norm, margins of u, weights p of the samples."""

    u: Array
    log_norm: float
    degree: int
    q: Array
    p: Array
    gradient: Array

    @property
    def log_inverse_loss(self) -> float:
        """``log(1/(n L(theta)))``."""
        grown = math.exp(self.degree * self.log_norm) * self.q
        return float(-np.logaddexp.reduce(-grown))

    @property
    def smoothed_margin(self) -> float:
        """``log(1/(n L)) / |theta|^L``, the quantity that Lyu & Li prove nondecreasing."""
        return self.log_inverse_loss / math.exp(self.degree * self.log_norm)

    @property
    def tangent(self) -> float:
        """Tangent of the angle between theta and minus the gradient; 0 at a KKT direction."""
        along = float(self.u @ self.gradient)
        return float(np.linalg.norm(self.gradient - along * self.u)) / along


def diagonal(X: Any, degree: int = 2) -> Homogeneous:
    """``q = X (a^L - b^L)`` with theta = (a, b), entries of a and b raised to the power ``degree``.

    The rows of X are y_i x_i. For degree 2 the largest margin over |theta|^2 is the maximum l1
    margin of X, because min |a|^2 + |b|^2 over a^2 - b^2 = w is |w|_1.
    """
    data = rows(X)
    d = data.shape[1]

    def margins(theta: Array) -> Array:
        return np.asarray(data @ (theta[:d] ** degree - theta[d:] ** degree))

    def jacobian(theta: Array) -> Array:
        power = degree * theta ** (degree - 1)
        return np.hstack([data * power[:d], -data * power[d:]])

    return Homogeneous(f"diagonal net of depth {degree}", degree, margins, jacobian)


def quadratic(x: Any, y: Any, width: int) -> Homogeneous:
    """``q_i = y_i sum_j v_j (w_j . x_i)^2`` with theta = (v, w_1, ..., w_width); degree 3."""
    inputs, labels = rows(x), np.asarray(y.cpu() if hasattr(y, "cpu") else y, dtype=np.float64)
    n, d = inputs.shape

    def margins(theta: Array) -> Array:
        z = inputs @ theta[width:].reshape(width, d).T
        return np.asarray(labels * (z**2 @ theta[:width]))

    def jacobian(theta: Array) -> Array:
        z = inputs @ theta[width:].reshape(width, d).T
        inner = 2 * (z * theta[:width])[:, :, None] * inputs[:, None, :]
        return labels[:, None] * np.hstack([z**2, inner.reshape(n, width * d)])

    return Homogeneous(f"quadratic net of width {width}", 3, margins, jacobian)


def state(model: Homogeneous, u: Array, log_norm: float) -> Direction:
    """The point of the flow at ``theta = e^log_norm u / |u|``."""
    u = u / np.linalg.norm(u)
    q = model.margins(u)
    p = _softmin(q, model.degree * log_norm)
    return Direction(u, log_norm, model.degree, q, p, model.jacobian(u).T @ p)


def until_fitted(
    model: Homogeneous, theta: Any, *, growth: float = 60.0, evaluations: int = 20_000
) -> Direction:
    """Follow the flow from theta until ``L < 1/(2n)``, in arc length over the norm.

    Raises:
        SolverFailed: that does not happen before the length ``growth`` or within that many
            evaluations, as when the flow stops at a critical point or nothing separates the data.
    """
    start = np.asarray(theta, dtype=np.float64)
    asked = 0

    def velocity(_: float, y: Array) -> Array:
        nonlocal asked
        asked += 1
        if asked > evaluations:  # a unit vector field chatters at a critical point
            raise SolverFailed(
                f"the flow of the {model.name} did not fit its data within {evaluations} "
                f"evaluations: it sits at a critical point with log norm {y[-1]:.3g}. Draw another "
                "start, or use a wider net."
            )
        here = state(model, y[:-1], float(y[-1]))
        pull = here.gradient / np.linalg.norm(here.gradient)
        along = float(here.u @ pull)
        return np.append(pull - along * here.u, along)

    def fitted(_: float, y: Array) -> float:
        return state(model, y[:-1], float(y[-1])).log_inverse_loss - math.log(2.0)

    fitted.terminal = True  # type: ignore[attr-defined]
    size = float(np.linalg.norm(start))
    y0 = np.append(start / size, math.log(size))
    if fitted(0.0, y0) >= 0:
        return state(model, y0[:-1], float(y0[-1]))
    run = solve_ivp(
        velocity, (0.0, growth), y0, method="LSODA", rtol=1e-8, atol=1e-10, events=fitted
    )
    if run.status != 1:
        here = state(model, run.y[:-1, -1], float(run.y[-1, -1]))
        raise SolverFailed(
            f"the flow of the {model.name} never fitted its {len(here.q)} samples: after the "
            f"length {run.t[-1]:.3g} the least margin of its direction is {here.q.min():.3g}. The "
            f"data may not be separable by it, or the start sits near a saddle. {run.message}"
        )
    return state(model, run.y[:-1, -1], float(run.y[-1, -1]))


def follow(
    model: Homogeneous, start: Direction, log_norms: Sequence[float], *, rtol: float = 1e-9
) -> list[Direction]:
    """The flow from ``start`` (where ``L < 1/n``) at the given increasing log norms.

    The weights p compare margins at the scale ``|theta|^L``, so that rounding blurs them by 1e-16
    ``|theta|^L``; asking for ``|theta|^L`` above about 1e7 makes the integrator stall on noise.

    Raises:
        ValueError: the start does not fit the data, or the log norms do not increase from it.
        SolverFailed: the integrator stops early.
    """
    ells = np.asarray(log_norms, dtype=np.float64)
    if not start.log_inverse_loss > 0 or (np.diff(ells) <= 0).any() or ells[0] < start.log_norm:
        raise ValueError(
            f"follow() needs a start with a loss below 1/n (here log(1/(n L)) is "
            f"{start.log_inverse_loss:.3g}) and log norms that increase from {start.log_norm:.3g}; "
            f"got {ells[:3].tolist()}... Use until_fitted() to reach such a start."
        )

    def velocity(ell: float, u: Array) -> Array:
        p = _softmin(model.margins(u), model.degree * ell)
        g = model.jacobian(u).T @ p
        return np.asarray(g / (u @ g) * (u @ u) - u)

    run = solve_ivp(
        velocity,
        (start.log_norm, float(ells[-1])),
        start.u,
        method="LSODA",
        t_eval=ells,
        rtol=rtol,
        atol=1e-3 * rtol,
    )
    if run.status != 0 or not np.isfinite(run.y).all():
        raise SolverFailed(
            f"the flow of the {model.name} stopped at log norm {run.t[-1]:.4g} of {ells[-1]:.4g}: "
            f"{run.message} Ask for smaller norms or a looser rtol."
        )
    return [state(model, u, float(ell)) for u, ell in zip(run.y.T, ells, strict=True)]


def _softmin(q: Array, log_scale: float) -> Array:
    """Softmax of ``-e^log_scale q``."""
    p = np.exp(-math.exp(log_scale) * (q - q.min()))
    return np.asarray(p / p.sum())
