"""Products and pivots modulo a prime, against Python's whole numbers."""

import numpy as np
import pytest

from grokverify.linalg.modular import BLOCK, pivots, product

Q = 2**31 - 1


def determinant(rows, q):
    """Of a square list of lists of whole numbers, modulo q, by plain elimination."""
    rows, value = [list(r) for r in rows], 1
    for k in range(len(rows)):
        i = next((i for i in range(k, len(rows)) if rows[i][k] % q), None)
        if i is None:
            return 0
        if i != k:
            rows[i], rows[k], value = rows[k], rows[i], -value
        value = value * rows[k][k] % q
        inverse = pow(rows[k][k], -1, q)
        for r in rows[k + 1 :]:
            f = r[k] * inverse % q
            r[:] = [(a - f * b) % q for a, b in zip(r, rows[k], strict=True)]
    return value % q


@pytest.mark.parametrize("near_the_top", [True, False])
def test_products_of_the_largest_residues(near_the_top):
    """64 terms of almost 2^62 each: far beyond what a float holds, or an int64."""
    rng = np.random.default_rng(0)
    low = Q - 3 if near_the_top else 0
    A, B = rng.integers(low, Q, (3, BLOCK)), rng.integers(low, Q, (BLOCK, 4))
    exactly = [[sum(a * b for a, b in zip(r, c, strict=True)) % Q for c in B.T.tolist()]
               for r in A.tolist()]  # fmt: skip
    assert product(A, B, Q).tolist() == exactly


@pytest.mark.parametrize("rank", [1, 5, BLOCK, BLOCK + 9])
def test_pivots_are_a_largest_minor(rank):
    """Wider than one block, with rows of zeros on top so that rows have to move."""
    rng = np.random.default_rng(rank)
    n, m = BLOCK + 16, 2 * BLOCK + 5
    thin = rng.integers(0, Q, (n, rank))
    thin[:7] = 0
    left, right = thin.astype(object), rng.integers(0, Q, (rank, m)).astype(object)
    A = (left @ right % Q).astype(np.int64)
    rows, columns = pivots(A, Q)
    assert len(rows) == len(columns) == rank
    assert min(rows) >= 7
    assert determinant(A[np.ix_(rows, columns)].tolist(), Q) != 0


def test_sparse_columns_and_a_small_prime():
    A = np.array([[0, 0, 1, 1], [0, 2, 0, 1], [0, 2, 1, 2]])  # the third is the sum of the others
    assert pivots(A, 5) == ([1, 0], [1, 2])
    assert pivots(np.zeros((2, 3), dtype=np.int64), 5) == ([], [])
