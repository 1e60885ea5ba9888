"""Nuclear-norm optima against problems solved by hand; bounds hold; errors say what to do."""

import math
from dataclasses import replace

import numpy as np
import pytest

from grokverify._evidence import Grade
from grokverify.completion import (
    NuclearOptimum,
    minimum_nuclear_norm,
    nuclear_enclosure,
    nuclear_norm,
    observe,
    sampled,
)
from grokverify.margins import SolverFailed


@pytest.fixture
def X():
    a = np.random.default_rng(0).standard_normal(7)
    return np.outer(a, a)


def everything(d):
    return [(i, j) for i in range(d) for j in range(d)]


def test_observations_are_counted_by_entry(X):
    problem = observe(X, [(0, 1), (1, 0), (0, 1), (2, 2)])
    assert (problem.n, problem.counts.tolist()) == (4, [3, 1])
    assert problem.multiplicity.tolist() == [2, 1]
    assert problem.observed()[1, 0] == X[0, 1]
    assert problem.mask().sum() == 3
    same = sampled(X, [1, 7, 1, 16])
    assert (same.rows == problem.rows).all()
    assert (same.counts == problem.counts).all()


def test_the_gradient_is_that_of_the_loss(X):
    problem = sampled(X, np.random.default_rng(1).permutation(49)[:20])
    rng = np.random.default_rng(2)
    W, D = ((A + A.T) for A in rng.standard_normal((2, 7, 7)))
    h = 1e-6
    slope = (problem.loss(W + h * D) - problem.loss(W - h * D)) / (2 * h)
    assert (problem.gradient(W) * D).sum() == pytest.approx(slope, rel=1e-7)


def test_one_entry_alone_is_kept_and_nothing_else():
    X = np.zeros((3, 3))
    X[0, 1] = X[1, 0] = 2.0
    found = minimum_nuclear_norm(observe(X, [(0, 1)]))
    assert found.upper == pytest.approx(4.0)  # trace norm of [[0, 2], [2, 0]]
    X[2, 2] = -3.0
    assert minimum_nuclear_norm(observe(X, [(1, 0), (2, 2)])).upper == pytest.approx(7.0)


def test_soft_threshold_if_everything_is_seen(X):
    """min 1/n |W - X|^2 + lambda/2 |W|_* lowers each eigenvalue by n lambda / 4."""
    lam = 0.01
    found = minimum_nuclear_norm(observe(X, everything(7)), lam, gap=1e-13)
    top = np.trace(X)
    assert pytest.approx((1 - 49 * lam / 4 / top) * X, abs=1e-6) == found.W
    large = minimum_nuclear_norm(observe(X, everything(7)), 4.01 * top / 49)
    assert np.abs(large.W).max() < 1e-6


@pytest.mark.parametrize("lam", [0.0, 1e-3, 0.1])
def test_the_enclosure_is_certified_and_holds_every_candidate(X, lam):
    problem = sampled(X, np.random.default_rng(1).permutation(49)[:24])
    found = minimum_nuclear_norm(problem, lam)
    seen = nuclear_enclosure("optimum", problem, found)
    assert seen.grade is Grade.CERTIFIED
    assert 0 <= seen.hi - seen.lo <= 2e-9 * seen.hi
    assert seen.lo <= problem.loss(X) + (lam / 2 if lam else 1) * nuclear_norm(X)
    assert math.isclose(seen.hi, found.upper, rel_tol=1e-9)
    spectrum = np.linalg.eigvalsh(found.Z)
    assert np.abs(spectrum).max() <= (lam / 2 if lam else 1) * (1 + 1e-12)
    assert (found.Z[~problem.mask()] == 0).all()


@pytest.mark.parametrize("lam", [0.0, 0.1])
@pytest.mark.parametrize("factor", [1.5, -1.5, 1e3])
def test_a_certificate_that_is_too_long_is_shortened(X, lam, factor):
    """Both signs: the spectral norm has two ends, and each may be the larger one."""
    for target in (X, -X):
        problem = sampled(target, np.random.default_rng(1).permutation(49)[:24])
        found = minimum_nuclear_norm(problem, lam)
        seen = nuclear_enclosure("optimum", problem, replace(found, Z=factor * found.Z))
        assert seen.lo <= found.lower * (1 + 1e-9)
        assert seen.lo <= seen.hi


def test_a_certificate_may_not_lean_on_unobserved_entries():
    """W = [[1, 1], [1, 1]] has nuclear norm 2; all of Z has norm below 1, its observed part not."""
    ones, Z = np.ones((2, 2)), 0.7 * np.array([[1.0, 1.0], [1.0, -1.0]])
    problem = observe(ones, [(0, 0), (0, 1)])
    seen = nuclear_enclosure("n", problem, NuclearOptimum(0.0, ones, Z, 0.0, 0.0))
    assert 1.8 < seen.lo <= 2 <= seen.hi < 2.001


def test_the_upper_end_covers_the_rounding_of_the_eigenvectors():
    """|u u'|_* = |u|^2 exactly, for whole numbers u."""
    for k in range(30):
        u = np.random.default_rng(k).integers(-99, 100, 5).astype(float)
        W = np.outer(u, u)
        problem = observe(W, [(0, 0)])
        candidate = NuclearOptimum(0.0, W, np.zeros((5, 5)), 0.0, 0.0)
        seen = nuclear_enclosure("norm", problem, candidate)
        assert u @ u <= seen.hi <= (u @ u) * (1 + 1e-12)


def test_a_wrong_candidate_is_no_candidate(X):
    problem = observe(X, everything(7))
    found = minimum_nuclear_norm(problem)
    found.W[0, 0] += 1e-9
    with pytest.raises(ValueError, match="differs from the observed values"):
        nuclear_enclosure("optimum", problem, found)


def test_nothing_but_zeros():
    found = minimum_nuclear_norm(observe(np.zeros((3, 3)), [(0, 1)]))
    assert (found.lower, found.upper) == (0, 0)


def test_bad_input(X):
    with pytest.raises(ValueError, match="finite square"):
        observe(np.ones((2, 3)), [(0, 0)])
    with pytest.raises(ValueError, match="differs from its transpose by 1"):
        observe(np.array([[0.0, 1], [0, 0]]), [(0, 0)])
    with pytest.raises(ValueError, match="0 <= i, j < 7"):
        observe(X, [(0, 7)])
    with pytest.raises(ValueError, match="at least one"):
        observe(X, [])
    with pytest.raises(ValueError, match="must be 0 .constraints. or positive"):
        minimum_nuclear_norm(observe(X, [(0, 1)]), -1.0)
    with pytest.raises(SolverFailed, match=r"only known to lie in .* more iterations"):
        minimum_nuclear_norm(sampled(X, range(0, 49, 2)), gap=1e-30, iterations=25)
