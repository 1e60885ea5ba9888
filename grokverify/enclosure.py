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
from grokverify._intervals import (
    PREC,
    RULES,
    Interval as Interval,
    exp,
    fraction,
    inverse,
    log,
    outward,
    positive,
    ratio,
)
from grokverify._proved import ROOM, Plain, as_text, digest

NEAR = 1e-3  # a box that is within this of 0 counts as touching it
Number = int | float | Fraction
Span = Number | tuple[Number, Number]  # a point, or the two ends of an interval


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
    low, high = ends(enclose(expr, at))
    return enclosed(name, low, high, proof=lambda: _written({"text": expr}, at))


def ends(x: Interval) -> tuple[float, float]:
    """Both ends of an interval as floats, rounded outwards."""
    low, high = map(fraction, x)
    return outward(low, -1), outward(high, 1)


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
    near: tuple[Any, str] | None = None,
    below: Number | None = None,
    gap: float = 1e-3,
    most: int = 20_000,
) -> Measurement:
    """The largest value of ``expr`` over ``x`` in an interval, CERTIFIED, by branch and bound.

    Args:
        expr: as for ``measured``; or a callable from an interval (a pair of floats) to an
            enclosure of its image, such as ``enclose`` gives.
        span: the closed interval of x, a bounded one.
        near: an expression whose range over an interval around 0 holds the values of ``expr`` in
            it, for one that is 0/0 there, and the theorem that says so.
        below: stop as soon as the supremum is known to be at most this, or above it.
        gap: stop when it is known up to this fraction of its size (or this, near zero).
        most: evaluations after which the enclosure is returned as wide as it is.
    """
    value = expr if callable(expr) else _over(expr, x, at, near)
    best, where, heap, count = -math.inf, 0.0, [(-math.inf, 0, ends(_span(span)))], 0
    while True:
        top, _, part = heapq.heappop(heap)
        if -top <= best + gap * max(1.0, abs(best)) or count >= most:
            break
        if below is not None and (-top <= below or best > below):
            break
        middle = (part[0] + part[1]) / 2
        best, where = max((best, where), (ends(value((middle, middle)))[0], middle))
        for half in ((part[0], middle), (middle, part[1])):
            count += 1
            heapq.heappush(heap, (-ends(value(half))[1], count, half))

    def proof() -> Plain:
        if callable(expr):
            return digest("supremum", "of a function, not of a formula")
        texts = {"text": expr} if near is None else {"text": expr, "near": near[0]}
        cuts = sorted({end for box in (part, *(box for *_, box in heap)) for end in box})
        rest = {"points": " ".join(map(as_text, cuts)), "best": as_text(where)}
        return _written(texts, at, x, **rest, **({"by": near[1]} if near else {}))

    return enclosed(name, best, max(-top, best), proof=proof)


def _over(
    expr: Any, x: Any, at: Mapping[Any, Span] | None, near: tuple[Any, str] | None
) -> Callable[[tuple[float, float]], Interval]:
    """The image of an interval of x."""
    values = {sp.sympify(k): _span(v) for k, v in (at or {}).items()}
    symbol = sp.sympify(x)
    known = frozenset((*values, symbol))
    code = _compiled(sp.sympify(expr), known)
    around = _compiled(sp.sympify(near[0]), known) if near else code

    def value(part: tuple[float, float]) -> Interval:
        low, high = part
        if near and (low <= 0 <= high or max(abs(low), abs(high)) < NEAR):
            return around({**values, symbol: _span((min(low, 0.0), max(high, 0.0)))})
        return code({**values, symbol: _span(part)})

    return value


def _written(
    texts: Mapping[str, Any], at: Mapping[Any, Span] | None, over: Any = None, **rest: str
) -> Plain:
    """Formulas as text in v0, v1, ... with the values of those, for a checker to evaluate."""
    values = {sp.sympify(k): v for k, v in (at or {}).items()}
    symbols = [*values, *([] if over is None else [sp.sympify(over)])]
    plain = {s: sp.Symbol(f"v{k}") for k, s in enumerate(symbols)}
    kind = "formula" if over is None else "supremum"
    exprs = {key: sp.sympify(e) for key, e in texts.items()}
    if sum(e.count_ops() for e in exprs.values()) > ROOM // 20:
        return digest(kind, "a formula longer than a record carries")
    told: dict[str, Any] = {key: _text(e, plain) for key, e in exprs.items()}
    known = {str(plain[s]): _ends_as_text(v) for s, v in values.items()}
    told |= {"at": known, "symbols": [str(s) for s in symbols], **rest}
    if over is not None:
        told["over"] = str(plain[symbols[-1]])
    if sum(map(len, map(str, told.values()))) > ROOM:
        return digest(kind, "a formula longer than a record carries")
    return {"kind": kind, **told}


def _text(e: Any, plain: Mapping[Any, Any]) -> str:
    exact = {f: sp.Rational(f) for f in e.atoms(sp.Float)}
    return str(e.xreplace({**exact, **plain}))


def _ends_as_text(v: Span) -> list[str]:
    low, high = v if isinstance(v, tuple) else (v, v)
    return [as_text(Fraction(low)), as_text(Fraction(high))]


Code = Callable[[Mapping[Any, Interval]], Interval]


def _compiled(e: Any, known: frozenset[Any]) -> Code:
    if e in known:
        return lambda values: values[e]
    if e.is_Rational or e.is_Float:
        constant = ratio(Fraction(int(sp.Rational(e).p), int(sp.Rational(e).q)))
        return lambda values: constant
    if e.is_Add or e.is_Mul:
        rule = libmp.mpi_add if e.is_Add else libmp.mpi_mul
        parts = [_compiled(a, known) for a in e.args]

        def folded(values: Mapping[Any, Interval]) -> Interval:
            total = parts[0](values)
            for part in parts[1:]:
                total = rule(total, part(values), PREC)
            return total

        return folded
    if e.is_Pow and e.base != sp.E:
        return _power(e, known)
    name, args = ("exp", (e.exp,)) if e.is_Pow else (type(e).__name__, e.args)
    function = RULES.get(name)
    if function is None or e.is_Symbol:
        raise ValueError(
            f"enclose() met {e}, {'a symbol without a value' if e.is_Symbol else name}. It knows "
            f"rationals, sums, products, powers and {', '.join(sorted(RULES))}; give each symbol "
            "a value in 'at'."
        )
    inner = [_compiled(a, known) for a in args]
    return lambda values: function(*(part(values) for part in inner))


def _power(e: Any, known: frozenset[Any]) -> Code:
    base, exponent = _compiled(e.base, known), e.exp
    if exponent.is_Integer:
        n = int(exponent)
        if n < 0:
            return lambda values: inverse(libmp.mpi_pow_int(base(values), -n, PREC))
        return lambda values: libmp.mpi_pow_int(base(values), n, PREC)
    if exponent == sp.Rational(1, 2):
        return lambda values: libmp.mpi_sqrt(positive(base(values)), PREC)
    if exponent == -sp.Rational(1, 2):
        return lambda values: inverse(libmp.mpi_sqrt(positive(base(values)), PREC))
    power = _compiled(exponent, known)
    return lambda values: exp(libmp.mpi_mul(power(values), log(base(values)), PREC))


def _span(value: Span) -> Interval:
    low, high = value if isinstance(value, tuple) else (value, value)
    return ratio(Fraction(low))[0], ratio(Fraction(high))[1]
