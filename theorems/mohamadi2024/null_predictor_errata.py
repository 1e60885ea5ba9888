"""Slips in Appendix D of Mohamadi et al. 2024, each beside the form that holds.

Psi_s(x) = 1[s_1(x_1) + ... + s_m(x_m) = 0 mod p] on [p]^m, s uniform in S_p^m. Lemma D.10 and D.11
speak of pairs (x, x') that differ in d slots, V_s is the span of the slices x_i = a (m (p-1) + 1
dimensions). Everything is exact: integers and Fractions. None of the slips reaches Theorem 3.4.
Cost: a few thousand small integers each.
"""

import itertools
import math
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.orbits import (
    distances,
    krawtchouk,
    pair_moments,
    second_moment,
    sums_to_zero,
    symmetric,
    zero_sum_projector,
)

PAPER = "Mohamadi et al., Why Do You Grok?"
ENUMERABLE = ((2, 3), (3, 3), (3, 2), (2, 5), (3, 4), (4, 2), (4, 3), (5, 2))


def sizes(smoke, quick):
    return lambda lab: [dict(p=p, m=m) for p, m in lab.pick(smoke=smoke, quick=quick)]


# --- Lemma D.10:  E Psi(x) Psi(x') = (1 - (1-p)^(1-d)) / p^2,  d slots differ --------------------
def unequal(p, m):
    return distances(p, m)


def equal(p, m):
    """Delta as it is defined before Lemma D.10: the number of slots that agree."""
    return m - distances(p, m)


def pair_formula(p, d, shift=1):
    return (1 - Fraction(1 - p) ** (shift - d)) / p**2


def pairs(p, m, count, shift=1):
    Sigma, d = second_moment(sums_to_zero(p, m), symmetric(p)), count(p, m)
    wrong = 0
    for k in range(m + 1):
        C = pair_formula(p, k, shift)
        wrong += int((Sigma.sums[d == k] * C.denominator != C.numerator * Sigma.order).sum())
    yield exact("pairs (x, x') off the formula", wrong).equals(0)
    yield row(p=p, m=m, pairs=p ** (2 * m), off=wrong)


@check(sizes(ENUMERABLE[:3], ENUMERABLE))
def enumerated(lab, p, m, count=unequal, shift=1):
    """All of S_p^m and all pairs (x, x')."""
    yield from pairs(p, m, count, shift)


@check(sizes(ENUMERABLE[:3], ENUMERABLE))
def as_printed(lab, p, m, count=equal):
    """The same with the printed Delta."""
    yield from pairs(p, m, count)


@check(sizes(((3, 5), (5, 4)), ((2, 5), (3, 5), (4, 5), (6, 5), (7, 5), (11, 5), (13, 5))))
def from_pair_laws(lab, p, m, shift=1):
    """The law of the pair of images, added up slot by slot."""
    seen = pair_moments(p, m)
    wrong = sum(seen[d] != pair_formula(p, d, shift) for d in range(m + 1))
    yield exact("d with another C_d", wrong).equals(0)
    yield series(
        "p^2 C_d, d = 2 and 3",
        x=[p, p],
        y=[seen[2] * p**2, seen[3] * p**2],
        printed=[pair_formula(p, d) * p**2 for d in (2, 3)],
        xlabel="p",
    )


pair_moments_as_printed = Claim(
    id="mohamadi2024/pair-moments-equal-slots",
    source=Source(PAPER, "Lemma D.10 with the printed Delta", "2407.12332"),
    title="Pair moments, counting equal slots",
    statement=(
        r"If $d = \Delta(x, x')$ is the number of slots in which $x$ and $x'$ are equal, then "
        r"$\mathbb{E}\, \Psi_\sigma(x) \Psi_\sigma(x') = \frac{1}{p^2} (1 - (1-p)^{1-d})$."
    ),
    gap="Rests on one word (equal for unequal) in a text conversion of the paper.",
    expect=Verdict.REFUTED,
    checks=(as_printed,),
    controls=(as_printed.but(count=unequal).must_hold(),),
)

pair_moments_corrected = Claim(
    id="mohamadi2024/pair-moments",
    source=Source(PAPER, "Lemma D.10", "2407.12332"),
    title="Pair moments, counting unequal slots",
    statement=(
        r"If $x$ and $x'$ differ in $d$ of the $m$ slots, $0 \le d \le m$, then "
        r"$\mathbb{E}\, \Psi_\sigma(x) \Psi_\sigma(x') = \frac{1}{p^2} (1 - (1-p)^{1-d})$."
    ),
    corrects=("mohamadi2024/pair-moments-equal-slots",),
    gap="Exact for the listed p and m; the induction over d is not formalised.",
    checks=(enumerated, from_pair_laws),
    controls=(enumerated.but(count=equal), enumerated.but(shift=2), from_pair_laws.but(shift=2)),
)


# --- Lemma D.11:  sum over pairs that differ in d slots of v(x) v(x') = (-1)^d binom(m, d) |v|^2 --
def off_slices(lab, p, m):
    """v = u x u x 1 x ... x 1 with sum u = 0: every slice of it sums to zero, for m >= 3."""
    u = lab.integers("u", 1, 9, p - 1).cpu().numpy()
    u = np.append(u, -u.sum())
    v = np.kron(u, u)
    for _ in range(m - 2):
        v = np.kron(v, np.ones(p, dtype=np.int64))
    return v


def zero_lines(lab, p, m):
    """Any integer tensor whose sum along every line is zero."""
    w = lab.integers("w", -9, 10, p**m).cpu().numpy()
    return zero_sum_projector(p, m) @ w


def pair_sums(lab, p, m, vector):
    v, d = vector(lab, p, m), distances(p, m)
    v = v.astype(object)
    size = int(v @ v)
    sums = [Fraction(int(v @ (d == k).astype(object) @ v), size) for k in range(m + 1)]
    wrong = sum(s != (-1) ** k * math.comb(m, k) for k, s in enumerate(sums))
    yield exact("d with another sum", wrong).equals(0)
    yield row(p=p, m=m, sums=", ".join(map(str, sums)))
    yield series(
        f"sums over pairs, m = {m}",
        x=list(range(m + 1)),
        y=sums,
        printed=[(-1) ** k * math.comb(m, k) for k in range(m + 1)],
        xlabel="d",
    )


@check(sizes(((3, 3),), ((3, 3), (4, 3), (5, 3), (3, 4), (2, 5))))
def off_the_slices(lab, p, m, vector=off_slices):
    yield from pair_sums(lab, p, m, vector)


@check(sizes(((3, 2), (3, 3)), ((3, 2), (3, 3), (4, 3), (5, 3), (3, 4), (2, 5))))
def off_the_lines(lab, p, m, vector=zero_lines):
    yield from pair_sums(lab, p, m, vector)


@check(sizes(((3, 3), (7, 6)), tuple((p, m) for p in (2, 3, 7, 97) for m in range(1, 9))))
def by_degree(lab, p, m, short=0):
    """Such v are the tensors of degree m: the sums are the Krawtchouk numbers K_d(m)."""
    K = krawtchouk(m - short, m, p)
    wrong = sum(k != (-1) ** d * math.comb(m, d) for d, k in enumerate(K))
    yield exact("d with another eigenvalue", wrong).equals(0)


lemma_d11_as_printed = Claim(
    id="mohamadi2024/pair-sums-off-slices",
    source=Source(PAPER, "Lemma D.11", "2407.12332"),
    title="Pair sums of v orthogonal to the slices",
    statement=(
        r"Every unit $v \perp V_s$ has $\sum_{(x, x') \in \mathcal{X}_d} v(x) v(x') = (-1)^d "
        r"\binom{m}{d}$, where $\mathcal{X}_d$ are the pairs that differ in $d$ slots."
    ),
    gap="Refuted for m >= 3; for m = 2 the two spaces agree and the lemma holds.",
    expect=Verdict.REFUTED,
    checks=(off_the_slices,),
    controls=(off_the_slices.but(vector=zero_lines).must_hold(),),
)

lemma_d11 = Claim(
    id="mohamadi2024/pair-sums-zero-lines",
    source=Source(PAPER, "Lemma D.11", "2407.12332"),
    title="Pair sums of v with vanishing line sums",
    statement=(
        r"Every unit $v$ whose sum along each line of $[p]^m$ vanishes has $\sum v(x) v(x') = "
        r"(-1)^d \binom{m}{d}$, summed over the pairs that differ in $d$ slots."
    ),
    corrects=("mohamadi2024/pair-sums-off-slices",),
    gap="Random integer tensors at small p and m; for the spectrum, listed p and m up to eight.",
    checks=(off_the_lines, by_degree),
    controls=(off_the_lines.but(vector=off_slices), by_degree.but(short=1)),
)


# --- Lemma D.6:  sum_{i<=n} l_i(S) <= n l_1((I-P) S (I-P)) + tr(P S P) ---------------------------
def commuting(d, values):
    """All diagonal S with these entries and all P on some of the axes, at every n."""
    slack = []
    for entries in itertools.product(values, repeat=d):
        largest = sorted(entries, reverse=True)
        for kept in itertools.product((0, 1), repeat=d):
            outside = max(0 if k else s for s, k in zip(entries, kept, strict=True))
            inside = sum(s for s, k in zip(entries, kept, strict=True) if k)
            slack += [n * outside + inside - sum(largest[:n]) for n in range(1, d + 1)]
    yield exact("right side less left side", min(slack)).at_least(0)
    yield row(d=d, instances=len(slack), least=min(slack), largest=max(slack))
    yield series("least right side less left side", x=d, y=min(slack), xlabel="d")


@check(dict(d=2), dict(d=3), dict(d=4))
def any_diagonal(lab, d, values=(-1, 0, 1)):
    yield from commuting(d, values)


@check(dict(d=2), dict(d=3), dict(d=4))
def semidefinite_diagonal(lab, d, values=(0, 1, 3)):
    yield from commuting(d, values)


@check(lambda lab: [dict(d=d) for d in lab.pick(smoke=(2, 3, 6), quick=(2, 3, 4, 6, 9, 14))])
def random_matrices(lab, d, definite=True):
    """Gaussian S = B B^T (or B + B^T) and spaces of every dimension, at every n."""
    slack = math.inf
    for trial in range(lab.pick(smoke=20, quick=100)):
        here = lab.at(trial)
        B = here.normal("B", d, d).cpu().double().numpy()
        S = B @ B.T if definite else B + B.T
        k = int(here.integers("dim V", 0, d + 1, 1))
        Q = np.linalg.qr(here.normal("V", d, d).cpu().double().numpy())[0][:, :k]
        R = np.eye(d) - Q @ Q.T
        first, rest = np.linalg.eigvalsh(S)[::-1].cumsum(), np.linalg.eigvalsh(R @ S @ R)[-1]
        right = np.arange(1, d + 1) * rest + np.trace(Q.T @ S @ Q)
        slack = min(slack, (right - first).min())
    yield approx("right side less left side", slack, 1e-9).at_least(-1e-8)
    yield series("least slack of random matrices", x=d, y=slack, xlabel="d")


lemma_d6_as_printed = Claim(
    id="mohamadi2024/eigenvalue-split-any-matrix",
    source=Source(PAPER, "Lemma D.6", "2407.12332"),
    title="Splitting eigenvalue sums, any matrix",
    statement=(
        r"For any symmetric $\Sigma$ and projector $P$, $\sum_{i \le n} \lambda_i(\Sigma) \le n "
        r"\lambda_1((I - P) \Sigma (I - P)) + \operatorname{Tr}(P \Sigma P)$."
    ),
    gap="The paper applies the lemma to a covariance only, where it holds.",
    expect=Verdict.REFUTED,
    checks=(any_diagonal,),
    controls=(any_diagonal.but(values=(0, 1, 2)).must_hold(),),
)

lemma_d6 = Claim(
    id="mohamadi2024/eigenvalue-split",
    source=Source(PAPER, "Lemma D.6", "2407.12332"),
    title="Splitting eigenvalue sums, positive semidefinite",
    statement=(
        r"For positive semidefinite $\Sigma$ and a projector $P$, $\sum_{i \le n} "
        r"\lambda_i(\Sigma) \le n \lambda_1((I - P) \Sigma (I - P)) "
        r"+ \operatorname{Tr}(P \Sigma P)$."
    ),
    corrects=("mohamadi2024/eigenvalue-split-any-matrix",),
    gap=(
        "Random matrices in floats, small diagonal ones exactly. The printed proof also puts two "
        "compressions of Sigma in Loewner order, which fails; their largest eigenvalues suffice."
    ),
    checks=(random_matrices, semidefinite_diagonal),
    controls=(
        random_matrices.but(definite=False),
        semidefinite_diagonal.but(values=(-1, 0, 3)),
    ),
)
