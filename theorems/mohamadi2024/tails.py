"""Mohamadi et al., Propositions G.3, G.5, G.6 and Corollary G.4: tail bounds, nearly attained.

The law on -t, 0, t with chances q/2, 1 - q, q/2 has log E e^(lX) <= l^2 / 2 on |l| <= 1/alpha for
    q = (e^(m^2/2) - 1) / (cosh(m t) - 1),   m = min(t, 1/alpha)
(about, for t >= 3: the largest such q is a little smaller). It meets the bounds of this section up
to a small factor, so that no constant in them can be smaller. Cost: branch and bound, binomials.
"""

import math
from fractions import Fraction

import sympy as sp

from grokverify import Claim, Source, check, exact, row, series
from grokverify.enclosure import measured
from grokverify.subexponential import excess, three_points
from grokverify.worked import given

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
FILL = Fraction(97, 100)
ALPHA = Fraction(1, 4)  # of the three-point laws, with nu = 1


def chance(t, alpha=ALPHA, fill=FILL):
    """q as above, times 0.97 to be on the safe side, as a fraction."""
    m = min(Fraction(t), 1 / alpha) if alpha else Fraction(t)
    m, t = sp.Rational(m), sp.Rational(t)
    exactly = (sp.exp(m**2 / 2) - 1) / (sp.cosh(m * t) - 1)
    return fill * Fraction(measured("q", exactly).lo)


T = ("3", "4", "9/2", "5")  # ALPHA puts the kink of the bounds at t = nu^2 / alpha = 4


# --- Proposition G.3:  P(|X - mu| >= t) <= 2 exp(-min(t^2 / 2 nu^2, t / 2 alpha)) -----------------


@check(lambda lab: [dict(t=t) for t in lab.pick(smoke=T[:3], quick=T)])
def rare_jumps(lab, t, front=2, square=2, line=2, fill=FILL):
    q, x = chance(t, fill=fill), sp.Rational(t)
    law = excess("ratio of both sides of (G.1)", three_points(x, sp.Rational(q)), 1, ALPHA, below=1)
    bound = front * sp.exp(-sp.Min(x**2 / square, x / (line * sp.Rational(ALPHA))))
    told = measured("tail over bound", sp.Rational(q) / bound)
    yield row(t=t, tail=float(q), bound=measured("b", bound).hi)
    yield series(
        "tail beside the bound, three-point laws",
        x=Fraction(t),
        y=float(q),
        log="y",
        printed=measured("b", bound).hi,
        xlabel="t",
        beside="bound",
    )
    yield law.at_most(1)
    yield told.at_most(1)


def gaussian_tail(t):
    return sp.erfc(t / sp.sqrt(2))


def square_tail(t):
    """P(|z^2 - 1| >= t)."""
    low = 1 - gaussian_tail(sp.sqrt(1 - t)) if t < 1 else 0
    return gaussian_tail(sp.sqrt(1 + t)) + low


# law -> (two-sided tail, nu, alpha): z^2 - 1 with the parameters of the text, and N(0, 1), which
# has every alpha.
LAWS = {"square": (square_tail, 2, Fraction(4)), "normal": (gaussian_tail, 1, Fraction(1, 20))}


@check(
    lambda lab: [
        dict(law=name, t=t)
        for name in LAWS
        for t in lab.pick(smoke=("1/2", "10"), quick=("1/2", "1", "4", "10", "19"))
    ]
)
def known_laws(lab, law, t, square=2):
    tail, nu, alpha = LAWS[law]
    x = sp.Rational(t)
    bound = 2 * sp.exp(-sp.Min(x**2 / (square * nu**2), x / (2 * sp.Rational(alpha))))
    told = measured("tail over bound", tail(x) / bound)
    yield row(law=law, t=t, tail_over_bound=told.hi)
    yield told.at_most(1)


tail_bound = Claim(
    id="mohamadi2024/subexponential-tail",
    source=Source(PAPER, "Proposition G.3", ARXIV),
    title="Tail of a sub-exponential variable",
    statement=r"$\Pr(|X - \mu| \ge t) \le 2 \exp(-\min(\frac{t^2}{2\nu^2}, \frac{t}{2\alpha}))$ "
    r"for $X \sim SE(\nu, \alpha)$.",
    checks=(rare_jumps, known_laws),
    controls=(
        rare_jumps.but(front=Fraction(19, 10)),
        rare_jumps.but(line=Fraction(17, 10)),
        rare_jumps.but(fill=Fraction(103, 100)),
        known_laws.but(square=Fraction(17, 10)),
    ),
    gap="Laws of three kinds; one of them meets the bound up to three per cent.",
)


# --- Corollary G.4: |X - mu| < max(nu sqrt(2 log(2/delta)), 2 alpha log(2/delta)), P 1 - delta ----


def exceeds(q, t, quantile):
    """P(|X| >= quantile), where the enclosure decides on which side of t it is."""
    told = measured("quantile", quantile)
    if told.hi <= t:
        return q
    if told.lo > t:
        return Fraction(0)
    raise ArithmeticError(f"the quantile [{told.lo}, {told.hi}] is not told apart from t = {t}")


@check(lambda lab: [dict(t=t) for t in lab.pick(smoke=T[:3], quick=T)])
def quantile(lab, t, inside=2, square=2, line=2):
    """delta just below q, where the bound has to be beyond t, and just above."""
    q, x = chance(t), Fraction(t)
    for delta in (q * Fraction(999, 1000), q * Fraction(11, 10), q * 2):
        log = sp.log(sp.Rational(inside) / sp.Rational(delta))
        bound = sp.Max(sp.sqrt(square * log), line * sp.Rational(ALPHA) * log)
        yield row(t=t, delta=float(delta), quantile=measured("b", bound).hi)
        yield exact("P(beyond) over delta", exceeds(q, x, bound) / delta).at_most(1)


@check(
    lambda lab: [
        dict(law=name, delta=d)
        for name in LAWS
        for d in lab.pick(smoke=("1/20",), quick=("1/2", "1/20", "1/1000", "1/10000000"))
    ]
)
def quantiles_of_known_laws(lab, law, delta, square=2):
    tail, nu, alpha = LAWS[law]
    log = sp.log(2 / sp.Rational(delta))
    bound = sp.Max(nu * sp.sqrt(square * log), square * sp.Rational(alpha) * log)
    at = Fraction(measured("b", bound).lo)  # a little too early: that raises the tail
    told = measured("P(beyond) over delta", tail(sp.Rational(at)) / sp.Rational(delta))
    yield series(
        f"P(beyond the bound) over delta, {law}",
        x=float(Fraction(delta)),
        y=told.hi,
        printed=1,
        xlabel="delta",
        log="xy",
        beside="allowed",
    )
    yield told.at_most(1)


quantile_bound = Claim(
    id="mohamadi2024/subexponential-quantile",
    source=Source(PAPER, "Corollary G.4", ARXIV),
    title="Quantiles of a sub-exponential variable",
    statement=r"With probability at least $1 - \delta$, $|X - \mu| < \max(\nu \sqrt{2 \log "
    r"\frac{2}{\delta}}, 2 \alpha \log\frac{2}{\delta})$ for $X \sim SE(\nu, \alpha)$.",
    checks=(quantile, quantiles_of_known_laws),
    controls=(
        quantile.but(inside=Fraction(9, 5)),
        quantile.but(square=Fraction(195, 100)),
        quantile.but(line=Fraction(17, 10)),
        quantiles_of_known_laws.but(square=Fraction(1, 2)),
    ),
    uses=("mohamadi2024/subexponential-tail",),
    gap="Laws of three kinds; it is Proposition G.3 solved for t.",
)


# --- Propositions G.5 and G.6: sub-Gaussian variables and their sums ------------------------------


@check(lambda lab: [dict(t=t) for t in lab.pick(smoke=("3",), quick=("3", "4", "5"))])
def rare_subgaussian(lab, t, inside=2, square=2, fill=FILL):
    """alpha = 0: q = (e^(t^2/2) - 1) / (cosh(t^2) - 1), SG(1); beyond |l| = 2t nothing binds."""
    q, x = chance(t, alpha=None, fill=fill), Fraction(t)
    law = three_points(sp.Rational(t), sp.Rational(q))
    yield excess("ratio, |l| up to 2t", law, 1, 1 / (2 * x), below=1).at_most(1)
    for delta in (q * Fraction(999, 1000), q * Fraction(11, 10)):
        bound = sp.sqrt(square * sp.log(sp.Rational(inside) / sp.Rational(delta)))
        yield row(t=t, delta=float(delta), quantile=measured("b", bound).hi)
        yield exact("P(beyond) over delta", exceeds(q, x, bound) / delta).at_most(1)


@check(lambda lab: [dict(delta=d) for d in ("1/2", "1/20", "1/1000", "1/1000000000000")])
def normal_quantiles(lab, delta, square=2):
    d = sp.Rational(delta)
    told = measured("P(beyond) over delta", gaussian_tail(sp.sqrt(square * sp.log(2 / d))) / d)
    yield series(
        "P(beyond the bound) over delta, normal law",
        x=float(d),
        y=told.hi,
        printed=1,
        xlabel="delta",
        log="xy",
        beside="allowed",
    )
    yield told.at_most(1)


chernoff = Claim(
    id="mohamadi2024/subgaussian-quantile",
    source=Source(PAPER, "Proposition G.5 (Chernoff)", ARXIV),
    title="Quantiles of a sub-Gaussian variable",
    statement=r"With probability at least $1 - \delta$, $|X - \mu| \le \nu \sqrt{2 \log "
    r"\frac{2}{\delta}}$ for $X \sim SG(\nu)$.",
    checks=(rare_subgaussian, normal_quantiles),
    controls=(
        rare_subgaussian.but(square=Fraction(19, 10)),
        rare_subgaussian.but(inside=Fraction(19, 10)),
        rare_subgaussian.but(fill=Fraction(103, 100)),
        normal_quantiles.but(square=1),
    ),
    gap="Three-point and normal laws, nu = 1. That the law is SG(1) is enclosed for |l| up to 2t; "
    "beyond, e^(l t) is below e^(l^2 / 2).",
)


def binomial_tail(n, above):
    """P(|sum of n signs| > above) for a number above >= 0, exactly."""
    first = math.floor((n + above) / 2) + 1
    # Pascal's rule in products, so that an audit can work them out as well.
    term = total = given(math.comb(n, first))
    for k in range(first + 1, n + 1):
        term = term * (n + 1 - k) / k
        total = total + term
    return 2 * total / given(2) ** n


@check(
    lambda lab: [
        dict(n=n, delta=d)
        for n in lab.pick(smoke=(3, 200), quick=(1, 3, 20, 200, 1000))
        for d in ("1/2", "1/100", "1/1000000000000")
    ]
)
def signs(lab, n, delta, square=2):
    """Signs are SG(1): the sum of n of them against sqrt(2 n log(2/delta))."""
    d = sp.Rational(delta)
    at = measured("bound", sp.sqrt(square * n * sp.log(2 / d)))
    beyond = binomial_tail(n, Fraction(at.lo))
    yield row(n=n, delta=delta, bound=at.hi, P=float(beyond))
    yield series(
        f"P(beyond the bound) over delta, n = {n} signs",
        x=float(d),
        y=float(beyond / Fraction(delta)),
        printed=1,
        xlabel="delta",
        log="x",
        beside="allowed",
    )
    yield exact("P(beyond) over delta", beyond / Fraction(delta)).at_most(1)


@check(dict(scales=[3, 4]), dict(scales=[1, 2, 2]), dict(scales=[5, 1, 1, 1, 1, 1, 1, 1, 1]))
def normal_sums(lab, scales, of_squares=True):
    """N(0, s_i^2) is SG(s_i): the sum is normal, with the sum of the squares."""
    d = sp.Rational(1, 10**9)
    true = sp.sqrt(sum(s**2 for s in scales))
    nu = true if of_squares else sp.Integer(max(scales))
    told = gaussian_tail(nu * sp.sqrt(2 * sp.log(2 / d)) / true)
    yield measured("P(beyond) over delta", told / d).at_most(1)


hoeffding = Claim(
    id="mohamadi2024/hoeffding",
    source=Source(PAPER, "Proposition G.6 (Hoeffding)", ARXIV),
    title="Quantiles of sums of sub-Gaussian variables",
    statement=r"With probability at least $1 - \delta$, $|\sum_i (X_i - \mu_i)| \le \sqrt{2 \sum_i "
    r"\nu_i^2 \log\frac{2}{\delta}}$ for independent $X_i \sim SG(\nu_i)$.",
    checks=(signs, normal_sums),
    controls=(signs.but(square=Fraction(16, 10)), normal_sums.but(of_squares=False)),
    gap="Signs and normal variables.",
)
