"""Slips in Appendix D of Mohamadi et al. 2024, each beside the form that holds.

Psi_s(x) = 1[s_1(x_1) + ... + s_m(x_m) = 0 mod p] on [p]^m, s uniform in S_p^m. Lemma D.10 and D.11
speak of pairs (x, x') that differ in d slots, V_s is the span of the slices x_i = a (m (p-1) + 1
dimensions). Everything is exact: integers and Fractions. None of the slips reaches Theorem 3.4.
Cost: a few thousand small integers each.
"""

import math
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, Verdict, check, exact, row, series
from grokverify.groups import differing
from grokverify.orbits import (
    distances,
    krawtchouk,
    pair_moments,
    second_moment,
    sums_to_zero,
    symmetric,
    zero_sum_projector,
)
from grokverify.worked import given, unequal as count_unequal

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
    return (1 - given(1 - p) ** (shift - d)) / p**2


def pairs(p, m, count, shift=1):
    Sigma, d = second_moment(sums_to_zero(p, m), symmetric(p)), count(p, m)
    said = np.array([pair_formula(p, k, shift) * Sigma.order for k in range(m + 1)], dtype=object)
    wrong = differing((Sigma.sums,), (said[d],))
    for k in range(m + 1):
        seen = Fraction(int(Sigma.sums[d == k].sum()), Sigma.order * int((d == k).sum()))
        if p == 3:
            name = f"p^2 C_d at p = 3, m = {m}"
            yield series(name, x=k, y=9 * seen, printed=9 * pair_formula(p, k), xlabel="d")
    yield row(p=p, m=m, pairs=p ** (2 * m), off=wrong)
    yield exact("pairs (x, x') off the formula", wrong).equals(0)


def by_pair_laws(p, m, slots, shift=1):
    """The law of the pair of images, added up slot by slot; ``slots(d, m)`` of them differ."""
    seen = pair_moments(p, m)
    at = [seen[slots(d, m)] for d in range(m + 1)]
    wrong = count_unequal(at, [pair_formula(p, d, shift) for d in range(m + 1)])
    yield series(
        "p^2 C_d, d = 2 and 3",
        x=[p, p],
        y=[at[2] * p**2, at[3] * p**2],
        printed=[pair_formula(p, d) * p**2 for d in (2, 3)],
        xlabel="p",
    )
    yield exact("d with another C_d", wrong).equals(0)


def differ(d, m):
    return d


def agree(d, m):
    return m - d


@check(sizes(ENUMERABLE[:3], ENUMERABLE))
def enumerated(lab, p, m, count=unequal, shift=1):
    """All of S_p^m and all pairs (x, x')."""
    yield from pairs(p, m, count, shift)


@check(sizes(ENUMERABLE[:3], ENUMERABLE))
def as_printed(lab, p, m, count=equal):
    """The same with the printed Delta."""
    yield from pairs(p, m, count)


LARGER = sizes(((3, 5), (5, 4)), ((2, 5), (3, 5), (4, 5), (6, 5), (7, 5), (11, 5), (13, 5)))


@check(LARGER)
def from_pair_laws(lab, p, m, slots=differ, shift=1):
    yield from by_pair_laws(p, m, slots, shift)


@check(LARGER)
def as_printed_from_pair_laws(lab, p, m, slots=agree):
    yield from by_pair_laws(p, m, slots)


pair_moments_as_printed = Claim(
    id="mohamadi2024/pair-moments-equal-slots",
    source=Source(PAPER, "Lemma D.10 with the printed Delta", "2407.12332"),
    title="Pair moments, counting equal slots",
    statement=(
        r"If $d = \Delta(x, x')$ is the number of slots in which $x$ and $x'$ are equal, then "
        r"$\mathbb{E}\, \Psi_\sigma(x) \Psi_\sigma(x') = \frac{1}{p^2} (1 - (1-p)^{1-d})$."
    ),
    severity="S3",
    gap="Severity: slip. In the text we read Delta counts equal indices, in words and in the "
    "formula below them; the proofs count unequal ones, and with those the lemma holds.",
    expect=Verdict.REFUTED,
    checks=(as_printed, as_printed_from_pair_laws),
    controls=(
        as_printed.but(count=unequal).must_hold(),
        as_printed_from_pair_laws.but(slots=differ).must_hold(),
    ),
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
    controls=(
        enumerated.but(count=equal),
        enumerated.but(shift=2),
        from_pair_laws.but(slots=agree),
        from_pair_laws.but(shift=2),
    ),
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
    """An integer tensor, not zero, whose sum along every line is zero."""
    P = zero_sum_projector(p, m)
    v = P @ lab.integers("w", -9, 10, p**m).cpu().numpy()
    return v if v.any() else P[0]


def pair_sums(lab, p, m, vector):
    v, d = vector(lab, p, m), distances(p, m)
    v = v.astype(object)
    size = int(v @ v)
    sums = [Fraction(int(v @ (d == k).astype(object) @ v), size) for k in range(m + 1)]
    wrong = count_unequal(sums, [(-1) ** k * math.comb(m, k) for k in range(m + 1)])
    yield row(p=p, m=m, sums=", ".join(map(str, sums)))
    yield series(
        f"sums over pairs, m = {m}",
        x=list(range(m + 1)),
        y=sums,
        printed=[(-1) ** k * math.comb(m, k) for k in range(m + 1)],
        xlabel="d",
    )
    yield exact("d with another sum", wrong).equals(0)


@check(sizes(((3, 3),), ((3, 3), (4, 3), (5, 3), (3, 4), (2, 5))))
def off_the_slices(lab, p, m, vector=off_slices):
    yield from pair_sums(lab, p, m, vector)


@check(sizes(((3, 2), (3, 3)), ((3, 2), (3, 3), (4, 3), (5, 3), (3, 4), (2, 5))))
def off_the_lines(lab, p, m, vector=zero_lines):
    yield from pair_sums(lab, p, m, vector)


def degree_sums(p, m, least):
    """On tensors of degree j the sums are the Krawtchouk numbers K_d(j), for |v| = 1."""
    want = [(-1) ** d * math.comb(m, d) for d in range(m + 1)]
    degrees = range(least, m + 1)
    told = [K for j in degrees for K in krawtchouk(j, m, given(p))]
    wrong = count_unequal(told, want * len(degrees))
    yield row(p=p, m=m, degrees=len(degrees), wrong=wrong)
    yield exact("pairs (degree, d) with another sum", wrong).equals(0)


def two(m):
    """The least degree off the slices."""
    return min(2, m)


def all_slots(m):
    """The degree of vanishing line sums."""
    return m


MANY = sizes(((3, 3), (7, 6)), tuple((p, m) for p in (2, 3, 7, 97) for m in range(1, 9)))


@check(MANY)
def by_degree(lab, p, m, least=all_slots):
    yield from degree_sums(p, m, least(m))


@check(MANY)
def by_degree_as_printed(lab, p, m, least=two):
    yield from degree_sums(p, m, least(m))


lemma_d11_as_printed = Claim(
    id="mohamadi2024/pair-sums-off-slices",
    source=Source(PAPER, "Lemma D.11", "2407.12332"),
    title="Pair sums of v orthogonal to the slices",
    statement=(
        r"Every unit $v \perp V_s$ has $\sum_{(x, x') \in \mathcal{X}_d} v(x) v(x') = (-1)^d "
        r"\binom{m}{d}$, where $\mathcal{X}_d$ are the pairs that differ in $d$ slots."
    ),
    severity="S1",
    gap="Severity: lemma. Refuted for m >= 3; for m = 2 the two spaces agree and it holds. Lemma "
    "D.9 and Theorem 3.4, which rest on it, hold nevertheless: the orbit has vanishing line sums. "
    "Slips of the proof, in the text we read: (D.20) sums y over [p]^d for [p]^(m-d), and its last "
    "sum has t' twice.",
    expect=Verdict.REFUTED,
    checks=(off_the_slices, by_degree_as_printed),
    controls=(
        off_the_slices.but(vector=zero_lines).must_hold(),
        by_degree_as_printed.but(least=all_slots).must_hold(),
    ),
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
    controls=(off_the_lines.but(vector=off_slices), by_degree.but(least=two)),
)
