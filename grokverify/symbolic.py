"""Identities in symbols: what survives of an expression that ought to vanish."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import sympy as sp

from grokverify._evidence import Grade, Measurement
from grokverify._proved import ROOM, Plain, digest


def residue(name: str, expr: Any) -> Measurement:
    """How many terms of ``expr`` survive; it vanishes identically iff this number is 0.

    The expression is brought over one denominator and its numerator expanded into monomials with
    coefficients in Q(i). Distinct monomials are linearly independent, so that the count decides
    the identity; it is the one source of SYMBOLIC grade.

    Args:
        name: what the number is called in the record.
        expr: a rational function of symbols, with rational (or Gaussian rational) coefficients; a
            sympy matrix is the list of its entries.

    Raises:
        TypeError: the expression holds floats, functions, roots or symbolic powers, for which
            counting terms after expansion decides nothing.
        ZeroDivisionError: a denominator vanishes identically.
        ValueError: there is no entry.
    """
    entries = list(expr) if isinstance(expr, sp.MatrixBase) else [sp.sympify(expr)]
    if not entries:
        raise ValueError(f"residue({name!r}) of an empty matrix: nothing is compared.")
    terms = sum(_surviving(name, entry) for entry in entries)
    return Measurement(name, terms, terms, Grade.SYMBOLIC, proof=lambda: _written(entries))


def gaussian_mean(expr: Any, x: Iterable[Any], variance: Any) -> Any:
    """E expr over independent x_j ~ N(0, variance); Isserlis' theorem, monomial by monomial.

    E prod_j x_j^(e_j) = prod_j (e_j - 1)!! variance^(e_j / 2) if every e_j is even, else 0.

    Args:
        expr: a polynomial in the entries of ``x``; everything else in it counts as constant.
        x: the Gaussian symbols (a list or a sympy matrix).
        variance: of every entry; a sympy number or expression.

    Returns:
        A sympy expression without the symbols of ``x``.

    Raises:
        ValueError: ``expr`` is not a polynomial in ``x``.
    """
    symbols = list(x)
    try:
        poly = sp.Poly(sp.sympify(expr), *symbols)
    except sp.PolynomialError as e:
        raise ValueError(
            f"gaussian_mean needs a polynomial in {', '.join(map(str, symbols))}, but: {e}. "
            "Expand it first, or integrate numerically with a quadrature rule."
        ) from e
    return sp.Add(
        *(
            coefficient * math.prod(_moment(e, variance) for e in powers)
            for powers, coefficient in poly.terms()
            if not any(e % 2 for e in powers)
        )
    )


def _written(entries: list[Any]) -> Plain:
    """The entries as text in v0, v1, ..., for a checker that evaluates them at random points."""
    symbols = sorted(set().union(*(e.free_symbols for e in entries)), key=str)
    size = sum(e.count_ops() for e in entries)
    texts: list[str] = []
    if size <= ROOM // 3:  # an operation takes three characters at least
        plain = {s: sp.Symbol(f"v{k}") for k, s in enumerate(symbols)}
        texts = [str(e.xreplace(plain)) for e in entries]
        if sum(map(len, texts)) <= ROOM:
            return {"kind": "identity", "entries": texts, "symbols": [str(s) for s in symbols]}
    why = f"{size} operations, more than a record carries"
    return digest("identity", why)


def _moment(power: int, variance: Any) -> Any:
    return sp.factorial2(power - 1) * sp.sympify(variance) ** (power // 2)


def _surviving(name: str, entry: Any) -> int:
    strange = sorted(map(str, entry.atoms(sp.Float, sp.Function, sp.NumberSymbol)))
    strange += sorted(str(p) for p in entry.atoms(sp.Pow) if not p.exp.is_Integer)
    if strange or not isinstance(entry, sp.Expr):
        raise TypeError(
            f"residue({name!r}) is for rational functions of symbols over Q(i), but the "
            f"expression holds {', '.join(strange[:3]) or type(entry).__name__}. Write cos and sin "
            "through a symbol u = exp(i t), roots through a symbol for the root, and numbers as "
            "sympy.Rational."
        )
    whole = sp.together(entry)
    top, bottom = sp.fraction(whole)
    if whole.has(sp.zoo, sp.nan, sp.oo) or _terms(bottom) == 0:
        raise ZeroDivisionError(
            f"residue({name!r}): a denominator vanishes identically, so that there is no "
            "numerator to count. Look for a difference of equal expressions below a fraction bar."
        )
    return _terms(top)


def _terms(expr: Any) -> int:
    symbols = sorted(expr.free_symbols, key=str)
    if not symbols:
        return int(sp.expand(expr) != 0)
    return sum(1 for c in sp.Poly(expr, *symbols).coeffs() if c != 0)
