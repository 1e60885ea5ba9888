"""The exact lower bound for any number of slots, and who attains it (Theorem 3.5, Corollary D.8).

m slots, the answer among them: y(x) = p 1[x_1 + ... + x_m = 0 mod p] on [p]^m, L is the mean of
(g - y)^2 over all p^m inputs. For 1 <= n <= 1 + (p-1)^m distinct inputs

    E L >= (p - 1) - (n - 1) / (p - 1)^(m-1),        0 for more.

Equality for a space of n functions: 1 and any n - 1 tensors whose sums along every line vanish.
Equality for a kernel: regression with a + (I - J/p)^(x m) on a line (0, ..., 0, *) and points of
{1, ..., p-1}^m, as many as the line leaves independent.
Cost: exact solves of up to 20 rows with small integers; spectra from sums over pairs of symbols.
"""

import itertools
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, check, exact, row, series
from grokverify.orbits import (
    expected_distance,
    expected_regression_loss,
    pair_moments,
    second_moment,
    spectrum,
    sums_to_zero,
    symmetric,
    tail,
    zero_sum_projector,
)
from grokverify.worked import unequal

PAPER = "Mohamadi et al., Why Do You Grok?"


def sharp(p, m, n):
    return max(Fraction(0), (p - 1) - Fraction(n - 1, (p - 1) ** (m - 1)))


def one_slot_more(p, m, n):
    """The exponent m of the number of summands, were m to leave the answer out."""
    return max(Fraction(0), (p - 1) - Fraction(n - 1, (p - 1) ** m))


def one_point_short(p, m, n):
    return max(Fraction(0), (p - 1) - Fraction(n - 2, (p - 1) ** (m - 1)))


def sizes(smoke, quick, standard=()):
    return lambda lab: [
        dict(p=p, m=m) for p, m in lab.pick(smoke=smoke, quick=quick, standard=quick + standard)
    ]


# --- Ky Fan's bound, every n ---------------------------------------------------------------------
GRID = tuple((p, m) for m in (1, 2, 3, 4, 5) for p in (2, 3, 4, 5, 6, 7, 9, 11) if p**m < 5000)


@check(sizes(GRID[::4], GRID))
def ky_fan(lab, p, m, bound=sharp):
    spaces, scale = spectrum(pair_moments(p, m), p), Fraction(p) ** (m - 2)
    ns = range(1, p**m + 1)
    wrong = unequal([tail(spaces, n) / scale for n in ns], [bound(p, m, n) for n in ns])
    yield exact("values of n where the bound is not Ky Fan's", wrong).equals(0)
    zero = 1 + (p - 1) ** m
    yield row(p=p, m=m, n_for_zero_loss=zero, share=Fraction(zero, p**m))
    yield series(
        f"share of the inputs that zero loss needs, m = {m}", x=p, y=Fraction(zero, p**m),
        xlabel="p", ylabel="(1 + (p-1)^m) / p^m",
    )  # fmt: skip


# --- equality: spaces ----------------------------------------------------------------------------


def differences(p):
    return np.eye(p, dtype=int)[:-1] - np.eye(p, dtype=int)[1:]


def zero_lines(lab, p, m):
    """Tensors whose line sums vanish: products of differences, mixed by a triangular matrix."""
    basis = np.ones((1, 1), dtype=int)
    for _ in range(m):
        basis = np.kron(basis, differences(p))
    basis = basis[lab.permutation("order", len(basis)).cpu().numpy()[:12]]
    k = len(basis)
    mix = np.triu(lab.integers("mix", -4, 5, k, k).cpu().numpy(), 1) + np.eye(k, dtype=int)
    return basis.T @ mix


def zero_slices(lab, p, m):
    """Products that sum to zero along two slots and are constant along the others."""
    columns = [np.kron(u, v) for u, v in itertools.product(differences(p), repeat=2)]
    return np.array([np.kron(c, np.ones(p ** (m - 2), dtype=int)) for c in columns]).T


@check(sizes(((2, 3), (3, 2), (3, 3)), ((2, 3), (2, 4), (3, 2), (3, 3), (4, 2), (5, 2), (4, 3))))
def spaces_that_attain(lab, p, m, bound=sharp, tensors=zero_lines):
    """1 and n - 1 random tensors of vanishing line sums; and any functions at all, from above."""
    Sigma, scale = second_moment(sums_to_zero(p, m), symmetric(p)), Fraction(p) ** (m - 2)
    ones, T = np.ones((p**m, 1), dtype=np.int64), tensors(lab, p, m)
    for n in sorted({1, 2, min(T.shape[1], 5), min(T.shape[1], 12) + 1}):
        B = np.concatenate([ones, T[:, : n - 1]], axis=1)
        loss = expected_distance(B, Sigma) / scale
        free = lab.integers(f"free, {n}", -9, 10, p**m, n).cpu().numpy()
        yield exact("loss of such a space, less the bound", loss - bound(p, m, n)).equals(0)
        above = expected_distance(free, Sigma) / scale - bound(p, m, n)
        yield exact("loss of any space above the bound", above).at_least(0)


# --- equality: kernel regression -----------------------------------------------------------------


def line_and_cube(lab, p, m, n):
    """(0, ..., 0, *), then points of {1, ..., p-1}^m off the line (1, ..., 1, *)."""
    numbers = np.arange(p**m).reshape((p,) * m)
    left_out = numbers[(1,) * (m - 1)]
    cube = [i for i in numbers[(slice(1, p),) * m].ravel().tolist() if i not in left_out]
    order = lab.permutation("order", len(cube)).tolist()
    return [*numbers[(0,) * (m - 1)].tolist(), *(cube[i] for i in order)][:n]


@check(sizes(((2, 3), (3, 2), (3, 3)), ((2, 3), (3, 2), (3, 3), (2, 4), (4, 2), (5, 2), (3, 4))))
def regression_that_attains(lab, p, m, bound=sharp, left_out=0):
    Sigma, scale = second_moment(sums_to_zero(p, m), symmetric(p)), Fraction(p) ** (m - 2)
    a = int(lab.integers("a", 1, 9, 1))
    top = min(1 + (p - 1) ** m, 16)
    for n in sorted({p, (p + top) // 2, top}):
        t = line_and_cube(lab.at(n), p, m, n)
        n = len(t)
        loss = expected_regression_loss(a + zero_sum_projector(p, m), t[left_out:], Sigma) / scale
        yield exact("E L of the regression, less the bound", loss - bound(p, m, n)).equals(0)
        yield row(p=p, m=m, n=n, loss=loss)
        yield series(
            f"m = {m}", x=Fraction(n, p**m), y=loss, printed=sharp(p, m, n), beside="exact bound",
            plot="E L of the regression that attains the bound", xlabel="n / p^m",
        )  # fmt: skip


any_slots_sharp = Claim(
    id="mohamadi2024/any-slots-sharp",
    source=Source(PAPER, "Theorem 3.5, Corollary D.8", "2407.12332"),
    title="The exact lower bound for any number of slots",
    statement=(
        r"For $m$ slots, the answer included, and $1 \le n \le 1 + (p-1)^m$ distinct inputs each "
        r"permutation-equivariant kernel method has $\mathbb{E}\, L \ge (p-1) - "
        r"\frac{n-1}{(p-1)^{m-1}}$, for all $p \ge 2$ and $m \ge 1$. The span of $1$ and $n - 1$ "
        r"tensors whose line sums vanish attains it, and so does kernel regression with "
        r"$a + (I - \bar{J})^{\otimes m}$ on suitable inputs with a line, $n \ge p$."
    ),
    hypotheses=(
        "the kernel is chosen before the data",
        "the expectation includes a uniform relabelling of the inputs",
    ),
    assumes=("Ky Fan's maximum principle",),
    origin="ours",
    sharpens=("mohamadi2024/any-slots", "mohamadi2024/orbit-lower-bound"),
    uses=("mohamadi2024/orbit-spectrum",),
    gap="Exact for the listed p and m; the bound at every n, the equality cases at a few of them.",
    checks=(
        ky_fan.part("the bound"),
        spaces_that_attain.part("attained by a space"),
        regression_that_attains.part("attained by a kernel"),
    ),
    controls=(
        ky_fan.but(bound=one_slot_more),
        ky_fan.but(bound=one_point_short),
        spaces_that_attain.but(bound=one_slot_more),
        spaces_that_attain.but(bound=one_point_short),
        spaces_that_attain.but(tensors=zero_slices),
        regression_that_attains.but(bound=one_slot_more),
        regression_that_attains.but(left_out=1),
    ),
)
