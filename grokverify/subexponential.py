"""Sub-exponential parameters, decided by enclosures of cumulant generating functions.

``X - E X`` is SE(nu, alpha) if ``K(l) = log E exp(l (X - E X)) <= nu^2 l^2 / 2`` for all
``|l| < 1/alpha`` (Mohamadi et al. 2024, eq. (G.1)). The function K is a sympy expression in ``L``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp

from grokverify._evidence import Measurement
from grokverify.enclosure import supremum

L = sp.Symbol("l")


def gaussian(variance: Any) -> Any:
    """K of N(0, variance)."""
    return sp.sympify(variance) * L**2 / 2


def square(scale: Any) -> Any:
    """K of scale (z^2 - 1), z standard normal: finite for l < 1 / (2 scale)."""
    s = sp.sympify(scale)
    return -s * L - sp.log(1 - 2 * s * L) / 2


def product(variance: Any) -> Any:
    """K of x y for independent centred normals, ``variance`` the product of their variances."""
    return -sp.log(1 - sp.sympify(variance) * L**2) / 2


def three_points(t: Any, q: Any) -> Any:
    """K of the law on -t, 0, t with chances q/2, 1 - q, q/2."""
    t, q = sp.sympify(t), sp.sympify(q)
    return sp.log(1 - q + q * sp.cosh(t * L))


def excess(
    name: str, K: Any, nu: Any, alpha: Any, *, gap: float = 1e-3, below: float | None = None
) -> Measurement:
    """The largest ``2 K(l) / (nu l)^2`` over ``0 < |l| <= 1/alpha``, CERTIFIED.

    The law is SE(nu, alpha) if this is at most 1. Around l = 0 the ratio is a mean of K'' over
    nu^2, by Taylor's formula with K(0) = K'(0) = 0.

    Args:
        K: expression in ``L``, finite on the closed interval.
        nu, alpha: rationals (or sympy numbers for nu) above 0.
        gap: how precisely to know the ratio.
        below: stop as soon as the ratio is known to be at most this, or above it.

    Raises:
        ValueError: K or K' does not vanish at 0: K belongs to X less its mean.
    """
    slope = sp.diff(K, L)
    if sp.simplify(K.subs(L, 0)) != 0 or sp.simplify(slope.subs(L, 0)) != 0:
        raise ValueError(
            f"excess({name!r}): K = {K} has K(0) = {K.subs(L, 0)} and K'(0) = {slope.subs(L, 0)}; "
            "both are 0 for a centred variable. Subtract the mean."
        )
    square_of_nu = sp.sympify(nu) ** 2
    ratio, curvature = 2 * K / (square_of_nu * L**2), sp.diff(slope, L) / square_of_nu

    end = 1 / Fraction(alpha)
    start = 0 if sp.expand(K.subs(L, -L) - K) == 0 else -end  # an even K repeats itself
    near = (curvature, "Taylor: 2 K / l^2 is a mean of K'', as K(0) = K'(0) = 0")
    return supremum(name, ratio, L, (start, end), near=near, gap=gap, below=below)
