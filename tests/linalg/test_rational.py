"""Rational pseudo-inverses against sympy and numpy, definiteness against eigenvalues."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from grokverify.linalg.rational import (
    inertia,
    is_semidefinite,
    ldl,
    pseudo_inverse,
    rational,
    regression_matrix,
)

SHAPES = [(1, 1, 1), (2, 3, 1), (3, 2, 2), (4, 4, 2), (4, 4, 4), (3, 3, 0)]


def low_rank(n, m, r, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, (n, r)) @ rng.integers(-3, 4, (r, m))


@pytest.mark.parametrize(("n", "m", "r"), SHAPES)
def test_pseudo_inverse_is_sympys(n, m, r):
    A = low_rank(n, m, r)
    expected = sympy.Matrix(A.tolist()).pinv()
    found = sympy.Matrix(m, n, [sympy.Rational(v.numerator, v.denominator) for v in
                                pseudo_inverse(A).ravel()])  # fmt: skip
    assert found == expected


@pytest.mark.parametrize(("n", "m", "r"), SHAPES)
def test_penrose_conditions(n, m, r):
    A = rational(low_rank(n, m, r, seed=1))
    P = pseudo_inverse(A)
    assert (A @ P @ A == A).all()
    assert (P @ A @ P == P).all()
    assert ((A @ P).T == A @ P).all()
    assert ((P @ A).T == P @ A).all()


def test_regression_matrix_is_numpys_with_repeats_and_singular_kernels():
    F = np.random.default_rng(2).integers(-2, 3, (5, 2))
    K, train = F @ F.T, [3, 0, 3]
    expected = K[:, train] @ np.linalg.pinv(K[np.ix_(train, train)].astype(float), hermitian=True)
    assert np.allclose(regression_matrix(K, train).astype(float), expected)


def test_semidefinite_is_the_sign_of_the_least_eigenvalue():
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(300):
        A = np.triu(rng.integers(-1, 2, (3, 3)))
        A = A + np.triu(A, 1).T + rng.integers(0, 2) * np.eye(3, dtype=int)
        least = np.linalg.eigvalsh(A)[0]
        assert is_semidefinite(A) == (least > -1e-9), A
        seen.add(bool(least > -1e-9))
    assert seen == {True, False}


@pytest.mark.parametrize("A", [[[0, 1], [1, 0]], [[0, 1], [1, 5]], [[1, 2], [2, 3]], [[-1]]])
def test_not_semidefinite(A):
    assert not is_semidefinite(A)


def test_singular_is_semidefinite():
    assert is_semidefinite([[1, 1], [1, 1]])
    assert is_semidefinite([[0, 0], [0, 0]])


def test_rational_reads_floats_as_they_are():
    assert rational([0.5])[0] == Fraction(1, 2)
    assert rational([0.1])[0] != Fraction(1, 10)


def test_errors():
    with pytest.raises(ValueError, match="no number"):
        rational([float("nan")])
    with pytest.raises(ValueError, match="a matrix was expected"):
        pseudo_inverse([1, 2])
    with pytest.raises(ValueError, match="symmetric"):
        is_semidefinite([[1, 2], [3, 4]])


@pytest.mark.parametrize("seed", range(15))
def test_ldl_and_inertia(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    A = rng.integers(-2, 3, (n, n))
    A = A + A.T
    if seed % 3 == 0:
        np.fill_diagonal(A, 0)  # no pivot on the diagonal
    if seed % 5 == 0:
        A[-1], A[:, -1] = A[0], A[:, 0]
        A = np.tril(A) + np.tril(A, -1).T
    M, d = ldl(A)
    assert (M * d @ M.T == A).all()
    values = np.linalg.eigvalsh(A.astype(float))
    signs = [int((values < -1e-9).sum()), int((abs(values) <= 1e-9).sum())]
    assert list(inertia(A)) == [*signs, n - sum(signs)]
    assert is_semidefinite(A) == (inertia(A)[0] == 0)


def test_ldl_of_a_definite_matrix_is_triangular():
    M, d = ldl([[4, 2], [2, Fraction(5, 2)]])
    assert M.tolist() == [[1, 0], [Fraction(1, 2), 1]]
    assert d.tolist() == [4, Fraction(3, 2)]
    with pytest.raises(ValueError, match="ldl\\(\\) needs a symmetric matrix"):
        ldl([[1, 2], [3, 4]])
