"""Certificates, checked by the standard library alone: integers, fractions, decimals, no rounding.

A certificate is plain data with a "kind". Formulas are read as arithmetic over fractions, or over
intervals whose ends are decimals rounded outwards. Nothing here knows how a certificate was made.
"""

from __future__ import annotations

import ast
import decimal
import itertools
import math
import operator
import random
from collections.abc import Callable
from fractions import Fraction as Q
from typing import Any

DOWN, UP = (
    decimal.Context(200, way, decimal.MIN_EMIN, decimal.MAX_EMAX)
    for way in (decimal.ROUND_FLOOR, decimal.ROUND_CEILING)
)


class Bad(Exception):
    """What is wrong with a record, in words."""


def want(fine: Any, why: str) -> None:
    if not fine:
        raise Bad(why)


def parsed(text: str) -> Any:
    """A number of a certificate; finite floats become the fractions that they are."""
    if "." in text or "inf" in text:
        return float(text) if "inf" in text else Q(float.fromhex(text))
    top, _, bottom = text.partition("/")
    return Q(int(top, 16), int(bottom or "1", 16))


def matrix(rows: Any) -> list[Any]:
    return [[parsed(word) for word in row.split()] for row in rows]


def proved(proof: dict[str, Any], lo: Any, hi: Any) -> str:
    """The kind of a certificate that proves this enclosure; empty if none was carried."""
    kind, A, fine = str(proof["kind"]), matrix(proof.get("matrix", ())), False
    if kind == "digest":
        return ""
    if kind == "sum":
        fine = lo == hi == proof["plus"] + sum(k * n for k, n, _ in proof["terms"])
        kind *= all(proved(inner, n, n) for _, n, inner in proof["terms"])
    elif kind in ("rank", "rank mod"):
        fine = lo == hi and rank_holds(A, int(lo), proof)
    elif kind == "inertia":
        which = ("negative", "zero", "positive").index(proof["which"]) - 1
        fine = lo == hi == signs(A).count(which)
    elif kind == "eigenvalue":  # the k-th, of every matrix within the spread of A
        k, spread = proof["index"], parsed(proof["spread"])
        below = 0 if lo == -math.inf else signs(A, lo + spread).count(-1)
        fine = spread >= 0 and below <= k < len(A) - signs(A, hi - spread).count(1)
    elif kind == "identity":
        fine = (lo == hi == 0) == vanishes(proof["entries"])
    elif kind == "differ":
        pairs = zip(A[0], matrix(proof["other"])[0], strict=True)
        fine = lo == hi == sum(a != b for a, b in pairs)
    elif kind == "formula":
        at = value(read(proof["text"]), bound(proof["at"]))
        fine = lo <= Q(at.lo) and Q(at.hi) <= hi
    elif kind == "supremum":
        fine = is_supremum(proof, lo, hi)
    elif kind == "margin":
        w, multipliers = matrix([proof["w"], proof["multipliers"]])
        fine = duality(A, w, multipliers, proof["norm"], lo, hi)
    want(fine, f"a certificate of kind {kind!r} that does not prove [{lo}, {hi}]")
    return kind


def rank_holds(A: list[Any], r: int, proof: dict[str, Any]) -> bool:
    """Rank r modulo the prime is at most the rank; kernel vectors bound it from the other side."""
    q = proof["prime"]
    if any(q % d == 0 for d in range(2, math.isqrt(q) + 1)) or rank_mod(A, q) != r:
        return False
    if proof["kind"] == "rank mod" or r == min(len(A), len(A[0])):
        return True
    null = matrix(proof["kernel"])
    zero = all(dot(a, v) == 0 for a in A for v in null)
    return zero and rank_mod(null, q) == len(A[0]) - r


def rank_mod(A: list[Any], q: int) -> int:
    rows, r = [[int(x) % q if x.denominator == 1 else 1 // 0 for x in row] for row in A], 0
    for j in range(len(rows[0])):
        rows[r:] = sorted(rows[r:], key=lambda row: row[j] == 0)
        if r == len(rows) or rows[r][j] == 0:
            continue
        inverse = pow(rows[r][j], -1, q)
        for i in range(r + 1, len(rows)):
            c = rows[i][j] * inverse % q
            rows[i] = [(x - c * y) % q for x, y in zip(rows[i], rows[r], strict=True)]
        r += 1
    return r


def signs(A: list[Any], shift: Any = 0) -> list[int]:
    """Signs of the eigenvalues of A - shift, by exact congruences (Sylvester's law of inertia)."""
    want([list(a) for a in zip(*A, strict=True)] == A, "a matrix that is not symmetric")
    A, found = [[x - shift * (i == j) for j, x in enumerate(a)] for i, a in enumerate(A)], []
    while any(x for row in A for x in row):
        k = next((k for k, row in enumerate(A) if row[k]), None)
        if k is None:  # add a row and its column to another, so that a pivot appears
            k, j = next((i, j) for i, row in enumerate(A) for j, x in enumerate(row) if x)
            A[k] = [x + y for x, y in zip(A[k], A[j], strict=True)]
            A = [[x + row[j] * (c == k) for c, x in enumerate(row)] for row in A]
        top, p = A[k], A[k][k]
        found.append(1 if p > 0 else -1)
        rest = [(row, row[k] / p) for i, row in enumerate(A) if i != k]
        left = [c for c in range(len(top)) if c != k]
        A = [[row[c] - f * top[c] for c in left] for row, f in rest]
    return found + [0] * len(A)


def dot(x: list[Q], y: list[Q]) -> Q:
    return sum((a * b for a, b in zip(x, y, strict=True)), Q(0))


def duality(X: list[Any], w: list[Q], a: list[Q], norm: str, lo: Any, hi: Any) -> bool:
    """min X w / |w| <= the largest margin <= |X'a| / sum a, in the dual norm."""
    size: dict[str, Callable[[list[Q]], Q]] = {
        "1": lambda v: Q(sum(map(abs, v))),
        "2": lambda v: dot(v, v),  # its square
        "inf": lambda v: max(map(abs, v)),
    }
    dual, power = {"1": "inf", "2": "2", "inf": "1"}[norm], 1 + (norm == "2")
    least, pulled = min(dot(x, w) for x in X), [dot([*c], a) for c in zip(*X, strict=True)]
    below = lo >= 0 and least >= 0 and lo**power * size[norm](w) <= least**power
    above = min(a) >= 0 and sum(a) > 0 and size[dual](pulled) <= hi**power * sum(a) ** power
    return bool(below and above)


def is_supremum(proof: dict[str, Any], lo: Any, hi: Any) -> bool:
    """The formula stays below hi over every box of a partition, and is lo at least at one point.

    Around 0, "near" stands for the formula, by a theorem that the certificate names.
    """
    points, names = [parsed(word) for word in proof["points"].split()], bound(proof["at"])
    far, near = read(proof["text"]), read(proof.get("near", proof["text"]))

    def over(a: Q, b: Q) -> Any:
        if "near" in proof and (a <= 0 <= b or max(abs(a), abs(b)) < 1e-3):
            return value(near, {**names, proof["over"]: spanned(min(a, Q(0)), max(b, Q(0)))})
        return value(far, {**names, proof["over"]: spanned(a, b)})

    boxes = list(itertools.pairwise(points))
    inside = lo == -math.inf or points[0] <= (best := parsed(proof["best"])) <= points[-1]
    reached = inside and (lo == -math.inf or lo <= Q(over(best, best).lo))
    return bool(boxes and reached and all(a < b and Q(over(a, b).hi) <= hi for a, b in boxes))


def vanishes(entries: list[str]) -> bool:
    """Whether rational functions of some names and I are zero, at two random points."""
    prime = 2**64 - 59  # modulo which there is a square root of -1, to put for I
    for text in entries:
        tree, draw = read(text), random.Random(text)
        names = sorted({e.id for e in ast.walk(tree) if isinstance(e, ast.Name)})
        for root in (pow(2, prime // 4, prime), -pow(2, prime // 4, prime)):
            point = {name: Q(draw.getrandbits(61)) for name in names}
            top = value(tree, {**point, "I": Q(root)}, Q).numerator
            if top % prime if "I" in names else top:
                return False
    return True


class Span:
    """A number between two decimals. Every operation rounds outwards."""

    def __init__(self, lo: Any, hi: Any) -> None:
        self.lo, self.hi = lo, hi

    def __add__(self, other: Span) -> Span:
        return Span(DOWN.add(self.lo, other.lo), UP.add(self.hi, other.hi))

    def __neg__(self) -> Span:
        return Span(self.hi.copy_negate(), self.lo.copy_negate())

    def __mul__(self, other: Span) -> Span:
        ends = [(x, y) for x in (self.lo, self.hi) for y in (other.lo, other.hi)]
        return Span(min(DOWN.multiply(*e) for e in ends), max(UP.multiply(*e) for e in ends))

    def __truediv__(self, other: Span) -> Span:
        want(other.lo > 0 or other.hi < 0, "a certificate that divides by an interval around 0")
        return self * Span(DOWN.divide(1, other.hi), UP.divide(1, other.lo))

    def __pow__(self, other: Span) -> Span:
        n = other.lo
        if n != other.hi or n * 2 != int(n * 2):
            return exp(other * log(self))
        if n < 0:
            return ONE / self**-other
        if n != int(n):
            return sqrt(self) ** Span(n * 2, n * 2)
        want(n < 10_000, "a certificate with a huge power")
        a, b = (math.prod([Span(x, x)] * int(n), start=ONE) for x in (self.lo, self.hi))
        around = n % 2 == 0 and self.lo < 0 < self.hi
        return Span(DECIMAL(0) if around else min(a.lo, b.lo), max(a.hi, b.hi))


def spanned(low: Q, high: Q | None = None) -> Span:
    ends = low, low if high is None else high
    want(ends[0] <= ends[1], "a certificate with an empty interval")
    (a, b), (c, d) = (map(DECIMAL, x.as_integer_ratio()) for x in ends)
    return Span(DOWN.divide(a, b), UP.divide(c, d))


def rounded(name: str, digits: int) -> Callable[[Span], Span]:
    """An increasing function that the decimal module rounds to the nearest."""
    context = decimal.Context(digits, None, decimal.MIN_EMIN, decimal.MAX_EMAX)

    def end(x: Any, away: Callable[[Any], Any]) -> Any:
        context.clear_flags()
        found = getattr(x, name)(context)
        return away(found) if context.flags[decimal.Inexact] else found

    return lambda x: Span(end(x.lo, context.next_minus), end(x.hi, context.next_plus))


def erfc_at(v: Any) -> Span:
    """From 3 on by its continued fraction, below by a series of positive terms for 1 - erfc."""
    if v < 0:
        return TWO + -erfc_at(-v)
    x = total = term = Span(v, v)
    scale, n = exp(-(x * x)) / sqrt(PI), 0
    if v >= 3:
        tail = Span(v, v + 251)
        for n in range(250, 0, -1):
            tail = x + spanned(Q(n, 2)) / tail
        return scale / tail
    while term.hi > 1e-80 or n < 18:  # from there on terms fall by half
        n += 1
        term = term * x * x * spanned(Q(2, 2 * n + 1))
        total += term
    return ONE + -(TWO * scale * (total + Span(DECIMAL(0), term.hi)))


DECIMAL = decimal.Decimal
ONE, TWO = spanned(Q(1)), spanned(Q(2))
PI = sum(
    (Q(4, 8 * k + 1) - Q(2, 8 * k + 4) - Q(1, 8 * k + 5) - Q(1, 8 * k + 6)) / 16**k
    for k in range(100)
)
PI = spanned(PI, PI + Q(1, 16**99))
exp, log, sqrt = map(rounded, ("exp", "ln", "sqrt"), (70, 70, 200))
RULES: dict[str, Callable[..., Span]] = {
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "erfc": lambda x: Span(erfc_at(x.hi).lo, erfc_at(x.lo).hi),  # it decreases
    "cosh": lambda x: (exp(x) + exp(-x)) / TWO,
    "sinh": lambda x: (exp(x) + -exp(-x)) / TWO,
    "Max": lambda *x: Span(max(a.lo for a in x), max(a.hi for a in x)),
    "Min": lambda *x: Span(min(a.lo for a in x), min(a.hi for a in x)),
}


def read(text: str) -> Any:
    return ast.parse(text, mode="eval").body


def bound(at: dict[str, Any]) -> dict[str, Span]:
    known = {"pi": PI, "E": exp(ONE)}
    return known | {name: spanned(parsed(low), parsed(high)) for name, (low, high) in at.items()}


def value(e: Any, names: dict[str, Any], number: Any = spanned) -> Any:
    """A parsed formula over fractions or over intervals."""
    if isinstance(e, ast.Name):
        return names[e.id]
    if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
        return -value(e.operand, names, number)
    if isinstance(e, ast.Call) and isinstance(e.func, ast.Name):
        return RULES[e.func.id](*(value(a, names, number) for a in e.args))
    if isinstance(e, ast.BinOp):
        a, b = value(e.left, names, number), value(e.right, names, number)
        small = number is spanned or (b.denominator == 1 and abs(b) < 100)
        want(small or not isinstance(e.op, ast.Pow), f"the power {b} in a certificate")
        return OPERATIONS[type(e.op)](a, b)
    want(type(e) is ast.Constant and type(e.value) is int, "a certificate with no formula")
    return number(Q(e.value))


OPERATIONS: dict[Any, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: lambda a, b: a + -b,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
