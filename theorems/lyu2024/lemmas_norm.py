"""Lyu et al., Lemma C.8: the step from the loss to the norm fails while the norm decreases.

Cost: seconds; along exact reductions of two-layer diagonal nets.
"""

import math
from functools import lru_cache

import numpy as np

from grokverify import Claim, Source, Verdict, approx, check, row, series
from grokverify.flows.diagonal import DiagonalNet, diagonal_flow
from grokverify.margin_paths import l2_path
from grokverify.margins import max_margin

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# h = eps^L (theta / eps - theta_bar), L the depth, r_i = exp(-q_i), eps = alpha e^(-lambda t):
#   (20) printed:  d/dt log 1/Loss >= (gamma + O(alpha^-L log A) e^(L lambda t)) d|h|/dt.
# Its proof bounds the r-weighted mean of <grad q_i, h/|h|> by gamma, but gamma bounds the least of
# them only. On the plateau r_i is nearly proportional to the multipliers p_i, both sides are
# negative, h is nearly X' p, and the mean, |X' p| / sum p > gamma, makes (20) fail by a fraction of
# order 1 / log^2 B, far above the error allowed, alpha^(-2c) log A at (1 - c)/lambda log alpha.
# With the mean itself, m, it is Cauchy's inequality: the two sides differ by B L (|g|^2 - m^2), g
# the r-weighted mean of grad q_i and m = <g, h/|h|>.


def rows(lab, n=16, d=40):
    """y_i x_i for x_i uniform on {-1, 1}^d and labels from a 3-sparse sign vector."""
    x, teacher = lab.signs("x", n, d).cpu().numpy(), lab.signs("w*", 3).cpu().numpy()
    return x * np.sign(x[:, :3] @ teacher)[:, None]


@lru_cache(maxsize=32)
def defects(lab, rising, factor):
    """(log alpha, failure of (20) over |d|h|/dt|, allowed scale) at c = 1/2, lambda = 1 / alpha."""
    X = rows(lab)
    gamma = 2 * math.sqrt(2) * max_margin(X).margin
    found = []
    for digits in (4, 8, 16):
        la = digits * math.log(10)
        tau = math.exp(-3 * la) if rising else 0.5 * la
        (point,) = diagonal_flow(DiagonalNet(X, 2, la, -la), [tau], rtol=1e-11)
        eps2 = math.exp(2 * point.log_eps)
        dy = 8 * X.T @ point.pull  # per unit of tau
        both, turn = np.concatenate([point.y, -point.y]) / 4, np.concatenate([dy, -dy]) / 4
        h = eps2 * np.expm1(both)
        dh = -2 * h + eps2 * np.exp(both) * turn
        norm_rate = float(h @ dh / np.linalg.norm(h))
        dw = -2 * point.w + eps2 * np.cosh(point.y / 2) * dy
        loss_rate = float(point.pull @ (X @ dw) / point.pull.sum())
        s = 2 * X.T @ point.pull / point.pull.sum()
        pull = np.concatenate([s, -s]) * np.exp(both)  # the r-weighted mean of grad q_i
        told = gamma if factor == "gamma" else float(pull @ h / np.linalg.norm(h))
        miss = (told * norm_rate - loss_rate) / abs(told * norm_rate)
        allowed = math.exp(-2 * (la - tau)) * 3 * la
        found.append((la, miss, allowed, norm_rate))
    return found


def failures(lab, rising, factor):
    """What (20) fails by over the error it allows, at alpha = 1e4, 1e8 and 1e16."""
    found = defects(lab, rising, factor)
    for la, miss, allowed, rate in found:
        yield row(log_alpha=la, failure=miss, allowed=allowed, norm_rate=rate)
    yield series(
        "relative failure of (20)",
        x=[la for la, *_ in found],
        y=[miss for _, miss, *_ in found],
        printed=[allowed for _, _, allowed, _ in found],
        xlabel="log alpha",
        ylabel="failure over gamma |d|h|/dt|",
        beside="order of the allowed error",
    )
    _, miss, allowed, _ = found[-1]
    yield approx("failure at alpha = 1e16 over the allowed error", miss / allowed).at_most(1e3)


def samples(lab):
    return [dict(sample=k) for k in range(lab.pick(smoke=1, quick=3))]


@check(samples)
def as_printed(lab, sample, rising=False, factor="gamma"):
    yield from failures(lab, rising, factor)


@check(samples)
def mended(lab, sample, factor="mean"):
    yield from failures(lab, False, factor)


def along_the_path(lab, factor):
    """The same where h is the minimiser itself: d|h|, d log 1/Loss between two neighbouring B."""
    X = rows(lab)
    gamma = max_margin(X).margin
    for c in (20.0, 40.0, 80.0):
        low, here, high = l2_path(X, [c - 1e-3, c, c + 1e-3])
        norm_rate = -float(np.linalg.norm(high.w) - np.linalg.norm(low.w)) / 2e-3  # B falls
        loss_rate = float(np.logaddexp.reduce(-high.q) - np.logaddexp.reduce(-low.q)) / 2e-3
        mean = float(np.linalg.norm(here.w) / np.exp(here.log_p).sum())
        told = gamma if factor == "gamma" else mean
        miss = (told * norm_rate - loss_rate) / abs(told * norm_rate)
        yield row(log_B=c, failure=miss, mean_margin=mean, gamma=gamma)
        yield approx("failure on the path", miss).at_most(1e-5)


@check(samples)
def path_as_printed(lab, sample, factor="gamma"):
    yield from along_the_path(lab, factor)


@check(samples)
def path_mended(lab, sample, factor="mean"):
    yield from along_the_path(lab, factor)


norm_step_printed = Claim(
    id="lyu2024/loss-norm-inequality-printed",
    source=Source(PAPER, "Lemma C.8, (20)", "2311.18817"),
    title="The log of the loss grows at least gamma times as fast as the norm, as printed",
    statement=(
        r"$\frac{d}{dt} \log\frac{1}{\mathcal{L}} \ge (\gamma + O(\alpha^{-L} \log A) e^{L \lambda "
        r"t}) \frac{d}{dt} \lVert h \rVert$ until $T_c^-$."
    ),
    hypotheses=("the setting of Theorem 3.4",),
    checks=(
        as_printed.asymptotic("failure at alpha = 1e16 over the allowed error"),
        path_as_printed,
    ),
    controls=(
        as_printed.but(factor="mean").must_hold(),
        as_printed.but(rising=True).must_hold(),
        path_as_printed.but(factor="mean").must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S1",
    gap=(
        "Severity: lemma. It holds while the norm rises and fails on the plateau, by a fraction of "
        "order 1/log^2 B. Theorem C.9 survives: there h follows the minimiser of a strongly convex "
        "function, as the claims on the kernel regime measure."
    ),
)

norm_step = Claim(
    id="lyu2024/loss-norm-inequality",
    source=Source(PAPER, "Lemma C.8, (20)", "2311.18817"),
    title="The log of the loss grows at least as fast as the norm times the mean margin of h",
    statement=(
        r"$\frac{d}{dt} \log\frac{1}{\mathcal{L}} \ge m \frac{d}{dt} \lVert h \rVert$ up to the "
        r"error of (20), where $m$ is the mean of $\langle \nabla q_i, h / \lVert h \rVert "
        r"\rangle$ with the weights $r_i$."
    ),
    hypotheses=("the setting of Theorem 3.4",),
    checks=(mended.asymptotic("failure at alpha = 1e16 over the allowed error"), path_mended),
    controls=(mended.but(factor="gamma"), path_mended.but(factor="gamma")),
    corrects=("lyu2024/loss-norm-inequality-printed",),
    gap="At (1 - c)/lambda log alpha with c = 1/2, two-layer diagonal nets.",
)
