"""Gaussian means of bilinear forms, for vectors in a space whose dimension is a symbol.

``form("u", "A", "x")`` is the scalar u'Ax, ``trace("A", "B")`` is tr AB; both are sympy symbols,
so that polynomials in them are sympy expressions and ``symbolic.residue`` counts their terms. The
matrices are symmetric. Invariants of different names are algebraically independent once the
dimension exceeds their degree: a residue of 0 proves an identity in every dimension, a residue
above 0 shows that it fails in every dimension that is large enough.

Cost: a monomial of degree 2k in the Gaussian vector takes (2k - 1)!! pairings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sympy as sp

Word = tuple[str, ...]  # left vector, symmetric matrices in between, right vector


def form(left: str, *rest: str) -> Any:
    """The scalar ``left' A B ... right`` as a sympy symbol; equal to its own transpose.

    Args:
        left, rest: names; the first and the last are vectors, those between symmetric matrices.

    Raises:
        ValueError: fewer than two names, or a name is empty or holds a dot.
    """
    word = (left, *rest)
    if len(word) < 2 or any(name in ("", "tr") or "." in name for name in word):
        raise ValueError(
            f"form{word} needs the names of two vectors, with symmetric matrices between them; "
            "names are not empty, hold no dot and are not 'tr', which marks a trace."
        )
    return sp.Symbol(".".join(min(word, word[::-1])))


def trace(*matrices: str) -> Any:
    """The trace of a product of symmetric matrices as a sympy symbol; cyclic and reversible.

    Raises:
        ValueError: no matrix is named (the trace of the identity is the dimension), or a bad name.
    """
    if not matrices or any(not name or "." in name for name in matrices):
        raise ValueError(
            f"trace{matrices} needs the names of matrices, not empty and without a dot; the trace "
            "of the identity is the dimension itself."
        )
    turns = [matrices[i:] + matrices[:i] for i in range(len(matrices))]
    return sp.Symbol(f"tr.{'.'.join(min(turns + [turn[::-1] for turn in turns]))}")


def form_mean(expr: Any, vector: str, *, variance: Any, dimension: Any) -> Any:
    """E expr over a vector with independent N(0, variance) entries, by Wick's theorem.

    E x_i x_j = variance * delta_ij, so that every pairing joins two forms at their ends or closes
    one into a trace; the trace of the identity is ``dimension``.

    Args:
        expr: a polynomial in the forms that end in ``vector``; all else counts as constant.
        vector: the name of the Gaussian vector.
        variance, dimension: numbers or sympy expressions.

    Returns:
        A sympy expression in which no form ends in ``vector``.

    Raises:
        ValueError: ``expr`` is not a polynomial in those forms.
    """
    known: dict[tuple[Word, ...], Any] = {}
    total = sp.Integer(0)
    for chains, coefficient in _monomials(expr, vector):
        ends = sum(_ends(word, vector) for word in chains)
        if ends % 2 == 0:
            scale = coefficient * sp.sympify(variance) ** (ends // 2)
            total += scale * _pairings(chains, vector, sp.sympify(dimension), known)
    return total


def mean_over(expr: Any, vector: str, *, first: str, second: str) -> Any:
    """The mean over vectors w of a polynomial of degree two, from their first two moments.

    Linear, with 1 -> 1, u'Aw -> u'A m, (u'Aw)(w'Bv) -> u'A S B v and w'Aw -> tr S A, where
    m = mean w and S = mean ww' (symmetric).

    Args:
        expr: a polynomial in the forms that end in ``vector``, of degree at most two in it.
        vector: the name of w. first, second: the names of m and S.

    Raises:
        ValueError: ``expr`` is not such a polynomial.
    """
    total = sp.Integer(0)
    for chains, coefficient in _monomials(expr, vector):
        ends = sum(_ends(word, vector) for word in chains)
        if ends > 2:
            raise ValueError(
                f"mean_over(..., {vector!r}) met a term of degree {ends} in {vector}: two moments "
                "do not determine it. Keep to degree two, or use form_mean for Gaussian vectors."
            )
        total += coefficient * _moment(chains, vector, first, second)
    return total


def _monomials(expr: Any, vector: str) -> list[tuple[tuple[Word, ...], Any]]:
    expr = sp.sympify(expr)
    words: Mapping[Any, Word] = {
        symbol: word
        for symbol in sorted(expr.free_symbols, key=str)
        if len(word := tuple(symbol.name.split("."))) > 1
        and word[0] != "tr"
        and _ends(word, vector)
    }
    if not words:
        return [((), expr)]
    try:
        poly = sp.Poly(expr, *words)
    except sp.PolynomialError as e:
        raise ValueError(
            f"a polynomial in {', '.join(map(str, words))} is needed, but: {e}. Expand it first."
        ) from e
    listed = list(words.values())
    return [
        (tuple(w for w, e in zip(listed, powers, strict=True) for _ in range(e)), coefficient)
        for powers, coefficient in poly.terms()
    ]


def _ends(word: Word, vector: str) -> int:
    return (word[0] == vector) + (word[-1] == vector)


def _pairings(
    chains: tuple[Word, ...], vector: str, dimension: Any, known: dict[tuple[Word, ...], Any]
) -> Any:
    """The sum over all pairings of the ends called ``vector``; chains without one are factors."""
    chains = tuple(sorted(min(word, word[::-1]) for word in chains))
    if chains in known:
        return known[chains]
    done = [word for word in chains if not _ends(word, vector)]
    rest = [word for word in chains if _ends(word, vector)]
    factor = math.prod((form(*word) for word in done), start=sp.Integer(1))
    if not rest:
        return factor
    head, *others = rest
    if head[-1] != vector:
        head = head[::-1]
    total = sp.Integer(0)
    if head[0] == vector:  # its other end closes it into a trace
        loop = trace(*head[1:-1]) if len(head) > 2 else dimension
        total += loop * _pairings(tuple(others), vector, dimension, known)
    for other, count in Counter(others).items():
        remaining = list(others)
        remaining.remove(other)
        for turned in (other, other[::-1]):
            if turned[0] == vector:
                joined = (*remaining, head[:-1] + turned[1:])
                total += count * _pairings(joined, vector, dimension, known)
    known[chains] = sp.expand(factor * total)
    return known[chains]


def _moment(chains: tuple[Word, ...], vector: str, first: str, second: str) -> Any:
    oriented = [word if word[-1] == vector else word[::-1] for word in chains]
    if len(oriented) == 2:
        a, b = oriented
        return form(*a[:-1], second, *b[:-1][::-1])
    if not oriented:
        return sp.Integer(1)
    (word,) = oriented
    return trace(second, *word[1:-1]) if word[0] == vector else form(*word[:-1], first)
