"""Elimination modulo a prime below 2^31, in blocks whose products run in float64 without rounding.

A product of residues modulo q < 2^31 is split, the left factor into 15 and 16 bits: sums of up to
64 products then stay below 2^53, so that BLAS multiplies matrices of residues exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Residues = NDArray[np.int64]
BLOCK = 64


def product(A: Residues, B: Residues, q: int) -> Residues:
    """``A @ B`` modulo q < 2^31, for residues with at most 64 columns in A."""
    right = B.astype(np.float64)
    high = (A >> 16).astype(np.float64) @ right
    low = (A & 0xFFFF).astype(np.float64) @ right
    result: Residues = ((high.astype(np.int64) % q << 16) + low.astype(np.int64)) % q
    return result


def pivots(A: Residues, q: int) -> tuple[list[int], list[int]]:
    """Rows and columns of a largest minor of a matrix (n, m) that is not 0 modulo the prime q.

    Gaussian elimination, block by block of columns: a block is eliminated by itself, and what that
    does to the columns right of it is two products of matrices. Cost: about n m r / 10^9 seconds
    for rank r.

    Returns:
        The row and the column of each pivot, in order; their number is the rank modulo q.
    """
    A = A.copy()
    n, m = A.shape
    order = np.arange(n)
    columns: list[int] = []
    for left in range(0, m, BLOCK):
        top, right = len(columns), min(left + BLOCK, m)
        if top == n:
            break
        lower, found = _panel(A[top:], order[top:], left, right, q)
        k = len(found)
        columns += found
        if k and right < m:
            head = product(_inverse(lower[:k], q), A[top : top + k, right:], q)
            A[top : top + k, right:] = head
            A[top + k :, right:] -= product(lower[k:], head, q)
            A[top + k :, right:] %= q
    return order[: len(columns)].tolist(), columns


def _panel(
    A: Residues, order: NDArray[np.int64], left: int, right: int, q: int
) -> tuple[Residues, list[int]]:
    """Eliminate columns left:right in place, swapping whole rows; the multipliers and the pivots.

    The multipliers L, shape (rows, pivots), are unit lower triangular on top: the rows, in their
    new order, were L times what is left of the first ones, plus what is left of themselves.
    """
    lower = np.zeros((len(A), right - left), dtype=np.int64)
    found: list[int] = []
    for j in range(left, right):
        k = len(found)
        nonzero = np.flatnonzero(A[k:, j])
        if not nonzero.size:
            continue
        i = k + int(nonzero[0])
        for rows in (A, lower, order):
            rows[[k, i]] = rows[[i, k]]
        factor = A[k + 1 :, j] * pow(int(A[k, j]), -1, q) % q
        lower[k, k], lower[k + 1 :, k] = 1, factor
        A[k + 1 :, j:right] -= factor[:, None] * A[k, j:right] % q
        A[k + 1 :, j:right] %= q
        found.append(j)
        if k + 1 == len(A):
            break
    return lower[:, : len(found)], found


def _inverse(L: Residues, q: int) -> Residues:
    """Inverse of a unit lower triangular matrix modulo q, at most 64 rows."""
    inverse = np.eye(len(L), dtype=np.int64)
    for i in range(1, len(L)):
        inverse[i] = (inverse[i] - product(L[i : i + 1, :i], inverse[:i], q)[0]) % q
    return inverse
