"""Integers that a tool proved, and what writes the proof down for a separate checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Plain = dict[str, Any]
"""Plain data: a "kind" that ``grokverify audit`` knows, and what it needs to check again."""

Proof = Callable[[], Plain]
"""Called only where the number reaches a record, so that a proof costs nothing elsewhere."""


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
    def proof() -> Plain:
        parts, constant = [], plus
        for k, x in terms:
            inner = x.proof()
            if inner["kind"] == "sum":
                parts += [[k * n, part] for n, part in inner["terms"]]
                constant += k * inner["plus"]
            else:
                parts.append([k, inner])
        return {"kind": "sum", "plus": constant, "terms": parts}

    return Proved(plus + sum(k * int(x) for k, x in terms), proof)
