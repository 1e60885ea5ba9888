"""When the transition of Lyu et al. happens, with its constant, and how sharp it is.

Sharpens Theorems 3.4 and 3.5, which place it between (1 - c) and (1 + c)/lambda log alpha, and
Lemma C.5, which bounds it below. Cost: seconds; exact reductions at alpha up to 1e256.
"""

import math
from functools import lru_cache

import numpy as np
import scipy.optimize

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.diagonal import LOGISTIC, DiagonalNet, diagonal_flow
from grokverify.limits import log_limit
from grokverify.linear_accuracy import sparse_accuracy
from grokverify.margin_paths import l2_path
from grokverify.margins import max_margin

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# Diagonal nets, lambda = alpha^-p, eps = alpha e^(-lambda t), w = eps^L phi_L(y), phi_L(y) ~ y. The
# net is linear in y up to y^2; say that it leaves the kernel regime when |y|_inf reaches eta. Until
# then w is near log(1/lambda) w~, w~ = the separator of margin 1, so that eps^L eta = |w|_inf gives
#   lambda t = log alpha - 1/L loglog(1/lambda) - 1/L log(|w~|_inf / eta) + o(1):
# the correction loglog is that of Lemma C.5, and here is its constant, whatever p > 0 and the tail.
ETA = 0.01


def one_over_depth(L):
    return 1 / L


def one_over_one_less(L):
    return 1 / (L - 1)


def sparse_rows(lab, n=16, d=40, k=3):
    """y_i x_i for x_i uniform on {-1, 1}^d, labels from a k-sparse sign vector, which comes too."""
    x, teacher = lab.signs("x", n, d).cpu().numpy(), lab.signs("w*", k).cpu().numpy()
    return x * np.sign(x[:, :k] @ teacher)[:, None], teacher


def told_by_path(X, net):
    """lambda t at which eps^L eta = |w_B|_inf on the regularisation path, at finite alpha."""
    L = net.depth

    def excess(tau):
        (point,) = l2_path(X, [net.log_gain(tau) - math.log(L)])
        return L * (net.log_alpha - tau) + math.log(ETA) - math.log(np.abs(point.w).max())

    return scipy.optimize.brentq(excess, net.log_alpha - 15, net.log_alpha, xtol=1e-10)


@lru_cache(maxsize=64)  # controls change what is compared, and repeat the flows
def exits(lab, L, p, tail):
    """(lambda t - log alpha, the same by the path, log 1/lambda) for each alpha."""
    X, _ = sparse_rows(lab)
    found = []
    for digits in (32, 64, 128, 256):
        log_alpha = digits * math.log(10)
        loss = dict(loss=LOGISTIC) if tail == "logistic" else {}
        net = DiagonalNet(X, L, log_alpha, -p * log_alpha, **loss)
        guess = told_by_path(X, net)
        taus = guess + np.linspace(-0.2, 0.2, 9)
        level = [math.log(np.abs(point.y).max()) for point in diagonal_flow(net, taus)]
        at = float(np.interp(math.log(ETA), level, taus))
        found.append((at - log_alpha, guess - log_alpha, p * log_alpha))
    return max_margin(X), found


def nets(lab):
    few = [dict(L=2, p=1.0, tail="exponential")]
    more = [dict(L=3, p=0.5, tail="exponential"), dict(L=2, p=2.0, tail="logistic")]
    return lab.pick(smoke=few, quick=few + more)


@check(nets)
def offset(lab, L, p, tail, order=one_over_depth, power=2.0):
    """The limit of lambda t - log alpha + 1/L loglog(1/lambda) against its closed form."""
    best, found = exits(lab, L, p, tail)
    logs = [l for _, _, l in found]
    values = [at + order(L) * math.log(l) for at, _, l in found]
    limit, change = log_limit(logs, values)
    told = -math.log(np.abs(best.w).max() / ETA) / L * (power / 2)
    yield row(L=L, p=p, tail=tail, limit=limit, predicted=told, last=values[-1])
    yield series(
        f"exit from the kernel regime, L={L}, p={p:g}, {tail}",
        x=logs,
        y=values,
        printed=[told] * len(logs),
        xlabel="log 1/lambda",
        ylabel="lambda t - log alpha + 1/L loglog(1/lambda)",
        log="x",
        beside="predicted limit",
    )
    yield approx("offset of the exit", limit, change).beside(printed=told)
    yield approx("offset minus prediction", abs(limit - told)).at_most(0.01)


@check(nets)
def by_the_path(lab, L, p, tail, shift=0.0):
    """At each finite alpha: the exit of the flow against that of the path."""
    _, found = exits(lab, L, p, tail)
    for at, told, l in found:
        yield approx("exit minus that of the path, times log", abs(at - told + shift) * l).at_most(
            1
        )


@lru_cache(maxsize=16)
def accuracies(lab, digits, depth_power):
    """(tau - log alpha, test accuracy, margin over its l1 maximum) of a depth-2 net, p = 1."""
    X, teacher = sparse_rows(lab, 32, 100)
    log_alpha, top = digits * math.log(10), max_margin(X, 1.0).margin
    grid = np.linspace(-3.0, 5.0, 81)
    curve = []
    for point in diagonal_flow(DiagonalNet(X, 2, log_alpha, -log_alpha), log_alpha + grid):
        right, _ = sparse_accuracy(point.w, teacher)
        curve.append((right, float(point.q.min()) / np.abs(point.w).sum() / top))
    right, margin = (np.array(column) for column in zip(*curve, strict=True))
    return grid, right, margin


def crossing(grid, values, level):
    """The first time at which the values pass the level."""
    k = int(np.argmax(values >= level))
    share = (level - values[k - 1]) / (values[k] - values[k - 1])
    return float(grid[k - 1] + share * (grid[k] - grid[k - 1]))


@check(lambda lab: [dict(digits=lab.pick(smoke=[8, 64], quick=[8, 16, 32, 64, 128]))])
def width(lab, digits, relative=False):
    """The rise of the margin from 10 to 90 % between its plateaus, in lambda t."""
    spans = []
    for k in digits:
        grid, right, margin = accuracies(lab, k, 2)
        loglog = 0.5 * math.log(k * math.log(10))
        part = (margin - margin[0]) / (margin[-1] - margin[0])
        span = crossing(grid, part, 0.9) - crossing(grid, part, 0.1)
        spans.append(span / (k * math.log(10)) if relative else span)
        for name, values in (("test accuracy", right), ("l1 margin over its maximum", margin)):
            yield series(
                f"alpha = 1e{k}",
                x=grid + loglog,
                y=values,
                xlabel="lambda t - log alpha + 1/2 loglog(1/lambda)",
                ylabel=name,
                plot=name,
            )
        yield row(log10_alpha=k, width=span, share_of_log_alpha=span / (k * math.log(10)))
    yield approx("largest width over smallest", max(spans) / min(spans)).at_most(2)


transition_time = Claim(
    id="lyu2024/transition-time",
    source=Source(PAPER, "Lemma C.5; Theorems 3.4 and 3.5 together", "2311.18817"),
    title="The transition is at log alpha - 1/L loglog(1/lambda) + constant, of constant width",
    statement=(
        r"Diagonal nets leave the kernel regime ($\lVert X^\top \rho \rVert_\infty = \eta$ small) "
        r"at $\lambda t = \log\alpha - \frac{1}{L} \log\log\frac{1}{\lambda} - \frac{1}{L} \log "
        r"\frac{\lVert \tilde w \rVert_\infty}{\eta} + o(1)$, $\tilde w$ the $\ell_2$ separator of "
        r"margin 1, for every $p > 0$ and both losses; the rise of the margin takes a time "
        r"$\lambda \Delta t$ that does not grow with $\alpha$."
    ),
    hypotheses=(r"$\lambda = \alpha^{-p}$", "separable data", "exponential or logistic loss"),
    checks=(
        offset.asymptotic("offset minus prediction").part("the time of the exit"),
        by_the_path.asymptotic("exit minus that of the path, times log").part(
            "the time of the exit"
        ),
        width.asymptotic("largest width over smallest").part("the width"),
    ),
    controls=(
        offset.but(order=one_over_one_less),
        offset.but(power=2.2),
        by_the_path.but(shift=0.1),
        width.but(relative=True),
    ),
    origin="ours",
    uses=("lyu2024/kernel-direction",),
    gap="eta = 0.01; at eta of order 1 the constant is no longer explicit. Boolean sparse data.",
)
