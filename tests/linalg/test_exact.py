"""Exact ranks against sympy, constructed ranks, and the engines against each other."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch

from grokverify.linalg import exact
from grokverify.linalg.exact import (
    PRIME,
    as_integers,
    kernel,
    rank_exact,
    rank_mod_prime,
    ranks_mod_prime,
)


@pytest.fixture(params=["flint", "plain"])
def engine(request, monkeypatch):
    """Both engines: python-flint where it is installed, and our own elimination."""
    if request.param == "plain":
        monkeypatch.setattr(exact, "_flint", lambda: None)
    elif exact._flint() is None:
        pytest.skip("python-flint is not installed")
    return request.param


def of_rank(r, n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-9, 10, (n, r)) @ rng.integers(-9, 10, (r, m))


@pytest.mark.parametrize(
    ("r", "n", "m"), [(0, 3, 4), (1, 1, 5), (3, 7, 5), (5, 5, 9), (12, 40, 30)]
)
def test_constructed_ranks(engine, r, n, m):
    A = of_rank(r, n, m)
    assert rank_mod_prime(A) == rank_exact(A) == r
    assert kernel(A).shape == (m, m - r)


def test_rank_agrees_with_sympy(engine):
    rng = np.random.default_rng(1)
    for _ in range(20):
        A = rng.integers(-2, 3, (5, 6)) * rng.integers(0, 2, (5, 1))
        assert rank_exact(A) == sympy.Matrix(A.tolist()).rank()


def test_a_stack_has_the_ranks_of_its_matrices():
    stack = np.stack([of_rank(r, 6, 8, seed=r) for r in (0, 1, 4, 6, 2)])
    assert ranks_mod_prime(stack).tolist() == [0, 1, 4, 6, 2]
    assert ranks_mod_prime(stack.reshape(1, 5, 6, 8)).shape == (1, 5)


def test_modulo_a_prime_the_rank_may_drop_but_never_rises(engine):
    A = np.diag([1, 7, 14])
    assert rank_mod_prime(A, 7) == 1
    assert rank_exact(A) == 3


def test_a_matrix_that_is_singular_modulo_the_prime_is_still_decided(engine):
    assert rank_mod_prime(np.diag([1, PRIME])) == 1
    assert rank_exact(np.diag([1, PRIME])) == 2


def test_products_of_residues_do_not_overflow():
    A = np.array([[PRIME - 1, PRIME - 2], [PRIME - 3, PRIME - 5]])
    assert rank_mod_prime(A) == 2
    assert rank_mod_prime(A @ np.array([[1, 2], [0, 0]])) == 1


def test_python_ints_of_any_size(engine):
    big = 10**40
    assert rank_exact(np.array([[big, 2 * big], [big + 1, 2 * big + 2]], dtype=object)) == 1
    assert rank_exact(np.array([[big, 2 * big], [big + 1, 2 * big + 3]], dtype=object)) == 2


def test_kernel_vectors_vanish_exactly(engine):
    A = of_rank(4, 6, 9, seed=3)
    basis = kernel(A)
    assert not np.any(A.astype(object) @ basis)
    assert rank_exact(basis) == 5


def test_kernel_of_nothing_is_everything(engine):
    assert kernel(np.zeros((0, 3), dtype=object)).tolist() == np.eye(3, dtype=int).tolist()


def test_floats_become_integers_without_rounding():
    values = torch.tensor([0.1, -0.25, 3.0, 2.0**-1074], dtype=torch.float64)
    whole = as_integers(values)
    assert [Fraction(int(v), 2**1074) for v in whole] == [Fraction(v) for v in values.tolist()]
    assert as_integers([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert as_integers([Fraction(1, 2), Fraction(1, 3)]).tolist() == [3, 2]


def test_rank_of_the_stored_doubles_not_of_what_was_meant(engine):
    A = np.array([[0.1, 0.2], [0.3, 0.6]])  # 0.6 is not twice 0.3 rounded the same way
    assert rank_exact(A) == (
        1 if Fraction(0.6) * Fraction(0.1) == Fraction(0.3) * Fraction(0.2) else 2
    )
    assert rank_exact([[0.5, 0.25], [1.0, 0.5]]) == 1


def test_floats_are_refused_where_integers_are_needed():
    with pytest.raises(TypeError, match=r"entries of type float64.*as_integers"):
        rank_mod_prime(np.eye(2))
    with pytest.raises(TypeError, match="as_integers"):
        kernel(np.array([[Fraction(1, 2)]], dtype=object))


@pytest.mark.parametrize("q", [1, 15, 2**31, 2**61 - 1, 25326001])
def test_only_primes_below_2_to_the_31(q):
    with pytest.raises(ValueError, match=f"q = {q} is not a prime below 2\\^31"):
        rank_mod_prime([[1]], q)


def test_the_primality_test_agrees_with_sympy():
    assert all(exact._is_prime(q) == sympy.isprime(q) for q in range(2000))
    assert all(sympy.isprime(q) for q in (PRIME, *exact._OTHERS))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"the shape is \(2, 2, 2\).*ranks_mod_prime"):
        rank_mod_prime(np.ones((2, 2, 2), dtype=int))
    with pytest.raises(ValueError, match=r"the shape is \(2, 2\)"):
        ranks_mod_prime(np.ones((2, 2), dtype=int))


def test_nan_is_named():
    with pytest.raises(ValueError, match="NaN or infinity came out"):
        as_integers([1.0, float("nan")])
    with pytest.raises(ValueError, match="NaN or infinity came out"):
        as_integers([float("inf")])


def test_the_prime_is_prime_and_as_large_as_int64_products_allow():
    """A small prime would still give lower bounds on ranks, but far too low ones far too often."""
    from sympy import isprime

    from grokverify.linalg.exact import PRIME

    assert isprime(PRIME)
    assert 2**30 < PRIME < 2**31
