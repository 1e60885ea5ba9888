"""Mohamadi et al., Lemma G.9 (quoted) for finite classes, where it can be decided.

Lemma G.9: with probability at least 1 - delta over m samples, for every theta and every law of u
that moves no output by gamma/4 with probability above 1/2,

    L_0 <= L_gamma(train) + 4 sqrt((KL(theta + u || P) + log(6 m / delta)) / (m - 1)).

Take k predictors that err independently of each other, each with probability 1/2, with margins +-1
and gamma < 1; u = 0, which moves nothing; P uniform on the k predictors, so that KL = log k. The
lemma then says that no share of errors among m samples is short of 1/2 by more than the root. With
P_1 = P(Bin(m, 1/2) < m (1/2 - root)) it fails with probability 1 - (1 - P_1)^k, between
k P_1 / (1 + k P_1) and k P_1.

Cost: exact binomial tails, a few thousand terms.
"""

import math
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, check, exact, row, series, stats

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
SOURCE = Source(PAPER, "Lemma G.9 (Neyshabur et al. 2018, Lemma 1), finite classes", ARXIV)
PRINTED = 4


def log_k(k):
    return math.log(k)


def nothing(k):
    return 0.0


def root(m, k, delta, C, complexity):
    return C * math.sqrt((complexity(k) + math.log(6 * m / delta)) / (m - 1))


def tail(m, below):
    """P(Bin(m, 1/2) < below), exactly."""
    total, term = 0, 1
    for j in range(math.ceil(below)):
        total, term = total + term, term * (m - j) // (j + 1)
    return Fraction(total, 2**m)


@check(
    lambda lab: [
        dict(m=m, ten_to=e, delta=d)
        for m, e in lab.pick(smoke=((4000, 6),), quick=((4000, 6), (4000, 250), (20000, 12)))
        for d in (0.05, 0.5)
    ]
)
def by_tails(lab, m, ten_to, delta, C=PRINTED, complexity=log_k):
    """k = 10^e predictors; the root is lowered by more than its rounding error."""
    k = 10**ten_to
    gap = root(m, k, delta, C, complexity) * (1 - 1e-12)
    union = k * tail(m, m * (0.5 - gap))
    yield row(m=m, predictors=f"1e{ten_to}", delta=delta, root=gap, P_at_most=float(union))
    constants = (0.4, 0.5, 0.6, 0.7, 1.0)
    if ten_to == 6 and delta == 0.05:
        found = [k * tail(m, m * (0.5 - root(m, k, delta, c, complexity))) for c in constants]
        yield series("k P_1 against the constant", x=constants, y=[float(x) for x in found],
                     printed=[delta] * len(constants), beside="delta", xlabel="constant",
                     log="y")  # fmt: skip
    allowed = Fraction(delta)
    yield exact("P(the bound fails), at least", union / (1 + union)).at_most(allowed)
    yield exact("P(the bound fails), at most", union).at_most(allowed)


@check(dict(m=2000, k=100), dict(m=1000, k=20))
def drawn(lab, m, k, C=PRINTED, delta=0.05):
    """The same, with train sets drawn."""
    gap = root(m, k, delta, C, log_k)

    def fails(lab, trials):
        errors = lab.generator("errors").binomial(m, 0.5, size=(trials, k)) / m
        return np.any(errors < 0.5 - gap, axis=1)

    yield stats.decide("P(the bound fails)", fails, lab=lab, at_most=delta)


finite_classes = Claim(
    id="mohamadi2024/pac-bayes-finite-classes",
    source=SOURCE,
    title="The PAC-Bayes bound for finitely many independent predictors",
    statement=r"For $k$ predictors that err independently with probability $\frac12$, a uniform "
    r"prior and no noise, Lemma G.9 holds: with probability at least $1 - \delta$ all of them have "
    r"$L_0 \le L_\gamma + 4 \sqrt{\frac{\log k + \log\frac{6m}{\delta}}{m - 1}}$. With "
    r"$\frac12$ for 4 it does not.",
    checks=(by_tails, drawn),
    controls=(
        by_tails.but(C=Fraction(1, 2)),
        by_tails.but(C=Fraction(1, 2), complexity=nothing),
        drawn.but(C=Fraction(1, 4)),
    ),
    hypotheses=("gamma is below the margins", "m is the size of the train set, n in (G.10)"),
    gap="The case without noise, in which the lemma is the union bound and Hoeffding's inequality "
    "and its constant could be as small as 0.71; it says nothing of the step from noise to "
    "margins, which stays assumed. The constant 4 has to be near or above 1/2 in any case.",
)
