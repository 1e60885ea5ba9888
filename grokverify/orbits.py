"""Averages over the orbit of a function under relabellings of its arguments, exactly.

A function on [p]^m is a tensor f of shape (p,)*m, or the vector of its values in row-major order.
A group H of permutations of [p] acts in every slot, ``f_sigma(x) = f(sigma_1(x_1), ...,
sigma_m(x_m))`` with sigma in H^m. All that a linear predictor's mean square error over the orbit
depends on is the second moment ``Sigma(x, x') = E f_sigma(x) f_sigma(x')`` (Mohamadi et al. 2024,
Lemma D.4). For modular addition Sigma depends only on the number of slots in which x and x' differ
(their Lemma D.10), which makes its spectrum a Krawtchouk transform.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokverify.worked import given

Permutation = tuple[int, ...]
_WORK = 2**36  # multiplications that one enumeration may take


@dataclass(frozen=True, slots=True)
class Moment:
    """A second moment in integers: ``Sigma = sums / order``.

    Args:
        sums: (p^m, p^m) int64, the sum of f_sigma(x) f_sigma(x') over the group.
        order: the number of group elements.
    """

    sums: NDArray[np.int64]
    order: int

    @property
    def trace(self) -> Fraction:
        return Fraction(int(np.trace(self.sums)), self.order)


@dataclass(frozen=True, slots=True)
class Eigenspace:
    """Tensors that sum to zero along ``degree`` of the slots and are constant along the others."""

    degree: int
    value: Fraction
    multiplicity: int


def symmetric(p: int) -> tuple[Permutation, ...]:
    """All permutations of 0..p-1."""
    return tuple(itertools.permutations(range(p)))


def affine(p: int, multipliers: Sequence[int]) -> tuple[Permutation, ...]:
    """The maps ``j -> u j + t`` mod p, with u among the multipliers and every shift t.

    All units make it 2-transitive for prime p; multipliers ``(1,)`` leave the cyclic shifts.

    Raises:
        ValueError: a multiplier is not a unit modulo p.
    """
    bad = [u for u in multipliers if math.gcd(u, p) != 1]
    if bad:
        raise ValueError(f"j -> {bad[0]} j is no permutation modulo {p}: they share a factor.")
    return tuple(tuple((u * j + t) % p for j in range(p)) for u in multipliers for t in range(p))


def sums_to_zero(p: int, m: int) -> NDArray[np.int64]:
    """The tensor ``1[x_1 + ... + x_m = 0 mod p]`` of shape (p,)*m, the function of (D.9)."""
    total: NDArray[np.int64] = np.indices((p,) * m).sum(axis=0)
    return np.asarray(total % p == 0, dtype=np.int64)


def second_moment(f: NDArray[Any], group: Sequence[Permutation]) -> Moment:
    """Sum ``f_sigma f_sigma^T`` over all sigma in group^m, by enumeration.

    Args:
        f: integers, shape (p,)*m.
        group: permutations of 0..p-1, each given once.

    Raises:
        ValueError: the enumeration is too large, or its sums would leave the integers that
            float64 holds exactly (they are added up by matrix products).
    """
    p, m, g = f.shape[0], f.ndim, len(group)
    size, order = p**m, g**m
    if order * size**2 > _WORK:
        raise ValueError(
            f"enumerating {g}^{m} relabellings of {size} points takes {order * size**2:.2g} "
            f"multiplications, more than {_WORK:.2g}. Take a 2-transitive subgroup, affine(p, ...),"
            " which has the same second moment, or pair_moments(p, m)."
        )
    if int(np.abs(f).max()) ** 2 * order >= 2**53:
        raise ValueError("the sums pass 2^53, where float64 stops being exact: scale f down.")
    images = np.array(group)
    sums = np.zeros((size, size))
    for sigma in images:  # one slab of the group at a time, to bound the memory
        orbit = f[sigma].astype(np.float64)[None]
        for slot in range(1, m):  # (g^(slot-1), p, ..., p) -> (g^slot, p, ..., p)
            moved = np.take(orbit, images, axis=slot + 1)
            orbit = np.moveaxis(moved, slot + 1, 1).reshape(-1, *f.shape)
        rows = orbit.reshape(-1, size)
        sums += rows.T @ rows
    return Moment(sums.astype(np.int64), order)


def pair_moments(p: int, m: int) -> list[Fraction]:
    """C_d = E f_sigma(x) f_sigma(x') for x, x' that differ in d slots, f = sums_to_zero(p, m).

    Exact, from the law of a pair of images alone: equal symbols have uniform equal images, distinct
    symbols have uniform distinct ones. So it holds for every 2-transitive group.

    Returns:
        C_0, ..., C_m, which remember what is made of them (``grokverify.worked``).
    """
    pairs = [(u, v) for u in range(p) for v in range(p)]
    result = []
    for d in range(m + 1):
        counts = {(0, 0): 1}
        for slot in range(m):
            steps = [(u, v) for u, v in pairs if (u != v) == (slot < d)]
            new: dict[tuple[int, int], int] = {}
            for (s, t), k in counts.items():
                for u, v in steps:
                    key = (s + u) % p, (t + v) % p
                    new[key] = new.get(key, 0) + k
            counts = new
        result.append(given(Fraction(counts.get((0, 0), 0), sum(counts.values()))))
    return result


def moments_by_differences(p: int, m: int) -> list[Fraction]:
    """The same C_0, ..., C_m from the law of the differences of two images alone: p may be large.

    Of a pair of images u, v the first is uniform and v - u is independent of it: zero for equal
    symbols, uniform on 1, ..., p-1 for distinct ones. So both sums vanish with probability 1/p
    times that of d such differences adding up to zero. Takes m p additions of integers, where
    ``pair_moments`` goes through m p^4 pairs of pairs.
    """
    ways, total, result = [1] + [0] * (p - 1), 1, []  # ways to reach each difference
    for _ in range(m + 1):
        result.append(given(Fraction(ways[0], p * total)))
        ways = [total - w for w in ways]  # every nonzero step ends here, from anywhere else
        total *= p - 1
    return result


def distances(p: int, m: int) -> NDArray[np.int64]:
    """In how many slots two points of [p]^m differ, shape (p^m, p^m)."""
    points = np.indices((p,) * m).reshape(m, -1)
    return np.asarray((points[:, :, None] != points[:, None, :]).sum(axis=0), dtype=np.int64)


def krawtchouk(j: int, m: int, p: int) -> list[int]:
    """K_0(j), ..., K_m(j): the coefficients of ``(1 - t)^j (1 + (p-1) t)^(m-j)``.

    K_d(j) is the eigenvalue, on tensors of degree j, of the matrix ``1[x, x' differ in d slots]``.
    """
    poly = [1]
    for slope in [-1] * j + [p - 1] * (m - j):
        poly = [a + slope * b for a, b in zip([*poly, 0], [0, *poly], strict=True)]
    return poly


def spectrum(moments: Sequence[Fraction], p: int) -> list[Eigenspace]:
    """Eigenspaces of ``Sigma(x, x') = moments[number of slots in which x and x' differ]``.

    Returns:
        The m + 1 eigenspaces by degree; equal eigenvalues are not merged.
    """
    m = len(moments) - 1
    return [
        Eigenspace(
            degree=j,
            value=sum(
                (c * k for c, k in zip(moments, krawtchouk(j, m, p), strict=True)), Fraction(0)
            ),
            multiplicity=math.comb(m, j) * (p - 1) ** j,
        )
        for j in range(m + 1)
    ]


def tail(spaces: Sequence[Eigenspace], n: int) -> Fraction:
    """The sum of all but the n largest eigenvalues: Ky Fan's bound on ``E dist(f, V)^2``.

    By Ky Fan's maximum principle no space V of dimension n comes closer on average, and the span
    of n leading eigenvectors comes as close.
    """
    left, total = n, Fraction(0)
    for space in sorted(spaces, key=lambda s: s.value, reverse=True):
        taken = min(left, space.multiplicity)
        left -= taken
        total += space.value * (space.multiplicity - taken)
    return total


def zero_sum_projector(p: int, m: int) -> NDArray[np.int64]:
    """``p^m P``, P the orthogonal projector on tensors whose sums along every slot vanish."""
    one = p * np.eye(p, dtype=np.int64) - np.ones((p, p), dtype=np.int64)
    whole = np.ones((1, 1), dtype=np.int64)
    for _ in range(m):
        whole = np.kron(whole, one)
    return whole


def expected_distance(B: NDArray[Any], moment: Moment) -> Fraction:
    """``E dist(f_sigma, span B)^2 = tr Sigma - tr((B^T B)^-1 B^T Sigma B)``, in rationals.

    Args:
        B: (p^m, n) integers with independent columns.

    Raises:
        ZeroDivisionError: the columns are dependent.
    """
    B = _big(B)
    part = solve(B.T @ B, B.T @ _big(moment.sums) @ B)
    return moment.trace - _trace(part) / moment.order


def expected_regression_loss(K: NDArray[Any], train: Sequence[int], moment: Moment) -> Fraction:
    """``E |f_sigma - A f_sigma(train)|^2`` for kernel regression, A = K(., t) K(t, t)^-1; exact.

    Args:
        K: (p^m, p^m) symmetric integers; a common factor does not matter.
        train: n distinct point numbers.

    Raises:
        ZeroDivisionError: K(t, t) is singular.
    """
    K, sums, t = _big(K), _big(moment.sums), np.asarray(train)
    inner = np.ix_(t, t)
    cross = solve(K[inner], (K[t] @ sums[:, t]))
    square = solve(K[inner], K[t] @ K[:, t]) @ solve(K[inner], sums[inner])
    return moment.trace + (_trace(square) - 2 * _trace(cross)) / moment.order


def solve(G: NDArray[Any], M: NDArray[Any]) -> NDArray[Any]:
    """``G^-1 M`` in Fractions, by fraction-free elimination of integers (Bareiss).

    Raises:
        ZeroDivisionError: G is singular.
    """
    n = len(G)
    W = np.concatenate([_big(G), _big(M)], axis=1)
    last = 1
    for k in range(n):
        pivot = next((i for i in range(k, n) if W[i, k] != 0), None)
        if pivot is None:
            raise ZeroDivisionError(
                f"the {n} x {n} matrix is singular (column {k} depends on those before it): drop "
                "dependent functions, or repeated training points."
            )
        if pivot != k:
            W[[k, pivot]] = W[[pivot, k]]
        others = np.arange(n) != k
        W[others] = (W[k, k] * W[others] - W[others, k : k + 1] * W[k]) // last
        last = W[k, k]
    over = np.frompyfunc(lambda a: Fraction(a, last), 1, 1)
    result: NDArray[Any] = over(W[:, n:])
    return result


def _big(A: NDArray[Any]) -> NDArray[Any]:
    """The same integers as Python ints, which do not overflow."""
    array = np.asarray(A)
    if array.dtype.kind not in "iuO":
        raise TypeError(f"exact orbits take integers, not {array.dtype}; scale the entries first.")
    return np.frompyfunc(int, 1, 1)(array) if array.size else array.astype(object)


def _trace(A: NDArray[Any]) -> Fraction:
    return sum((A[i, i] for i in range(len(A))), Fraction(0))
