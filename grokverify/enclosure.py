"""Rigorous enclosures of formulas: sympy expressions in interval arithmetic.

A bound is written as in the paper, as a sympy expression, and evaluated between two proved bounds:
every operation is rounded outwards (by mpmath's interval functions, at a fixed precision).
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

from grokverify._evidence import Measurement, enclosed

Number = int | float | Fraction
Span = Number | tuple[Number, Number]  # a point, or the two ends of an interval
Interval = tuple[Any, Any]  # two of mpmath's raw binary numbers, the lower one first

_PREC = 100  # bits


def measured(name: str, expr: Any, at: Mapping[Any, Span] | None = None) -> Measurement:
    """The value of a sympy expression (or its range over intervals), CERTIFIED.

    Args:
        name: what the number is called in the record.
        expr: built from rationals, floats (taken at their exact binary value), pi, sums, products,
            integer and rational powers, exp, log, cosh, sinh, erfc, Max, Min and symbols.
        at: a value, or a pair of ends, for each of its symbols; floats are exact here too.

    Raises:
        ValueError: a symbol has no value, a function is not in the list, or the value is not
            finite and real.
    """
    return enclosed(name, *ends(enclose(expr, at)))


def ends(x: Interval) -> tuple[float, float]:
    """Both ends of an interval as floats, rounded outwards."""
    low, high = map(_fraction, x)
    return _outward(low, -1), _outward(high, 1)


def enclose(expr: Any, at: Mapping[Any, Span] | None = None) -> Interval:
    """The same as an interval of mpmath's raw numbers; ``ends`` turns it into floats."""
    values = {sp.sympify(k): _span(v) for k, v in (at or {}).items()}
    return _compiled(sp.sympify(expr), frozenset(values))(values)


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
        expr: as for ``measured``; or a callable from an interval (a pair of floats) to an
            enclosure of its image, such as ``enclose`` gives.
        span: the closed interval of x, a bounded one.
        below: stop as soon as the supremum is known to be at most this, or above it.
        gap: stop when it is known up to this fraction of its size (or this, near zero).
        most: evaluations after which the enclosure is returned as wide as it is.
    """
    values = {sp.sympify(k): _span(v) for k, v in (at or {}).items()}
    symbol = sp.sympify(x)
    if callable(expr):
        value = expr
    else:
        code = _compiled(sp.sympify(expr), frozenset((*values, symbol)))

        def value(part: tuple[float, float]) -> Interval:
            return code({**values, symbol: _span(part)})

    best, heap, count = -math.inf, [(-math.inf, 0, ends(_span(span)))], 0
    while True:
        top, _, part = heapq.heappop(heap)
        if -top <= best + gap * max(1.0, abs(best)) or count >= most:
            break
        if below is not None and (-top <= below or best > below):
            break
        middle = (part[0] + part[1]) / 2
        best = max(best, ends(value((middle, middle)))[0])
        for half in ((part[0], middle), (middle, part[1])):
            count += 1
            heapq.heappush(heap, (-ends(value(half))[1], count, half))
    return enclosed(name, best, max(-top, best))


Code = Callable[[Mapping[Any, Interval]], Interval]


def _compiled(e: Any, known: frozenset[Any]) -> Code:
    if e in known:
        return lambda values: values[e]
    if e.is_Rational or e.is_Float:
        constant = _ratio(Fraction(int(sp.Rational(e).p), int(sp.Rational(e).q)))
        return lambda values: constant
    if e.is_Add or e.is_Mul:
        rule = libmp.mpi_add if e.is_Add else libmp.mpi_mul
        parts = [_compiled(a, known) for a in e.args]

        def folded(values: Mapping[Any, Interval]) -> Interval:
            total = parts[0](values)
            for part in parts[1:]:
                total = rule(total, part(values), _PREC)
            return total

        return folded
    if e.is_Pow and e.base != sp.E:
        return _power(e, known)
    name, args = ("exp", (e.exp,)) if e.is_Pow else (type(e).__name__, e.args)
    function = _RULES.get(name)
    if function is None or e.is_Symbol:
        raise ValueError(
            f"enclose() met {e}, {'a symbol without a value' if e.is_Symbol else name}. It knows "
            f"rationals, sums, products, powers and {', '.join(sorted(_RULES))}; give each symbol "
            "a value in 'at'."
        )
    inner = [_compiled(a, known) for a in args]
    return lambda values: function(*(part(values) for part in inner))


def _power(e: Any, known: frozenset[Any]) -> Code:
    base, exponent = _compiled(e.base, known), e.exp
    if exponent.is_Integer:
        n = int(exponent)
        if n < 0:
            return lambda values: _inverse(libmp.mpi_pow_int(base(values), -n, _PREC))
        return lambda values: libmp.mpi_pow_int(base(values), n, _PREC)
    if exponent == sp.Rational(1, 2):
        return lambda values: libmp.mpi_sqrt(_positive(base(values)), _PREC)
    if exponent == -sp.Rational(1, 2):
        return lambda values: _inverse(libmp.mpi_sqrt(_positive(base(values)), _PREC))
    power = _compiled(exponent, known)
    return lambda values: _exp(libmp.mpi_mul(power(values), _log(base(values)), _PREC))


def _pair(x: Any) -> Interval:
    low, high = x
    return low, high


def _inverse(x: Interval) -> Interval:
    return _finite(libmp.mpi_div(_ONE, x, _PREC))


def _exp(x: Interval) -> Interval:
    return _pair(libmp.mpi_exp(x, _PREC))


def _log(x: Interval) -> Interval:
    return _finite(libmp.mpi_log(_positive(x), _PREC))


def _positive(x: Interval) -> Interval:
    if libmp.mpf_sign(x[0]) < 0:
        raise ValueError(
            "an enclosure is not finite and real: a root or a logarithm met an interval that "
            "reaches below 0. Split the interval, or look at the formula there."
        )
    return x


def _finite(x: Interval) -> Interval:
    for end in x:
        _fraction(end)
    return x


def _erfc(x: Interval) -> Interval:
    """erfc decreases: its ends are its values at the ends."""
    left = _erfc_at(_fraction(x[0]))
    right = left if x[0] == x[1] else _erfc_at(_fraction(x[1]))
    return right[0], left[1]


def _erfc_at(x: Fraction) -> Interval:
    """Bounds on erfc at one binary number, apart by at most 1e-4 of it.

    From 12 on by erfc(x) = e^(-x^2) m / sqrt(pi), x/(x^2 + 1/2) <= m <= (x^2 + 1)/(x (x^2 + 3/2)),
    convergents of its continued fraction; below by
    erf(x) = 2 x e^(-x^2) / sqrt(pi) sum_n (2 x^2)^n / (2n+1)!!, whose terms beyond N decrease
    faster than a geometric series of ratio 2 x^2 / (2N + 3).
    """
    if x < 0:
        return _pair(libmp.mpi_sub(_ratio(Fraction(2)), _erfc_at(-x), _PREC))
    if x < 12:
        return _from_series(x, _PREC + int(3 * float(x) ** 2))
    low, high = x / (x * x + Fraction(1, 2)), (x * x + 1) / (x * (x * x + Fraction(3, 2)))
    scale = libmp.mpi_div(_exp(_ratio(-x * x)), libmp.mpi_sqrt(_pi(_PREC), _PREC), _PREC)
    return (
        libmp.mpi_mul(scale, _ratio(low), _PREC)[0],
        libmp.mpi_mul(scale, _ratio(high), _PREC)[1],
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
    decay = libmp.mpi_exp(_ratio(-x * x, bits), bits)
    erf = libmp.mpi_div(libmp.mpi_mul(total, decay, bits), libmp.mpi_sqrt(_pi(bits), bits), bits)
    return _pair(libmp.mpi_sub(_ONE, libmp.mpi_mul(_ratio(Fraction(2)), erf, bits), _PREC))


def _pi(bits: int) -> Interval:
    return libmp.mpf_pi(bits, libmp.round_floor), libmp.mpf_pi(bits, libmp.round_ceiling)


def _ratio(x: Fraction, bits: int = _PREC) -> Interval:
    return (
        libmp.from_rational(x.numerator, x.denominator, bits, libmp.round_floor),
        libmp.from_rational(x.numerator, x.denominator, bits, libmp.round_ceiling),
    )


def _larger(x: Interval, y: Interval) -> Interval:
    return _pair(b if libmp.mpf_gt(b, a) else a for a, b in zip(x, y, strict=True))


def _smaller(x: Interval, y: Interval) -> Interval:
    return _pair(b if libmp.mpf_lt(b, a) else a for a, b in zip(x, y, strict=True))


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
        both = combine(_exp(x), _exp(libmp.mpi_neg(x)), _PREC)
        return _pair(libmp.mpi_mul(both, _ratio(Fraction(1, 2)), _PREC))

    return rule


_ONE = _ratio(Fraction(1))
_RULES: dict[str, Callable[..., Interval]] = {
    "exp": _exp,
    "log": _log,
    "cosh": _hyperbolic(1),
    "sinh": _hyperbolic(-1),
    "erfc": _erfc,
    "Max": _fold(_larger),
    "Min": _fold(_smaller),
    "Pi": lambda: _pi(_PREC),
    "Exp1": lambda: _exp(_ONE),
}


def _span(value: Span) -> Interval:
    low, high = value if isinstance(value, tuple) else (value, value)
    return _ratio(Fraction(low))[0], _ratio(Fraction(high))[1]


def _fraction(raw: Any) -> Fraction:
    sign, mantissa, exponent, _ = raw
    if not mantissa and exponent:
        raise ValueError(
            "an enclosure is not finite and real: a logarithm or a division met an interval "
            "around 0. Split the interval, or look at the formula there."
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
