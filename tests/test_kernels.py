"""The three forms of the eNTK against each other, and kernel regression against its definition."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from grokverify import Lab
from grokverify.kernels import (
    entk,
    entk_rounding,
    entk_singular,
    inputs,
    jacobian,
    kernel_regression,
    most_frequent,
    tangent_gram,
)
from grokverify.linalg.exact import PRIME, rank_exact, rank_mod_prime
from grokverify.nets import quadratic

LAB = Lab()


def network(p, h, lab=LAB):
    return lab.normal("W", h, 2 * p), lab.normal("V", p, h)


def gram_by_torch(W, V, x):
    a, b, c = x
    rows = torch.arange(len(a))
    return tangent_gram(lambda t: quadratic(t["W"], t["V"], a, b)[rows, c], {"W": W, "V": V})


@pytest.mark.parametrize(("p", "h", "n"), [(2, 1, 8), (3, 4, 20), (5, 7, 30)])
def test_closed_form_agrees_with_automatic_differentiation(p, h, n):
    W, V = network(p, h)
    x = inputs(p, LAB.integers("x", 0, p**3, n))  # repeats included
    torch.testing.assert_close(entk(W, V, x), gram_by_torch(W, V, x), rtol=1e-12, atol=1e-12)


def test_closed_form_between_two_sets_of_inputs():
    W, V = network(3, 4)
    x, y = inputs(3, torch.arange(10)), inputs(3, torch.arange(5, 27))
    both = tuple(torch.cat(pair) for pair in zip(x, y, strict=True))
    torch.testing.assert_close(entk(W, V, x, y), entk(W, V, both)[:10, 10:], rtol=1e-12, atol=0)


def test_jacobian_by_exact_differences():
    # g is quadratic in every single parameter, so that a central difference is its derivative.
    p, h = 3, 2
    W = LAB.integers("W", -9, 10, h, 2 * p).numpy().astype(object)
    V = LAB.integers("V", -9, 10, p, h).numpy().astype(object)
    a, b, c = inputs(p, np.arange(p**3))
    G = jacobian(W, V, (a, b, c))

    def moved(matrix, index, step):
        matrix = matrix + Fraction(0)
        matrix[index] += step
        return matrix

    def slope(of):
        up, down = of(Fraction(1, 2)), of(Fraction(-1, 2))
        return (up - down)[np.arange(p**3), c].tolist()

    columns = [(c_, k, "V") for c_ in range(p) for k in range(h)]
    columns += [(k, j, "W") for half in (0, p) for k in range(h) for j in range(half, half + p)]
    for column, (i, j, which) in enumerate(columns):
        if which == "V":
            expected = slope(lambda s, at=(i, j): quadratic(W, moved(V, at, s), a, b))
        else:
            expected = slope(lambda s, at=(i, j): quadratic(moved(W, at, s), V, a, b))
        assert G[:, column].tolist() == expected


def test_gram_of_the_integer_jacobian_is_the_closed_form():
    W, V = LAB.integers("W", -20, 20, 5, 8), LAB.integers("V", -20, 20, 4, 5)
    x = inputs(4, LAB.permutation("x", 64))
    G = jacobian(W, V, x)
    assert (entk(W, V, x).numpy() == G @ G.T).all()
    assert rank_exact(entk(W, V, x)) == rank_mod_prime(G)


def test_reduction_modulo_a_prime_commutes_with_the_jacobian():
    W, V = LAB.integers("W", 0, PRIME, 3, 6), LAB.integers("V", 0, PRIME, 3, 3)
    x = inputs(3, torch.arange(27))
    whole, reduced = jacobian(W, V, x), jacobian(W, V, x, modulus=PRIME)
    assert reduced.dtype == np.int64
    assert (whole % PRIME == reduced).all()


def test_rounding_bound_covers_the_exact_kernel():
    p, h = 3, 40
    W, V = network(p, h)
    x = inputs(p, torch.arange(12))
    exact_W, exact_V = ([[Fraction(v) for v in line] for line in M.tolist()] for M in (W, V))
    K, radius = entk(W, V, x), entk_rounding(W, V, x)
    for i, j in ((0, 0), (0, 1), (2, 11), (7, 5)):
        (a, b, c), (s, t, u) = (tuple(int(part[k]) for part in x) for k in (i, j))
        true = Fraction(0)
        for k in range(h):
            z, y = exact_W[k][a] + exact_W[k][p + b], exact_W[k][s] + exact_W[k][p + t]
            true += (c == u) * z**2 * y**2
            true += ((a == s) + (b == t)) * 4 * exact_V[c][k] * exact_V[u][k] * z * y
        error = abs(Fraction(float(K[i, j])) - true)
        assert error <= Fraction(float(radius[i, j]))
    assert float((radius / K.diagonal().max()).max()) < 1e-13


def test_singular_kernels_are_told_from_regular_ones():
    x = inputs(2, torch.arange(8))  # each c with 4 inputs
    zero = torch.zeros(2, 4, dtype=torch.float64)
    W = LAB.normal("W", 6, 4, 4)
    W[3] = torch.sign(W[3])
    W[4, 3] = -W[4, 2]  # a copy of another unit, up to sign
    W[5] = 0
    singular = entk_singular(W, zero, x).tolist()
    assert singular[:3] == [False] * 3
    assert singular[4:] == [True, True]
    assert entk_singular(W[:1, :3], zero[:, :3], x).tolist() == [True]
    repeated = inputs(2, torch.tensor([0, 1, 1]))
    assert entk_singular(W[:2], zero, repeated).tolist() == [True, True]


def test_nearly_singular_kernels_are_decided_exactly():
    # Two units that differ by one unit in the last place: no float test could tell.
    x = inputs(2, torch.tensor([0, 2]))  # the same c, other b
    W = torch.tensor([[[1.0, 0, 1.0, 0.5], [1.0, 0, 1.0, 0.5]]], dtype=torch.float64)
    V = torch.zeros(2, 2, dtype=torch.float64)
    assert entk_singular(W, V, x).tolist() == [True]
    W[0, 1, 3] = np.nextafter(0.5, 1.0)
    assert entk_singular(W, V, x).tolist() == [False]


def test_kernel_regression_interpolates_where_it_can():
    X = LAB.normal("X", 6, 10)
    K, y = X @ X.mT, LAB.normal("y", 6)
    torch.testing.assert_close(kernel_regression(K, y), y)
    query = LAB.normal("query", 3, 10)
    expected = query @ torch.linalg.lstsq(X, y, driver="gelsd").solution
    torch.testing.assert_close(kernel_regression(K, y, query @ X.mT), expected)


def test_kernel_regression_projects_on_the_range():
    X = LAB.normal("X", 6, 2)
    y = LAB.normal("y", 6)
    expected = X @ torch.linalg.lstsq(X, y, driver="gelsd").solution
    torch.testing.assert_close(kernel_regression(X @ X.mT, y), expected)


def test_inputs_enumerate_the_grid():
    a, b, c = inputs(3, np.arange(27))
    assert list(zip(a.tolist(), b.tolist(), c.tolist(), strict=True)) == list(np.ndindex(3, 3, 3))
    assert most_frequent(c) == 9
    with pytest.raises(ValueError, match=r"indices from 0 to 27.*0\.\.26"):
        inputs(3, torch.arange(28))


def test_mistakes_are_explained():
    x = inputs(2, torch.arange(3))
    with pytest.raises(TypeError, match="got float64.*as_integers"):
        jacobian(np.ones((1, 4)), np.ones((2, 1), dtype=int), x)
    with pytest.raises(ValueError, match=r"V must have shape \(2, 1\) but has \(1, 2\)"):
        jacobian(np.ones((1, 4), dtype=int), np.ones((1, 2), dtype=int), x)
    with pytest.raises(ValueError, match=r"a coordinate is 2, not below p = 2"):
        jacobian(np.ones((1, 4), dtype=int), np.ones((2, 1), dtype=int), ([2], [0], [0]))


def test_kernel_regression_keeps_small_eigenvalues_and_drops_those_asked_for():
    K, y = torch.diag(torch.tensor([1.0, 1e-6], dtype=torch.float64)), torch.ones(2).double()
    torch.testing.assert_close(kernel_regression(K, y), y)
    torch.testing.assert_close(
        kernel_regression(K, y, rtol=1e-3), torch.tensor([1.0, 0.0]).double()
    )
