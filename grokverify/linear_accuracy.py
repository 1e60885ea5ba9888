"""Test accuracy of linear classifiers in the two tasks of Lyu et al. 2024, Sect. 3.2.3, exactly.

No test set is drawn: what thousands of coordinates contribute together is Gaussian (or, in the
second task, exactly so), and the few that matter are enumerated.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr

from grokverify.margins import Array


def sparse_accuracy(w: Any, teacher: Any, *, top: int = 8) -> tuple[float, float]:
    """P(sign<w, x> = sign<w*, x>) for x uniform on {-1, 1}^d and w* = (teacher, 0, ..., 0).

    The first k = len(teacher) coordinates and the ``top`` largest others are enumerated; the rest,
    a sum of independent signs, is replaced by a Gaussian of the same variance.

    Args:
        w: (d,) weights; teacher: (k,) an odd number of entries +-1.

    Returns:
        (accuracy, error): the error is the bound of Berry and Esseen, 0.56 sum |w|^3 / sigma^3
        (Shevtsova 2010), or 0 where the rest vanishes.

    Raises:
        ValueError: an even teacher, whose sign can be 0, or one longer than w.
    """
    v, signs = np.asarray(w, dtype=np.float64), np.asarray(teacher, dtype=np.float64)
    k = len(signs)
    if k % 2 == 0 or k > len(v) or not (np.abs(signs) == 1).all():
        raise ValueError(
            f"the teacher needs an odd number of entries +-1, at most {len(v)}; got {k} entries."
        )
    rest = v[k:]
    order = np.argpartition(-np.abs(rest), top) if top < len(rest) else np.arange(len(rest))
    large, small = rest[order[:top]], rest[order[top:]]
    head = _signs(k)
    agree = np.sign(head @ signs) * (head @ v[:k])
    sums = (agree[:, None] + (_signs(len(large)) @ large)[None, :]).ravel()
    sigma = float(np.sqrt(np.square(small).sum()))
    if sigma == 0:
        return float(np.where(sums > 0, 1.0, np.where(sums == 0, 0.5, 0.0)).mean()), 0.0
    error = 0.56 * float((np.abs(small) ** 3).sum()) / sigma**3
    return float(ndtr(sums / sigma).mean()), min(error, 1.0)


def gap_accuracy(w: Any, teacher: Any, gap: float) -> float:
    """P(sign<w, x> = y) for x = z + gap/2 y w*, y = sign<z, w*>, z standard Gaussian, |w*| = 1.

    With c = <w, w*> and s the norm of the rest of w this is E Phi(c (|g| + gap/2) / s) over a
    standard Gaussian g: Gauss-Legendre on [0, 10], to rounding.
    """
    v, star = np.asarray(w, dtype=np.float64), np.asarray(teacher, dtype=np.float64)
    c = float(v @ star)
    s = math.sqrt(max(float(v @ v) - c * c, 0.0))
    nodes, mass = _legendre()
    g = 5 * (nodes + 1)
    density = 5 * mass * np.sqrt(2 / np.pi) * np.exp(-g * g / 2)
    with np.errstate(divide="ignore"):
        return float(density @ ndtr(c * (g + gap / 2) / s if s else np.sign(c) * np.inf * g))


@lru_cache(maxsize=1)
def _legendre() -> tuple[Array, Array]:
    nodes, mass = np.polynomial.legendre.leggauss(120)
    return nodes, mass


def _signs(k: int) -> Array:
    """(2^k, k) all sign patterns."""
    bits = (np.arange(2**k)[:, None] >> np.arange(k)) & 1
    return np.asarray(2.0 * bits - 1, dtype=np.float64)
