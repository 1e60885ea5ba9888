"""Orbit averages against enumerations, predictors that are run one by one, and numpy."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from grokverify import Lab
from grokverify.orbit_kernels import (
    cyclic_kernel,
    expected_loss,
    invariant_kernel,
    label_moment,
    labels,
    regression,
)
from grokverify.orbits import (
    Eigenspace,
    Moment,
    affine,
    distances,
    expected_distance,
    expected_regression_loss,
    krawtchouk,
    moments_by_differences,
    pair_moments,
    second_moment,
    solve,
    spectrum,
    sums_to_zero,
    symmetric,
    tail,
    zero_sum_projector,
)

LAB = Lab()
RNG = np.random.default_rng(7)


def orbit(f, group):
    """All relabelled functions as rows, by a plain loop over points."""
    p, m = f.shape[0], f.ndim
    points = list(itertools.product(range(p), repeat=m))
    return np.array(
        [
            [f[tuple(s[i] for s, i in zip(sigma, x, strict=True))] for x in points]
            for sigma in itertools.product(group, repeat=m)
        ]
    )


@pytest.mark.parametrize(("p", "m"), [(2, 1), (2, 3), (3, 2), (3, 3)])
def test_second_moment_is_the_sum_over_the_group(p, m):
    f = RNG.integers(-5, 6, (p,) * m)
    rows = orbit(f, symmetric(p))
    seen = second_moment(f, symmetric(p))
    assert seen.order == len(rows)
    assert (seen.sums == rows.T @ rows).all()
    assert seen.trace == Fraction(int((rows * rows).sum()), len(rows))


def test_second_moment_over_a_subgroup_that_is_not_2_transitive():
    f = sums_to_zero(5, 2)
    shifts = affine(5, (1,))
    rows = orbit(f, shifts)
    assert (second_moment(f, shifts).sums == rows.T @ rows).all()
    assert (second_moment(f, shifts).sums * 576 != second_moment(f, symmetric(5)).sums).any()


def test_groups():
    assert len(symmetric(4)) == 24
    assert len(set(affine(7, range(1, 7)))) == 42
    pairs = {(s[0], s[1]) for s in affine(7, range(1, 7))}
    assert len(pairs) == 42
    with pytest.raises(ValueError, match=r"j -> 2 j is no permutation modulo 4"):
        affine(4, (1, 2))


def test_second_moment_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match=r"affine\(p, ...\), which has the same second moment"):
        second_moment(sums_to_zero(6, 3), symmetric(6))
    with pytest.raises(ValueError, match=r"pass 2\^53"):
        second_moment(np.full((2, 2), 2**27), symmetric(2))


@pytest.mark.parametrize(("p", "m"), [(2, 3), (3, 3), (4, 2), (5, 2)])
def test_pair_moments_fill_the_enumerated_moment(p, m):
    seen, d, C = (
        second_moment(sums_to_zero(p, m), symmetric(p)),
        distances(p, m),
        pair_moments(p, m),
    )
    for i, j in np.ndindex(seen.sums.shape):
        assert Fraction(int(seen.sums[i, j]), seen.order) == C[d[i, j]]


@pytest.mark.parametrize(("p", "m"), [(2, 1), (2, 5), (3, 4), (5, 3), (6, 3), (11, 2)])
def test_moments_by_differences_are_those_of_pairs(p, m):
    assert moments_by_differences(p, m) == pair_moments(p, m)


def test_moments_by_differences_at_a_size_that_pairs_cannot_reach():
    said = [(1 - Fraction(1 - 97) ** (1 - d)) / 97**2 for d in range(5)]
    assert moments_by_differences(97, 4) == said


@pytest.mark.parametrize(("p", "m"), [(2, 4), (3, 3), (5, 2)])
def test_spectrum_is_that_of_numpy(p, m):
    moments = [Fraction(int(k), 7) for k in RNG.integers(-9, 10, m + 1)]
    whole = np.array([float(c) for c in moments])[distances(p, m)]
    spaces = spectrum(moments, p)
    mine = sorted(float(s.value) for s in spaces for _ in range(s.multiplicity))
    np.testing.assert_allclose(mine, np.linalg.eigvalsh(whole), atol=1e-10)


def test_krawtchouk_is_the_eigenvalue_of_the_distance_matrix():
    p, m = 3, 3
    v = np.kron(np.kron([1, -1, 0], [1, 1, 1]), [0, 1, -1])  # degree 2
    for d, k in enumerate(krawtchouk(2, m, p)):
        assert ((distances(p, m) == d) @ v == k * v).all()


def test_tail_leaves_out_the_largest():
    spaces = [
        Eigenspace(0, Fraction(1), 2),
        Eigenspace(1, Fraction(5), 1),
        Eigenspace(2, Fraction(3), 2),
    ]
    assert [tail(spaces, n) for n in range(7)] == [13, 8, 5, 2, 1, 0, 0]


def test_zero_sum_projector():
    P = zero_sum_projector(3, 2)
    assert (P @ P == 9 * P).all()
    assert np.trace(P) == 9 * 4
    assert (P.reshape(3, 3, 9).sum(axis=0) == 0).all()
    assert (P.reshape(3, 3, 9).sum(axis=1) == 0).all()


def test_solve_is_exact():
    G, M = RNG.integers(-50, 51, (7, 7)), RNG.integers(-50, 51, (7, 3))
    X = solve(G, M)
    assert (G.astype(object) @ X == M).all()
    swapped = solve(np.array([[0, 2], [3, 1]]), np.eye(2, dtype=int))
    assert swapped.tolist() == [[Fraction(-1, 6), Fraction(1, 3)], [Fraction(1, 2), 0]]
    with pytest.raises(ZeroDivisionError, match=r"2 x 2 matrix is singular \(column 1 depends"):
        solve(np.array([[1, 2], [2, 4]]), np.eye(2, dtype=int))
    with pytest.raises(TypeError, match="take integers, not float64"):
        solve(np.eye(2), np.eye(2))


def test_expected_distance_against_least_squares_on_every_target():
    p, n = 3, 5
    B = RNG.integers(-4, 5, (p**3, n))
    rows = orbit(sums_to_zero(p, 3), symmetric(p)).astype(float)
    residuals = rows.T - B @ np.linalg.lstsq(B.astype(float), rows.T, rcond=None)[0]
    want = (residuals**2).sum() / len(rows)
    got = expected_distance(B, second_moment(sums_to_zero(p, 3), symmetric(p)))
    assert float(got) == pytest.approx(want, rel=1e-12)


def test_expected_distance_of_one_function_by_hand():
    moment = Moment(np.array([[2, 1], [1, 2]]), 1)
    assert expected_distance(np.array([[1], [1]]), moment) == 1
    assert expected_distance(np.array([[1], [-1]]), moment) == 3


@pytest.mark.parametrize("seed", range(3))
def test_regression_loss_against_a_run_on_every_target(seed):
    p, n = 3, 6
    t = np.random.default_rng(seed).permutation(p**3)[:n]
    K = 2 + zero_sum_projector(p, 3)
    rows = orbit(sums_to_zero(p, 3), symmetric(p)).astype(float)
    fit = K[:, t] @ np.linalg.pinv(K[np.ix_(t, t)].astype(float), rcond=1e-10) @ rows[:, t].T
    want = ((rows.T - fit) ** 2).sum() / len(rows)
    A = regression(torch.tensor(K, dtype=torch.float64), torch.tensor(t))
    got = expected_loss(A, torch.tensor(t), label_moment(LAB, p))
    assert float(got) * p == pytest.approx(want, rel=1e-10)  # y = p Psi, mean over p^3
    exact = expected_regression_loss(K, t, second_moment(sums_to_zero(p, 3), symmetric(p)))
    assert float(exact) == pytest.approx(want, rel=1e-10)


def test_expected_loss_of_any_linear_predictor_and_in_batches():
    p, N = 2, 8
    rows = 2 * orbit(sums_to_zero(p, 3), symmetric(p)).astype(float)
    t = torch.tensor([[0, 3], [5, 1]])
    A = torch.tensor(RNG.standard_normal((2, N, 2)))
    got = expected_loss(A, t, label_moment(LAB, p))
    for k in range(2):
        off = rows.T - A[k].numpy() @ rows[:, t[k]].T
        assert float(got[k]) == pytest.approx((off**2).mean(), rel=1e-12)


@pytest.mark.parametrize("p", [2, 3, 5])
def test_label_moment_is_the_enumerated_one(p):
    group = symmetric(p) if p < 4 else affine(p, range(1, p))
    seen = second_moment(sums_to_zero(p, 3), group)
    want = p**2 * seen.sums / seen.order
    np.testing.assert_allclose(label_moment(LAB, p).numpy(), want, atol=1e-12)


def test_regression_with_the_label_moment_is_the_best():
    p = 3
    t, M = torch.tensor([0, 5, 7, 16, 22]), label_moment(LAB, p)
    best = regression(M, t)
    least = float(expected_loss(best, t, M))
    for alpha in (1.0, 3.9, 4.1, 40.0):
        assert float(expected_loss(regression(invariant_kernel(LAB, p, alpha), t), t, M)) > least
    push = LAB.normal("push", *best.shape)
    assert float(expected_loss(best + 1e-3 * push, t, M)) > least


def test_repeated_inputs_change_nothing():
    K = invariant_kernel(LAB, 3, 4)
    once, twice = torch.tensor([1, 9, 20]), torch.tensor([1, 9, 20, 9])
    y = labels(LAB, 3)
    torch.testing.assert_close(regression(K, twice) @ y[twice], regression(K, once) @ y[once])


def test_labels_and_the_cyclic_kernel():
    p = 5
    y = labels(LAB, p).reshape(p, p, p)
    assert float(y.sum()) == p**3
    assert float(y[2, 4, 1]) == p
    assert float(y[2, 4, 2]) == 0
    K = cyclic_kernel(LAB, p)
    assert torch.linalg.matrix_rank(K) == p
    torch.testing.assert_close(K[0], y.ravel() / p)
