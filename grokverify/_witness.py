"""Certificates, checked by the standard library alone: integers, fractions, decimals.

A certificate is plain data with a "kind". Formulas are read as arithmetic modulo a prime, or over
intervals whose ends are decimals rounded outwards. Nothing here knows how a certificate was made.
"""

from __future__ import annotations

import ast
import decimal
import functools
import math
import operator
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction as Q
from itertools import pairwise, product
from typing import Any

Span = tuple[Decimal, Decimal]  # the lower end first
DIGITS = decimal.Context(120)
MANY = 1_000_000  # bits of an exact number, or an audit could be kept busy for ever
OPERATIONS: dict[str, Callable[[Q, Q], Q]] = {  # of exact numbers
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": lambda a, b: a ** int(b) if b == int(b) and bits(a) * abs(b) < MANY else Q(1, 0),
    "!": lambda a, b: Q(a != b),
}


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
    kind, A = str(proof["kind"]), matrix(proof.get("matrix", ()))
    low: Any = math.nan  # what is proved, so far nothing
    high: Any = math.nan
    if kind == "digest":
        return ""
    if kind == "sum":
        low = high = proof["plus"] + sum(k * n for k, n, _ in proof["terms"])
        kind *= all(proved(inner, n, n) for _, n, inner in proof["terms"])
    elif kind in ("rank", "rank mod"):  # modulo a prime it is at most the rank
        null, q = matrix(proof.get("kernel", ())), proof["prime"]
        prime = q > 1 and all(q % d for d in range(2, math.isqrt(q) + 1))
        if prime and lo == rank(A, q) and not any(dot(a, v) for a in A for v in null):
            low = high = lo
            if kind == "rank":
                high = min(len(A), len(A[0]) - rank(null, q))
    elif kind == "inertia":
        low = high = signs(A).count(("negative", "zero", "positive").index(proof["which"]) - 1)
    elif kind == "eigenvalue":  # the k-th, of every matrix within the spread of A
        k, spread = proof["index"], parsed(proof["spread"])
        below = 0 if lo == -math.inf else signs(A, lo + spread).count(-1)
        if spread >= 0 and below <= k < len(A) - signs(A, hi - spread).count(1):
            low, high = lo, hi
    elif kind == "identity":  # of the number of terms, only whether it is 0
        low = high = 0 if vanishes(proof["entries"]) else max(lo, 1)
    elif kind == "differ":
        low = high = sum(a != b for a, b in zip(*A, *matrix(proof["other"]), strict=True))
    elif kind == "worked":
        low = high = worked(*A, steps=proof["steps"].split())
    elif kind == "formula":
        low, high = values(proof)
    elif kind == "supremum":
        (points,), best = matrix([proof["points"]]), parsed(proof["best"])
        reached = lo > -math.inf and points[0] <= best <= points[-1]
        low = values(proof, best, best)[0] if reached else -math.inf
        high = max(values(proof, a, b)[1] for a, b in pairwise(points))
    elif kind == "margin":
        w, multipliers = matrix([proof["w"], proof["multipliers"]])
        if duality(A, w, multipliers, proof["norm"], lo, hi):
            low, high = lo, hi
    fine = lo <= low and high <= hi
    want(fine, f"a certificate of kind {kind!r} that does not prove [{lo}, {hi}]")
    return kind


def dot(x: list[Q], y: list[Q]) -> Q:
    return sum((a * b for a, b in zip(x, y, strict=True)), Q(0))


def worked(numbers: list[Q], *, steps: list[str]) -> Q:
    """The last result of a list of operations, each on two of the numbers before it."""
    for step in steps:
        a, b = (numbers[int(place, 16)] for place in step[1:].split(","))
        numbers.append(OPERATIONS[step[0]](a, b))
        want(bits(numbers[-1]) < MANY, "a certificate whose numbers grow and grow")
    return numbers[-1]


def bits(x: Q) -> int:
    return x.numerator.bit_length() + x.denominator.bit_length()


def less(x: list[Any], factor: Any, y: list[Any]) -> list[Any]:
    return [a - factor * b for a, b in zip(x, y, strict=True)]


def rank(A: list[Any], q: int) -> int:
    """Modulo a prime."""
    pivots: dict[int, list[int]] = {}  # rows that begin with a 1, by its column
    for rational in A:
        row = [x.numerator * pow(x.denominator, -1, q) % q for x in rational]
        for j, pivot in sorted(pivots.items()):
            row = [x % q for x in less(row, row[j], pivot)]
        if any(row):
            j = next(j for j, x in enumerate(row) if x)
            pivots[j] = [x * pow(row[j], -1, q) % q for x in row]
    return len(pivots)


def signs(A: list[Any], shift: Any = 0) -> list[int]:
    """Signs of the eigenvalues of A - shift, by exact congruences (Sylvester's law of inertia)."""
    want([list(a) for a in zip(*A, strict=True)] == A, "a matrix that is not symmetric")
    A, found = [[x - shift * (i == j) for j, x in enumerate(a)] for i, a in enumerate(A)], []
    while any(map(any, A)):
        k = next((k for k, row in enumerate(A) if row[k]), None)
        if k is None:  # add a row and its column to another, so that a pivot appears
            k, j = next((i, j) for i, row in enumerate(A) for j, x in enumerate(row) if x)
            A[k] = less(A[k], -1, A[j])
            A = [[x + row[j] * (c == k) for c, x in enumerate(row)] for row in A]
        top = A.pop(k)
        p = top.pop(k)
        found.append(1 if p > 0 else -1)
        A = [less(row, row.pop(k) / p, top) for row in A]
    return found + [0] * len(A)


def duality(X: list[Any], w: list[Q], a: list[Q], norm: str, lo: Any, hi: Any) -> bool:
    """min X w / |w| <= the largest margin <= |X'a| / sum a, in the dual norm; squared where 2."""

    def size(v: list[Q], norm: str) -> Q:
        return {"1": sum(map(abs, v), Q(0)), "2": dot(v, v), "inf": max(map(abs, v))}[norm]

    dual, power = {"1": "inf", "2": "2", "inf": "1"}[norm], 1 + (norm == "2")
    least, pulled = min(dot(x, w) for x in X), [dot([*c], a) for c in zip(*X, strict=True)]
    below = lo >= 0 and least >= 0 and lo**power * size(w, norm) <= least**power
    above = min(a) >= 0 and sum(a) > 0 and size(pulled, dual) <= hi**power * sum(a) ** power
    return bool(below and above)


def vanishes(entries: list[str]) -> bool:
    """Whether rational functions of some names and I are 0, at a random point modulo r^2 + 1."""
    draw = random.Random("\n".join(entries))
    while pow(2, (r := draw.getrandbits(48)) ** 2, p := r * r + 1) != 1:  # until it seems a prime
        pass
    rules: dict[Any, Callable[..., int]] = {
        int: int,
        ast.USub: operator.neg,
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: lambda a, b: a * b % p,
        ast.Div: lambda a, b: a * pow(b, -1, p) % p,
        ast.Pow: lambda a, b: pow(a, b, p) if abs(b) < 100 else 1 // 0,
    }
    point = defaultdict(lambda: draw.getrandbits(128), I=r)
    return not any(value(read(e), point, rules) % p for e in entries)


@functools.cache
def read(text: str) -> Any:
    return ast.parse(text, mode="eval").body


def value(e: Any, names: Mapping[str, Any], rules: dict[Any, Callable[..., Any]]) -> Any:
    """A parsed formula, by rules for its numbers, operations and functions."""
    if isinstance(e, ast.Name):
        return names[e.id]
    if isinstance(e, ast.BinOp):
        rule, parts = rules[type(e.op)], [e.left, e.right]
    elif isinstance(e, ast.UnaryOp):
        rule, parts = rules[type(e.op)], [e.operand]
    elif isinstance(e, ast.Call) and isinstance(e.func, ast.Name):
        rule, parts = rules[e.func.id], e.args
    else:
        want(type(e) is ast.Constant and type(e.value) is int, "a certificate with no formula")
        return rules[int](e.value)
    return rule(*(value(part, names, rules) for part in parts))


def values(proof: dict[str, Any], *box: Q) -> tuple[Q, Q]:
    """The range of the formula of a certificate, where its variable is in a box.

    Around 0, "near" stands for the formula, by a theorem that the certificate names.
    """
    names, text = {name: spanned(*map(parsed, ends)) for name, ends in proof["at"].items()}, "text"
    if box:
        a, b = box
        if "near" in proof and (a <= 0 <= b or max(abs(a), abs(b)) < 1e-3):
            a, b, text = min(a, Q(0)), max(b, Q(0)), "near"
        names[proof["over"]] = spanned(a, b)
    low, high = at(proof[text], **names)
    return Q(low), Q(high)


def at(text: str, **names: Span) -> Span:
    found: Span = value(read(text), names | KNOWN, RULES)
    return found


def spanned(low: Q, high: Q) -> Span:
    want(low <= high, "a certificate with an empty interval")
    a, b = (at(f"({x.numerator})/{x.denominator}") for x in (low, high))
    return a[0], b[1]


def corners(rule: Callable[..., Decimal]) -> Callable[..., Span]:
    """The range of a function that is monotone in each argument: it is met at the corners."""

    def over(*spans: Span) -> Span:
        found = []
        for corner in product(*spans):
            DIGITS.clear_flags()
            low = high = rule(*corner)
            for _ in range(2 * DIGITS.flags[decimal.Inexact]):  # a power may be off by a digit
                low, high = low.next_minus(DIGITS), high.next_plus(DIGITS)
            found += [low, high]
        return min(found), max(found)

    return over


def quotient(x: Span, y: Span) -> Span:
    want(y[0] > 0 or y[1] < 0, "a certificate that divides by an interval around 0")
    return corners(DIGITS.divide)(x, y)


def power(x: Span, y: Span) -> Span:
    if y[1] < 0:
        return at("1/x**y", x=x, y=(-y[1], -y[0]))
    if y[0] == y[1] and y[0] % 1 == 0.5:  # so that it is exact where it can be
        return at("sqrt(x)**y", x=x, y=(2 * y[0], 2 * y[0]))
    want(x[0] >= 0 or y[0] == y[1] == int(y[0]), "a certificate with a root of a negative number")
    low, high = corners(DIGITS.power)(x, y)
    return (Decimal(0) if x[0] < 0 < x[1] and y[0] % 2 == 0 else low), high


def erfc(v: Decimal) -> Span:
    """From 3 on by its continued fraction, below by a series of positive terms for 1 - erfc."""
    if v < 0:
        return at("2 - y", y=erfc(-v))
    x, n = (v, v), 0
    total = term = x
    if v >= 3:
        tail = (v, v + 251)
        for n in range(250, 0, -1):
            tail = at(f"x + {n}/2/tail", x=x, tail=tail)
        return at("exp(-x*x)/sqrt(pi)/tail", x=x, tail=tail)
    while term[1] > 1e-80 or n < 18:  # from there on terms fall by half
        n += 1
        term = at(f"term*x*x*2/{2 * n + 1}", term=term, x=x)
        total = at("total + term", total=total, term=term)
    whole = total[0], at("total + term", total=total, term=term)[1]
    return at("1 - 2*exp(-x*x)/sqrt(pi)*whole", x=x, whole=whole)


PI = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899"  # ...
RULES: dict[Any, Callable[..., Span]] = {
    int: lambda n: (Decimal(n), Decimal(n)),
    ast.USub: corners(DIGITS.minus),
    ast.Add: corners(DIGITS.add),
    ast.Sub: corners(DIGITS.subtract),
    ast.Mult: corners(DIGITS.multiply),
    ast.Div: quotient,
    ast.Pow: power,
    "exp": corners(DIGITS.exp),
    "log": corners(DIGITS.ln),
    "sqrt": corners(DIGITS.sqrt),
    "erfc": lambda x: (erfc(x[1])[0], erfc(x[0])[1]),  # it decreases
    "cosh": lambda x: at("(exp(x) + exp(-x))/2", x=x),
    "sinh": lambda x: at("(exp(x) - exp(-x))/2", x=x),
    "Max": corners(max),
    "Min": corners(min),
}
KNOWN = {"pi": (Decimal(PI), Decimal(PI + "9")), "E": RULES["exp"](RULES[int](1))}
