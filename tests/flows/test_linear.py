"""The flow in logarithmic time against one in plain time and against a solved case."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grokverify.flows.linear import horizon, linear_flow
from grokverify.margins import max_margin


def test_against_plain_time():
    rng = np.random.default_rng(0)
    X, w0 = rng.standard_normal((5, 8)), rng.standard_normal(8)
    times = [1.0, 10.0, 100.0]
    plain = solve_ivp(
        lambda t, w: np.exp(-X @ w) @ X / 5, (0, 100), w0, t_eval=times, rtol=1e-10, atol=1e-12
    )
    points = linear_flow(X, w0, [math.log1p(t) for t in times])
    for t, point, w in zip(times, points, plain.y.T, strict=True):
        assert np.abs(point.w - w).max() < 1e-7
        loss = np.exp(-X @ w).mean()
        assert point.loss_times_time == pytest.approx((1 + t) * loss, rel=1e-6)
        assert point.depth == pytest.approx(-math.log(5 * loss), rel=1e-6)


def test_one_sample_is_solved_by_hand():
    """dq/dt = |x|^2 e^-q gives q = log(1 + |x|^2 t) from q(0) = 0."""
    x = np.array([[3.0, 4.0]])
    (point,) = linear_flow(x, np.zeros(2), [200.0])
    assert point.q[0] == pytest.approx(200 + math.log(25), rel=1e-10)


def test_horizon_of_orthogonal_rows_is_the_number_of_folds():
    X = np.eye(3)
    assert horizon(X, max_margin(X), folds=30.0) == pytest.approx(30.0)
