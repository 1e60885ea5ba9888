"""The drift against its own differential equation, and what it refuses."""

import numpy as np
import pytest

from grokverify.flows.label_noise import drifted


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 7))
    return X, X @ np.array([1.0, -0.5, 0, 0, 0, 0, 0])


def test_labels_stay_fitted_and_gradient_flow_is_the_start(data):
    X, y = data
    for w in drifted(X, y, 0.7, [0.0, 0.1, 1.0, 3.0]):
        assert X @ w == pytest.approx(y, abs=1e-7)
    (large,) = drifted(X, y, 1e4, [0.0])
    assert large == pytest.approx(np.linalg.pinv(X) @ y, abs=1e-9)


def test_weights_are_sinh_of_the_row_space(data):
    X, y = data
    t, alpha = 0.3, 0.7
    (w,) = drifted(X, y, alpha, [t])
    z = np.arcsinh(w / 2 / alpha**2 * np.exp(16 * (X**2).mean(0) * t))
    assert np.linalg.pinv(X) @ X @ z == pytest.approx(z, abs=1e-7)


def test_bad_input(data):
    X, y = data
    with pytest.raises(ValueError, match="have rank 4: no unique multipliers"):
        drifted(np.vstack([X, X[:1]]), np.append(y, y[0]), 1.0, [0.0])
    with pytest.raises(ValueError, match="alpha = 0.0 must be positive"):
        drifted(X, y, 0.0, [0.0])
    with pytest.raises(ValueError, match="nonnegative and increasing"):
        drifted(X, y, 1.0, [1.0, 0.5])
