"""What the exact reduction of diagonal nets saves, beside gradient descent and across scales.

Skipped by default. Run on a quiet machine:

    pytest tests/bench -o addopts="" --benchmark-json=flows.json

Counts of right-hand sides do not depend on the machine, and are asserted; times are reported as
ratios within one process and are not.
"""

import math

import numpy as np
from paired import seconds, spread

from grokverify import Lab
from grokverify.flows.diagonal import LOGISTIC, DiagonalNet, diagonal_flow

LAB = Lab()


def rows(n, d, lab=LAB):
    x, teacher = lab.signs("x", n, d).numpy(), lab.signs("w*", 3).numpy()
    return x * np.sign(x[:, :3] @ teacher)[:, None]


def event(taus, margins, level):
    k = int(np.argmax(margins > level))
    share = (level - margins[k - 1]) / (margins[k] - margins[k - 1])
    return taus[k - 1] + share * (taus[k] - taus[k - 1])


def l1_margin(X, w):
    return float((X @ w).min() / np.abs(w).sum())


def descend(X, alpha, lam, rate, level):
    """Steps of gradient descent until the l1 margin passes the level, and lambda t there."""
    u, v = alpha * np.ones(X.shape[1]), alpha * np.ones(X.shape[1])
    for step in range(1, round(6 / lam / rate)):
        with np.errstate(all="ignore"):
            s = 2 * X.T @ (1 / (1 + np.exp(X @ (u * u - v * v)))) / len(X)
            u, v = u + rate * (s * u - lam * u), v - rate * (s * v + lam * v)
            late = step * rate * lam > 0.5 and step % 16 == 0
            if late and l1_margin(X, u * u - v * v) > level:
                return step, step * rate * lam
    return step, math.inf


def test_right_hand_sides_beside_gradient_descent(benchmark):
    """To the time at which the l1 margin is halfway, within 1 %: alpha = 5, lambda = 1e-3."""
    X, alpha, lam = rows(16, 40), 5.0, 1e-3
    taus = np.linspace(1.0, 6.0, 101)
    net = DiagonalNet(X, 2, math.log(alpha), math.log(lam), LOGISTIC)
    run = benchmark.pedantic(
        lambda: diagonal_flow(net, taus, rtol=1e-5), rounds=3, iterations=1, warmup_rounds=1
    )
    margins = np.array([l1_margin(X, w) for w in run.weights()])
    level = (margins[0] + margins[-1]) / 2
    ours = event(taus, margins, level)
    for rate in (0.016, 0.008, 0.004):  # the largest that reaches the event within 1 %
        steps, theirs = descend(X, alpha, lam, rate, level)
        if abs(theirs / ours - 1) < 0.01:
            break
    benchmark.extra_info["event, lambda t"] = [ours, theirs]
    share = {"median": steps / run.evaluations, "target": 100}
    benchmark.extra_info["peers"] = {"descent, in right-hand sides": share}
    assert abs(theirs / ours - 1) < 0.01
    assert steps >= 100 * run.evaluations


def test_scales(benchmark):
    """alpha = 1e128 beside two runs at alpha = 1e4, to 3/2 log alpha, for six draws of the data."""

    def flow(digits, X):
        log_alpha = digits * math.log(10)
        net = DiagonalNet(X, 2, log_alpha, -log_alpha)
        run = diagonal_flow(net, [0.5 * log_alpha, 1.5 * log_alpha])
        return run.evaluations, run.jacobians

    draws = [rows(16, 40, Lab(seed=seed)) for seed in range(6)]
    flow(4, draws[0])
    ratios, counts = [], []
    for X in draws:
        times = {4: [], 128: []}
        for _ in range(5):  # in turns; the least is what the machine did not disturb
            for digits, seen in times.items():
                seen.append(seconds(lambda d=digits, X=X: flow(d, X))[0])
        ratios.append(2 * min(times[4]) / min(times[128]))
        counts.append([flow(4, X), flow(128, X)])
    benchmark.pedantic(lambda: flow(128, draws[0]), rounds=3, iterations=1)
    share = spread(ratios) | {"target": 1.0}
    benchmark.extra_info["peers"] = {"two flows from alpha = 1e4": share}
    benchmark.extra_info["right-hand sides and Jacobians, 1e4 and 1e128"] = counts
