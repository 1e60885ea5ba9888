"""Penalised minimisers against general convex solvers, their gaps, and error texts."""

import math

import numpy as np
import pytest
import scipy.optimize

from grokverify.l1_paths import l1_path, lasso, lasso_gap
from grokverify.margins import NotSeparable, SolverFailed, max_margin, path_constant

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 9))


@pytest.mark.parametrize("c", [2.0, 6.0, 15.0])
def test_the_path_against_a_bounded_quasi_newton_search(c):
    def objective(z):
        p = np.exp(c - X @ (z[:9] - z[9:]))
        g = X.T @ p
        return p.sum() + z.sum(), np.concatenate([1 - g, 1 + g])

    search = scipy.optimize.minimize(
        objective, np.ones(18), jac=True, bounds=[(0, None)] * 18, method="L-BFGS-B",
        options=dict(maxiter=5000, ftol=1e-15, gtol=1e-10),
    )  # fmt: skip
    (point,) = l1_path(X, [c])
    p = np.exp(c - X @ point.w)
    assert p.sum() + np.abs(point.w).sum() <= search.fun * (1 + 1e-8)
    assert point.radius < 1e-9
    assert point.w == pytest.approx(search.x[:9] - search.x[9:], abs=1e-3)


def test_the_path_goes_to_the_maximum_margin_at_the_known_rate():
    best = max_margin(X, 1.0)
    C = path_constant(best.multipliers)
    for point in l1_path(X, [500.0, 1000 * math.log(10)]):
        assert (1 - point.margin / best.margin) * point.c == pytest.approx(C, rel=0.02)


def test_a_path_needs_separable_rows_and_a_small_penalty():
    with pytest.raises(NotSeparable, match="not linearly separable"):
        next(l1_path(np.vstack([X, -X[:1]]), [5.0]))
    with pytest.raises(SolverFailed, match="the minimiser is w = 0: lambda is too large"):
        next(l1_path(1e-3 * X, [1.0]))


@pytest.mark.parametrize("lam", [3.0, 0.3, 1e-3, 1e-8])
def test_lasso(lam):
    y = X @ np.array([1.0, -2, 0, 0, 0, 0, 0, 0, 0]) + 0.1 * rng.standard_normal(6)

    def objective(z):
        r = X @ (z[:9] - z[9:]) - y
        g = 2 * X.T @ r / 6
        return r @ r / 6 + lam * z.sum(), np.concatenate([g + lam, lam - g])

    search = scipy.optimize.minimize(
        objective, np.zeros(18), jac=True, bounds=[(0, None)] * 18, method="L-BFGS-B",
        options=dict(maxiter=20000, ftol=1e-16, gtol=1e-12),
    )  # fmt: skip
    found = lasso(X, y, lam)
    r = X @ found.w - y
    assert r @ r / 6 + lam * np.abs(found.w).sum() <= search.fun + 1e-12
    gap = lasso_gap("gap", X, y, found)
    assert -1e-300 < gap.lo <= gap.hi < 1e-10
    assert gap.grade.name == "CERTIFIED"
    wrong = type(found)(1.01 * found.w + 1e-3, found.dual, lam, 0.0)
    assert lasso_gap("gap", X, y, wrong).lo > 1e-6 * lam


def test_lasso_refuses_no_penalty():
    with pytest.raises(ValueError, match="a finite penalty lam > 0, not 0.0"):
        lasso(X, np.ones(6), 0.0)


def test_bad_input():
    with pytest.raises(ValueError, match="= inf is out of range: .* pass its logarithm"):
        next(l1_path(X, [math.inf]))
    with pytest.raises(ValueError, match="NaN or infinite entries"):
        lasso(np.nan * X, np.ones(6), 1.0)
    still = lasso(X, np.zeros(6), 0.1)
    assert not still.w.any()
    assert still.gap == 0
    with pytest.raises(SolverFailed, match="kept a duality gap of .* remove duplicates"):
        lasso(X * 10.0 ** np.linspace(8, -8, 6)[:, None], 1e-8 * np.ones(6), 1e-30)
