"""Lyu et al., Lemma C.5: how long the kernel regime lasts, and how far the net moves until then.

Exact reductions of diagonal nets at alpha up to 1e256, and a nonlinear net in all its
parameters. Cost: seconds.
"""

import math
from functools import lru_cache

import numpy as np
import scipy.optimize
from scipy.special import wrightomega

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.decay import decayed_flow, squares
from grokverify.flows.diagonal import DiagonalNet, diagonal_flow
from grokverify.limits import log_limit
from grokverify.margins import NotSeparable, max_margin

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# delta = theta / eps - theta_bar, h = eps^L delta, eps = alpha e^(-tau), tau = lambda t,
# A = alpha^(2(L-1)) / lambda, lambda = 1/alpha; T_max is when |delta| first reaches eps_max.
#   C.5  lambda T_max >= log alpha - 1/L loglog A + Delta T, and |delta| = O(eps^-L log A) before.
# Its proof, with I_1 + I_2 for the printed max{I_1, I_2} (a maximum under an integral), says
#   |delta| <= G alpha^(L-2) (I_1 + I_2),    a = gamma^2 A / (16 (L-1)),
#   lambda I_1 = log((1 + a) e^(2(L-1)tau) - a) / (2 (L-1) (1 + a)),
#   lambda I_2 = (e^(L tau) - 1) / (L (F^-1(gamma^2 A / (8 L)) - 1)),          F(x) = x log x,
# whence |delta| eps^L / log A <= 8 G / gamma^2 + o(1). The best constant is 1 / gamma: |h| is near
# log(B) / gamma, B = eps^(2(L-1)) / lambda, soon after the start.
# Diagonal nets on signs: gamma = sqrt 2 L gamma_2, |grad f_i(theta_bar + delta) - grad f_i| is at
# most 2 |delta| (L = 2) or 3 (2 + |delta|) |delta| (L = 3), and G = L sqrt(2d) + gamma/2.


def sparse_rows(lab, n=16, d=40, k=3):
    """y_i x_i for x_i uniform on {-1, 1}^d and labels from a k-sparse sign vector."""
    x, teacher = lab.signs("x", n, d).cpu().numpy(), lab.signs("w*", k).cpu().numpy()
    return x * np.sign(x[:, :k] @ teacher)[:, None]


def linear_times_log(log_y):
    """log F^-1(y) by Wright's omega: s + log s = log y."""
    return float(wrightomega(log_y).real)


def linear(log_y):
    return log_y


def log_bound(L, log_a_init, log_lam, gamma, G, tau, inverse):
    """log of the bound of the proof on |delta|."""
    log_A = 2 * (L - 1) * log_a_init - log_lam
    log_a = 2 * math.log(gamma / 4) - math.log(L - 1) + log_A
    grown = np.logaddexp(0, log_a) + 2 * (L - 1) * tau
    first = math.log(grown + math.log1p(-math.exp(log_a - grown)))
    first -= math.log(2 * (L - 1)) + np.logaddexp(0, log_a)
    slow = inverse(2 * math.log(gamma) - math.log(8 * L) + log_A)
    second = (
        L * tau
        + math.log(-math.expm1(-L * tau))
        - math.log(L)
        - slow
        - math.log1p(-math.exp(-slow))
    )
    return math.log(G) + (L - 2) * log_a_init - log_lam + float(np.logaddexp(first, second))


def radius(L, gamma):
    """eps_max: |delta| up to which the NTK features change by less than gamma / 2."""
    return gamma / 4 if L == 2 else math.sqrt(1 + gamma / 6) - 1


DIGITS = (32, 64, 128, 256)  # of alpha


@lru_cache(maxsize=16)  # controls change what is compared, and repeat the flows
def durations(lab, L, inverse):
    """For each alpha: log alpha, T_max, the same by the proof, sup of log |delta|/bound, of |h|."""
    X, found = sparse_rows(lab), []
    gamma = math.sqrt(2) * L * max_margin(X).margin
    G, limit = L * math.sqrt(2 * X.shape[1]) + gamma / 2, radius(L, gamma)
    for digits in DIGITS:
        la = digits * math.log(10)
        log_A = (2 * L - 1) * la

        def excess(tau, la=la):
            return log_bound(L, la, -la, gamma, G, tau, inverse) - math.log(limit)

        proved = scipy.optimize.brentq(excess, la / 4, la + 5)
        taus = np.linspace(la / 8, la - 5, 8)
        taus = np.concatenate([[0.1, 0.3, 0.5, 1.0], taus, la + np.linspace(-4.5, 1.5, 61)])
        early, seen, worst, top = [], [], -math.inf, 0.0
        for point in diagonal_flow(DiagonalNet(X, L, la, -la), taus):
            h = float(np.linalg.norm(point.h))
            log_delta = math.log(h) - L * point.log_eps
            early, seen = [*early, point.tau], [*seen, log_delta]
            if log_delta > math.log(limit):
                break
            worst = max(worst, log_delta - log_bound(L, la, -la, gamma, G, point.tau, inverse))
            top = max(top, h / log_A)
        end = float(np.interp(math.log(limit), seen, early))
        found.append((la, end, proved, worst, top))
    return gamma, G, limit, found


def one_over_depth(L):
    return 1 / L


def one_over_one_more(L):
    return 1 / (L + 1)


@check(lambda lab: [dict(L=L) for L in lab.pick(smoke=(2,), quick=(2, 3))])
def of_diagonal_nets(lab, L, order=one_over_depth, inverse=linear_times_log, factor=1.0):
    """T_max against the proof's time, and the largest |delta| against both constants."""
    gamma, G, limit, found = durations(lab, L, inverse)
    offsets = [T - la + order(L) * math.log((2 * L - 1) * la) for la, T, *_ in found]
    proved = [T - la + math.log((2 * L - 1) * la) / L for la, _, T, *_ in found]
    told = math.log(limit * gamma**2 / (8 * G)) / L
    logs = [(2 * L - 1) * la for la, *_ in found]
    tops = [top * gamma * factor for *_, top in found]
    best, change = log_limit(logs, tops)
    for _, T, bound, worst, _ in found:
        yield approx("T_max of the proof minus T_max, in lambda t", bound - T).at_most(0)
        yield approx("log of |delta| over the bound of the proof", worst).at_most(0)
    yield row(L=L, offset=offsets[-1], by_the_proof=proved[-1], best_constant=best / gamma)
    yield series(
        f"end of the kernel regime, L={L}",
        x=logs,
        y=offsets,
        printed=proved,
        xlabel="log A",
        ylabel="lambda T_max - log alpha + 1/L loglog A",
        log="x",
        beside="as far as the proof reaches",
    )
    yield approx("Delta T", offsets[-1]).beside(printed=told)
    yield approx("drift of the offset", abs(offsets[-1] - offsets[-2])).at_most(0.03)
    yield approx("sup |delta| eps^L / log A times gamma", best, change).beside(
        printed=8 * G / gamma
    )
    yield approx("that supremum minus 1", abs(best - 1)).at_most(1e-3)


def draw_net(lab):
    """Three quadratic units and their negatives; features with a margin that is not tiny."""
    for k in range(40):
        x, y = lab.normal(f"x{k}", 6, 4).cpu().numpy(), lab.signs(f"y{k}", 6).cpu().numpy()
        v, W = lab.normal(f"v{k}", 3).cpu().numpy(), lab.normal(f"W{k}", 3, 4).cpu().numpy() / 2
        net = squares(x, y, v, W)
        try:
            best = max_margin(net.jacobian(net.theta_bar))
        except NotSeparable:
            continue
        if best.margin > 0.1:
            return net, best
    raise ValueError("none of 40 nets had features with a margin above 0.1.")


@lru_cache(maxsize=8)
def net_exits(lab, sample):
    """(log A, lambda t - log alpha at |delta| = 0.05, sup |h| gamma / log A), L = 3."""
    net, best = draw_net(lab)
    found = []
    for digits in (16, 32, 64):
        la = digits * math.log(10)
        taus = np.unique(np.concatenate([[0.1, 0.3, 0.5, 1.0], la + np.linspace(-4.0, -1.0, 31)]))
        points = decayed_flow(net, la, -la, taus)
        sizes = [math.log(np.linalg.norm(p.h)) - 3 * p.log_eps for p in points]
        at = float(np.interp(math.log(0.05), sizes[4:], taus[4:]))
        top = max(float(np.linalg.norm(p.h)) for p in points[:4])
        found.append((5 * la, at - la, top * best.margin / (5 * la)))
    return found


@check(lambda lab: [dict(sample=k) for k in range(lab.pick(smoke=1, standard=4))])
def of_a_net(lab, sample, order=1 / 3, factor=1.0):
    """sum_j v_j (w_j . x)^2: the time at which |delta| = 0.05, and the constant."""
    found = net_exits(lab, sample)
    offsets = [at + order * math.log(l) for l, at, _ in found]
    best, change = log_limit([l for l, *_ in found], [factor * top for *_, top in found])
    yield row(sample=sample, offset=offsets[-1], best=best)
    yield approx("Delta T", offsets[-1])
    yield approx("drift of the offset", abs(offsets[-1] - offsets[-2])).at_most(0.03)
    yield approx("sup |delta| eps^L / log A times gamma", best, change)
    yield approx("that supremum minus 1", abs(best - 1)).at_most(1e-2)


duration = Claim(
    id="lyu2024/kernel-duration",
    source=Source(PAPER, "Lemma C.5", "2311.18817"),
    title="The kernel regime lasts until log alpha - 1/L loglog A + constant, with its constants",
    statement=(
        r"With $A = \alpha^{2(L-1)} / \lambda$ there is a constant $\Delta T$ such that $\lambda "
        r"T_{\max} \ge \log\alpha - \frac{1}{L} \log\log A + \Delta T$ for $\alpha$ large, and "
        r"until then $\lVert \frac{1}{\alpha} e^{\lambda t} \theta - \bar\theta \rVert \le C "
        r"\alpha^{-L} e^{L\lambda t} \log A$. The proof gives $C = 8 G / \gamma^2 + o(1)$; the "
        r"best $C$ is $1 / \gamma + o(1)$."
    ),
    hypotheses=(r"exponential loss, $\lambda = 1 / \alpha$, $L \ge 2$", "separable features"),
    checks=(
        of_diagonal_nets.asymptotic("drift of the offset"),
        of_a_net.asymptotic("drift of the offset"),
    ),
    controls=(
        of_diagonal_nets.but(order=one_over_one_more),
        of_diagonal_nets.but(inverse=linear),
        of_diagonal_nets.but(factor=1.01),
        of_a_net.but(order=1 / 4),
        of_a_net.but(factor=1.02),
    ),
    uses=("lyu2024/loss-upper-bound",),
    gap=(
        "Diagonal nets of depth 2 and 3 on Boolean data, and one nonlinear net. The proof bounds "
        "the integral of a maximum by the maximum of two integrals, where it needs their sum, and "
        "drops e^(-(L-2) lambda t), which needs L >= 2; orders are unaffected."
    ),
)
