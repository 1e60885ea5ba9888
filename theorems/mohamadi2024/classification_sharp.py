"""The sharp form of Theorem 4.3, and the kernel regression that attains it (Section 4.1, D.3).

L = p^-2 sum_x |Psi(x) - p e_c|^2 over the p^2 pairs x = (a, b), and p^2 for the zero predictor. For
n distinct training pairs and kernels with p x p values,

    E L >= p ((p - 1) - (np - 1) / (p - 1)^2)      for every kernel, np <= 1 + (p-1)^3;
    E L >= p ((p - 1) - n / (p - 1))               for K(Tx, Tx') = s3 K(x, x') s3^-1, n <= (p-1)^2.

An invariant kernel has values alpha I + beta J, so that of its np functions alpha(x_t, x) l_j (sum
of l zero) and gamma(x_t, x) only n (p-1) + 1 are of use: every target sums to one over the classes.
Regression with K = 1 + P x P x P, P = I - J/p, has E L = p ((p - 1) - r / (p - 1)) exactly, with
r = n + 1 less the number of connected components of the graph of the pairs that are left, between
the p values of a and the p values of b. The first bound is a limit, of
K_d = d^2 (1 + P x P x P) + sum_s (d phi_s + u_s)(d phi_s + u_s)^T with d to infinity.
Cost: exact pseudo-inverses of up to 12 rows; float64 kernels of 343 rows.
"""

from fractions import Fraction

import numpy as np
import torch

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.linalg.rational import regression_matrix
from grokverify.orbit_kernels import expected_loss, invariant_kernel, label_moment, regression
from grokverify.orbits import (
    expected_distance,
    second_moment,
    sums_to_zero,
    symmetric,
    zero_sum_projector,
)
from grokverify.worked import unequal
from theorems.mohamadi2024.classification_as_regression import independent
from theorems.mohamadi2024.classification_bound import PAPER, least_loss, tangent, triples


def any_kernel(p, n):
    return p * ((p - 1) - Fraction(n * p - 1, (p - 1) ** 2))


def invariant(p, n):
    return p * ((p - 1) - Fraction(n, p - 1))


def one_function_more(p, n):
    return p * ((p - 1) - Fraction(n * p, (p - 1) ** 2))


def over_p(p, n):
    return p * ((p - 1) - Fraction(n, p))


def moment(p):
    return second_moment(sums_to_zero(p, 3), symmetric(p))


# --- every kernel --------------------------------------------------------------------------------


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=range(2, 8), quick=range(2, 14))])
def ky_fan(lab, p, bound=any_kernel):
    least = least_loss(p)
    ns = range(1, (1 + (p - 1) ** 3) // p + 1)
    wrong = unequal([least(n) for n in ns], [bound(p, n) for n in ns])
    yield exact("values of n where the bound is not Ky Fan's", wrong).equals(0)


def in_the_limit(p, pairs, d):
    """K_d: u_s is 1 on the pairs x_1, ..., x_s, phi_s products of differences.

    The classes of x_s less those of x_(s+1) have no part in d^2 (1 + P x P x P): they leave
    d phi_s + u_s, which is a tensor of vanishing line sums but for 1/d.
    """
    K = d * d * (1 + zero_sum_projector(p, 3)).astype(object)
    step = np.eye(p, dtype=int)[:-1] - np.eye(p, dtype=int)[1:]
    for s in range(1, len(pairs)):
        f = d * np.kron(np.kron(step[0], step[(s - 1) % (p - 1)]), step[-1])
        f[triples(p, pairs[:s]).numpy()] += 1
        K = K + np.outer(f, f).astype(object)
    return K


def least(K, p, pairs):
    """E of the infimum over all lambda_t, and how many functions there are."""
    B = independent(K[:, triples(p, pairs).numpy()])
    return expected_distance(B, moment(p)), B.shape[1]


@check(lambda lab: [dict(p=p, n=n) for p, n in lab.pick(
    smoke=((3, 2),), quick=((3, 2), (4, 2)), standard=((3, 2), (4, 2), (4, 3)))])  # fmt: skip
def nearly_attained(lab, p, n, bound=any_kernel, steps=(1, 4, 16, 64, 4096)):
    pairs, excess = [i * (p + 1) for i in range(1, n + 1)], []  # (1, 1), ..., (n, n)
    for d in steps:
        loss, functions = least(in_the_limit(p, pairs, d), p, pairs)
        excess.append(loss - bound(p, n))
        yield series(
            f"least E L of the kernel K_d over the bound, p = {p}, n = {n}", x=d,
            y=loss / any_kernel(p, n), printed=1, xlabel="d", log="x", beside="bound",
        )  # fmt: skip
    yield exact("functions at the largest d", functions)
    yield exact("E L above the bound", min(excess)).at_least(0)
    yield exact("E L above the bound at the largest d", excess[-1]).at_most(Fraction(1, 10**5))
    yield row(p=p, n=n, bound=bound(p, n), at_d_1=excess[0], at_last_d=float(excess[-1]))


# --- invariant kernels ---------------------------------------------------------------------------


def of_invariant_values(lab, p, pairs):
    """alpha I + beta J with random alpha, beta of (a = a', b = b'), and 1 + P x P x P."""
    a, b = (i.ravel() for i in np.indices((p, p)))
    kind = (a[:, None] == a) * 2 + (b[:, None] == b)
    unit, ones = np.eye(p, dtype=int), np.ones((p, p), dtype=int)
    yield 1 + zero_sum_projector(p, 3)
    for k in range(lab.pick(smoke=2, quick=4)):
        alpha, beta = (lab.at(k).integers(s, -5, 9, 4).cpu().numpy()[kind] for s in "ab")
        yield np.kron(alpha, unit) + np.kron(beta, ones)


def of_other_values(lab, p, pairs):
    yield in_the_limit(p, pairs, 64)


CASES = dict(
    smoke=((2, 1), (3, 2), (3, 4)), quick=((2, 1), (3, 1), (3, 2), (3, 4), (4, 2)),
    standard=((2, 1), (3, 1), (3, 2), (3, 3), (3, 4), (4, 2), (4, 4)),
)  # fmt: skip


@check(lambda lab: [dict(p=p, n=n) for p, n in lab.pick(**CASES)])
def any_coefficients(lab, p, n, bound=invariant, kernels=of_invariant_values):
    pairs = lab.subset("pairs", (p - 1) ** 2, n).tolist()
    pairs = [(x // (p - 1) + 1) * p + x % (p - 1) + 1 for x in pairs]  # from {1, ..., p-1}^2
    excess = [least(K, p, pairs)[0] - bound(p, n) for K in kernels(lab, p, pairs)]
    yield exact("E L above the bound", min(excess)).at_least(0)


def parts(p, pairs):
    """Connected components of the graph of the other pairs, a on one side and b on the other."""
    label = list(range(2 * p))
    for x in set(range(p * p)) - set(pairs):
        a, b = label[x // p], label[p + x % p]
        label = [a if v == b else v for v in label]
    return len(set(label))


def whole_graph(p, pairs):
    return 1


@check(lambda lab: [dict(p=p, n=n, lined_up=line) for p, n in lab.pick(**CASES)
                    for line in (False, True)])  # fmt: skip
def attained(lab, p, n, lined_up, bound=invariant, components=parts, left_out=0):
    """Regression with 1 + P x P x P on any pairs: K(t, t) is singular, and A = K(., t) K(t, t)^+.

    Lined up: a part of a row, then of the next one; a row that is full is a component of its own.
    """
    pairs = list(range(n)) if lined_up else lab.subset("pairs", p * p, n).tolist()
    t, Sigma = triples(p, pairs[left_out:]).tolist(), moment(p)
    sums = Sigma.sums.astype(object)
    A = regression_matrix(1 + zero_sum_projector(p, 3), t) if t else np.zeros((p**3, 0), dtype=int)
    cross, square = np.trace(A @ sums[t]), np.trace(A @ sums[np.ix_(t, t)] @ A.T)
    loss = Sigma.trace + Fraction(square - 2 * cross) / Sigma.order
    useful = n - components(p, pairs) + 1
    yield exact("E L of the regression, less the formula", loss - bound(p, useful)).equals(0)
    yield row(p=p, n=n, useful=useful, loss=loss, any_kernel=any_kernel(p, n))
    if not lined_up:
        yield series(
            f"E L of the regression that attains the bound, p = {p}", x=n, y=loss,
            printed=invariant(p, n), xlabel="n", beside="bound for invariant kernels",
        )  # fmt: skip


# --- larger p, closed form over all relabellings, floats -----------------------------------------


@check(lambda lab: [dict(p=7, n=n) for n in lab.pick(smoke=(9, 18), quick=(4, 9, 18, 27, 33))])
def uniform_pairs(lab, p, n, bound=invariant, rows=0.0):
    pairs = lab.subset("t", p * p, n).tolist()
    t, M = triples(p, pairs).to(lab.device), label_moment(lab, p)
    K = invariant_kernel(lab, p, 1.0)
    i = torch.arange(p**3, device=lab.device)
    K = K + rows * ((i // p**2)[:, None] == i // p**2) * ((i % p)[:, None] == i % p)
    loss = p * float(expected_loss(regression(K, t), t, M))
    lazy = p * float(expected_loss(regression(tangent(lab, p), t), t, M))
    exactly = float(bound(p, n - parts(p, pairs) + 1))
    yield approx("E L of the regression over the formula", loss / exactly - 1, 1e-9).at_most(1e-6)
    yield approx("the formula over E L", 1 - loss / exactly, 1e-9).at_most(1e-6)
    floor = float(invariant(p, n))
    yield row(p=p, n=n, bound=floor, regression=loss, eNTK=lazy, null=p**2)
    axes = dict(x=n / p**2, plot=f"test loss, p = {p}", xlabel="n / p^2", ylabel="E L")
    yield series("exact bound", y=floor, **axes)
    yield series("regression with 1 + P x P x P", y=loss, **axes)
    yield series("eNTK regression, width 4p", y=lazy, **axes)


classification_sharp = Claim(
    id="mohamadi2024/classification-sharp",
    source=Source(PAPER, "Theorems 4.3 and D.2", "2407.12332"),
    title="The exact lower bounds for kernels that classify",
    statement=(
        r"On $n$ distinct pairs every kernel with values in $\mathbb{R}^{p \times p}$ has "
        r"$\mathbb{E}\, L \ge p \left( (p-1) - \frac{np-1}{(p-1)^2} \right)$, and no larger bound "
        r"holds. Kernels that are invariant under relabelled inputs and outputs have "
        r"$\mathbb{E}\, L \ge p \left( (p-1) - \frac{n}{p-1} \right)$. Regression with $1 + "
        r"(I - \bar{J})^{\otimes 3}$ attains it if and only if the pairs that are left, as edges "
        r"between values of $a$ and values of $b$, make a connected graph; with $k$ components it "
        r"is worse by $\frac{p (k - 1)}{p - 1}$."
    ),
    hypotheses=(
        "the kernel is chosen before the data",
        "the expectation includes a uniform relabelling of inputs and outputs",
    ),
    assumes=("Ky Fan's maximum principle",),
    origin="ours",
    sharpens=("mohamadi2024/classification-null-predictor",),
    uses=("mohamadi2024/orbit-spectrum", "mohamadi2024/classification-as-regression"),
    gap="The first bound is attained in a limit only, at p = 3 and 4 here; the second one exactly "
    "at p <= 4 and in floats at p = 7, on single training sets.",
    checks=(
        ky_fan.part("every kernel"),
        nearly_attained.part("every kernel"),
        any_coefficients.part("invariant kernels"),
        attained.part("the regression that attains it"),
        uniform_pairs.part("the regression that attains it"),
    ),
    controls=(
        ky_fan.but(bound=one_function_more),
        ky_fan.but(bound=invariant),
        nearly_attained.but(bound=invariant),
        nearly_attained.but(bound=one_function_more),
        nearly_attained.but(steps=(1, 4, 16)),
        any_coefficients.but(bound=over_p),
        any_coefficients.but(kernels=of_other_values),
        attained.but(bound=any_kernel),
        attained.but(components=whole_graph),
        attained.but(left_out=1),
        uniform_pairs.but(bound=over_p),
        uniform_pairs.but(bound=any_kernel),
        uniform_pairs.but(rows=0.01),
    ),
)
