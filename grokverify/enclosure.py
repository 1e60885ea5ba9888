"""Rigorous enclosures of formulas: sympy expressions in interval arithmetic.

A bound is written as in the paper, as a sympy expression, and evaluated between two proved bounds:
every operation is rounded outwards (mpmath's interval context, of which this module keeps its own).
Gaussian tails, ``erfc``, are summed here from series and inequalities with explicit remainders.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import sympy as sp
from mpmath import libmp
from mpmath.ctx_iv import MPIntervalContext

from grokverify._evidence import Measurement, enclosed

Number = int | float | Fraction
Span = Number | tuple[Number, Number]  # a point, or the two ends of an interval

_PREC = 120  # bits
_iv = MPIntervalContext()
_iv.prec = _PREC


def measured(name: str, expr: Any, at: Mapping[Any, Span] | None = None) -> Measurement:
    """The value of a sympy expression (or its range over intervals), CERTIFIED.

    Args:
        name: what the number is called in the record.
        expr: built from rationals, floats (taken at their exact binary value), pi, sums, products,
            integer and rational powers, exp, log, cosh, sinh, erfc, Max, Min and symbols.
        at: a value, or a pair of ends, for each of its symbols; floats are exact here too.

    Raises:
        ValueError: a symbol has no value, or a function is not in the list.
    """
    return enclosed(name, *ends(enclose(expr, at)))


def ends(x: Any) -> tuple[float, float]:
    """Both ends of an interval as floats, rounded outwards."""
    low, high = (_fraction(x._mpi_[side]) for side in (0, 1))
    return _outward(low, -1), _outward(high, 1)


def enclose(expr: Any, at: Mapping[Any, Span] | None = None) -> Any:
    """The same as an interval of mpmath (``.a`` and ``.b`` are its ends)."""
    values = {sp.sympify(k): _span(v) for k, v in (at or {}).items()}
    return _walk(sp.sympify(expr), values)


def supremum(
    name: str,
    expr: Any,
    x: Any,
    span: tuple[Number, Number],
    at: Mapping[Any, Span] | None = None,
    *,
    below: Number | None = None,
    gap: float = 1e-3,
    most: int = 20_000,
) -> Measurement:
    """The largest value of ``expr`` over ``x`` in an interval, CERTIFIED, by branch and bound.

    Args:
        expr: as for ``measured``; a callable that maps an interval to an enclosing interval also
            does.
        span: the closed interval of x, a bounded one.
        below: stop as soon as the supremum is known to be at most this, or above it.
        gap: stop when it is known up to this fraction of its size (or this, near zero).
        most: evaluations after which the enclosure is returned as wide as it is.
    """
    values = {sp.sympify(k): _span(v) for k, v in (at or {}).items()}
    symbol = sp.sympify(x)

    def value(part: Any) -> Any:
        if isinstance(expr, Callable):  # type: ignore[arg-type]
            return expr(part)
        return _walk(sp.sympify(expr), {**values, symbol: part})

    start = _span(span)
    best, heap, count = -math.inf, [(-math.inf, 0, start)], 0
    while True:
        top, _, part = heapq.heappop(heap)
        if -top <= best + gap * max(1.0, abs(best)) or count >= most:
            break
        if below is not None and (-top <= below or best > below):
            break
        middle = part.mid
        best = max(best, ends(value(_iv.mpf(middle)))[0])
        for half in (_iv.mpf([part.a, middle]), _iv.mpf([middle, part.b])):
            count += 1
            heapq.heappush(heap, (-ends(value(half))[1], count, half))
    return enclosed(name, best, max(-top, best))


def _walk(e: Any, values: Mapping[Any, Any]) -> Any:
    if e in values:
        return values[e]
    if e.is_Rational:
        return _iv.mpf(int(e.p)) / _iv.mpf(int(e.q))
    if e.is_Float:
        return _iv.mpf(sp.Rational(e).p) / _iv.mpf(sp.Rational(e).q)
    if e.is_Add or e.is_Mul:
        total = _walk(e.args[0], values)
        for term in e.args[1:]:
            other = _walk(term, values)
            total = total + other if e.is_Add else total * other
        return total
    if e.is_Pow:
        return _power(e, values)
    rule = _RULES.get(type(e).__name__)
    if rule is None or e.is_Symbol:
        raise ValueError(
            f"enclose() met {e}, {'a symbol without a value' if e.is_Symbol else type(e).__name__}"
            f". It knows rationals, sums, products, powers and {', '.join(sorted(_RULES))}; give "
            "each symbol a value in 'at'."
        )
    return rule(*(_walk(a, values) for a in e.args))


def _power(e: Any, values: Mapping[Any, Any]) -> Any:
    base, exponent = e.base, e.exp
    if base == sp.E:
        return _iv.exp(_walk(exponent, values))
    x = _walk(base, values)
    if exponent.is_Integer:
        return x ** int(exponent)
    if exponent == sp.Rational(1, 2):
        return _iv.sqrt(x)
    return _iv.exp(_walk(exponent, values) * _iv.log(x))


def _erfc(x: Any) -> Any:
    """erfc decreases: its ends are its values at the ends."""
    left = _erfc_at(x.a)
    right = left if x.delta == 0 else _erfc_at(x.b)
    return _iv.mpf([right[0], left[1]])


def _erfc_at(point: Any) -> tuple[Any, Any]:
    """Bounds on erfc at one binary number, apart by at most 1e-4 of it.

    From 12 on by erfc(x) = e^(-x^2) m / sqrt(pi), x/(x^2 + 1/2) <= m <= (x^2 + 1)/(x (x^2 + 3/2)),
    convergents of its continued fraction; below by
    erf(x) = 2 x e^(-x^2) / sqrt(pi) sum_n (2 x^2)^n / (2n+1)!!, whose terms beyond N decrease
    faster than a geometric series of ratio 2 x^2 / (2N + 3).
    """
    x = Fraction(_fraction(point._mpi_[0]))
    if x < 0:
        low, high = _erfc_at(_iv.mpf(-point))
        return 2 - high, 2 - low
    if x >= 12:
        z = _iv.mpf(point)
        scale = _iv.exp(-z * z) / _iv.sqrt(_iv.pi)
        low = scale * z / (z * z + _iv.mpf(0.5))
        high = scale * (z * z + 1) / (z * (z * z + _iv.mpf(1.5)))
        return low.a, high.b
    return _from_series(x, _PREC + int(3 * float(x) ** 2))


def _from_series(x: Fraction, bits: int) -> tuple[Any, Any]:
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
    point = libmp.mpi_div(_exact(x.numerator), _exact(x.denominator), bits)
    decay = libmp.mpi_exp(libmp.mpi_neg(libmp.mpi_mul(point, point, bits)), bits)
    pi = (libmp.mpf_pi(bits, libmp.round_floor), libmp.mpf_pi(bits, libmp.round_ceiling))
    erf = libmp.mpi_div(libmp.mpi_mul(total, decay, bits), libmp.mpi_sqrt(pi, bits), bits)
    erfc = libmp.mpi_sub(_exact(1), libmp.mpi_mul(_exact(2), erf, bits), _PREC)
    return tuple(_iv.make_mpf((end, end)) for end in erfc)


def _exact(n: int) -> Any:
    return (libmp.from_int(n), libmp.from_int(n))


def _widest(pick: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def rule(*parts: Any) -> Any:
        low, high = parts[0].a, parts[0].b
        for part in parts[1:]:
            low, high = pick(low, part.a), pick(high, part.b)
        return _iv.mpf([low, high])

    return rule


def _larger(x: Any, y: Any) -> Any:
    return y if y.a > x.a else x


def _smaller(x: Any, y: Any) -> Any:
    return y if y.a < x.a else x


_RULES: dict[str, Callable[..., Any]] = {
    "exp": _iv.exp,
    "log": _iv.log,
    "cosh": lambda x: (_iv.exp(x) + _iv.exp(-x)) / 2,
    "sinh": lambda x: (_iv.exp(x) - _iv.exp(-x)) / 2,
    "erfc": _erfc,
    "Max": _widest(_larger),
    "Min": _widest(_smaller),
    "Pi": lambda: +_iv.pi,
    "Exp1": lambda: +_iv.e,
}


def _span(value: Span) -> Any:
    if isinstance(value, tuple):
        low, high = (_span(end) for end in value)
        return _iv.mpf([low.a, high.b])
    exact = Fraction(value)
    return _iv.mpf(exact.numerator) / _iv.mpf(exact.denominator)


def _fraction(raw: tuple[int, int, int, int]) -> Fraction:
    sign, mantissa, exponent, _ = raw
    if not mantissa and exponent:
        raise ValueError(
            "an enclosure is not finite: a logarithm or a division met an interval around 0. "
            "Split the interval, or look at the formula there."
        )
    number = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -number if sign else number


def _outward(value: Fraction, side: int) -> float:
    try:
        guess = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    while math.isfinite(guess) and side * (Fraction(guess) - value) < 0:
        guess = math.nextafter(guess, side * math.inf)
    return guess
