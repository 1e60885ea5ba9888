"""What the exact reduction of diagonal nets saves, beside gradient descent and across scales.

Skipped by default. Run on a quiet machine:

    pytest tests/bench -o addopts="" --benchmark-json=flows.json

Counts of right-hand sides do not depend on the machine, and are asserted; times are reported as
ratios within one process and are not.
"""

import math
import time

import numpy as np

from grokverify import Lab
from grokverify.flows.diagonal import LOGISTIC, DiagonalNet, diagonal_flow

LAB = Lab()


def rows(n, d):
    x, teacher = LAB.signs("x", n, d).numpy(), LAB.signs("w*", 3).numpy()
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
    """alpha = 1e128 beside alpha = 1e4, to 3/2 log alpha."""
    X = rows(16, 40)

    def flow(digits):
        log_alpha = digits * math.log(10)
        net = DiagonalNet(X, 2, log_alpha, -log_alpha)
        start = time.perf_counter()
        run = diagonal_flow(net, [0.5 * log_alpha, 1.5 * log_alpha])
        return time.perf_counter() - start, run.evaluations

    flow(4)
    small, large = ([flow(digits) for _ in range(5)] for digits in (4, 128))
    benchmark.pedantic(lambda: flow(128), rounds=3, iterations=1)
    ratio = sorted(l[0] / s[0] for s, l in zip(small, large, strict=True))[2]
    benchmark.extra_info["time, 1e128 over 1e4"] = ratio
    benchmark.extra_info["right-hand sides"] = [small[0][1], large[0][1]]
