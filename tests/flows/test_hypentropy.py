"""The curve of interpolants against direct minimisation of its potential, and its two ends."""

import math

import numpy as np
import pytest
import scipy.optimize

from grokverify.flows.hypentropy import hypentropy, independent, interpolants
from grokverify.margins import SolverFailed

rng = np.random.default_rng(1)
X, w0 = rng.standard_normal((4, 7)), np.array([2.0, -1, 0, 0, 0, 0, 0])
Y = X @ w0


@pytest.mark.parametrize("log_eps", [1.0, -0.5, -1.5])
def test_the_interpolant_minimises_the_potential(log_eps):
    (w,) = interpolants(X, Y, [log_eps])
    free = scipy.linalg.null_space(X)
    best = scipy.optimize.minimize(
        lambda z: hypentropy(w + free @ z, log_eps), np.full(3, 0.3), method="BFGS", tol=1e-10
    )
    assert X @ w == pytest.approx(Y, abs=1e-10)
    assert np.abs(free @ best.x).max() < 1e-4


@pytest.mark.parametrize("depth", [2, 3])
def test_its_ends_are_the_least_l2_and_l1_norms(depth):
    late = -40.0 if depth == 2 else -7.0
    first, last = interpolants(X, Y, [12.0, late], depth=depth)
    assert first == pytest.approx(np.linalg.pinv(X) @ Y, abs=1e-6)
    assert np.abs(last).sum() == pytest.approx(3.0, rel=1e-3)


def test_bad_input():
    with pytest.raises(ValueError, match="are linearly dependent .*singular values"):
        independent(np.vstack([X, X[:1]]))
    with pytest.raises(ValueError, match="9 feature vectors in 7 dimensions"):
        interpolants(rng.standard_normal((9, 7)), np.ones(9), [0.0])
    with pytest.raises(ValueError, match="the scales must fall"):
        interpolants(X, Y, [0.0, 1.0])
    assert hypentropy([0.0], 0.0) == -2 * math.exp(0.0)


def test_newton_that_misses_its_targets_says_by_how_much():
    with pytest.raises(SolverFailed) as error:
        interpolants(X, Y, [-40.0], depth=3)  # all but two weights vanish to rounding
    assert "the interpolant of depth 3 misses its targets by " in str(error.value)
    assert "Nearly dependent rows do that, or eps so small that a weight vanishes" in str(
        error.value
    )


def test_nearly_dependent_rows_are_refused():
    nearly = np.vstack([X, X[0] + 1e-9 * rng.standard_normal(7)])
    with pytest.raises(ValueError, match=r"singular values from .*e-\d\d to"):
        interpolants(nearly, np.ones(5), [0.0])
