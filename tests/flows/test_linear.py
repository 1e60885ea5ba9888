"""The flow in logarithmic time against one in plain time and against a solved case."""

import math
import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grokverify.flows.linear import horizon, linear_flow
from grokverify.margins import NotSeparable, SolverFailed, max_margin


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


X = np.random.default_rng(0).standard_normal((4, 7))
SPLIT = np.array([[1.0, 0.0], [-1.0, 0.2], [0.3, -1.0]])


@pytest.mark.parametrize(
    ("rows", "start", "times", "text"),
    [
        (
            SPLIT,
            np.zeros(2),
            [10.0],
            "margins must grow: The 3 samples in 2 dimensions are not lin",
        ),
        (X, np.zeros(6), [10.0], "rows of length 7 need a finite start .* not one of shape (6,)"),
        (X, np.full(7, np.nan), [10.0], "of shape (7,) with NaN or infinite entries"),
        (X, -3000 * max_margin(X).w, [9.0], "where the loss is e^3000. Start nearer to 0"),
        (X, np.zeros(7), [5.0, 3.0], "times must be finite and increase from 0; got [5.0, 3.0]"),
        (X, np.zeros(7), [-1.0], "times must be finite and increase from 0; got [-1.0]"),
    ],
)
def test_bad_input(rows, start, times, text):
    with pytest.raises(ValueError, match=re.escape(text).replace(r"\.\*", ".*")):
        linear_flow(rows, start, times)
    assert issubclass(NotSeparable, ValueError)


def test_rows_of_very_different_length_are_still_separable():
    (point,) = linear_flow(X * np.array([[1e6], [1], [1], [1e-3]]), np.zeros(7), [100.0])
    assert point.q.min() > 0


def test_a_failing_integrator_says_where():
    with pytest.raises(SolverFailed) as error:
        linear_flow([[1.0, 1e-5], [-1.0, 1e-5]], np.zeros(2), [100.0])
    assert "the flow on 2 samples stopped at log(1 + t) = 2" in str(error.value)
    assert "of 100: 50000 evaluations are spent." in str(error.value)
    assert "a maximum margin near 0, or a start with margins far below 0 (the least is 0)" in str(
        error.value
    )
    assert "rescale the data, or stop earlier" in str(error.value)
