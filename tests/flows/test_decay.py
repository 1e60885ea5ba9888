"""The scaled flow against plain gradient flow, gradients against differences, and error texts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grokverify.flows.decay import decayed_flow, squares
from grokverify.margins import SolverFailed

rng = np.random.default_rng(0)
x, y = rng.standard_normal((4, 3)), np.array([1.0, -1, 1, -1])
NET = squares(x, y, rng.standard_normal(2), rng.standard_normal((2, 3)))


def margins(theta):
    z = x @ theta[4:].reshape(4, 3).T
    return y * (z**2 @ theta[:4])


def test_the_net():
    theta = rng.standard_normal(16)
    assert margins(NET.theta_bar) == pytest.approx(np.zeros(4), abs=1e-14)
    assert NET.rise(theta - NET.theta_bar) == pytest.approx(margins(theta))
    for k in range(16):
        step = np.eye(16)[k] * 1e-6
        difference = (margins(theta + step) - margins(theta - step)) / 2e-6
        assert NET.jacobian(theta)[:, k] == pytest.approx(difference, abs=1e-7)
    tiny = 1e-30 * theta
    assert NET.rise(tiny) == pytest.approx(NET.jacobian(NET.theta_bar) @ tiny, rel=1e-12)
    assert NET.features(x) * y[:, None] == pytest.approx(NET.jacobian(NET.theta_bar))


def test_the_scaled_flow_is_gradient_flow():
    alpha, lam, taus = 3.0, 0.01, [0.4, 0.9, 1.5, 3.0]

    def velocity(_, theta):
        return NET.jacobian(theta).T @ np.exp(-margins(theta)) / 4 / lam - theta

    plain = solve_ivp(
        velocity, (0, 3.0), alpha * NET.theta_bar, "LSODA", taus, rtol=1e-11, atol=1e-13
    )
    points = decayed_flow(NET, math.log(alpha), math.log(lam), taus, rtol=1e-10)
    for point, theta in zip(points, plain.y.T, strict=True):
        assert point.theta == pytest.approx(theta, abs=1e-6)
        assert point.q == pytest.approx(margins(theta), abs=1e-6)
        assert point.outputs(x) * y == pytest.approx(margins(theta), abs=1e-6)
        assert point.pull == pytest.approx(np.exp(-margins(theta)) / 4 / lam, abs=1e-5)
        miss = theta - NET.jacobian(theta).T @ point.pull
        assert point.kkt() == pytest.approx(np.linalg.norm(miss) / np.linalg.norm(theta), rel=1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match="log alpha >= 0 and a finite log lambda, not -1"):
        decayed_flow(NET, -1.0, -1.0, [1.0])
    with pytest.raises(ValueError, match="must increase from 0"):
        decayed_flow(NET, 1.0, -1.0, [1.0, 0.5])
    shifted = replace(NET, rise=lambda delta: NET.rise(delta) + 1.0)
    with pytest.raises(ValueError, match="starts with outputs up to 1, not 0"):
        decayed_flow(shifted, 1.0, -1.0, [1.0])
    (huge,) = decayed_flow(NET, 400 * math.log(10), -1.0, [10.0])
    with pytest.raises(ValueError, match="overflows; ask for a later tau"):
        huge.kkt()
    assert np.isfinite(huge.h).all()
    assert issubclass(SolverFailed, ArithmeticError)


def test_a_failing_integrator_says_where(monkeypatch):
    uneven = squares(
        x * np.array([[1e8], [1], [1], [1e-8]]), y, np.ones(2), NET.theta_bar[4:10].reshape(2, 3)
    )
    with pytest.raises(SolverFailed) as error:
        decayed_flow(uneven, 3.0, -3.0, [1.0])
    assert "the flow of the quadratic net of width 4 towards " in str(error.value)
    assert "in its clock stopped at 0: Required step size is less than spacing" in str(error.value)
    assert "Inputs of very different length" in str(error.value)
    assert "rescale the inputs, loosen rtol or take a smaller alpha" in str(error.value)
    monkeypatch.setattr("grokverify.flows.decay.EVALUATIONS", 50)
    with pytest.raises(SolverFailed, match="stopped at .* after 50 evaluations Inputs of very"):
        decayed_flow(NET, 1.0, -1.0, [0.5])


@pytest.mark.parametrize(("alpha", "lam"), [(1e6, -1.0), (1.0, -1e6)])
def test_scales_without_digits_are_refused(alpha, lam):
    with pytest.raises(ValueError, match=r"within 100000 of 0: .* passed for its logarithm\?"):
        decayed_flow(NET, alpha, lam, [1.0])
