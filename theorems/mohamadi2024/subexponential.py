"""Mohamadi et al., Appendix G.1: parameters of sub-exponential variables, and of those used.

Cost: branch and bound over the cumulant generating functions of scaled squares and products.
"""

from fractions import Fraction

import sympy as sp

from grokverify import Claim, Source, Verdict, check, exact, row, series
from grokverify.enclosure import measured
from grokverify.subexponential import L, excess, product, square

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
ROOT2 = sp.sqrt(2)

# (G.1)  X ~ SE(nu, alpha): log E exp(l (X - mu)) <= nu^2 l^2 / 2 for |l| < 1/alpha. What is shown
# is the largest ratio of the two sides; sigma = 1, since scaling is Lemma G.1.


def ratio_at(K, nu, at):
    return measured("ratio of both sides of (G.1)", (2 * K / (nu**2 * L**2)).subs(L, at))


# --- z^2 ~ SE(2, 4) -------------------------------------------------------------------------------


@check()
def whole_interval(lab, nu=2, alpha=Fraction(4)):
    yield excess("largest ratio", square(1), nu, alpha).at_most(1)


@check()
def at_the_end(lab, nu=2, alpha=Fraction(4)):
    """K(l) / l^2 = sum over k >= 2 of 2^(k-1) l^(k-2) / k rises with l, up to 1/alpha."""
    points = [Fraction(k, 20) / alpha for k in range(-20, 21) if k]
    told = [ratio_at(square(1), nu, sp.Rational(x)) for x in points]
    yield series(
        "ratio of both sides of (G.1), z^2 with nu = 2",
        x=points,
        xlabel="l",
        y=[t.hi for t in told],
        printed=[1] * len(points),
        beside="allowed",
    )
    yield told[-1].at_most(1)
    least = measured("least nu at this alpha", sp.sqrt(2 * square(1) / L**2).subs(L, 1 / alpha))
    yield row(alpha=alpha, nu_least=least.hi)


squares = Claim(
    id="mohamadi2024/square-is-subexponential",
    source=Source(PAPER, "Appendix G.1, before Lemma G.1", ARXIV),
    title="The square of a standard normal is SE(2, 4)",
    statement=r"$z^2 \sim SE(2, 4)$ with mean 1 for $z \sim N(0, 1)$.",
    checks=(whole_interval, at_the_end),
    controls=(
        whole_interval.but(nu=sp.Rational(7, 4)),
        whole_interval.but(alpha=Fraction(29, 10)),
        at_the_end.but(nu=sp.Rational(7, 4)),
        at_the_end.but(alpha=Fraction(29, 10)),
    ),
    gap="That K(l) / l^2 rises is a power series with positive coefficients for l > 0; for l < 0 "
    "the first check decides.",
)


# --- 2 z^2: parameters in Lemmas G.11 and G.12 ----------------------------------------------------
# G.12 prints SE(2 sqrt2 sigma^2, 4 sqrt2 sigma^2) for 2 sigma^2 z^2, whose variance is 8 sigma^4:
# nu^2 is the variance and the third cumulant, 64 sigma^6, is positive, so (G.1) fails at every
# small l > 0, whatever alpha is. G.11 has SE(4 sigma^2, 8 sigma^2) for the same variable.
FROM_G12, FROM_G11 = 2 * ROOT2, sp.Integer(4)


@check(lambda lab: [dict(k=k) for k in lab.pick(smoke=(1, 3), quick=(1, 2, 3, 4, 6))])
def near_zero(lab, k, nu=FROM_G12):
    told = ratio_at(square(2), nu, sp.Rational(1, 10**k))
    yield series(
        "ratio of both sides of (G.1) for 2 z^2",
        x=10.0**-k,
        y=told.hi,
        printed=1,
        xlabel="l",
        log="x",
        beside="allowed",
    )
    yield told.at_most(1)


@check()
def cumulants(lab, nu=FROM_G12):
    """K(l) - nu^2 l^2 / 2 = (var - nu^2) l^2 / 2 + k3 l^3 / 6 + ...: its sign near 0."""
    second, third = (sp.diff(square(2), L, k).subs(L, 0) for k in (2, 3))
    yield row(variance=int(second), third_cumulant=int(third), nu_squared=int(nu**2))
    first = second - nu**2
    yield exact("leading coefficient, of either sign if odd", int(first or abs(third))).at_most(0)


square_parameters_printed = Claim(
    id="mohamadi2024/square-parameters-printed",
    source=Source(PAPER, "proof of Lemma G.12", ARXIV),
    title="Coordinates of the squared noise are SE(2 sqrt2 sigma^2, 4 sqrt2 sigma^2)",
    statement=r"$\tilde Q_i = 2 \sigma^2 z^2 \sim SE(2 \sqrt 2 \sigma^2, 4 \sqrt 2 \sigma^2)$.",
    checks=(near_zero, cumulants),
    controls=(near_zero.but(nu=FROM_G11).must_hold(), cumulants.but(nu=FROM_G11).must_hold()),
    severity="S2",
    gap="Severity: step of a proof. Those are parameters of a product of two independent normals, "
    "as in (G.15). The bound of Lemma G.12 is true.",
    expect=Verdict.REFUTED,
)


@check()
def doubled_square(lab, nu=FROM_G11, alpha=Fraction(8)):
    told = excess("largest ratio", square(2), nu, alpha)
    yield row(nu=float(nu), alpha=alpha, ratio=told.hi)
    yield told.at_most(1)


@check(near_zero.domain)
def doubled_near_zero(lab, k, nu=FROM_G11):
    yield from near_zero.observe(lab, k, nu=nu)


square_parameters = Claim(
    id="mohamadi2024/square-parameters",
    source=Source(PAPER, "proof of Lemma G.11", ARXIV),
    title="Coordinates of the squared noise are SE(4 sigma^2, 8 sigma^2)",
    statement=r"$\tilde Q_i = 2 \sigma^2 z^2 \sim SE(4 \sigma^2, 8 \sigma^2)$, with mean "
    r"$2 \sigma^2$.",
    checks=(doubled_square, doubled_near_zero.part("small l")),
    controls=(
        doubled_square.but(nu=FROM_G12),
        doubled_square.but(nu=sp.Rational(7, 2)),
        doubled_near_zero.but(nu=FROM_G12),
    ),
    corrects=("mohamadi2024/square-parameters-printed",),
    gap="The text has mean 2, without sigma^2.",
)


# --- products of two independent normals, (G.15) --------------------------------------------------


@check()
def noise_product(lab, nu=2 * ROOT2, alpha=Fraction(565, 100)):
    """N(0, 1) times N(0, 2); alpha below 4 sqrt2 asks for more than the text."""
    yield excess("largest ratio", product(2), nu, alpha).at_most(1)


@check()
def product_at_the_end(lab, nu=2 * ROOT2, u=Fraction(1, 16)):
    """u = 2 l^2 <= 1/16: -log(1 - u) / 2 <= nu^2 u / 4, and -log(1 - u) / u rises."""
    u = sp.Rational(u)
    told = measured("ratio at the end", -sp.log(1 - u) / 2 / (nu**2 * u / 4))
    least = measured("least nu", sp.sqrt(-2 * sp.log(1 - u) / u))
    yield row(nu_printed=float(nu), nu_least=least.hi)
    yield told.at_most(1)
    grid = [sp.Rational(k, 160) for k in range(1, 11)]
    yield series(
        "ratio of both sides of (G.1) for a product",
        x=[float(g) for g in grid],
        y=[measured("r", -2 * sp.log(1 - g) / (nu**2 * g)).hi for g in grid],
        printed=[1] * 10,
        xlabel="u",
        beside="allowed",
    )


noise_products = Claim(
    id="mohamadi2024/noise-product-parameters",
    source=Source(PAPER, "proof of Lemma G.13, before (G.15)", ARXIV),
    title="Products of second- and first-layer noise are sub-exponential as printed",
    statement=r"For independent $\tilde V \sim N(0, \sigma^2)$, $\tilde Q \sim N(0, 2 \sigma^2)$: "
    r"$\tilde V \tilde Q \sim SE(2 \sqrt 2 \sigma^2, 4 \sqrt 2 \sigma^2)$, with mean 0.",
    checks=(noise_product, product_at_the_end),
    controls=(
        noise_product.but(nu=sp.Rational(143, 100)),
        noise_product.but(alpha=Fraction(142, 100)),
        product_at_the_end.but(nu=sp.Rational(143, 100)),
    ),
    gap="This answers the question in the margin of the text; nu = 1.44 would do at this alpha.",
)


# --- Lemma G.1 and Proposition G.2 ----------------------------------------------------------------
# With the least nu of a square at alpha = 4, 1.76 to two digits, the rules have no slack.
NU, ALPHA = sp.Rational(176, 100), Fraction(4)
SCALES = (("1", "9/10"), ("1", "1"), ("1", "1/2", "1/3"), ("3", "3", "3", "3"))


def times(s, value):
    return s * value


def times_square(s, value):
    return s**2 * value


@check(dict(s="1/2"), dict(s="3"), dict(s="10"))
def scaled(lab, s, grow=times):
    s = sp.Rational(s)
    alpha = Fraction(grow(s, sp.Rational(ALPHA)))
    yield row(s=str(s), nu=float(grow(s, NU)), alpha=float(alpha))
    told = excess("largest ratio of s X", square(s), grow(s, NU), max(alpha, Fraction(s) * 3))
    yield told.at_most(1)


def root_of_squares(nus):
    return sp.sqrt(sum(nu**2 for nu in nus))


def largest(nus):
    return max(nus)


def least(alphas):
    return min(alphas)


@check(lambda lab: [dict(scales=list(s)) for s in lab.pick(smoke=SCALES[:2], quick=SCALES)])
def summed(lab, scales, nu=root_of_squares, alpha=max, alike=False):
    s = [sp.Rational(x) for x in scales]
    K = square(sum(s)) if alike else sum(square(x) for x in s)
    of_sum = nu([x * NU for x in s]), Fraction(alpha([Fraction(x) * ALPHA for x in s]))
    told = excess("largest ratio of a sum", K, *of_sum)
    yield row(scales=", ".join(scales), nu=float(of_sum[0]), ratio=told.hi)
    yield series("largest ratio of a sum", x=len(scales), y=told.hi, printed=1, xlabel="summands",
                 beside="allowed")  # fmt: skip
    yield told.at_most(1)


def over_n(nus):
    """nu of the average: N^(-1/2) (1/N sum nu^2)^(1/2)."""
    return root_of_squares(nus) / len(nus)


def over_n_to_three_halves(nus):
    return root_of_squares(nus) / sp.sqrt(len(nus) ** 3)


@check(lambda lab: [dict(scales=list(s)) for s in lab.pick(smoke=SCALES[:1], quick=SCALES)])
def averaged(lab, scales, nu=over_n):
    s, n = [sp.Rational(x) for x in scales], len(scales)
    K = sum(square(x / n) for x in s)
    alpha = max(Fraction(x) for x in s) * ALPHA / n
    yield excess("largest ratio of an average", K, nu([x * NU for x in s]), alpha).at_most(1)


rules = Claim(
    id="mohamadi2024/subexponential-rules",
    source=Source(PAPER, "Lemma G.1, Proposition G.2", ARXIV),
    title="Parameters of multiples, sums and averages",
    statement=r"$sX \sim SE(s\nu, s\alpha)$; independent $X_i \sim SE(\nu_i, \alpha_i)$ have "
    r"$\sum_i X_i \sim SE(\sqrt{\sum_i \nu_i^2}, \max_i \alpha_i)$ and average "
    r"$SE(N^{-1/2} \sqrt{N^{-1} \sum_i \nu_i^2}, N^{-1} \max_i \alpha_i)$.",
    hypotheses=("s > 0", "independent summands"),
    checks=(scaled.part("multiples"), summed.part("sums"), averaged.part("averages")),
    controls=(
        scaled.but(grow=times_square),
        summed.but(nu=largest),
        summed.but(alpha=least),
        summed.but(alike=True),
        averaged.but(nu=over_n_to_three_halves),
    ),
    gap="On scaled squares, with parameters that have no slack; in general logarithms of moment "
    "generating functions add up.",
)
