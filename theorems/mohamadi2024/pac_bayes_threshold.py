"""Mohamadi et al., (G.10) on the Fourier network: from which p it says anything at all.

Cost: enclosures of elementary functions over intervals of log p.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from grokverify import Claim, Source, approx, check, row, series, stats
from grokverify.enclosure import measured, supremum
from grokverify.fourier import printed, weights

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
SOURCE = Source(PAPER, "beside Theorems 4.5 and 4.6, equation (G.10)", ARXIV)
P = sp.Symbol("p")

# The network of (F.1), (F.2): h' = 8p, sup-norm r = 1, margin gamma = 4p on every input, so that
# L_gamma = 0 for gamma just below. The most that can be given: n = p^2 samples, delta = 1/2 and
# delta_1 = 1/(2p). With h = 16p, Lambda = log 4p(h+1) and A = gamma / (256 sqrt(2h)), (G.10) is
#   4 sqrt([3 h p Lambda / A^(2/3) + log 12n] / (n - 1)),  in the case (*)  A > Lambda^(3/2).


def pieces(factor=256):
    h = 16 * P
    return sp.log(4 * P * (h + 1)), 4 * P / (factor * sp.sqrt(2 * h))


def square_of_bound(factor=256):
    Lambda, A = pieces(factor)
    top = 3 * 16 * P**2 * Lambda / A ** sp.Rational(2, 3) + sp.log(12 * P**2)
    return 16 * top / (P**2 - 1)


# Last p at which (G.10) is at least 1, and last p at which case (*) does not hold.
LAST_VACUOUS, LAST_SMALL = 50_750_000_000_000_000_000, 17_756_000_000


@check()
def at_the_threshold(lab, later=Fraction(1001, 1000), earlier=Fraction(999, 1000), factor=256):
    value = square_of_bound(factor)
    for name, last, expr in (
        ("square of the bound", LAST_VACUOUS, value),
        (
            "Lambda^(3/2) over A",
            LAST_SMALL,
            pieces(factor)[0] ** sp.Rational(3, 2) / pieces(factor)[1],
        ),
    ):
        before, after = (sp.Integer(int(last * k)) for k in (earlier, later))
        yield measured(f"{name} before", expr, {P: Fraction(int(before))}).at_least(1)
        yield measured(f"{name} after", expr, {P: Fraction(int(after))}).at_most(1)
    grid = [2 * 10**k for k in range(22)]
    told = [measured("b", sp.sqrt(value), {P: q}).hi for q in grid]
    for q, b in zip(grid, told, strict=True):
        yield row(p=float(q), bound=b)
    yield series("(G.10) of the Fourier network at n = p^2", x=[float(q) for q in grid], y=told,
                 printed=[1.0] * len(grid), xlabel="p", log="xy", beside="trivial")  # fmt: skip


@check(dict(top=20), dict(top=65))
def all_the_way(lab, top, factor=256):
    """Every real p from 2 to 2^top, by intervals of log p: the bound is at least 1."""
    u = sp.Symbol("u")
    expr = 1 - square_of_bound(factor).subs(P, sp.exp(u))
    ends = Fraction(69, 100), Fraction(693, 1000) * top
    yield supremum("1 less the square of the bound", expr, u, ends, below=0).at_most(0)


vacuous = Claim(
    id="mohamadi2024/margin-bound-threshold",
    source=SOURCE,
    title="From which p the margin bound (G.10) says anything",
    statement=(
        r"On the Fourier network ($h' = 8p$, $\frac{\gamma}{r^3} = 4p$) and with $n = p^2$ "
        r"samples, as many as there are inputs, the bound (G.10) is at least 1 for every $p \le "
        r"5.07 \cdot 10^{19}$ and below 1 at $5.09 \cdot 10^{19}$. Its case $\sigma > r$ begins "
        r"near $p = 1.78 \cdot 10^{10}$."
    ),
    checks=(at_the_threshold, all_the_way.part("every smaller p")),
    controls=(
        at_the_threshold.but(earlier=Fraction(1002, 1000)),
        at_the_threshold.but(later=Fraction(998, 1000)),
        all_the_way.but(factor=Fraction(1, 100)),
    ),
    origin="ours",
    sharpens=("mohamadi2024/noise-of-a-network",),
    uses=("mohamadi2024/theorem-4.5",),
    gap="With the printed constants and the most favourable delta; from 5.09e19 on only that p.",
)


# No other sigma helps much. Noise on one logit at one input, given that of the first layer, is
# normal with variance sigma^2 sum (Q_i + Q~_i)^4, at least sigma^2 (sum 2 sigma^2 z_i^2)^2 / h in
# law, whatever the weights are. So
#   P(change < gamma/4) <= P(|N(0, sd^2)| < gamma/4) + P(chi^2_h < h/2),  sd = sigma^3 sqrt(h),
# as sum z_i^2 >= h/2 makes the standard deviation at least 2 sigma^3 (h/2) / sqrt(h).
# And (G.10) with KL = |theta|^2 / (2 sigma^2) is below 1 only for sigma^2 > 8 |theta|^2 / (n - 1),
# |theta|^2 = 12 p^2 for the Fourier network, of width h = 8p without an idle half.
LAST_FOR_ANY = 3_200_000


def most_likely(p, energy=12):
    """The bound on P(one output moves by less than gamma/4) at the least useful sigma."""
    h, sigma = 8 * p, sp.sqrt(8 * energy * p**2 / (p**2 - 1))
    inside = 1 - sp.erfc(p / (sp.sqrt(2) * 2 * sigma**3 * sp.sqrt(h) / 2))
    few = sp.exp(-h / 2 * (sp.log(2) - sp.Rational(1, 2)))  # Chernoff: P(chi^2_h < h/2)
    return inside, few


@check()
def any_noise(lab, later=1, energy=12):
    """The first term rises with p and the second falls: two ranges settle all p in between."""
    inside, few = most_likely(P, energy)
    for low, high in ((2, 50), (50, LAST_FOR_ANY * later)):
        chance = inside.subs(P, sp.Symbol("q")) + few
        told = measured(
            "P(one output moves by less than gamma/4)", chance, {P: low, sp.Symbol("q"): high}
        )
        yield series("P(one output moves by less than gamma/4)", x=high, y=told.hi, printed=0.5,
                     xlabel="p", log="x", beside="needed")  # fmt: skip
        yield row(p_from=low, p_to=high, P_at_most=told.hi)
        yield told.at_most(Fraction(1, 2))


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(3,), quick=(3, 8, 23, 97))])
def energy(lab, p, factor=12):
    """|theta|^2 of the Fourier network over p^2, in floats."""
    W, V = weights(printed(p), p)
    yield approx(
        "|theta|^2 / p^2 less 12", abs(float((W**2).sum() + (V**2).sum()) / p**2 - factor)
    ).at_most(1e-9)


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(3,), quick=(3, 5, 11))])
def noise_drawn(lab, p, sigma=None):
    """One output of the Fourier network under the least useful noise: how often it stays."""
    W, V = (lab.real(x) for x in weights(printed(p), p))
    s = float(np.sqrt(96 * p**2 / (p**2 - 1))) if sigma is None else sigma

    def stays(lab, trials):
        z = W[:, 0] + W[:, p] + s * lab.normal("W", trials, 8 * p, 2).sum(2)
        moved = ((V[0] + s * lab.normal("V", trials, 8 * p)) * z**2).sum(1)
        return (moved - V[0] @ (W[:, 0] + W[:, p]) ** 2).abs() < p

    yield stats.decide("P(one output moves by less than gamma/4)", stays, lab=lab, at_most=0.5)


any_sigma = Claim(
    id="mohamadi2024/margin-bound-any-noise",
    source=SOURCE,
    title="No choice of the noise makes the margin bound useful for p up to 3.2 million",
    statement=(
        r"For the Fourier network, $n = p^2$ and every $\sigma$: either noise of variance "
        r"$\sigma^2$ breaks the condition of Lemma G.9 or its bound, with prior $N(0, \sigma^2)$, "
        r"is at least 1, for all $p \le 3.2 \cdot 10^6$."
    ),
    checks=(any_noise, energy.part("the norm"), noise_drawn.part("small p")),
    controls=(
        any_noise.but(later=2),
        any_noise.but(energy=2),
        energy.but(factor=11.99),
        noise_drawn.but(sigma=0.05),
    ),
    origin="ours",
    sharpens=("mohamadi2024/margin-bound-threshold",),
    gap="It concerns isotropic Gaussian noise with a prior of the same variance. That the worst "
    "mean is 0, and the worst weights too, is Anderson's inequality.",
)
