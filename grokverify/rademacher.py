"""Empirical Rademacher complexities by enumeration of all signs, in rational arithmetic.

``R_n(H) = E max over h in H of (1/n) sum_a sigma_a h(x_a)``, sigma uniform on {-1, 1}^n. Cost: 2^n
signs times the number of functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_MOST = 1 << 26  # entries of the table of signs times functions


def mean_modulus(k: int) -> Fraction:
    """E |sigma_1 + ... + sigma_k| = k C(k-1, floor((k-1)/2)) / 2^(k-1); at most sqrt(k).

    Raises:
        ValueError: k is negative.
    """
    if k < 0:
        raise ValueError(f"mean_modulus({k}): a sum has at least 0 terms.")
    return Fraction(k * math.comb(k - 1, (k - 1) // 2), 2 ** (k - 1)) if k else Fraction(0)


def linear(counts: Iterable[int]) -> Fraction:
    """The class <u, x> with |u|_inf <= 1 on one-hot samples, ``counts`` of each coordinate.

    The best u is the sign of each coordinate's sum of signs. Samples that are several one-hot
    vectors on top of each other have the counts of all of them; n is the sum within one slot, so
    that the result is n R_n and the caller divides.
    """
    return sum((mean_modulus(int(k)) for k in counts), Fraction(0))


def finite(values: Any) -> Fraction:
    """The complexity of finitely many functions, exactly.

    Args:
        values: (functions, n) integers, the value of each function at each sample.

    Raises:
        ValueError: the shape is not such a table, or it takes more than 2^26 sums.
    """
    table = np.asarray(values)
    if table.ndim != 2 or not table.size or table.dtype.kind not in "iu":
        raise ValueError(
            f"finite() needs a table of integers (functions, n), not the shape {table.shape} of "
            f"{table.dtype}. Scale rational values to integers and divide the result."
        )
    n = table.shape[1]
    if table.shape[0] << n > _MOST:
        raise ValueError(
            f"{table.shape[0]} functions on {n} samples take {table.shape[0] << n} sums, more than "
            f"{_MOST}. Take fewer samples: enumeration doubles with each."
        )
    best: Integers = (signs(n) @ table.T.astype(np.int64)).max(1)
    return Fraction(int(best.sum()), n << n)


def signs(n: int) -> Integers:
    """All 2^n sign vectors, (2^n, n)."""
    return 1 - 2 * (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(np.int64)


def cube(values: Iterable[int], n: int) -> Integers:
    """All vectors of length n with entries among the values, (values^n, n)."""
    return np.array(list(product(values, repeat=n)), dtype=np.int64)
