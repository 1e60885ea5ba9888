r"""The spectrum behind the kernel lower bound (Mohamadi et al. 2024, Theorem D.1, D.7 to D.10).

m slots, Psi_s(x) = 1[s_1(x_1) + ... + s_m(x_m) = 0 mod p] for s uniform in S_p^m, and
Sigma(x, x') = E Psi_s(x) Psi_s(x'). Every line of [p]^m (one slot free) holds one point with
Psi_s = 1, so Psi_s is 1/p plus a tensor whose line sums vanish, and with P_0 = J/p, P_1 = I - J/p

    Sigma = p^(m-2) P_0^(x m) + p^(m-2) / (p-1)^(m-1) P_1^(x m)      ((x m): Kronecker power).

Exponentials are replaced by partial sums of their series, which lie below: no rounding enters.
Cost: enumerations of up to 74088 relabellings, each of 343 values; otherwise small integers.
"""

import math
from fractions import Fraction

import numpy as np
import sympy as sp

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import differing
from grokverify.orbits import (
    affine,
    expected_distance,
    krawtchouk,
    pair_moments,
    second_moment,
    spectrum,
    sums_to_zero,
    symmetric,
    tail,
    zero_sum_projector,
)
from grokverify.symbolic import residue

PAPER = "Mohamadi et al., Why Do You Grok?"


def exp_below(y, terms=12):
    """1 + y + ... + y^terms / terms!, below e^y for y >= 0."""
    return sum((y**k / math.factorial(k) for k in range(terms + 1)), Fraction(0))


def top_value(p, m):
    """The eigenvalue on tensors with vanishing line sums: (1/p) (p / (p-1))^(m-1)"""
    return Fraction(p, p - 1) ** (m - 1) / p


def sizes(smoke, quick):
    return lambda lab: [dict(p=p, m=m) for p, m in lab.pick(smoke=smoke, quick=quick)]


ENUMERABLE = ((2, 3), (3, 3), (3, 2), (2, 5), (3, 4), (4, 2), (4, 3), (5, 2))


# --- Sigma = p^(m-2) P_0^(x m) + p^(m-2) / (p-1)^(m-1) P_1^(x m) ---------------------------------
def all_affine(p):
    return affine(p, range(1, p))


def half_affine(p):
    """j -> u j + t with u a square: transitive, but not on pairs."""
    return affine(p, sorted({u * u % p for u in range(1, p)}))


def off_the_spectrum(p, m, group, power):
    """Entries of Sigma that are not p^(m-2) (P_0^(x m) + (p-1)^-power P_1^(x m)), in integers."""
    Sigma = second_moment(sums_to_zero(p, m), group)
    two = (p - 1) ** power + zero_sum_projector(p, m)  # p^m P_0^(x m) is all ones
    seen = p**2 * (p - 1) ** power * Sigma.sums
    return differing((seen,), (Sigma.order * two,))


@check(sizes(((2, 3), (3, 2), (3, 3)), ENUMERABLE))
def all_relabellings(lab, p, m, fewer=1):
    off = off_the_spectrum(p, m, symmetric(p), m - fewer)
    yield exact("entries of Sigma elsewhere", off).equals(0)


@check(sizes(((5, 2), (5, 3)), ((3, 3), (5, 2), (5, 3), (7, 2), (7, 3))))
def affine_relabellings(lab, p, m, group=all_affine):
    """A 2-transitive group in every slot does as well, with p (p-1) elements for p!."""
    yield series(
        "largest eigenvalue beside the constants, beside Lemma D.9",
        x=p,
        y=top_value(p, m),
        printed=float(exp_below(Fraction(m - 1, p - 1)) / p),
        xlabel="p",
        log="y",
    )
    yield exact("entries of Sigma elsewhere", off_the_spectrum(p, m, group(p), m - 1)).equals(0)


@check(lambda lab: [dict(m=m) for m in lab.pick(smoke=(1, 2, 3), quick=(1, 2, 3, 4, 5, 6))])
def all_p(lab, m, fewer=1):
    """Krawtchouk transform of Lemma D.10, with p a symbol."""
    p = sp.Symbol("p")
    C = [(1 - (1 - p) ** (1 - d)) / p**2 for d in range(m + 1)]
    want = [p ** (m - 2)] + [0] * (m - 1) + [p ** (m - 2) / (p - 1) ** (m - fewer)]
    for j in range(m + 1):
        got = sum(c * k for c, k in zip(C, krawtchouk(j, m, p), strict=True))
        yield residue("terms left", got - want[j]).equals(0)


orbit_spectrum = Claim(
    id="mohamadi2024/orbit-spectrum",
    source=Source(PAPER, "Lemmas D.7, D.9 and D.10", "2407.12332"),
    title="The exact spectrum of the label covariance",
    statement=(
        r"$\Sigma = \mathbb{E}\, \Psi_\sigma \Psi_\sigma^\top$ has the eigenvalue $p^{m-2}$ on "
        r"constants, $\frac{1}{p} (\frac{p}{p-1})^{m-1}$ on the $(p-1)^m$-dimensional space of "
        r"tensors whose line sums vanish, and $0$ on the complement. Relabellings from any "
        r"2-transitive group in each slot suffice."
    ),
    origin="ours",
    sharpens=("mohamadi2024/orbit-eigenvalue-sum", "mohamadi2024/orbit-quadratic-form"),
    uses=("mohamadi2024/pair-moments",),
    gap="For every p only up to six slots, and there from Lemma D.10, itself checked at listed p. "
    "2-transitive groups other than the affine are not run.",
    checks=(all_relabellings, affine_relabellings, all_p),
    controls=(
        all_relabellings.but(fewer=2),
        affine_relabellings.but(group=half_affine),
        all_p.but(fewer=2),
    ),
)


# --- Lemma D.7 and Corollary D.8 (Theorem D.1 is m = 3) ------------------------------------------
GRID = tuple((p, m) for m in (2, 3, 4) for p in (2, 3, 4, 5, 7, 9, 11, 13) if p ** (m - 1) < 400)


@check(sizes(GRID[:10:3], GRID))
def eigenvalue_sums(lab, p, m, exponent=lambda p, m: Fraction(m - 1, p - 1)):
    """sum_{i<=n} l_i <= p^(m-2) + (n/p) e^((m-1)/(p-1)) for n = 1, ..., p^m, from exact spectra."""
    spaces, e = spectrum(pair_moments(p, m), p), exp_below(exponent(p, m))
    total = tail(spaces, 0)
    ns = range(1, p**m + 1) if p**m < 700 else range(1, p**m + 1, 7)
    slack = min(p ** (m - 2) + n * e / p - (total - tail(spaces, n)) for n in ns)
    yield exact("printed sum above the largest eigenvalues", slack).at_least(0)


@check(sizes(((2, 3), (3, 3)), ((2, 3), (3, 3), (3, 4), (4, 3), (5, 3))))
def numerical_eigenvalues(lab, p, m, exponent=lambda p, m: Fraction(m - 1, p - 1)):
    """The same from a float64 eigenvalue solver, on Sigma as it was enumerated."""
    Sigma = second_moment(sums_to_zero(p, m), symmetric(p) if p < 5 else all_affine(p))
    largest = np.linalg.eigvalsh(Sigma.sums / Sigma.order)[::-1].cumsum()
    n = np.arange(1, p**m + 1)
    printed = p ** (m - 2) + n / p * math.exp(exponent(p, m))
    yield approx("printed sum above the eigenvalues", (printed - largest).min(), 1e-9).at_least(0)
    if m == 3:
        axes = dict(x=p, xlabel="p", ylabel="sum of the n largest eigenvalues / p^2")
        full = (p - 1) ** 3
        name = "n = (p-1)^3, beside Lemma D.7"
        yield series(name, y=largest[full - 1] / p**2, printed=printed[full - 1] / p**2, **axes)


@check(sizes(GRID[:10:3], GRID))
def lower_bounds(lab, p, m, exponent=lambda p, m: Fraction(m - 1, p - 1)):
    """Ky Fan's bound above p^(m-1) (1 - 1/p - (n / p^m) e^((m-1)/(p-1)))."""
    spaces, e = spectrum(pair_moments(p, m), p), exp_below(exponent(p, m))
    ns = range(1, p**m + 1) if p**m < 700 else range(1, p**m + 1, 7)
    printed = {n: p ** (m - 1) * (1 - Fraction(1, p) - n * e / p**m) for n in ns}
    yield exact(
        "exact bound above the printed", min(tail(spaces, n) - printed[n] for n in ns)
    ).at_least(0)
    half = max((n for n in ns if 2 * tail(spaces, n) >= p ** (m - 1)), default=0)
    half_printed = max((n for n in ns if 2 * printed[n] >= p ** (m - 1)), default=0)
    yield row(p=p, m=m, n_half=half, n_half_printed=half_printed, share=Fraction(half, p**m))
    if m == 3:
        yield series(
            "share of the inputs up to which half the null loss remains",
            x=p,
            y=Fraction(half, p**3),
            printed=Fraction(half_printed, p**3),
            xlabel="p",
            ylabel="n / p^3",
        )


@check(sizes(((2, 3), (3, 2), (3, 3)), ((2, 3), (3, 2), (3, 3), (4, 2), (4, 3), (5, 2))))
def kernel_columns(lab, p, m, exponent=lambda p, m: Fraction(m - 1, p - 1)):
    """E inf over lambda, exactly: a random kernel, and the hardest one, J + p^m P_1^(x m)."""
    Sigma, e = second_moment(sums_to_zero(p, m), symmetric(p)), exp_below(exponent(p, m))
    B = lab.integers("B", -3, 4, p**m, p**m).cpu().numpy()
    cube = np.arange(p**m).reshape((p,) * m)[(slice(1, p),) * m].ravel()
    t = [0, *cube.tolist()]  # the columns of the hardest kernel at these inputs are independent
    ratios = []
    for n in sorted({1, 2, p, len(t) // 2, len(t)} & set(range(1, len(t) + 1))):
        printed = p ** (m - 1) * (1 - Fraction(1, p) - n * e / p**m)
        for K in (B @ B.T, 1 + zero_sum_projector(p, m)):
            ratios.append(expected_distance(K[:, t[:n]], Sigma) - printed)
    yield exact("loss above the printed bound", min(ratios)).at_least(0)
    yield row(p=p, m=m, least_slack=min(ratios), largest_slack=max(ratios))


# --- Lemma D.9:  v _|_ V_s, |v| = 1  =>  E <Psi, v>^2 <= (1/p) e^((m-1)/(p-1)) -------------------
def slice_orthogonal(v, p, m):
    """p^m times v without its part in V_s, the span of the slices x_i = a."""
    v = p**m * v.reshape((p,) * m)
    means = sum(v.sum(axis=tuple(k for k in range(m) if k != i), keepdims=True) for i in range(m))
    return (v - means // p ** (m - 1) + (m - 1) * (v.sum() // p**m)).ravel()


@check(sizes(((3, 3), (2, 3)), ((2, 3), (3, 3), (3, 4), (4, 3), (5, 2))))
def quadratic_forms(lab, p, m, exponent=lambda p, m: Fraction(m - 1, p - 1)):
    """Random v orthogonal to V_s, and products of differences, against the enumerated Sigma."""
    Sigma, best = second_moment(sums_to_zero(p, m), symmetric(p)), Fraction(0)
    u = np.array([1, -1, *[0] * (p - 2)])
    product = u
    for _ in range(m - 1):
        product = np.kron(product, u)
    drawn = lab.integers("v", -9, 10, 20, p**m).cpu().numpy()
    for v in (product, *(slice_orthogonal(w, p, m) for w in drawn)):
        slices = sum(
            int(np.abs(v.reshape((p,) * m).sum(axis=tuple(k for k in range(m) if k != i))).sum())
            for i in range(m)
        )
        yield exact("sum of the slices of v", slices)
        big = v.astype(object)
        if big @ big:
            form = Fraction(
                int(big @ Sigma.sums.astype(object) @ big), Sigma.order * int(big @ big)
            )
            best = max(best, form)
    bound = exp_below(exponent(p, m)) / p
    yield exact("form over its printed bound", best / bound).at_most(1)
    yield row(p=p, m=m, largest=best, exact=top_value(p, m))


@check(sizes(GRID[:10:3], GRID))
def beyond_slices(lab, p, m, exponent=lambda p, m: Fraction(m - 1, p - 1)):
    """V_s holds the degrees 0 and 1, so that the largest form is the largest eigenvalue beyond."""
    largest = max(s.value for s in spectrum(pair_moments(p, m), p) if s.degree > 1)
    bound = exp_below(exponent(p, m)) / p
    yield exact("eigenvalue over its printed bound", largest / bound).at_most(1)
    yield exact("p times the eigenvalue", p * largest).beside(printed="exp((m-1) / (p-1))")
    if m == 3:
        name = "largest form off the slices, beside Lemma D.9"
        yield series(name, x=p, y=largest, printed=float(bound), xlabel="p", log="y")


def one_slot_less(p, m):
    return Fraction(m - 2, p - 1)


lemma_d7 = Claim(
    id="mohamadi2024/orbit-eigenvalue-sum",
    source=Source(PAPER, "Lemma D.7", "2407.12332"),
    title="Bound on the largest eigenvalues",
    statement=(
        r"$\sum_{i=1}^n \lambda_i(\Sigma) \le p^{m-2} + \frac{n}{p} \exp(\frac{m-1}{p-1})$ for all "
        r"$p \ge 2$, $m \ge 1$ and $n \ge 1$."
    ),
    uses=("mohamadi2024/orbit-spectrum",),
    gap="Exact for the listed p and m, and every n or every seventh n. (D.11) lacks a factor n.",
    checks=(eigenvalue_sums, numerical_eigenvalues),
    controls=(
        eigenvalue_sums.but(exponent=one_slot_less),
        numerical_eigenvalues.but(exponent=one_slot_less),
    ),
)

lemma_d9 = Claim(
    id="mohamadi2024/orbit-quadratic-form",
    source=Source(PAPER, "Lemma D.9", "2407.12332"),
    title="Quadratic form off the slices",
    statement=(
        r"Every unit vector $v \perp V_s$ has $\mathbb{E} \langle \Psi_\sigma, v \rangle^2 \le "
        r"\frac{1}{p} \exp(\frac{m-1}{p-1})$."
    ),
    uses=("mohamadi2024/orbit-spectrum",),
    gap=(
        "The equality inside the printed proof is false for m >= 3 (it uses Lemma D.11); the "
        "inequality is what is checked."
    ),
    checks=(quadratic_forms, beyond_slices),
    controls=(
        quadratic_forms.but(exponent=one_slot_less),
        beyond_slices.but(exponent=one_slot_less),
    ),
)

theorem_d1 = Claim(
    id="mohamadi2024/orbit-lower-bound",
    source=Source(PAPER, "Theorem D.1 and Corollary D.8", "2407.12332"),
    title="The printed lower bound over the orbit",
    statement=(
        r"For all $x_1, \dots, x_n \in [p]^m$ and every kernel $K$, $\mathbb{E}_\sigma "
        r"\inf_\lambda \lVert \sum_t \lambda_t K(x_t, \cdot) - \Psi_\sigma \rVert^2 \ge "
        r"p^{m-1} (1 - \frac{1}{p} - \frac{n}{p^m} \exp(\frac{m-1}{p-1}))$; Theorem D.1 is $m = 3$."
    ),
    assumes=("Ky Fan's maximum principle",),
    uses=("mohamadi2024/orbit-spectrum",),
    gap="Exact for the listed p and m. No property of K is used. The proof has p^m - 1 for p^m.",
    checks=(lower_bounds, kernel_columns),
    controls=(
        lower_bounds.but(exponent=one_slot_less),
        kernel_columns.but(exponent=one_slot_less),
    ),
)
