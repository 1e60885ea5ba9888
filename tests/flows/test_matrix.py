"""The reduced flow against the factors, the limit curve against both, and what they refuse."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grokverify.completion import sampled
from grokverify.flows.factors import factor_flow
from grokverify.flows.matrix import limit_flow, matrix_flow
from grokverify.margins import SolverFailed


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(5)
    return sampled(np.outer(a, a), rng.permutation(25)[:12])


def test_the_three_flows_agree(problem):
    alpha, lam, eye = 3.0, 1e-3, np.eye(5)
    taus = math.log(alpha) + np.linspace(-0.5, 2.5, 7)
    short = matrix_flow(problem, alpha, lam, taus)
    factors = factor_flow(problem, alpha * eye, alpha * eye, lam, taus)
    for p, (U, V) in zip(short, factors, strict=True):
        assert np.abs(p.W - (U @ U.T - V @ V.T)).max() < 1e-7
        assert pytest.approx((U**2).sum() + (V**2).sum(), rel=1e-6) == p.norm2
        assert np.abs(V.T @ U - math.exp(2 * p.log_eps) * eye).max() < 1e-6
    limit = limit_flow(problem, taus - math.log(alpha))
    gaps = [np.abs(p.W - q.W).max() for p, q in zip(short, limit, strict=True)]
    assert max(gaps[2:]) < 0.02 * np.abs(problem.values).max()  # of the order of lambda


def test_factor_flow_against_an_explicit_method(problem):
    rng, lam = np.random.default_rng(3), 0.1
    U, V = rng.standard_normal((2, 5, 5))

    def velocity(_, x):
        A, B = x.reshape(2, 5, 5)
        G = problem.gradient(A @ A.T - B @ B.T)
        return np.concatenate([(-2 * G @ A - lam * A).ravel(), (2 * G @ B - lam * B).ravel()]) / lam

    plain = solve_ivp(velocity, (0, 2), np.r_[U.ravel(), V.ravel()], rtol=1e-10, atol=1e-12)
    ((A, B),) = factor_flow(problem, U, V, lam, [2.0])
    assert pytest.approx(plain.y[:, -1].reshape(2, 5, 5), abs=1e-6) == np.array([A, B])


def test_one_diagonal_entry_by_hand():
    """d = 1: W = 2 eps^2 sinh K stays at y, so that K = asinh(y / (2 eps^2))."""
    one = sampled(np.array([[3.0]]), [0])
    for p in limit_flow(one, [-1.0, 0.0, 2.0, 8.0]):
        assert pytest.approx(math.asinh(1.5 * math.exp(-2 * p.log_eps)), rel=1e-7) == p.K[0, 0]
        assert pytest.approx(3.0, rel=1e-7) == p.W[0, 0]


def test_observed_entries_are_met_from_the_start(problem):
    """The cubic term of the start: what it misses by, the curve would keep."""
    (first,) = limit_flow(problem, [-2.5], rtol=1e-12)
    missed = np.abs(np.where(problem.mask(), first.W - problem.observed(), 0)).max()
    assert missed < 1e-10 * np.abs(problem.values).max()


def test_no_overflow_far_out(problem):
    (early,) = limit_flow(problem, [-math.log(1e128)])
    assert pytest.approx(problem.observed(), rel=1e-9, abs=1e-9) == early.W


def test_bad_input(problem):
    with pytest.raises(ValueError, match="must be positive and finite"):
        matrix_flow(problem, -1.0, 1e-3, [1.0])
    with pytest.raises(ValueError, match=r"they are noise. Use limit_flow"):
        matrix_flow(problem, 1e128, 1e-128, [1.0])
    with pytest.raises(ValueError, match="increase from 0"):
        matrix_flow(problem, 2.0, 1e-3, [2.0, 1.0])
    with pytest.raises(ValueError, match="increase from 0"):
        matrix_flow(problem, 2.0, 1e-3, [-1.0])
    with pytest.raises(SolverFailed, match="no longer determine|evaluations to reach"):
        limit_flow(problem, [0.0, 40.0], evaluations=2000)
    zero = sampled(np.zeros((2, 2)), [0])
    with pytest.raises(ValueError, match="every observed entry is 0"):
        limit_flow(zero, [0.0])
