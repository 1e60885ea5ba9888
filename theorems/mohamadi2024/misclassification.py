"""Mohamadi et al., Proposition E.7: the square loss bounds the misclassification error.

Cost: exact arithmetic on p^3 outputs for p below ten.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from grokverify import Claim, Source, check, exact, row, series
from grokverify.symbolic import residue
from grokverify.worked import given

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
SOURCE = Source(PAPER, "Proposition E.7", ARXIV)

# g gives p numbers for each of p^2 pairs (a, b); the label is p on c = a + b and 0 elsewhere. L is
# the mean square loss over all p^3 triples. A pair is an error if some other output is as large as
# that of c: ties count, which makes the bound harder.


def error_and_loss(p, right, others, ties=True):
    """Error and loss of integer outputs over 4: ``right`` (p^2,), ``others`` (p^2, p - 1)."""
    top = others.max(1)
    wrong = int((top >= right).sum() if ties else (top > right).sum())
    outputs = given(np.concatenate([right - 4 * p, others.ravel()]))  # less the labels
    return given(wrong) / p**2, sum(outputs**2) / (16 * p**3)


@check(
    lambda lab: [
        {"p": p, "spread": spread}
        for p in lab.pick(smoke=(2, 3, 7), quick=(2, 3, 4, 5, 7, 9, 13))
        for spread in (0, 1, 4, 30)
    ]
)
def random_outputs(lab, p, spread, factor=2):
    """Outputs in quarters: p/2 twice and else 0, or right, and noise on top of both."""
    noise = lab.integers("noise", -spread, spread + 1, p**2, p).cpu().numpy()
    near, far = np.zeros_like(noise), np.zeros_like(noise)
    near[:, :2], far[:, 0] = 2 * p, 4 * p
    pick = lab.integers("pick", 0, 2, p**2, 1).cpu().numpy()
    pick[0] = 1
    g = np.where(pick, near, far) + noise
    error, loss = error_and_loss(p, g[:, 0], g[:, 1:])
    yield exact("error less factor L / p", error - Fraction(factor) * loss / p).at_most(0)
    if p == 7:
        yield series("error of noisy outputs, p = 7", x=loss, y=error, printed=2 * loss / p)


@check(lambda lab: [{"p": p} for p in lab.pick(smoke=(2, 3, 5), quick=(2, 3, 5, 8, 13, 23))])
def attained(lab, p, factor=2, ties=True):
    """k pairs with two outputs p/2, the others right: error k / p^2, loss k / (2 p)."""
    for k in (0, 1, p, p**2):
        right, others = np.full(p**2, 4 * p), np.zeros((p**2, p - 1), dtype=np.int64)
        right[:k], others[:k, 0] = 2 * p, 2 * p
        error, loss = error_and_loss(p, right, others, ties)
        yield exact("error less factor L / p", error - Fraction(factor) * loss / p).equals(0)
        yield row(p=p, pairs_wrong=k, error=error, loss=loss, bound=2 * loss / p)
        yield series(
            f"error, p={p}", x=loss, y=error, printed=2 * loss / p, xlabel="population loss L"
        )


@check()
def one_pair(lab, half=Fraction(1, 2)):
    """u = g_c, w = u + s another output: (u-p)^2 + w^2 = p^2/2 + s p + s^2/2 + (2u+s-p)^2/2."""
    u, s, p = sp.symbols("u s p")
    left = (u - p) ** 2 + (u + s) ** 2
    right = sp.Rational(half) * p**2 + s * p + s**2 / 2 + (2 * u + s - p) ** 2 / 2
    yield residue("surviving terms", left - right).equals(0)


@check({"p": 2}, {"p": 3})
def exhausted(lab, p, floor=Fraction(1, 2)):
    """All outputs in eighths of p within [-p, 2p] of one pair: the least loss of an error."""
    grid = np.arange(-8, 17)
    axes = np.meshgrid(*[grid] * p, indexing="ij")
    loss = (axes[0] - 8) ** 2 + sum(g**2 for g in axes[1:])
    wrong = np.max(axes[1:], axis=0) >= axes[0]
    least = Fraction(int(loss[wrong].min()), 64)
    yield row(p=p, outputs=25**p, least_loss_of_an_error=least)
    yield exact("least loss of an error over p^2", least).equals(floor)


error_bound = Claim(
    id="mohamadi2024/misclassification",
    source=SOURCE,
    title="The error rate is at most 2 L / p",
    statement=(
        r"A predictor $g$ of population square loss $\mathcal{L}$ puts some wrong $c$ at least as "
        r"high as $a + b$ on at most a fraction $\frac{2 \mathcal{L}}{p}$ of the pairs $(a, b)$."
    ),
    hypotheses=("ties count as errors",),
    checks=(one_pair.part("one pair"), exhausted.part("one pair"), random_outputs),
    controls=(
        one_pair.but(half=Fraction(51, 100)),
        exhausted.but(floor=Fraction(51, 100)),
        random_outputs.but(factor=Fraction(199, 100)),
    ),
    gap="The identity proves that an erring pair costs p^2/2, since s is not negative; the sum "
    "over pairs is then plain.",
)

tight = Claim(
    id="mohamadi2024/misclassification-tight",
    source=Source(PAPER, "beside Proposition E.7", ARXIV),
    title="2 L / p is attained at every error rate",
    statement=(
        r"For every $p \ge 2$ and $k \le p^2$ some $g$ with $\mathcal{L} = \frac{k}{2p}$ errs on "
        r"$k$ of the $p^2$ pairs. So the factor 2 is the best, and the error is certain to be zero "
        r"exactly when $\mathcal{L} < \frac{1}{2p}$."
    ),
    hypotheses=("ties count as errors; otherwise the bound is approached, not attained",),
    checks=(attained,),
    controls=(attained.but(factor=Fraction(199, 100)), attained.but(ties=False)),
    origin="ours",
    sharpens=("mohamadi2024/misclassification",),
    gap="The construction is the same for every p; it is evaluated at a few.",
)
