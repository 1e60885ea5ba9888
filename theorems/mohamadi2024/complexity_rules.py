"""Mohamadi et al., what Lemmas E.2-E.5 rest on: contraction, the linear class, and width.

Cost: enumeration of at most 2^10 signs times a few thousand functions.
"""

import math
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, check, exact, row, series
from grokverify.rademacher import cube, finite, linear, signs

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"


# --- Lemma E.3:  R_n(g o H) <= L R_n(H) -----------------------------------------------------------
# L-Lipschitz maps of whole numbers; x^3 on [-3, 3] as in the proof of (E.6), where L = 27.
MAPS = {
    "modulus": (lambda x: np.abs(x), 1),
    "positive part": (lambda x: np.maximum(x, 0), 1),
    "twice, shifted": (lambda x: 2 * x + 1, 2),
    "clipped": (lambda x: np.clip(x, -1, 1), 1),
    "cube on [-3, 3]": (lambda x: np.clip(x, -3, 3) ** 3, 27),
    "square on [-3, 3]": (lambda x: np.clip(x, -3, 3) ** 2, 6),
}


@check(
    lambda lab: [
        dict(n=n, functions=m, which=which)
        for n, m in lab.pick(smoke=((1, 3), (5, 20)), quick=((1, 3), (3, 2), (5, 20), (8, 40)))
        for which in MAPS
    ]
)
def random_classes(lab, n, functions, which, factor=Fraction(1)):
    table = lab.integers("h", -5, 6, functions, n).cpu().numpy()
    g, L = MAPS[which]
    image, bound = finite(g(table)), L * finite(table)
    yield exact("R(g o H) less L R(H)", image - factor * bound).at_most(0)
    yield row(map=which, n=n, functions=functions, of_g_H=float(image), L_times_H=float(bound))


@check(lambda lab: [dict(n=n) for n in range(1, lab.pick(smoke=6, quick=11))])
def slope_one(lab, n, factor=Fraction(1)):
    """H = {-1, 1}^n, on which 2 x + 1 has twice the complexity: L is needed in full."""
    table = cube((-1, 1), n)
    image, bound = finite(MAPS["twice, shifted"][0](table)), 2 * finite(table)
    yield exact("R(2 H + 1) less 2 R(H)", image - factor * bound).at_most(0)
    yield series("R(2 H + 1) beside 2 R(H), all signs", x=n, y=image, printed=bound, xlabel="n")


contraction = Claim(
    id="mohamadi2024/contraction",
    source=Source(PAPER, "Lemma E.3 (Talagrand)", ARXIV),
    title="Lipschitz maps do not raise Rademacher complexity by more than L",
    statement=r"$\mathcal{R}_n(g \circ \mathcal{H}) \le L\, \mathcal{R}_n(\mathcal{H})$ for "
    r"$L$-Lipschitz $g$.",
    checks=(random_classes, slope_one),
    controls=(
        random_classes.but(factor=Fraction(1, 2)),
        slope_one.but(factor=Fraction(99, 100)),
    ),
    gap="A cited lemma, tried on finite classes of whole values and six maps.",
)


# --- the linear class in (E.6) --------------------------------------------------------------------
# |U|_inf <= r on samples (e_i, e_j, e_k): R_n = r/n sum over 3p coordinates of E |sum of its signs|
#   <= r/n sum_l sqrt(n_l) <= r/n sqrt(3p 3n) = 3 r sqrt(p/n), with equality for all n_l = 1.
# (E.6) goes by |U|_2 <= r sqrt(3p) and E |sum sigma_a x_a|_2 <= sqrt(3n), to the same 3.


def counts(lab, p, n, same):
    x = lab.integers("x", 0, 1 if same else p, 3, n).cpu().numpy()
    return np.concatenate([np.bincount(slot, minlength=p) for slot in x])


@check(
    lambda lab: [
        dict(p=p, n=n, same=same)
        for p in lab.pick(smoke=(1, 7, 60), quick=(1, 2, 7, 23, 60, 97))
        for n in (1, p, 4 * p, 40 * p)
        for same in (False, True)
    ]
)
def any_samples(lab, p, n, same, constant=3):
    R = linear(counts(lab, p, n, same)) / n
    yield exact("square of R_n / sqrt(p/n)", R**2 * Fraction(n, p)).at_most(constant**2)
    if not same:
        yield series("R_n / sqrt(p/n) of iid samples", x=Fraction(n, p), printed=3,
                     y=float(R) * math.sqrt(n / p), xlabel="n/p", log="x")  # fmt: skip


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(1, 2, 7), quick=(1, 2, 7, 97, 997))])
def all_different(lab, p, constant=3):
    """n = p and every index once in each slot."""
    R = linear([1] * (3 * p)) / p
    yield row(p=p, R_n=R)
    yield exact("R_n / sqrt(p/n)", R).equals(constant)


@check(lambda lab: [dict(p=p, n=n) for p, n in lab.pick(smoke=((2, 3),), quick=((2, 3), (2, 8),
                    (3, 5)))])  # fmt: skip
def by_enumeration(lab, p, n, closed=linear):
    """The closed form against all signs times all 2^(3p) corners."""
    x = lab.integers("x", 0, p, 3, n).cpu().numpy()
    u = cube((-1, 1), p)
    i, j, k = x
    table = u[:, None, None, i] + u[None, :, None, j] + u[None, None, :, k]
    R = finite(table.reshape(-1, n))
    tally = np.concatenate([np.bincount(slot, minlength=p) for slot in x])
    yield exact("enumerated less closed form", R - closed(tally) / n).equals(0)


def gaussian_rule(tally):
    """sqrt(2 k / pi) for E |sum of k signs|, rounded."""
    return sum(Fraction(round(1000 * math.sqrt(2 * k / math.pi)), 1000) for k in tally)


linear_class = Claim(
    id="mohamadi2024/linear-class-complexity",
    source=Source(PAPER, "equation (E.6), last two lines", ARXIV),
    title="Rademacher complexity of the linear class, tight at n = p",
    statement=r"On one-hot samples $\mathcal{R}_n(\{\langle U, x \rangle : \lVert U \rVert_\infty "
    r"\le r\}) \le 3 r \sqrt{\frac{p}{n}}$, with equality where $n = p$ and every index occurs "
    r"once in each slot.",
    checks=(any_samples, all_different, by_enumeration),
    controls=(
        any_samples.but(constant=Fraction(2)),
        all_different.but(constant=Fraction(299, 100)),
        by_enumeration.but(closed=gaussian_rule),
    ),
    gap="The closed form is exact; the inequality is Cauchy-Schwarz, tried on samples.",
)


# --- (E.8):  R_n(H^h) = h R_n(H^1) ----------------------------------------------------------------
# The suprema over neurons are taken one by one, so that the inequality printed is an equality.
GRID = (-1, 0, 1)


def best_of(table, h, joint):
    """Mean over signs of the best sum of h functions; ``joint`` forces them to be the same."""
    score = signs(table.shape[1]) @ table.T
    best = score.max(1)
    if joint:
        return Fraction(int((h * best).sum()), table.shape[1] << table.shape[1])
    pairs = (score[:, :, None] + score[:, None, :]).reshape(len(score), -1)
    return Fraction(int(pairs.max(1).sum()), table.shape[1] << table.shape[1])


@check(lambda lab: [dict(n=n) for n in lab.pick(smoke=(2, 4), quick=(1, 2, 3, 4, 5, 6))])
def two_neurons(lab, n, copies=2):
    """p = 2, weights in {-1, 0, 1}: all pairs of neurons, against twice one neuron."""
    i, j, k = lab.integers("x", 0, 2, 3, n).cpu().numpy()
    w = cube(GRID, 2)
    one = w[None, None, :, k] * (w[:, None, None, i] + w[None, :, None, j]) ** 2
    one = np.unique(one.reshape(-1, n), axis=0)
    wide, narrow = best_of(one, 2, joint=False), finite(one)
    yield row(n=n, functions=len(one), width_1=float(narrow), width_2=float(wide))
    yield series("complexity at width 2", x=n, y=wide, printed=2 * narrow, xlabel="n")
    yield exact("R(width 2) less twice R(width 1)", wide - copies * narrow).equals(0)


@check(lambda lab: [dict(r=r, s=s) for r, s in lab.pick(smoke=((2, 1),), quick=((2, 1), (1, 3),
                    (3, 2)))])  # fmt: skip
def scaling(lab, r, s, powers=(2, 1)):
    """|W| <= r and |V| <= s: r^2 s times the complexity at 1 (corners, p = 2, n = 5)."""
    i, j, k = lab.integers("x", 0, 2, 3, 5).cpu().numpy()

    def corners(r, s):
        w, v = cube((-r, r), 2), cube((-s, s), 2)
        table = v[None, None, :, k] * (w[:, None, None, i] + w[None, :, None, j]) ** 2
        return finite(table.reshape(-1, 5))

    grown = corners(r, s) - r ** powers[0] * s ** powers[1] * corners(1, 1)
    yield exact("R at (r, s) less r^2 s times R at (1, 1)", grown).equals(0)


of_width = Claim(
    id="mohamadi2024/complexity-of-width",
    source=Source(PAPER, "Lemma E.5, equation (E.8)", ARXIV),
    title="h neurons have exactly h times the complexity of one",
    statement=r"$\mathcal{R}_n(\mathcal{H}^h_{r,r'}) = h\, \mathcal{R}_n(\mathcal{H}^1_{r,r'}) = "
    r"h r^2 r'\, \mathcal{R}_n(\mathcal{H}^1_{1,1})$: the inequality in (E.8) is an equality.",
    checks=(two_neurons.part("width"), scaling.part("scale")),
    controls=(
        two_neurons.but(copies=Fraction(19, 10)),
        scaling.but(powers=(1, 2)),
        scaling.but(powers=(3, 0)),
    ),
    origin="ours",
    gap="Two neurons on a grid of weights; for h of them the argument is the same.",
)
