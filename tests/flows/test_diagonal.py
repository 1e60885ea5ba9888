"""The reduction against the net itself, extreme scales against the path, and error texts."""

import math
import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grokverify.flows._clock import Clock
from grokverify.flows.diagonal import EXPONENTIAL, LOGISTIC, DiagonalNet, Square, diagonal_flow
from grokverify.margin_paths import l2_path
from grokverify.margins import SolverFailed

rng = np.random.default_rng(0)
X = rng.standard_normal((5, 8))
Y = rng.standard_normal(5)
SLOPES = {
    "exponential": lambda q: np.exp(-q),
    "logistic": lambda q: 1 / (1 + np.exp(q)),
    "square": lambda q: 2 * (Y - q),
}
LOSSES = {"exponential": EXPONENTIAL, "logistic": LOGISTIC, "square": Square(Y)}


def unreduced(depth, alpha, lam, loss, taus, rtol=1e-11):
    """(u, v) from plain gradient flow in 2 d variables."""

    def velocity(_, theta):
        u, v = theta[:8], theta[8:]
        s = depth * X.T @ SLOPES[loss](X @ (u**depth - v**depth)) / 5
        pulled = np.concatenate([s * u ** (depth - 1), -s * v ** (depth - 1)])
        return pulled / lam - theta

    start = alpha * np.ones(16)
    run = solve_ivp(velocity, (0, taus[-1]), start, "LSODA", taus, rtol=rtol, atol=1e-13)
    assert run.status == 0
    return run.y.T


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("depth", "alpha"), [(2, 3.0), (2, 0.2), (3, 2.0), (4, 1.5), (3, 0.5)])
def test_the_reduction_is_the_flow_of_the_net(depth, alpha, loss):
    lam = 0.05
    taus = [0.3 * k for k in range(1, 9)]
    net = DiagonalNet(X, depth, math.log(alpha), math.log(lam), LOSSES[loss])
    run = diagonal_flow(net, taus, rtol=1e-11)
    for point, theta in zip(run, unreduced(depth, alpha, lam, loss, taus), strict=True):
        assert point.theta == pytest.approx(theta, rel=1e-7, abs=1e-9)
        w = theta[:8] ** depth - theta[8:] ** depth
        assert point.w == pytest.approx(w, rel=1e-7, abs=1e-8)
        assert point.q == pytest.approx(X @ w, rel=1e-7, abs=1e-8)
        assert point.pull == pytest.approx(SLOPES[loss](X @ w) / 5 / lam, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_slopes_of_the_weights(depth):
    net = DiagonalNet(X, depth, 0.0, 0.0)
    z = np.linspace(-1.9, 1.9, 7)
    for log_eps in (0.7, 0.0, -0.8):
        w, slope = net.weights(log_eps, z), net.slopes(log_eps, z)
        ahead, behind = net.weights(log_eps, z + 1e-5), net.weights(log_eps, z - 1e-5)
        assert slope == pytest.approx((ahead - behind) / 2e-5, rel=1e-7)
        assert net.weights(log_eps, -z) == pytest.approx(-w)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_an_enormous_scale_stays_on_the_regularisation_path(depth):
    log_alpha = 128 * math.log(10)
    net = DiagonalNet(X, depth, log_alpha, -log_alpha)
    (point,) = diagonal_flow(net, [0.5 * log_alpha])
    (path,) = l2_path(X, [net.log_gain(point.tau) - math.log(depth)])
    # the flow lags behind the path by the ratio of d log gain / d tau to log gain
    assert np.linalg.norm(point.w - path.w) < 5 / path.c * np.linalg.norm(path.w)
    assert point.w @ path.w > (1 - 1e-4) * np.linalg.norm(point.w) * np.linalg.norm(path.w)


def test_what_comes_long_before_the_first_time_is_forgotten():
    log_alpha = 64 * math.log(10)
    net = DiagonalNet(X, 2, log_alpha, -log_alpha)
    times = [0.5 * log_alpha, log_alpha - 2.0, 1.2 * log_alpha]
    late, early = diagonal_flow(net, times), diagonal_flow(net, [0.01, *times])
    assert late.evaluations < 0.9 * early.evaluations
    for a, b in zip(late, list(early)[1:], strict=True):
        assert a.w == pytest.approx(b.w, rel=1e-6, abs=1e-7 * np.abs(b.w).max())


def test_single_precision_data_give_the_same_flow():
    taus = [1.0, 3.0, 5.0]
    fine = diagonal_flow(DiagonalNet(X, 2, 2.0, -4.0), taus)
    coarse = diagonal_flow(DiagonalNet(X.astype(np.float32), 2, 2.0, -4.0), taus, rtol=1e-6)
    for a, b in zip(fine, coarse, strict=True):
        assert b.w == pytest.approx(a.w, rel=1e-4, abs=1e-5)


def test_the_kkt_residual_is_that_of_the_gradient():
    net = DiagonalNet(X, 3, 0.5, -5.0)
    (point,) = diagonal_flow(net, [2.0])
    theta = point.theta
    J = 3 * np.hstack([X * theta[:8] ** 2, -X * theta[8:] ** 2])
    mu = np.exp(-point.q) / 5 / math.exp(-5.0)
    expected = np.linalg.norm(theta - J.T @ mu) / np.linalg.norm(theta)
    assert point.kkt() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: DiagonalNet(X, 1, 0.0, 0.0), "a whole depth L >= 2, not 1. At L = 1 the model"),
        (lambda: DiagonalNet(X, 2, math.inf, 0.0), "log alpha = inf and log lambda = 0.0 must be"),
        (lambda: DiagonalNet(X, 2, 0.0, -math.inf), "a tiny lambda for none"),
        (lambda: DiagonalNet(X, 2, 1.0, 0.0, Square(Y[:4])), "5 samples need as many targets"),
        (
            lambda: DiagonalNet(X, 3, 20.0, -20.0, Square(Y)),
            "a gain of e^101, so that rounding in the residuals swamps it",
        ),
        (lambda: diagonal_flow(DiagonalNet(X, 2, 0.0, 0.0), [2.0, 1.0]), "must increase from 0"),
        (lambda: DiagonalNet(X, 2, 1e6, -3.0), "log alpha = 1e+06 and log lambda = -3 have to lie"),
        (lambda: DiagonalNet(X, 2, 3.0, -1e6), "was a scale passed for its logarithm?"),
        (lambda: DiagonalNet(X * np.nan, 2, 0.0, 0.0), "with NaN or infinite entries"),
    ],
)
def test_bad_input(make, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


def test_depth_three_is_refused_where_rounding_decides():
    with pytest.raises(SolverFailed, match="hangs on the difference .* of numbers near 1"):
        diagonal_flow(DiagonalNet(X, 3, 2.0, -20.0), [18.0])


def test_a_failing_integrator_says_where(monkeypatch):
    monkeypatch.setattr("grokverify.flows._diagonal_stage.EVALUATIONS", 100)
    with pytest.raises(SolverFailed) as error:
        diagonal_flow(DiagonalNet(X, 2, 3.0, -3.0), [2.9])
    assert "depth 2 on 5 samples stopped at lambda t = " in str(error.value)
    assert "100 evaluations spent. Rows of very different length" in str(error.value)


def test_weights_at_all_times_at_once():
    run = diagonal_flow(DiagonalNet(X, 2, 1.0, -3.0), [0.5, 1.5, 2.5])
    assert run.weights() == pytest.approx(np.array([point.w for point in run]))
    assert len(run) == 3


def test_the_dual_is_p_in_both_regimes():
    """X' p = eps^L y, and the weights are nearly that while eps is large."""
    net = DiagonalNet(X, 2, math.log(30.0), math.log(1e-3), LOSSES["logistic"])
    early, late = diagonal_flow(net, [1.0, math.log(30.0) + 1.5])
    for point in (early, late):
        assert X.T @ point.dual == pytest.approx(math.exp(2 * point.log_eps) * point.y, rel=1e-10)
    assert X.T @ early.dual == pytest.approx(early.w, rel=1e-3)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_displacement_is_that_of_theta(depth):
    net = DiagonalNet(X, depth, math.log(5.0), math.log(0.01))
    for point in diagonal_flow(net, [0.5, 1.0, 2.5]):
        eps = math.exp(point.log_eps)
        assert point.h == pytest.approx(eps**depth * (point.theta / eps - 1), rel=1e-9, abs=1e-12)


def test_the_displacement_where_theta_over_eps_rounds_to_one():
    (point,) = diagonal_flow(DiagonalNet(X, 3, 250 * math.log(10), -math.log(1e250)), [1.0])
    z = X.T @ point.dual / 6  # y underflows: delta is y / (2 L)
    assert np.linalg.norm(point.h) > 100
    assert point.h == pytest.approx(np.concatenate([z, -z]), rel=1e-12)


def test_data_that_no_weight_separates_are_named_where_they_stop_the_flow():
    """At a moderate lambda there is a minimiser, and the flow gets there; at a tiny one not."""
    split = np.array([[1.0, 0.0], [-1.0, 0.2], [0.3, -1.0]])
    (point,) = diagonal_flow(DiagonalNet(split, 2, 1.0, -1.0), [8.0])
    assert point.kkt() < 1e-2
    with pytest.raises(SolverFailed) as error:
        diagonal_flow(DiagonalNet(split, 2, 200.0, -200.0), [100.0])
    assert "The 3 samples in 2 dimensions are not linearly separable" in str(error.value)
    assert "draw n < d Gaussian samples, or labels from a teacher" in str(error.value)


def test_weights_that_overflow_are_refused():
    early, late = diagonal_flow(DiagonalNet(X, 2, 1000.0, -1000.0), [100.0, 1100.0])
    for look in (lambda: early.theta, early.kkt):
        with pytest.raises(ValueError, match=r"theta of scale e\^900 overflows; ask for a later"):
            look()
    assert np.isfinite(early.w).all()
    assert np.isfinite(late.theta).all()


@pytest.mark.parametrize("depth", [2, 3])
def test_outputs_of_the_linear_phase_are_those_of_the_net(depth, monkeypatch):
    """X X' p in place of X w, where phi_L(y) = y to double precision."""
    log_alpha = 60 * math.log(10)
    net, taus = DiagonalNet(X, depth, log_alpha, -log_alpha), [40.0, 100.0, log_alpha + 1.0]
    short = diagonal_flow(net, taus, rtol=1e-11)
    monkeypatch.setattr("grokverify.flows._diagonal_stage.LINEAR", 1e-300)
    plain = diagonal_flow(net, taus, rtol=1e-11)
    for a, b in zip(short.weights(), plain.weights(), strict=True):
        assert a == pytest.approx(b, rel=1e-7, abs=1e-8 * np.abs(b).max())


@pytest.mark.parametrize("log_c", [0.0, 3.0, 900.0])
@pytest.mark.parametrize("pace", [0.3, 1.0])
def test_the_clock(log_c, pace):
    clock = Clock(2.0, log_c, pace)
    taus = 2.0 + np.array([0.0, 1e-9, 0.1, 1.0, 30.0, 1e4])
    for tau, sigma in zip(taus, clock.at(taus), strict=True):
        assert clock.read(sigma)[0] == pytest.approx(tau, rel=1e-12)
        later, earlier = clock.read(sigma + 1e-4)[0], clock.read(sigma - 1e-4)[0]
        if later - earlier > 1e-9:
            speed = (later - earlier) / 2e-4
            assert clock.read(sigma)[1] == pytest.approx(math.log(speed), abs=1e-4)
