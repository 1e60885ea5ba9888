"""Lyu et al., Theorem C.12: near KKT points from starts that no kernel regime prepared.

Two-layer diagonal nets and a quadratic net, in all their parameters. Cost: seconds.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.decay import squares
from grokverify.margins import NotSeparable, SolverFailed, max_margin

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# Flow of 1/n sum exp(-q_i) + lambda/2 |theta|^2 from any theta_0 with L_lambda(theta_0) = O(lambda
# log(1/lambda)^(2/L)), for a time T = Omega(1/lambda log(1/lambda)): at some t <= T the direction
# is near a KKT point of (R1). With mu_i = exp(-q_i) / (n lambda) that is, as in Theorem 3.5,
#   stationarity |theta - sum mu_i grad q_i| / |theta|,  in the proof O(log(1/lambda)^(-1/2)),
#   slackness    sum mu_i (q_i - q_min) / sum mu_i q_i,  O(1 / log(1/lambda)).
# The power -1/2 is Cauchy's inequality on |grad L_lambda|^2 over the window. Starts: a random
# direction that separates, scaled so that the least margin is log(1/lambda); then the loss is at
# most lambda, and |theta_0|^2 of the order of log(1/lambda)^(2/L).


def solve(velocity, start, taus, jacobian=None):
    run = solve_ivp(velocity, (0, taus[-1]), start, "LSODA", taus, jac=jacobian,
                    rtol=1e-8, atol=1e-10)  # fmt: skip
    if run.status != 0 or not np.isfinite(run.y).all():
        raise SolverFailed(f"the flow stopped: {run.message}")
    return run.y.T


def residuals(theta, q, J, scale):
    """Stationarity and slackness; scale = log(1/(n lambda))."""
    mu = np.exp(scale - q)
    miss, p = np.linalg.norm(theta - J.T @ mu) / np.linalg.norm(theta), np.exp(q.min() - q)
    return float(miss), float(p @ (q - q.min()) / (p @ q))


def sparse_rows(lab, n=12, d=24, k=3):
    x, teacher = lab.signs("x", n, d).cpu().numpy(), lab.signs("w*", k).cpu().numpy()
    return x * np.sign(x[:, :k] @ teacher)[:, None]


def diagonal_run(lab, log_inverse, window, lift):
    """The least stationarity until tau = window and its slackness, depth 2, from a random start."""
    X = sparse_rows(lab)
    n, d = X.shape
    scale = log_inverse - math.log(n)
    best = max_margin(X)
    w = best.w + 0.3 * np.abs(best.w).max() * lab.uniform("way", d).cpu().numpy()
    while (X @ w).min() < 0.2:  # closer to the separator until it separates
        w = 0.7 * w + 0.3 * best.w
    w = w * log_inverse / (X @ w).min()
    extra = lab.uniform("extra", d, low=0.05).cpu().numpy() * np.abs(w).mean()
    u, v = np.sqrt(np.maximum(w, 0) + extra), np.sqrt(np.maximum(-w, 0) + extra)

    def velocity(_, z):
        a, b = np.exp(2 * z[:d]), np.exp(2 * z[d:])
        s = 2 * X.T @ np.exp(np.minimum(scale - X @ (a - b), 60.0))
        return np.concatenate([s, -s]) - 1

    def jacobian(_, z):
        a, b = np.exp(2 * z[:d]), np.exp(2 * z[d:])
        bend = -(X.T * np.exp(np.minimum(scale - X @ (a - b), 60.0))) @ X
        half = 4 * np.hstack([bend * a, -bend * b])
        return np.vstack([half, -half])

    taus, start = window * np.linspace(0.02, 1.0, 12), np.log(np.concatenate([u, v]))
    found = []
    for z in solve(velocity, start + lift, taus, jacobian):
        theta = np.exp(z)
        q = X @ (theta[:d] ** 2 - theta[d:] ** 2)
        J = 2 * np.hstack([X * theta[:d], -X * theta[d:]])
        found.append(residuals(theta, q, J, scale))
    return min(found)


def draw_net(lab):
    """Three quadratic units and their negatives; features with a margin that is not tiny, and that
    the net keeps where they have moved by the kernel solution."""
    for k in range(40):
        x, y = lab.normal(f"x{k}", 6, 4).cpu().numpy(), lab.signs(f"y{k}", 6).cpu().numpy()
        v, W = lab.normal(f"v{k}", 3).cpu().numpy(), lab.normal(f"W{k}", 3, 4).cpu().numpy() / 2
        net = squares(x, y, v, W)
        try:
            best = max_margin(net.jacobian(net.theta_bar))
        except NotSeparable:
            continue
        if best.margin > 0.1 and net.rise(best.w * best.margin).min() > 0.1:
            return net, best
    raise ValueError("none of 40 nets had features with a margin above 0.1 that lasts.")


def net_run(lab, log_inverse, window, lift):
    """The same for sum_j v_j (w_j . x)^2, from theta_bar + h* and noise."""
    net, best = draw_net(lab)
    scale, bar = log_inverse - math.log(6), net.theta_bar
    noise = lab.normal("noise", len(bar)).cpu().numpy()
    theta, size = bar, 0.3
    while net.rise(theta - bar).min() < 0.05:
        theta = bar + best.w * best.margin + size * noise
        size *= 0.7
    theta = theta * (log_inverse / net.rise(theta - bar).min()) ** (1 / 3)

    def velocity(_, x):
        return net.jacobian(x).T @ np.exp(np.minimum(scale - net.rise(x - bar), 60.0)) - x

    taus = window * np.linspace(0.02, 1.0, 12)
    points = solve(velocity, math.exp(lift) * theta, taus)
    return min(residuals(x, net.rise(x - bar), net.jacobian(x), scale) for x in points)


@lru_cache(maxsize=64)  # controls change what is compared, and repeat the flows
def runs(lab, kind, power, lift):
    """(log 1/lambda, stationarity, slackness) within T = 1/4 log(1/lambda)^power / lambda."""
    one = diagonal_run if kind == "diagonal" else net_run
    logs = [k * math.log(10) for k in ((4, 8, 16, 32) if kind == "diagonal" else (4, 8, 16))]
    return [(l, *one(lab, l, l**power / 4, lift * l / 2)) for l in logs]


def judge(lab, kind, power, lift):
    found = runs(lab, kind, power, lift)
    (l0, first, _), (l1, last, slack) = found[0], found[-1]
    yield row(kind=kind, stationarity=last, slackness=slack)
    yield series(
        f"KKT residuals from a random start, {kind}",
        x=[l for l, *_ in found],
        y=[r for _, r, _ in found],
        printed=[s for *_, s in found],
        xlabel="log 1/lambda",
        ylabel="stationarity",
        log="xy",
        beside="slackness",
    )
    before = first + found[0][2]
    fall = (last + slack) / before * (l1 / l0) ** 0.5
    yield approx("stationarity and slackness at the least lambda", last + slack).at_most(0.1)
    yield approx("fall of their sum over log^(-1/2)", fall).at_most(1)


def samples(lab):
    return [dict(sample=k) for k in range(lab.pick(smoke=1, quick=3, standard=10))]


@check(samples)
def diagonal(lab, sample, power=1.0, lift=0.0):
    """Depth 2, n = 12, d = 24, lambda = 1e-4 to 1e-32."""
    yield from judge(lab, "diagonal", power, lift)


@check(samples)
def quadratic(lab, sample, power=1.0, lift=0.0):
    """sum_j v_j (w_j . x)^2 near its kernel solution, lambda = 1e-4 to 1e-16."""
    yield from judge(lab, "quadratic", power, lift)


other_starts = Claim(
    id="lyu2024/rich-other-starts",
    source=Source(PAPER, "Theorem C.12", "2311.18817"),
    title="Near KKT points within log(1/lambda) / lambda, from any start of small regularised loss",
    statement=(
        r"From every $\theta_0$ with $\mathcal{L}_\lambda(\theta_0) = O(\lambda (\log\frac{1}"
        r"{\lambda})^{2/L})$ there are times $t = O(\frac{1}{\lambda} \log\frac{1}{\lambda})$ at "
        r"which $\theta / \lVert\theta\rVert$ comes as close to KKT points of $\min \frac{1}{2} "
        r"\lVert\theta\rVert^2$ s.t. $y_i f_i(\theta) \ge 1$ as one likes, for $\lambda$ small."
    ),
    hypotheses=("exponential loss", "separable data, a smooth homogeneous net"),
    checks=(
        diagonal.asymptotic("stationarity and slackness at the least lambda"),
        quadratic.asymptotic("stationarity and slackness at the least lambda"),
    ),
    controls=(
        diagonal.but(power=0.0),
        diagonal.but(lift=0.6),
        quadratic.but(power=0.0),
        quadratic.but(lift=0.6),
    ),
    uses=("lyu2024/rich-norm",),
    gap=(
        "Random starts whose least margin is log(1/lambda), for two families of nets, within a "
        "quarter of log(1/lambda) / lambda. The controls take time of order 1/lambda only, or a "
        "start whose squared norm is lambda^-0.6 times as large: decay takes longer to undo that."
    ),
)
