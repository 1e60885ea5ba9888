"""Jacobians against automatic differentiation, flows against plain gradient flow."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from grokverify.flows.homogeneous import diagonal, follow, quadratic, state, until_fitted
from grokverify.margins import SolverFailed


def models():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5, 4)), np.array([1.0, -1, 1, 1, -1])
    return [diagonal(X, 2), diagonal(X, 3), quadratic(X, y, 3)], [8, 8, 15], X, y


def torch_margins(model, X, y):
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    if model.degree == 3 and "quadratic" in model.name:
        return lambda t: y * ((X @ t[3:].reshape(3, 4).T) ** 2 @ t[:3])
    return lambda t: X @ (t[:4] ** model.degree - t[4:] ** model.degree)


@pytest.mark.parametrize("which", range(3))
def test_margins_jacobians_and_homogeneity(which):
    every, sizes, X, y = models()
    model = every[which]
    theta = np.random.default_rng(1).standard_normal(sizes[which])
    reference = torch_margins(model, X, y)
    assert model.margins(theta) == pytest.approx(reference(torch.as_tensor(theta)).numpy())
    J = torch.autograd.functional.jacobian(reference, torch.as_tensor(theta)).numpy()
    assert np.abs(model.jacobian(theta) - J).max() < 1e-12
    assert model.margins(2 * theta) == pytest.approx(2**model.degree * model.margins(theta))


@pytest.mark.parametrize("which", range(3))
def test_the_flow_of_directions_is_gradient_flow(which):
    every, sizes, _, _ = models()
    model = every[which]
    theta = np.abs(np.random.default_rng(2).standard_normal(sizes[which]))
    start = until_fitted(model, theta)
    theta = math.exp(start.log_norm) * start.u

    def velocity(_, th):
        return model.jacobian(th).T @ np.exp(-model.margins(th)) / 5

    plain = solve_ivp(velocity, (0, 30), theta, rtol=1e-10, atol=1e-12).y[:, -1]
    end = math.log(np.linalg.norm(plain))
    (point,) = follow(model, start, [end])
    assert np.abs(point.u - plain / np.linalg.norm(plain)).max() < 1e-5
    loss = np.exp(-model.margins(plain)).mean()
    assert point.log_inverse_loss == pytest.approx(-math.log(5 * loss), rel=1e-5)
    assert point.smoothed_margin == pytest.approx(
        -math.log(5 * loss) / np.linalg.norm(plain) ** model.degree, rel=1e-5
    )


def test_balanced_directions_stay():
    """One sample e_1: the best direction of the net a^2 - b^2 is a = e_1, a KKT point."""
    model = diagonal(np.array([[1.0, 0.0]]), 2)
    best = state(model, np.array([1.0, 0, 0, 0]), 1.0)
    assert best.tangent == pytest.approx(0, abs=1e-12)
    assert best.smoothed_margin == pytest.approx(1.0)
    (later,) = follow(model, best, [2.0])
    assert later.u == pytest.approx(best.u)


def test_starts_that_do_not_fit_are_errors():
    model = diagonal(np.array([[1.0], [-1.0]]), 2)  # not separable
    with pytest.raises(SolverFailed, match="may not be separable|critical point"):
        until_fitted(model, np.array([1.0, 0.5]))
    bad = state(model, np.array([1.0, 0.5]), 0.0)
    with pytest.raises(ValueError, match="loss below 1/n"):
        follow(model, bad, [1.0])
