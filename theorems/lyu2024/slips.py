"""Lyu et al., two slips of the main text: the scale of delta, and the sphere of the l1 margin.

Diagonal nets through their exact reduction at alpha up to 1e128, and linear programmes. Cost:
seconds.
"""

import math
from fractions import Fraction

import numpy as np
import scipy.optimize

from grokverify import Claim, Source, Verdict, approx, check, exact, row
from grokverify.flows.decay import decayed_flow
from grokverify.flows.diagonal import DiagonalNet, diagonal_flow
from grokverify.margins import max_margin
from theorems.lyu2024.lemmas_displacement import draw_net

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"


def rows(lab, n=16, d=40):
    """y_i x_i for x_i uniform on {-1, 1}^d and labels from a 3-sparse sign vector."""
    x, teacher = lab.signs("x", n, d).cpu().numpy(), lab.signs("w*", 3).cpu().numpy()
    return x * np.sign(x[:, :3] @ teacher)[:, None]


def samples(lab):
    return [dict(sample=k) for k in range(lab.pick(smoke=1, quick=3, standard=10))]


# At t = (1 - c)/lambda log alpha the insight beside Theorem 3.4 prints
#   delta = theta e^(lambda t) / alpha - theta_bar
#         ~ 1/gamma alpha^L e^(-L lambda t) log(alpha^c / lambda) h*,
# which grows with alpha. It is h over alpha^L e^(-L lambda t), so that by Theorem C.9
#   delta ~ 1/gamma alpha^-L e^(L lambda t) log(alpha^(2(L-1)c) / lambda) h*.


def lengths(lab, L, sample, sign, corrected):
    """log of |delta| over a length, at c = 1/2, lambda = 1 / alpha, alpha = 1e128."""
    c, la = 0.5, 128 * math.log(10)
    if L:
        X = rows(lab)
        gamma = max_margin(np.hstack([L * X, -L * X])).margin
        (point,) = diagonal_flow(DiagonalNet(X, L, la, -la), [(1 - c) * la])
    else:  # the quadratic net of degree 3, in all its parameters
        net, best = draw_net(lab)
        L, gamma = net.degree, best.margin
        (point,) = decayed_flow(net, la, -la, [(1 - c) * la])
    seen = math.log(np.linalg.norm(point.h)) - L * point.log_eps
    power = 2 * (L - 1) * c if corrected else c
    told = sign * L * c * la + math.log((power + 1) * la / gamma)
    yield row(L=L, sample=sample, log_of_delta=seen, told=told)
    yield approx("|log of |delta| over its length|", abs(seen - told)).at_most(0.1)


def depths(lab):
    return [dict(L=L, **s) for L in (2, 3) for s in samples(lab)]


@check(depths)
def as_printed(lab, L, sample, sign=1, corrected=False):
    yield from lengths(lab, L, sample, sign, corrected)


@check(samples)
def net_as_printed(lab, sample, sign=1, corrected=False):
    yield from lengths(lab, 0, sample, sign, corrected)


@check(samples)
def net_displaced(lab, sample, sign=-1, corrected=True):
    yield from lengths(lab, 0, sample, sign, corrected)


@check(depths)
def displaced(lab, L, sample, sign=-1, corrected=True):
    yield from lengths(lab, L, sample, sign, corrected)


HYPOTHESES = (r"exponential loss, $\lambda = 1 / \alpha$", "separable features, $L \\ge 2$")

scale_printed = Claim(
    id="lyu2024/insight-scale-printed",
    source=Source(PAPER, "Section 3.2.1, proof insight", "2311.18817"),
    title="The scale of the displacement, as printed",
    statement=(
        r"At $T_c^-$, $\frac{e^{\lambda t}}{\alpha} \theta - \bar\theta \approx \frac{1}{\gamma} "
        r"\alpha^L e^{-L\lambda t} \log\frac{\alpha^c}{\lambda}\, h^*$."
    ),
    hypotheses=HYPOTHESES,
    checks=(
        as_printed.asymptotic("|log of |delta| over its length|"),
        net_as_printed.asymptotic("|log of |delta| over its length|"),
    ),
    controls=(
        as_printed.but(sign=-1, corrected=True).must_hold(),
        net_as_printed.but(sign=-1, corrected=True).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S3",
    gap="Severity: slip. Both exponents have the wrong sign; Theorem C.9 has the scale right.",
)

scale = Claim(
    id="lyu2024/insight-scale",
    source=Source(PAPER, "Section 3.2.1, proof insight", "2311.18817"),
    title="The scale of the displacement",
    statement=(
        r"At $T_c^-$, $\frac{e^{\lambda t}}{\alpha} \theta - \bar\theta \approx \frac{1}{\gamma} "
        r"\alpha^{-L} e^{L\lambda t} \log\frac{\alpha^{2(L-1)c}}{\lambda}\, h^*$."
    ),
    hypotheses=HYPOTHESES,
    checks=(
        displaced.asymptotic("|log of |delta| over its length|"),
        net_displaced.asymptotic("|log of |delta| over its length|"),
    ),
    controls=(
        displaced.but(sign=1),
        displaced.but(corrected=False),
        net_displaced.but(sign=1),
        net_displaced.but(corrected=False),
    ),
    origin="ours",
    corrects=("lyu2024/insight-scale-printed",),
    uses=("lyu2024/kernel-displacement",),
    gap="Diagonal nets of depth 2 and 3, a quadratic net; the length only, c = 1/2, alpha = 1e128.",
)


# Beside Corollary 3.7:  min |w|_1 s.t. y_i <w, x_i> >= 1  is called equivalent to the largest
# least margin on the sphere S^(d-1), that of the l2 norm; it has to be the sphere of the l1 norm.
# The largest least margin on a sphere is bounded from above by |X'a|_dual / sum a for any a >= 0.


def missing(lab, sample, norm):
    """How far the separator of least l1 norm falls short of the largest margin on a sphere."""
    X = rows(lab)
    n, d = X.shape
    found = scipy.optimize.linprog(np.ones(2 * d), A_ub=np.hstack([-X, X]), b_ub=-np.ones(n))
    w = found.x[:d] - found.x[d:]
    margin = float((X @ w).min()) / float(np.linalg.norm(w, norm))
    a = max_margin(X, norm).multipliers
    top = float(np.linalg.norm(X.T @ a, np.inf if norm == 1 else 2)) / float(a.sum())
    yield row(sample=sample, margin=margin, largest=top)
    yield approx("missing share of the largest margin", 1 - margin / top).at_most(1e-6)


@check(samples)
def euclidean(lab, sample, norm=2):
    yield from missing(lab, sample, norm)


@check(samples)
def taxicab(lab, sample, norm=1):
    yield from missing(lab, sample, norm)


# One sample x: of the w with <w, x> >= 1 the least l1 norm has e_k / x_k, |x_k| the largest entry
# (Hoelder). The largest <w, x> on the l2 sphere is |x|_2, and |x|_inf on that of the l1 norm.


def of_one_sample(x, norm):
    """Squared margin of the separator of least l1 norm over the largest, in whole numbers."""
    k = max(range(len(x)), key=lambda i: abs(x[i]))
    w = [Fraction(i == k, x[k]) for i in range(len(x))]
    inner = sum(a * b for a, b in zip(w, x, strict=True))
    if norm == 1:
        length, largest = sum(map(abs, w)) ** 2, max(map(abs, x)) ** 2
    else:
        length, largest = (sum(a * a for a in v) for v in (w, x))
    yield row(norm=norm, margin=float(inner), squared_length=float(length))
    yield exact("squared margin over the largest", inner**2 / length / largest).at_least(1)


SINGLE = ({"x": [2, 1]}, {"x": [3, -4, 2]}, {"x": [1, 0, 0, -5]})


@check(*SINGLE)
def by_hand(lab, x, norm=2):
    yield from of_one_sample(x, norm)


@check(*SINGLE)
def by_hand_again(lab, x, norm=1):
    yield from of_one_sample(x, norm)


sphere_printed = Claim(
    id="lyu2024/l1-separator-printed",
    source=Source(PAPER, "Section 3.2.3, beside Corollary 3.7", "2311.18817"),
    title="The maximum l1-margin separator as a maximiser on the sphere, as printed",
    statement=(
        r"$\arg\min \lVert w \rVert_1$ s.t. $y_i \langle w, x_i \rangle \ge 1$ points along "
        r"$\arg\max_{w \in S^{d-1}} \min_i y_i \langle w, x_i \rangle$, $S^{d-1}$ the unit "
        r"sphere."
    ),
    hypotheses=("separable data",),
    checks=(euclidean, by_hand),
    controls=(euclidean.but(norm=1).must_hold(), by_hand.but(norm=1).must_hold()),
    expect=Verdict.REFUTED,
    severity="S3",
    gap="Severity: slip. On that sphere it is the l2 margin, as Corollary 3.6 defines it.",
)

sphere = Claim(
    id="lyu2024/l1-separator",
    source=Source(PAPER, "Section 3.2.3, beside Corollary 3.7", "2311.18817"),
    title="The maximum l1-margin separator as a maximiser on the sphere of the l1 norm",
    statement=(
        r"$\arg\min \lVert w \rVert_1$ s.t. $y_i \langle w, x_i \rangle \ge 1$ points along "
        r"$\arg\max_{\lVert w \rVert_1 = 1} \min_i y_i \langle w, x_i \rangle$."
    ),
    hypotheses=("separable data",),
    checks=(taxicab, by_hand_again.part("one sample, by hand")),
    controls=(taxicab.but(norm=2), by_hand_again.but(norm=2)),
    corrects=("lyu2024/l1-separator-printed",),
    origin="ours",
    gap="Random sign data, n = 16, d = 40; multipliers of the margin bound it from above.",
)
