"""All eigenvalues of a symmetric matrix, and sums, between rigorous bounds in float64.

An approximate eigendecomposition is made by any means and then judged by its residual: with
X'X = I + G, A X = X W + R and |G| <= d < 1 in spectral norm, let X = Q H be the polar
decomposition, |H - I| <= d. Then Q'A Q - W = H W H^-1 - W + Q'R H^-1 is symmetric, of norm at most
(2 d |W| + |R|) / (1 - d), and by Weyl's inequality no eigenvalue is further from its place in W.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from grokverify._evidence import Measurement, enclosed
from grokverify._proved import as_text, written
from grokverify.linalg.certified import UNIT, gamma, require_ieee, row_norm, square

_TINY = 2.0**-1000  # covers what gradual underflow can lose in a sum


def eigenvalue_bounds(
    A: torch.Tensor, *, radius: torch.Tensor | float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rigorous bounds for every eigenvalue of a symmetric matrix, in increasing order.

    Args:
        A: (n, n) float64; only the lower triangle is read.
        radius: entrywise error of A; the bounds then hold for every symmetric matrix within it.

    Returns:
        (n,) lower and (n,) upper bounds. All are equally wide: about n^2 units of rounding of |A|.

    Raises:
        Refused: the arithmetic is not IEEE float64.
        ValueError: A is not square, holds NaN or infinity, or its eigenvectors came out useless.
    """
    square(A)
    require_ieee(A)
    n = A.shape[-1]
    A = torch.tril(A) + torch.tril(A, -1).mT
    w, X = torch.linalg.eigh(A)
    size, g = X.abs(), gamma(n + 8)
    residual = (A @ X - X * w).abs() + g * (A.abs() @ size + size * w.abs()) + _TINY
    gram = X.mT @ X - torch.eye(n, dtype=A.dtype, device=A.device)
    defect = _frobenius(gram.abs() + g * (size.mT @ size) + 4 * UNIT)
    if not defect < 0.5:
        raise ValueError(
            f"eigenvalue_bounds() got eigenvectors that are {defect:.2g} away from orthonormal, so "
            "nothing follows from them. Is the matrix badly scaled?"
        )
    error = (2 * defect * float(w.abs().max()) + _frobenius(residual)) / (1 - defect)
    reach = (error + float(row_norm(A, radius))) * (1 + 16 * UNIT)
    margin = reach + 4 * UNIT * (w.abs() + reach)
    return w - margin, w + margin


def eigenvalue(
    name: str, A: torch.Tensor, k: int, *, radius: torch.Tensor | float = 0.0
) -> Measurement:
    """A rigorous enclosure of the k-th smallest eigenvalue, k = 0, 1, ..., n - 1.

    Returns:
        An enclosure of grade CERTIFIED; for small matrices with a certificate: exact numbers of
        eigenvalues on both sides of it.

    Raises:
        IndexError: there is no such eigenvalue.
        Refused, ValueError: see ``eigenvalue_bounds``.
    """
    n = A.shape[-1]
    if not 0 <= k < n:
        raise IndexError(f"eigenvalue({name!r}) number {k} of a {n} x {n} matrix: count from 0.")
    low, high = eigenvalue_bounds(A, radius=radius)
    A = torch.tril(A) + torch.tril(A, -1).mT
    spread = as_text(float(row_norm(A, radius)))
    plain = {"kind": "eigenvalue", "index": k, "spread": spread}
    return enclosed(name, float(low[k]), float(high[k]), proof=lambda: written(plain, matrix=A))


def total(name: str, terms: Any, *, radii: Iterable[float] = ()) -> Measurement:
    """A rigorous enclosure of a sum of floats, each known up to its radius.

    The sum is rounded once (``math.fsum``), so that its ends are neighbouring floats when every
    term is exact; it does not depend on the order of the terms.

    Args:
        terms: a tensor, array or sequence of floats.
        radii: of the terms; none means that they are exact.

    Raises:
        Refused: the terms are a tensor of another type than float64.
        ValueError: there is no term, one is NaN or infinite, or a radius is negative.
    """
    if isinstance(terms, torch.Tensor):
        require_ieee(terms)
        terms = terms.ravel().tolist()
    values, errors = [float(x) for x in terms], [float(r) for r in radii]
    if not values or not all(map(math.isfinite, values)) or not all(r >= 0 for r in errors):
        raise ValueError(
            f"total({name!r}) met no term, one that is not finite, or a radius that is not >= 0. "
            "NaN is never evidence: look for an overflow or 0/0."
        )
    middle, reach = math.fsum(values), math.fsum(errors)
    low, high = middle, middle
    if math.fsum([*values, -middle]) != 0:  # the rounding of the sum itself, if there was any
        low, high = math.nextafter(middle, -math.inf), math.nextafter(middle, math.inf)
    if reach > 0:
        reach = math.nextafter(reach, math.inf)
        low = math.nextafter(low - reach, -math.inf)
        high = math.nextafter(high + reach, math.inf)
    return enclosed(name, low, high)


def _frobenius(bound: torch.Tensor) -> float:
    """Not less than the norm of any matrix below the bound, entry by entry."""
    return float(torch.linalg.norm(bound)) * (1 + 2 * bound.numel() * UNIT) + _TINY
