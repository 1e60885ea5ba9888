"""Lyu et al., Figure 3: matrix completion of a multiplication table, at full size.

Cost: about a second of one core for each data seed at d = 97 (some 150 evaluations of the limit
curve, where gradient descent takes 6e5 steps), and one run of gradient descent at d = 24.
"""

import math
from functools import lru_cache

import numpy as np
import scipy.optimize

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.completion import nuclear_norm, sampled
from grokverify.flows.matrix import limit_flow

SOURCE = Source(
    "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    "Figure 3",
    "2311.18817",
)

# X*_ij = i j / d^2 for 0 <= i, j < d = 97; 470 of the d^2 cells for training, all others for test;
# U(0) = V(0) = 10 I, lambda = 1e-4, gradient descent with rate 0.1. Step k is at
# sigma = 0.1 lambda k - log 10 on the limit curve. Read off the published curves (arXiv v2, the
# vector paths of the figure): test loss on the plateau, the steps at which it has fallen to a half
# and to a tenth of that, and |U|^2 + |V|^2 at the end.
PUBLISHED = dict(plateau=0.1023, half=3.67e5, tenth=5.47e5, norm=31.45)


def table(d):
    a = np.arange(d) / d
    return np.outer(a, a)


@lru_cache(maxsize=8)
def curve(d, cells, points=151):
    """Test loss and nuclear norm along the limit curve, sigma from -2 to 7."""
    X, sigmas = table(d), np.linspace(-2.0, 7.0, points)
    test = np.ones(d * d, dtype=bool)
    test[list(cells)] = False
    flow = limit_flow(sampled(X, cells), sigmas, rtol=1e-4)
    losses = [((p.W - X).ravel()[test] ** 2).mean() for p in flow]
    nuclear = [nuclear_norm(p.W) for p in flow]
    return sigmas, np.array(losses), nuclear, flow[0].evaluations


def crossing(x, y, level):
    """Where y first falls through a level, by linear interpolation of log y."""
    k = int(np.argmax(y < level))
    a, b = np.log(y[k - 1 : k + 1])
    return float(x[k - 1] + (x[k] - x[k - 1]) * (a - math.log(level)) / (a - b))


def draw(lab, d, n):
    return tuple(lab.subset("cells", d * d, n).cpu().tolist())


def seeds(lab):
    return [dict(seed=s) for s in range(lab.pick(smoke=1, quick=3, standard=12, paper=36))]


@check(seeds)
def full_size(lab, seed, lam=1e-4, base=0):
    d, alpha, rate = 97, 10.0, 0.1
    sigmas, losses, nuclear, evaluations = curve(d, draw(lab, d, 470))
    steps = (sigmas + math.log(alpha)) / (lam * rate)
    seen = dict(
        plateau=float(losses[base]),
        half=crossing(steps, losses, losses[base] / 2),
        tenth=crossing(steps, losses, losses[base] / 10),
    )
    if seed == 0:
        yield series(
            "test loss of matrix completion",
            x=steps,
            y=losses,
            xlabel="steps of gradient descent",
            ylabel="mean square error on the other entries",
            log="y",
        )
        yield series(
            "test loss against nuclear norm",
            x=nuclear,
            y=losses,
            xlabel="nuclear norm of W (that of the table is 31.84)",
            ylabel="mean square error on the other entries",
            log="y",
        )
    yield series(
        "steps until the test loss is a half and a tenth",
        x=[seed, seed],
        y=[seen["half"], seen["tenth"]],
        printed=[PUBLISHED["half"], PUBLISHED["tenth"]],
        xlabel="data seed",
        ylabel="steps",
        beside="published",
    )
    yield row(seed=seed, evaluations=evaluations, **seen)
    for name, tolerance in (("plateau", 0.04), ("half", 0.15), ("tenth", 0.2)):
        gap = abs(seen[name] / PUBLISHED[name] - 1)
        yield approx(f"|{name} / published - 1|", gap).at_most(tolerance)


# The end is a global minimum of (5). Descent on factors with four columns reaches it, as seen from
# |2 G / lambda|_op <= 1 there, and |U|^2 + |V|^2 follows.


@check(seeds)
def final_norm(lab, seed, lam=1e-4, iterations=3000):
    d, k = 97, 4
    problem = sampled(table(d), draw(lab, d, 470))

    def objective(theta):
        U, V = theta.reshape(2, d, k)
        W = U @ U.T - V @ V.T
        G = problem.gradient(W)
        slope = np.concatenate([2 * G @ U, -2 * G @ V]).ravel() + lam * theta
        return (problem.loss(W) + lam / 2 * theta @ theta) / lam, slope / lam

    start = 0.1 * lab.normal("start", 2, d, k).cpu().numpy()
    options = dict(maxiter=iterations, maxfun=2 * iterations, ftol=1e-14, gtol=1e-8, maxcor=20)
    theta = scipy.optimize.minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", options=options
    ).x
    U, V = theta.reshape(2, d, k)
    top = 2 / lam * np.abs(np.linalg.eigvalsh(problem.gradient(U @ U.T - V @ V.T))).max()
    norm = float(theta @ theta)
    yield row(seed=seed, norm=norm, spectral_norm=top)
    yield approx("spectral norm of 2 G / lambda - 1", top - 1).at_most(1e-3)
    yield approx("|norm at the end / published - 1|", abs(norm / PUBLISHED["norm"] - 1)).at_most(
        0.02
    )


def half_time_of_descent(problem, X, test, alpha, lam, rate, level):
    """Steps of plain gradient descent until the test loss falls through a level."""
    U = V = alpha * np.eye(len(X))
    k, every, before, now = 0, 20, math.inf, math.inf
    while not (now <= level and k * rate * lam > 1):
        for _ in range(every):
            G = problem.gradient(U @ U.T - V @ V.T)
            U, V = U - rate * (2 * G @ U + lam * U), V + rate * (2 * G @ V - lam * V)
        k, before = k + every, now
        now = float((((U @ U.T - V @ V.T) - X).ravel()[test] ** 2).mean())
    return crossing(np.array([k - every, k]), np.array([before, now]), level)


@check(lambda lab: [dict(lam=m) for m in lab.pick(smoke=(4e-3,), quick=(2e-3,), paper=(5e-4,))])
def against_descent(lab, lam, d=16, shift=0.0, passes=1):
    """Half times at lambda and lambda/2: descent differs from the curve by O(lambda)."""
    cells, rate, alpha, X = draw(lab, d, d * d // 2), 0.1, 10.0, table(d)
    sigmas, losses, _, evaluations = curve(d, cells)
    test = np.ones(d * d, dtype=bool)
    test[list(cells)] = False
    gaps, steps = [], 0.0
    for m in (lam, lam / 2):
        half = (crossing(sigmas, losses, losses[0] / 2) + shift + math.log(alpha)) / (m * rate)
        steps = half_time_of_descent(sampled(X, cells), X, test, alpha, m, rate, losses[0] / 2)
        gaps.append(half / steps - 1)
        yield row(lam=m, descent=steps, curve=half, evaluations=evaluations)
    rest = abs(2 * gaps[1] - gaps[0])
    yield approx("gap between half times, at lambda -> 0", rest).at_most(0.005)
    yield exact("steps of descent per evaluation", int(steps) * passes // evaluations).at_least(100)


figure = Claim(
    id="lyu2024/figure-3",
    source=SOURCE,
    title="Grokking of a multiplication table, against the published curve",
    statement=(
        r"For $X^*_{ij} = ij/d^2$, $d = 97$, 470 observed entries, $\alpha = 10$, $\lambda = "
        r"10^{-4}$ and rate 0.1, the test loss stays near 0.102, and falls to a half and a tenth "
        r"of that after about $3.7 \cdot 10^5$ and $5.5 \cdot 10^5$ steps."
    ),
    checks=(
        full_size,
        final_norm.part("the norm at the end"),
        against_descent.part("gradient descent and its cost"),
    ),
    controls=(
        full_size.but(lam=1.5e-4),
        full_size.but(base=50),
        final_norm.but(lam=4e-4),
        final_norm.but(iterations=30),
        against_descent.but(shift=0.1),
        against_descent.but(passes=0),
    ),
    uses=("lyu2024/completion-limit-curve",),
    gap=(
        "The published data seed is not reproduced: tolerances of 3 to 15 % are the spread over "
        "seeds. The text speaks of 10^6 steps, an order of magnitude; the curve shows 3.7e5."
    ),
)
