"""Maximum margins against problems solved by hand and against other solvers."""

import math

import numpy as np
import pytest
import scipy.optimize

from grokverify.margin_paths import (
    EXPONENTIAL,
    LOGISTIC,
    extrapolated,
    face_path,
    l2_path,
    polynomial,
    settled,
    strengths,
)
from grokverify.margins import (
    DUAL,
    NotSeparable,
    SolverFailed,
    inseparable,
    kkt_residual,
    margin_enclosure,
    max_margin,
    normalised_margin,
    path_constant,
)

NORMS = (1.0, 2.0, math.inf)


@pytest.fixture
def X():
    return np.random.default_rng(3).standard_normal((12, 16))


# Rows (2, 0) and (0, 1): w = (1/2, 1) has least margin 1, and every norm's optimum is on that line.
BY_HAND = {1.0: 1 / 1.5, 2.0: 1 / math.sqrt(1.25), math.inf: 1.0}


@pytest.mark.parametrize("norm", NORMS)
def test_margins_of_two_axes_by_hand(norm):
    X = np.diag([2.0, 1.0])
    best = max_margin(X, norm)
    assert best.margin == pytest.approx(BY_HAND[norm], rel=1e-12)
    enclosure = margin_enclosure("gamma", X, best)
    assert enclosure.lo - 1e-15 <= BY_HAND[norm] <= enclosure.hi + 1e-15


@pytest.mark.parametrize("norm", NORMS)
def test_certificates_close_the_gap(X, norm):
    best = max_margin(X, norm)
    assert (X @ best.w).min() == pytest.approx(1, abs=1e-9)
    assert normalised_margin(X, best.w, norm) == pytest.approx(best.lower)
    assert best.upper - best.lower < 1e-9
    assert (best.multipliers >= 0).all()
    total = 1 / best.margin**2 if norm == 2 else 1 / best.margin
    assert best.multipliers.sum() == pytest.approx(total, rel=1e-9)
    enclosure = margin_enclosure("gamma", X, best)
    assert enclosure.lo <= best.margin <= enclosure.hi
    assert enclosure.hi - enclosure.lo < 1e-9


def test_l2_margin_agrees_with_a_general_optimiser(X):
    constraint = dict(type="ineq", fun=lambda w: X @ w - 1, jac=lambda w: X)
    run = scipy.optimize.minimize(
        lambda w: w @ w / 2, np.ones(16), jac=lambda w: w, constraints=constraint, method="SLSQP"
    )
    assert run.success
    assert 1 / np.linalg.norm(run.x) == pytest.approx(max_margin(X).margin, rel=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_no_direction_beats_the_maximum(X, norm):
    best = max_margin(X, norm)
    around = np.random.default_rng(0).standard_normal((200, 16)) * 0.1
    for w in best.w + around * np.abs(best.w).max():
        assert normalised_margin(X, w, norm) <= best.upper


def test_wider_norms_have_larger_margins(X):
    gammas = [max_margin(X, norm).margin for norm in NORMS]
    assert gammas == sorted(gammas)


@pytest.mark.parametrize("norm", NORMS)
def test_data_that_are_not_separable_are_refused(norm):
    with pytest.raises(NotSeparable, match="3 samples in 2 dimensions are not linearly separable"):
        max_margin(np.array([[1.0, 0.0], [-1.0, 0.2], [0.3, -1.0]]), norm)


def test_other_errors():
    with pytest.raises(ValueError, match="norms 1, 2 and infinity, not 3"):
        max_margin(np.eye(2), 3.0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        max_margin(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="w = 0 has no normalised margin"):
        normalised_margin(np.eye(2), np.zeros(2))
    with pytest.raises(NotSeparable, match="every row is 0"):
        max_margin(np.zeros((2, 2)))


def test_path_constant():
    assert path_constant([2.0, 2.0, 2.0]) == 0
    a = np.array([0.1, 0.5, 1.0, 0.0])
    assert path_constant(a) == pytest.approx(path_constant(7 * a))
    assert path_constant(a) == pytest.approx(-(0.1 * math.log(0.1) + 0.5 * math.log(0.5)) / 1.6)


def test_kkt_residual_of_the_separator(X):
    best = max_margin(X)
    assert kkt_residual(best.w, X, best.multipliers) < 1e-10
    assert kkt_residual(best.w, X, 1.1 * best.multipliers) == pytest.approx(0.1)


# --- regularisation paths ---------------------------------------------------------------------


@pytest.mark.parametrize("loss", [EXPONENTIAL, LOGISTIC, polynomial(3)], ids=lambda loss: loss.name)
def test_l2_path_is_stationary(X, loss):
    value = {
        "exponential": lambda q: np.exp(-q),
        "logistic": lambda q: np.logaddexp(0, -q),
        "(1+q)^-3": lambda q: (1 + q) ** -3,
    }[loss.name]
    for point in l2_path(X, [2.0, 6.0], loss):
        weight = math.exp(point.c)  # 1 / (n lambda)

        def objective(w, weight=weight):
            return weight * value(X @ w).sum() + w @ w / 2

        slope = scipy.optimize.approx_fprime(point.w, objective, 1e-6)
        assert np.abs(slope).max() < 1e-3 * np.abs(point.w).max()
        assert point.radius < 1e-10
    assert l2_depth(point) == pytest.approx(point.depth) if loss is EXPONENTIAL else True


def l2_depth(point):
    return -math.log(np.exp(-point.q).sum())


def test_l2_path_against_descent(X):
    c = 10.0
    run = scipy.optimize.minimize(
        lambda w: np.exp(c - X @ w).sum() + w @ w / 2,
        max_margin(X).w * c,
        jac=lambda w: w - X.T @ np.exp(c - X @ w),
        method="BFGS",
        options=dict(gtol=1e-8),
    )
    (point,) = l2_path(X, [c])
    assert np.linalg.norm(run.x - point.w) < 1e-6 * np.linalg.norm(point.w)


@pytest.mark.parametrize("norm", [1.0, math.inf])
def test_face_path_minimises_over_everything(X, norm):
    """Against random perturbations off the face, on the true objective."""
    best = max_margin(X, norm)
    c = settled(X, best)
    (point,) = face_path(X, best, [c])

    def objective(w):
        return np.exp(c - X @ w).sum() + np.linalg.norm(w, norm)

    here = objective(point.w)
    rng = np.random.default_rng(1)
    for size in (1e-6, 1e-4, 1e-2):
        for _ in range(50):
            assert objective(point.w + size * rng.standard_normal(16)) >= here - 1e-9 * here
    pulled = X.T @ np.exp(point.log_p)
    assert np.linalg.norm(pulled, DUAL[norm]) == pytest.approx(1, abs=1e-8)


def test_margins_rise_along_a_path_to_the_maximum(X):
    best = max_margin(X)
    margins = [point.margin for point in l2_path(X, strengths(X, best))]
    assert margins == sorted(margins)
    assert best.upper > margins[-1] > 0.999 * best.margin


def test_extrapolation_is_exact_on_polynomials():
    x = [1.0, 0.5, 0.25, 0.125]
    limit, change = extrapolated(x, [3 - 2 * t + t**3 for t in x])
    assert limit == pytest.approx(3, abs=1e-12)
    assert change > 1e-3
    with pytest.raises(ValueError, match="three distinct nodes"):
        extrapolated([1.0, 0.5], [1.0, 1.0])


def test_face_path_refuses_a_lambda_that_is_too_large(X):
    with pytest.raises(SolverFailed, match="Take a larger c"):
        list(face_path(X, max_margin(X, 1.0), [0.5]))
    with pytest.raises(ValueError, match="use l2_path"):
        list(face_path(X, max_margin(X), [50.0]))


def test_a_path_that_stalls_says_where_and_why(X):
    split = np.array([[1.0, 0.0], [-1.0, 0.2], [0.3, -1.0]])
    with pytest.raises(SolverFailed) as error:
        list(l2_path(split, [60.0]))
    assert "the regularisation path stalls at log(1/(n lambda)) = " in str(error.value)
    assert "(exponential loss). The 3 samples in 2 dimensions are not linearly separable" in str(
        error.value
    )
    uneven = X * 10.0 ** np.linspace(12, -12, 12)[:, None]
    with pytest.raises(SolverFailed, match=r"stalls at .* = -4 .* Rows of very different length"):
        list(l2_path(uneven, [5.0]))
    with pytest.raises(
        SolverFailed, match=r"face of the maximum l1 margin of a \(12, 16\) .* take a"
    ):
        list(face_path(X, max_margin(X, 1.0), [-1000.0]))


@pytest.mark.parametrize("c", [math.inf, math.nan, 1e13])
def test_paths_refuse_strengths_out_of_range(X, c):
    text = "is out of range: the differences c - q, .* pass its logarithm"
    with pytest.raises(ValueError, match=text):
        list(l2_path(X, [c]))
    with pytest.raises(ValueError, match=text):
        list(face_path(X, max_margin(X, 1.0), [c]))


def test_why_rows_are_inseparable(X):
    assert inseparable(X) == inseparable(X * 10.0 ** np.linspace(9, -9, 12)[:, None]) == ""
    opposite = np.vstack([X, -X[:1]])
    assert inseparable(opposite).startswith("The 13 samples in 16 dimensions are not linearly sep")
    assert "of its rows has length " in inseparable(opposite)
    assert "every row is 0" in inseparable(np.zeros((2, 2)))
