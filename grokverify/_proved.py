"""Integers that a tool proved, and what writes the proof down for a separate checker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

Plain = dict[str, Any]
"""Plain data: a "kind" that ``grokverify audit`` knows, and what it needs to check again."""

Proof = Callable[[], Plain]
"""Called only where the number reaches a record, so that a proof costs nothing elsewhere."""


ROOM = 8000  # characters of matrices in one certificate; of larger ones only a digest is kept
_CELLS = 4000  # entries beyond which nobody need try to fit them
_HASHED = 20_000  # entries beyond which even a digest costs too much


def as_text(x: int | float | Fraction) -> str:
    """A number as audits read it: an int or a fraction in hexadecimal digits, a float exactly."""
    if isinstance(x, float):
        return x.hex()
    return f"{x.numerator:x}" + (f"/{x.denominator:x}" if x.denominator != 1 else "")


def written(plain: Plain, **matrices: Any) -> Plain:
    """A certificate with its matrices as rows of text; where they are too large, their digest.

    Args:
        plain: its kind and whatever else is short.
        matrices: two-dimensional arrays or nested lists of ints, floats or Fractions.
    """
    listed = {k: M.tolist() if hasattr(M, "tolist") else M for k, M in matrices.items()}
    cells = sum(len(row) for M in listed.values() for row in M)
    texts: dict[str, list[str]] = {}
    if cells <= _HASHED:
        texts = {k: [" ".join(map(as_text, row)) for row in M] for k, M in listed.items()}
        if 0 < cells <= _CELLS and sum(len(row) for M in texts.values() for row in M) <= ROOM:
            return {**plain, **texts}
    return digest(
        str(plain["kind"]),
        f"{cells} numbers, more than a record carries" if cells else "an empty matrix",
        shapes={k: [len(M), len(M[0]) if M else 0] for k, M in listed.items()},
        sha256=hashlib.sha256(repr(texts).encode()).hexdigest() if texts else "",
    )


def digest(what: str, why: str, **rest: Any) -> Plain:
    """In place of a certificate: what an audit cannot check again, and the reason."""
    return {"kind": "digest", "what": what, "why": why, **rest}


class Proved(int):
    """An int with a proof. Sums, differences and integer multiples of such stay proved.

    ``exact("multiplicity", n - rank_exact(A))`` therefore carries the certificate of the rank. Any
    other arithmetic gives a plain int.
    """

    proof: Proof

    def __new__(cls, value: int, proof: Proof) -> Proved:
        made = super().__new__(cls, value)
        made.proof = proof
        return made

    def __add__(self, other: Any) -> Any:
        return _sum([(1, self)], other, 1)

    def __sub__(self, other: Any) -> Any:
        return _sum([(1, self)], other, -1)

    def __rsub__(self, other: Any) -> Any:
        return _sum([(-1, self)], other, 1)

    def __mul__(self, other: Any) -> Any:
        if type(other) is not int:
            return int(self) * (int(other) if isinstance(other, Proved) else other)
        return _made([(other, self)], 0)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __reduce__(self) -> Any:  # a proof stays in the process that made it
        return int, (int(self),)


def _sum(terms: list[tuple[int, Proved]], other: Any, sign: int) -> Any:
    if isinstance(other, Proved):
        return _made([*terms, (sign, other)], 0)
    if type(other) is int:
        return _made(terms, sign * other)
    plain = sum(k * int(x) for k, x in terms)
    return plain + other if sign > 0 else plain - other


def _made(terms: list[tuple[int, Proved]], plus: int) -> Proved:
    if plus == 0 and len(terms) == 1 and terms[0][0] == 1:
        return terms[0][1]

    def proof() -> Plain:
        parts, constant = [], plus
        for k, x in terms:
            inner = x.proof()
            if inner["kind"] == "sum":
                parts += [[k * n, *part] for n, *part in inner["terms"]]
                constant += k * inner["plus"]
            else:
                parts.append([k, int(x), inner])
        return {"kind": "sum", "plus": constant, "terms": parts}

    return Proved(plus + sum(k * int(x) for k, x in terms), proof)
