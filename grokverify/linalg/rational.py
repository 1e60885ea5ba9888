"""Pseudo-inverses, kernel regression and semi-definiteness in Fractions: nothing is rounded.

For matrices of a few dozen rows; larger ones want the certificates of ``linalg.certified``.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokverify._proved import Proved, written
from grokverify.linalg.exact import as_integers


def rational(values: Any) -> NDArray[Any]:
    """Numbers as an object array of Fractions of the same shape; floats are read as dyadic.

    Raises:
        ValueError: an entry is NaN or infinite.
    """
    array = np.asarray(values.cpu() if hasattr(values, "cpu") else values)
    out = np.empty(array.shape, dtype=object)
    try:
        out.ravel()[:] = [Fraction(v) for v in array.ravel().tolist()]
    except (ValueError, OverflowError) as e:
        raise ValueError(
            f"rational() met an entry that is no number ({e}). NaN or infinity came out of the "
            "computation before: look there."
        ) from None
    return out


def pseudo_inverse(A: Any) -> NDArray[Any]:
    """The Moore-Penrose inverse of a matrix over the rationals, which is rational again.

    From a factorisation A = B C of full rank, ``A^+ = C' (C C')^-1 (B' B)^-1 B'``.

    Args:
        A: (n, m) ints, Fractions or floats.

    Returns:
        (m, n) object array of Fractions.

    Raises:
        ValueError: A is not a matrix.
    """
    A = _matrix(A)
    C, pivots = _echelon(A)
    if not pivots:
        return rational(np.zeros((A.shape[1], A.shape[0]), dtype=int))
    B, C = A[:, pivots], C[: len(pivots)]
    result: NDArray[Any] = C.T @ _inverse(C @ C.T) @ _inverse(B.T @ B) @ B.T
    return result


def regression_matrix(K: Any, train: Sequence[int]) -> NDArray[Any]:
    """``K(., t) K(t, t)^+``: what ridgeless kernel regression makes of the labels (exact).

    Args:
        K: (N, N) symmetric kernel on all points.
        train: n training points, numbered 0..N-1; repeats are allowed.

    Returns:
        (N, n) Fractions; times the labels it is the predictor (Mohamadi et al. 2024, Def. 2.3).
    """
    K, t = _matrix(K), list(train)
    result: NDArray[Any] = K[:, t] @ pseudo_inverse(K[np.ix_(t, t)])
    return result


def ldl(A: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """M and d with ``A = M diag(d) M'`` exactly, for any symmetric matrix.

    M is a product of row additions: unit lower triangular where no pivot vanishes, and of
    determinant one always, so that d has as many negative, zero and positive entries as A has such
    eigenvalues (Sylvester's law of inertia).

    Args:
        A: (n, n) ints, Fractions or floats (read as dyadic), symmetric.

    Returns:
        M, (n, n), and d, (n,), of Fractions.

    Raises:
        ValueError: A is not a symmetric matrix, or holds NaN or infinity.
    """
    S = _symmetric("ldl", rational(A))
    n = len(S)
    M = rational(np.eye(n, dtype=int))

    def add(i: int, j: int, c: Fraction) -> None:  # row j += c row i, and the columns likewise
        S[j] = S[j] + c * S[i]
        S[:, j] = S[:, j] + c * S[:, i]
        M[:, i] = M[:, i] - c * M[:, j]

    for i in range(n):
        if S[i, i] == 0:
            j = next((j for j in range(i + 1, n) if S[i, j] != 0), None)
            if j is None:
                continue
            add(j, i, Fraction(-1 if S[j, j] == -2 * S[i, j] else 1))
        for j in range(i + 1, n):
            if S[i, j] != 0:
                add(i, j, -S[i, j] / S[i, i])
    return M, S.diagonal().copy()


def inertia(A: Any) -> tuple[int, int, int]:
    """How many eigenvalues of a symmetric matrix are negative, zero and positive; exact.

    Each of the three carries its certificate into ``exact``; ``exact("negative eigenvalues",
    inertia(A)[0]).equals(0)`` is a proof that A is positive semi-definite.

    Raises:
        ValueError: A is not a symmetric matrix, or holds NaN or infinity.
    """
    _, d = ldl(A)
    whole = rational(A)

    def count(which: str, found: int) -> Proved:
        return Proved(found, lambda: written({"kind": "inertia", "which": which}, matrix=whole))

    signs = [(x > 0) - (x < 0) for x in d]
    return (
        count("negative", signs.count(-1)),
        count("zero", signs.count(0)),
        count("positive", signs.count(1)),
    )


def is_semidefinite(A: Any) -> bool:
    """Whether a symmetric matrix is positive semi-definite, by fraction-free elimination.

    Raises:
        ValueError: A is not a symmetric matrix, or holds NaN or infinity.
    """
    A = _symmetric("is_semidefinite", as_integers(A))
    last = 1  # the pivot before: it divides what follows (Bareiss 1968)
    while len(A):
        diagonal = A.diagonal()
        if any(d < 0 for d in diagonal):
            return False
        k = next((i for i, d in enumerate(diagonal) if d != 0), None)
        if k is None:
            return not (A != 0).any()
        rest = np.arange(len(A)) != k
        pivot, column = A[k, k], A[rest, k]
        A = (A[rest][:, rest] * pivot - np.outer(column, column)) // last
        last = pivot
    return True


def _symmetric(tool: str, A: NDArray[Any]) -> NDArray[Any]:
    if A.ndim != 2 or A.shape[0] != A.shape[1] or not A.size or not (A == A.T).all():
        raise ValueError(
            f"{tool}() needs a symmetric matrix; this one has shape {A.shape}, or no entry, or "
            "differs from its transpose. Did the kernel lose an argument?"
        )
    return A


def _matrix(A: Any) -> NDArray[Any]:
    array = rational(A)
    if array.ndim != 2:
        raise ValueError(f"a matrix was expected, but the shape is {array.shape}.")
    return array


def _echelon(A: NDArray[Any]) -> tuple[NDArray[Any], list[int]]:
    """Reduced row echelon form and its pivot columns."""
    A = A.copy()
    pivots: list[int] = []
    for j in range(A.shape[1]):
        r = len(pivots)
        i = next((i for i in range(r, len(A)) if A[i, j] != 0), None)
        if i is None:
            continue
        A[[r, i]] = A[[i, r]]
        A[r] = A[r] / A[r, j]
        for other in range(len(A)):
            if other != r and A[other, j] != 0:
                A[other] = A[other] - A[other, j] * A[r]
        pivots.append(j)
    return A, pivots


def _inverse(A: NDArray[Any]) -> NDArray[Any]:
    unit = rational(np.eye(len(A), dtype=int))
    return _echelon(np.concatenate([A, unit], axis=1))[0][:, len(A) :]
