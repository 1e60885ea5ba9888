"""Ranks and kernels by exact arithmetic: over a prime field, and over the rationals.

A rank modulo a prime never exceeds the rank over the rationals, so that a modular rank *proves* a
lower bound, and full rank modulo a prime proves full rank. The other direction is proved by kernel
vectors: integer vectors ``v`` for which ``A v = 0`` was checked in integers.

python-flint is used where it is installed; everything works without it, more slowly.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokverify._proved import Plain, Proved, written
from grokverify.linalg.modular import pivots

# 2^31 - 1: products of two residues stay below 2^62 and fit int64.
PRIME = 2**31 - 1
_OTHERS = (2**31 - 19, 2**31 - 61)  # primes to fall back on when PRIME divides the minors at hand
_BLOCKS_PAY = 600  # entries; elimination in blocks costs more than it saves below


def as_integers(values: Any) -> NDArray[Any]:
    """Numbers as Python ints, all multiplied by one positive factor (1 if they are integers).

    Floats are read as the dyadic rationals that they are, so nothing is rounded.

    Args:
        values: array or tensor of ints, floats or Fractions, any shape.

    Returns:
        Object array of the same shape.

    Raises:
        ValueError: an entry is NaN or infinite.
    """
    array = np.asarray(values.cpu() if hasattr(values, "cpu") else values)
    if array.dtype.kind in "iub":
        return array.astype(object) + 0
    try:
        exact = [Fraction(v) for v in array.ravel().tolist()]
    except (ValueError, OverflowError) as e:
        raise ValueError(
            f"as_integers() met an entry that is no number ({e}). NaN or infinity came out of the "
            "computation before: look there."
        ) from None
    scale = lcm(*(v.denominator for v in exact)) if exact else 1
    whole = np.empty(len(exact), dtype=object)
    whole[:] = [v.numerator * (scale // v.denominator) for v in exact]
    return whole.reshape(array.shape)


def rank_mod_prime(A: Any, q: int = PRIME) -> int:
    """Rank of an integer matrix modulo the prime q, a proved lower bound for its rank over Q.

    It carries its certificate, the residues, into ``exact``.

    Args:
        A: (n, m) integers: an int array, an object array of Python ints, or nested lists.
        q: a prime below 2^31.

    Raises:
        TypeError: A holds floats.
        ValueError: A is not a matrix, or q is not a prime below 2^31.
    """
    residues = _residues(A, q, ndim=2)
    if residues.size >= _BLOCKS_PAY:
        rank = len(pivots(residues, q)[0])
    else:
        rank = int(_eliminate(residues[None], q)[0])
    return Proved(rank, lambda: written({"kind": "rank mod", "prime": q}, matrix=residues))


def ranks_mod_prime(A: Any, q: int = PRIME) -> NDArray[np.int64]:
    """Ranks modulo q of a stack of integer matrices (..., n, m); see ``rank_mod_prime``."""
    residues = _residues(A, q, ndim=3)
    shape = residues.shape
    return _eliminate(residues.reshape(-1, *shape[-2:]), q).reshape(shape[:-2])


def kernel(A: Any) -> NDArray[Any]:
    """A basis of the null space of an integer matrix over the rationals, checked.

    Args:
        A: (n, m) integers.

    Returns:
        (m, m - rank A) object array of Python ints. Its columns are independent (they are a
        multiple of unit vectors on the free columns), and ``A @ kernel(A) == 0`` was verified in
        integers, so that m minus the number of columns is a proved upper bound for the rank.

    Raises:
        TypeError: A holds floats.
        ValueError: A is not a matrix.
        ArithmeticError: the elimination went wrong; this is a bug.
    """
    matrix = _integers(A, ndim=2)
    solved = _solved(matrix)
    if solved is not None:
        return solved
    reduced, d, found = _bareiss(matrix)
    m = matrix.shape[1]
    free = [j for j in range(m) if j not in set(found)]
    basis = np.zeros((m, len(free)), dtype=object)
    for k, j in enumerate(free):
        basis[j, k] = d
        for i, pivot in enumerate(found):
            basis[pivot, k] = -reduced[i, j]
    if d == 0 or (basis.size and np.any(matrix @ basis != 0)):
        raise ArithmeticError(
            f"kernel() of a {matrix.shape} matrix failed its own check A v = 0: the elimination is "
            "wrong. Please report the matrix."
        )
    return basis


def rank_exact(A: Any) -> int:
    """Rank over the rationals of a matrix of ints, Fractions or floats (read as dyadic rationals).

    Both directions are proved: at least, by a rank modulo a prime; at most, by kernel vectors.
    The rank carries both into ``exact`` as its certificate.

    Raises:
        ValueError: A is not a matrix, or holds NaN or infinity.
        ArithmeticError: the two bounds do not meet for any of the primes at hand.
    """
    A = A if getattr(A, "dtype", None) in (np.int32, np.int64) else as_integers(A)
    matrix = A if A.ndim == 2 else _integers(A, ndim=2)
    lower = rank_mod_prime(matrix)
    if lower == min(matrix.shape):
        return Proved(lower, lambda: written({"kind": "rank", "prime": PRIME}, matrix=matrix))
    thin = matrix if matrix.shape[1] <= matrix.shape[0] else matrix.T
    null = kernel(thin)
    upper = thin.shape[1] - null.shape[1]
    for q in (PRIME, *_OTHERS):
        if rank_mod_prime(matrix, q) == upper:
            return _deficient(upper, thin, null, q)
    raise ArithmeticError(
        f"the rank of a {matrix.shape} matrix is at most {upper} by kernel vectors, but at most "
        f"{lower} modulo every prime tried. Use a fresh prime: rank_mod_prime(A, q)."
    )


def _deficient(rank: int, matrix: NDArray[Any], null: NDArray[Any], q: int) -> int:
    plain: Plain = {"kind": "rank", "prime": q}
    return Proved(rank, lambda: written(plain, matrix=matrix, kernel=null.T))


def _flint() -> ModuleType | None:
    try:
        import flint
    except ImportError:
        return None
    module: ModuleType = flint
    return module


def _integers(A: Any, ndim: int) -> NDArray[Any]:
    array = np.asarray(A.cpu() if hasattr(A, "cpu") else A)
    if array.ndim < ndim or (ndim == 2 and array.ndim != 2):
        raise ValueError(
            f"a matrix was expected, but the shape is {array.shape}. Use rank_mod_prime for one "
            "(n, m) matrix and ranks_mod_prime for a stack (..., n, m)."
        )
    floats = array.dtype.kind not in "iubO" or (
        array.dtype.kind == "O" and any(not isinstance(v, int | np.integer) for v in array.flat)
    )
    if floats:
        raise TypeError(
            f"an exact rank was asked of entries of type {array.dtype}, which are not integers. "
            "Convert them without rounding: as_integers(A)."
        )
    return array if array.dtype.kind == "O" else array.astype(object)


def _residues(A: Any, q: int, ndim: int) -> NDArray[np.int64]:
    if not (1 < q < 2**31 and _is_prime(q)):
        raise ValueError(
            f"q = {q} is not a prime below 2^31. Products of two residues have to fit int64, and "
            "division needs a prime; the default is PRIME = 2^31 - 1."
        )
    array = np.asarray(A.cpu() if hasattr(A, "cpu") else A)
    if array.dtype.kind in "iub" and array.ndim >= ndim and (ndim > 2 or array.ndim == 2):
        return (array.astype(np.int64) % q).astype(np.int64)
    return (_integers(array, ndim) % q).astype(np.int64)


def _is_prime(q: int) -> bool:
    """Miller-Rabin with the bases 2, 3, 5, 7: exact below 3 215 031 751 (Jaeschke 1993)."""
    if q < 2 or any(q % b == 0 for b in (2, 3, 5, 7)):
        return q in (2, 3, 5, 7)
    twos = ((q - 1) & (1 - q)).bit_length() - 1
    odd = (q - 1) >> twos
    for base in (2, 3, 5, 7):
        x = pow(base, odd, q)
        if x in (1, q - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % q
            if x == q - 1:
                break
        else:
            return False
    return True


def _eliminate(A: NDArray[np.int64], q: int) -> NDArray[np.int64]:
    """Ranks of a stack (k, n, m) of residues, all matrices eliminated side by side."""
    A = A.copy()
    k, n, m = A.shape
    ranks = np.zeros(k, dtype=np.int64)
    rows = np.arange(n)
    for j in range(m):
        open_rows = (rows >= ranks[:, None]) & (A[:, :, j] != 0)
        at = np.flatnonzero(open_rows.any(axis=1))
        if not at.size:
            continue
        first, top = open_rows[at].argmax(axis=1), ranks[at]
        pivot = A[at, first]
        A[at, first] = A[at, top]
        inverse = np.array([pow(int(v), -1, q) for v in pivot[:, j]], dtype=np.int64)
        pivot = pivot * inverse[:, None] % q
        A[at, top] = pivot
        low = int(top.min()) + 1  # rows above were pivots in every matrix of the stack
        below = A[at, low:, j:]
        factor = np.where(rows[low:] > top[:, None], below[:, :, 0], 0)
        A[at, low:, j:] = (below - factor[:, :, None] * pivot[:, None, j:]) % q
        ranks[at] += 1
        if ranks.min() == n:
            break
    return ranks


def _solved(A: NDArray[Any]) -> NDArray[Any] | None:
    """The kernel from a largest minor that is not 0 modulo a prime: B X = F over the rationals.

    Checked in integers. None without python-flint, or where the prime lowers the rank.
    """
    flint = _flint()
    rows, found = pivots(_residues(A, PRIME, ndim=2), PRIME)
    free = [j for j in range(A.shape[1]) if j not in set(found)]
    if flint is None or not found or not free:
        return None
    minor, rest = (flint.fmpz_mat(A[np.ix_(rows, part)].tolist()) for part in (found, free))
    top, d = minor.solve(rest).numer_denom()
    basis = np.zeros((A.shape[1], len(free)), dtype=object)
    basis[found] = [[-int(v) for v in line] for line in top.tolist()]
    basis[free, range(len(free))] = int(d)
    zero = flint.fmpz_mat(A.tolist()) * flint.fmpz_mat(basis.tolist())
    return basis if zero == flint.fmpz_mat(len(A), len(free)) else None


def _bareiss(A: NDArray[Any]) -> tuple[NDArray[Any], int, list[int]]:
    """Gauss-Jordan elimination in which every division is exact (Bareiss 1968)."""
    A = A.astype(object).copy()
    n, m = A.shape
    d = 1
    pivots: list[int] = []
    for j in range(m):
        r = len(pivots)
        below = [i for i in range(r, n) if A[i, j] != 0]
        if not below:
            continue
        A[[r, below[0]]] = A[[below[0], r]]
        for i in range(n):
            if i != r:
                A[i] = (A[i] * A[r, j] - A[i, j] * A[r]) // d
        d = A[r, j]
        pivots.append(j)
    return A, int(d), pivots
