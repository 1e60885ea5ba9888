"""Interval arithmetic on mpmath's raw binary numbers, every operation rounded outwards.

What ``grokverify.enclosure`` evaluates formulas with; a few functions, at a fixed precision.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from mpmath import libmp

Interval = tuple[Any, Any]  # two of mpmath's raw binary numbers, the lower one first

PREC = 100  # bits


def pair(x: Any) -> Interval:
    low, high = x
    return low, high


def inverse(x: Interval) -> Interval:
    return finite(libmp.mpi_div(_ONE, x, PREC))


def exp(x: Interval) -> Interval:
    return pair(libmp.mpi_exp(x, PREC))


def log(x: Interval) -> Interval:
    return finite(libmp.mpi_log(positive(x), PREC))


def positive(x: Interval) -> Interval:
    if libmp.mpf_sign(x[0]) < 0:
        raise ValueError(
            "an enclosure is not finite and real: a root or a logarithm met an interval that "
            "reaches below 0. Split the interval, or look at the formula there."
        )
    return x


def finite(x: Interval) -> Interval:
    for end in x:
        fraction(end)
    return x


def _erfc(x: Interval) -> Interval:
    """erfc decreases: its ends are its values at the ends."""
    left = _erfc_at(fraction(x[0]))
    right = left if x[0] == x[1] else _erfc_at(fraction(x[1]))
    return right[0], left[1]


def _erfc_at(x: Fraction) -> Interval:
    """Bounds on erfc at one binary number, apart by at most 1e-4 of it.

    From 12 on by erfc(x) = e^(-x^2) m / sqrt(pi), x/(x^2 + 1/2) <= m <= (x^2 + 1)/(x (x^2 + 3/2)),
    convergents of its continued fraction; below by
    erf(x) = 2 x e^(-x^2) / sqrt(pi) sum_n (2 x^2)^n / (2n+1)!!, whose terms beyond N decrease
    faster than a geometric series of ratio 2 x^2 / (2N + 3).
    """
    if x < 0:
        return pair(libmp.mpi_sub(ratio(Fraction(2)), _erfc_at(-x), PREC))
    if x < 12:
        return _from_series(x, PREC + int(3 * float(x) ** 2))
    low, high = x / (x * x + Fraction(1, 2)), (x * x + 1) / (x * (x * x + Fraction(3, 2)))
    scale = libmp.mpi_div(exp(ratio(-x * x)), libmp.mpi_sqrt(_pi(PREC), PREC), PREC)
    return (
        libmp.mpi_mul(scale, ratio(low), PREC)[0],
        libmp.mpi_mul(scale, ratio(high), PREC)[1],
    )


def _from_series(x: Fraction, bits: int) -> Interval:
    """erfc(x) by the series of erf, in whole multiples of 2^-bits rounded down and up."""
    top, bottom = (2 * x * x).numerator, (2 * x * x).denominator
    low = (x.numerator << bits) // x.denominator
    least = low
    high = most = low + 1
    n = 0
    while not (high <= 2 and 2 * n + 3 > 4 * x * x):
        n += 1
        low = low * top // (bottom * (2 * n + 1))
        high = -(-high * top // (bottom * (2 * n + 1)))
        least, most = least + low, most + high
    total = (libmp.from_man_exp(least, -bits), libmp.from_man_exp(most + 2 * high, -bits))
    decay = libmp.mpi_exp(ratio(-x * x, bits), bits)
    erf = libmp.mpi_div(libmp.mpi_mul(total, decay, bits), libmp.mpi_sqrt(_pi(bits), bits), bits)
    return pair(libmp.mpi_sub(_ONE, libmp.mpi_mul(ratio(Fraction(2)), erf, bits), PREC))


def _pi(bits: int) -> Interval:
    return libmp.mpf_pi(bits, libmp.round_floor), libmp.mpf_pi(bits, libmp.round_ceiling)


def ratio(x: Fraction, bits: int = PREC) -> Interval:
    return (
        libmp.from_rational(x.numerator, x.denominator, bits, libmp.round_floor),
        libmp.from_rational(x.numerator, x.denominator, bits, libmp.round_ceiling),
    )


def _larger(x: Interval, y: Interval) -> Interval:
    return pair(b if libmp.mpf_gt(b, a) else a for a, b in zip(x, y, strict=True))


def _smaller(x: Interval, y: Interval) -> Interval:
    return pair(b if libmp.mpf_lt(b, a) else a for a, b in zip(x, y, strict=True))


def _fold(pick: Callable[[Interval, Interval], Interval]) -> Callable[..., Interval]:
    def rule(*parts: Interval) -> Interval:
        chosen = parts[0]
        for part in parts[1:]:
            chosen = pick(chosen, part)
        return chosen

    return rule


def _hyperbolic(sign: int) -> Callable[[Interval], Interval]:
    combine = libmp.mpi_add if sign > 0 else libmp.mpi_sub

    def rule(x: Interval) -> Interval:
        both = combine(exp(x), exp(libmp.mpi_neg(x)), PREC)
        return pair(libmp.mpi_mul(both, ratio(Fraction(1, 2)), PREC))

    return rule


_ONE = ratio(Fraction(1))
RULES: dict[str, Callable[..., Interval]] = {
    "exp": exp,
    "log": log,
    "cosh": _hyperbolic(1),
    "sinh": _hyperbolic(-1),
    "erfc": _erfc,
    "Max": _fold(_larger),
    "Min": _fold(_smaller),
    "Pi": lambda: _pi(PREC),
    "Exp1": lambda: exp(_ONE),
}


def fraction(raw: Any) -> Fraction:
    sign, mantissa, exponent, _ = raw
    if not mantissa and exponent:
        raise ValueError(
            "an enclosure is not finite and real: a logarithm or a division met an interval "
            "around 0. Split the interval, or look at the formula there."
        )
    number = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -number if sign else number


def outward(value: Fraction, side: int) -> float:
    try:
        guess = float(value)
    except OverflowError:  # the largest float is the nearest one on the inner side
        most = math.inf if value * side > 0 else sys.float_info.max
        return most if value > 0 else -most
    while math.isfinite(guess) and side * (Fraction(guess) - value) < 0:
        guess = math.nextafter(guess, side * math.inf)
    return guess
