"""Matrix Chernoff bounds for the least eigenvalue (Mohamadi et al. 2024, Lemma B.5 and (B.6)).

X_1, ..., X_m independent positive semi-definite d x d matrices, |X_k| <= L almost surely,
mu = lambda_min(sum_k E X_k) > 0. For 0 <= eps < 1

    P(lambda_min(sum_k X_k) <= (1 - eps) mu) <= d (e^-eps / (1 - eps)^(1 - eps))^(mu / L)   (B.6)

(Tropp 2015, Theorem 5.1.1), and in the limit eps -> 1

    P(sum_k X_k is singular) <= d e^(-mu / L)                                           (Lemma B.5).

Sums of independent Bernoulli variables (d = 1) and coupons X = e_i e_i', i uniform below d, are
solved exactly. Cost: enumerations of a few thousand outcomes, binomials in big integers.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch

from grokverify import Claim, Source, check, exact, row, series, stats
from grokverify.linalg.exact import rank_exact
from grokverify.worked import given

PAPER = "Mohamadi et al., Why Do You Grok?"
ROUNDING = 1 - 1e-12  # floats of bounds are lowered by more than their error


def exponential(d, mu, L, speed=1):
    """d e^(-mu / L) in floats; speed 1 is the lemma's."""
    return d * math.exp(-float(speed) * float(mu) / float(L)) * ROUNDING


# --- Lemma B.5 where the law of the sum is known --------------------------------------------------


def coins(lab):
    draws = lab.pick(smoke=(1, 10, 100), quick=(1, 3, 10, 30, 100))
    return [dict(q=q, m=m) for q in ("1/100", "1/10", "1/2", "9/10") for m in draws]


@check(coins)
def bernoulli(lab, q, m, speed=1, independent=True):
    # X_k in {0, L}, P(X_k = L) = q: singular iff all vanish. d = 1, mu / L = m q.
    q = given(Fraction(q))
    chance = (1 - q) ** (m if independent else 1)
    bound = exponential(1, m * q, 1, speed)
    yield exact("P(sum of Bernoullis vanishes)", chance).at_most(bound)
    if q == Fraction(1, 100):
        yield series(
            "P(sum of Bernoullis vanishes), q = 1/100", x=m, y=float(chance), printed=bound,
            xlabel="m", ylabel="probability", log="x",
        )  # fmt: skip


def missing_coupon(d, m):
    """P(some of d coupons is not among m draws), by inclusion and exclusion."""
    terms = (math.comb(d, k) * (-1) ** (k + 1) * given(d - k) ** m for k in range(1, d + 1))
    return sum(terms) / given(d) ** m


@check(lambda lab: [dict(d=d, draws=c) for d in lab.pick(smoke=(1, 2, 20), quick=(1, 2, 3, 5, 20))
                    for c in (1, 2, 5, 8)])  # fmt: skip
def coupons(lab, d, draws, speed=1, factor=1):
    # X_k = e_i e_i': L = 1 and sum E X_k = (m / d) I; singular iff a coupon is missing.
    m = draws * d
    chance, bound = missing_coupon(d, m), exponential(d * factor, Fraction(m, d), 1, speed)
    yield exact("P(a coupon is missing)", chance).at_most(bound)
    yield row(d=d, m=m, P=f"{float(chance):.4g}", bound=f"{bound:.4g}")
    yield series(
        f"P(a coupon is missing), m = {draws} d", x=d, y=float(chance), printed=min(1.0, bound),
        xlabel="d", ylabel="probability", log="xy",
    )  # fmt: skip


# --- any finite laws of small matrices, the sum enumerated ----------------------------------------


def small_law(lab, d, outcomes):
    """Zero, a matrix that is not, and others: Gram matrices of small whole vectors, rank <= 2."""
    F = lab.integers("F", -1, 2, outcomes, d, 2).cpu().numpy()
    F[0], F[1, 0, 0] = 0, 1
    return F @ F.transpose(0, 2, 1)


def largest(norms):
    return max(norms)


def average(norms):
    return sum(norms) / len(norms)


def sizes(lab):
    dims, counts, laws = lab.pick(
        smoke=((1, 2), (1, 2), (2,)), quick=((1, 2, 3), (1, 2, 4), (2, 3))
    )
    grid = itertools.product(dims, counts, laws, (True, False))
    return [dict(d=d, m=m, outcomes=n, alike=alike) for d, m, n, alike in grid]


@check(sizes)
def enumerated(lab, d, m, outcomes, alike, norm=largest, speed=1):
    laws = [small_law(lab.at(0 if alike else k), d, outcomes) for k in range(m)]
    mean = sum(law.sum(0) for law in laws) / outcomes
    mu = np.linalg.eigvalsh(mean)[0]
    L = norm([np.linalg.norm(X, 2) for law in laws for X in law])
    if mu < 1e-9:  # the lemma says nothing
        return
    singular, ranks = 0, {}
    for X in itertools.product(*laws):
        total = sum(X)
        key = total.tobytes()
        ranks[key] = ranks.get(key) or rank_exact(total) + 1
        singular += ranks[key] <= d
    chance = Fraction(singular, outcomes**m)
    yield exact("P(singular sum)", chance).at_most(exponential(d, mu * (1 + 1e-9), L, speed))
    yield series(
        "P(singular sum) of small laws", x=mu / L, y=float(chance),
        printed=exponential(d, mu, L), xlabel="mu / L",
    )  # fmt: skip


# Random directions: a coin of bias q decides whether X = g g' / |g|^2 or 0, with Gaussian g, so
# that E X = (q / d) I, and the sum is singular iff fewer than d directions are drawn.


@check(
    lambda lab: [dict(d=d, m=m) for d, m in lab.pick(smoke=((2, 40),), quick=((2, 40), (3, 60)))]
)
def random_directions(lab, d, m, q=0.1, speed=1):
    def singular(lab, trials):
        g = lab.normal("g", trials, m, d).double()
        g = g / g.norm(dim=2, keepdim=True) * (lab.uniform("coin", trials, m, 1, low=0.0) < q)
        return torch.linalg.eigvalsh(g.mT @ g)[:, 0] < 1e-9

    bound = exponential(d, m * q / d, 1, speed)
    yield stats.decide("P(least eigenvalue below 1e-9)", singular, lab=lab, at_most=bound)


never_singular = Claim(
    id="mohamadi2024/matrix-chernoff-singular",
    source=Source(PAPER, "Lemma B.5", "2407.12332"),
    title="Chernoff bound for a singular sum of random matrices",
    statement=r"For independent positive semi-definite $d\times d$ matrices with "
    r"$\lVert X_k\rVert\le L$ almost surely and $\mu=\lambda_{\min}(\sum_k\mathbb E X_k)>0$, "
    r"$\Pr(\sum_k X_k\text{ is singular})\le d\,e^{-\mu/L}$.",
    hypotheses=("independent matrices", "norms at most L almost surely"),
    checks=(bernoulli, coupons, enumerated, random_directions),
    controls=(
        bernoulli.but(speed=Fraction(101, 100)),
        bernoulli.but(independent=False),
        coupons.but(speed=2),
        coupons.but(factor=Fraction(4, 5)),
        enumerated.but(norm=average),
        random_directions.but(speed=2),
    ),
    uses=("mohamadi2024/matrix-chernoff",),
    gap="Laws of a few kinds. The exponent cannot be raised by one per cent, as Bernoulli "
    "variables show, nor d lowered by a fifth, as coupons do.",
)


# --- (B.6):  P(lambda_min <= (1 - eps) mu) <= d base(eps)^(mu / L) --------------------------------


def base(eps):
    """e^-eps / (1 - eps)^(1 - eps)"""
    return math.exp(-eps) / (1 - eps) ** (1 - eps)


def without_denominator(eps):
    return math.exp(-eps)


def root_less(eps):
    """The denominator to the power 9/10."""
    return math.exp(-eps) / (1 - eps) ** (0.9 * (1 - eps))


def power(d, mu, eps, rule, speed):
    return d * rule(float(eps)) ** (float(mu) * float(speed)) * ROUNDING


EPS = ("0", "1/4", "1/2", "3/4", "9/10", "999/1000")


def tail(m, q, most):
    """P(Bin(m, q) <= most) for a Fraction q."""
    a, b = given(q.numerator), given(q.denominator)
    total = sum(math.comb(m, k) * a**k * (b - a) ** (m - k) for k in range(most + 1))
    return total / b**m


@check(lambda lab: [dict(q=q, m=m) for q, m in lab.pick(
    smoke=(("1/100", 100), ("1/10", 100), ("1/100", 10000)),
    quick=(("1/100", 100), ("1/10", 100), ("1/2", 40), ("1/100", 1000), ("1/100", 10000)))],
)  # fmt: skip
def binomial_tails(lab, q, m, rule=base, speed=1):
    q = Fraction(q)
    for eps in map(Fraction, EPS):
        chance = tail(m, q, math.floor((1 - eps) * m * q))
        bound = power(1, m * q, eps, rule, speed)
        yield series(
            f"P(Bin({m}, {q}) <= (1 - eps) mean)", x=float(eps), y=float(chance), printed=bound,
            xlabel="eps", ylabel="probability", log="y",
        )  # fmt: skip
        yield exact("P(Binomial at most (1 - eps) mean)", chance).at_most(bound)


def some_at_most(d, m, most):
    """P(some of d coupons is drawn at most ``most`` times in m draws)."""
    ways = [1] + [0] * m  # sequences of k draws from the coupons so far, each drawn often enough
    for _ in range(d):
        ways = [
            sum(math.comb(k, j) * ways[k - j] for j in range(most + 1, k + 1)) for k in range(m + 1)
        ]
    return 1 - Fraction(ways[m], d**m)


@check(lambda lab: [dict(d=d, m=m) for d, m in lab.pick(
    smoke=((2, 10), (5, 25)), quick=((2, 10), (5, 25), (5, 50), (12, 60)))])  # fmt: skip
def coupon_tails(lab, d, m, rule=base, speed=1):
    for eps in map(Fraction, EPS):
        chance = some_at_most(d, m, math.floor((1 - eps) * Fraction(m, d)))
        bound = power(d, Fraction(m, d), eps, rule, speed)
        yield exact("P(rarest coupon at most (1 - eps) mean)", chance).at_most(bound)
        yield row(d=d, m=m, eps=eps, P=f"{float(chance):.3g}", bound=f"{bound:.3g}")


matrix_chernoff = Claim(
    id="mohamadi2024/matrix-chernoff",
    source=Source(PAPER, "(B.6), after Tropp 2015, Theorem 5.1.1", "2407.12332"),
    title="Chernoff bound for the least eigenvalue of a sum of random matrices",
    statement=r"In the setting of Lemma B.5, $\Pr(\lambda_{\min}(\sum_k X_k)\le"
    r"(1-\epsilon)\mu)\le d\,\bigl(e^{-\epsilon}/(1-\epsilon)^{1-\epsilon}\bigr)^{\mu/L}$ for "
    r"$0\le\epsilon<1$.",
    hypotheses=("independent matrices", "norms at most L almost surely"),
    checks=(binomial_tails, coupon_tails),
    controls=(
        binomial_tails.but(rule=without_denominator),
        binomial_tails.but(rule=root_less),
        binomial_tails.but(speed=Fraction(21, 20)),
        coupon_tails.but(rule=without_denominator),
        coupon_tails.but(speed=Fraction(5, 3)),
    ),
    gap="A cited theorem, tried on two kinds of law with commuting matrices. In the text we read "
    "its sum runs to h, which is m in the lemma.",
)
