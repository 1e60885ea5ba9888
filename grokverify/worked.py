"""Rational numbers that remember how they were worked out, so that an audit can do it again.

``K, y = given(K), given(y)`` and then ``exact("quotient", (y @ K @ y) / (y @ y))``: the record gets
the entries of K and y and every operation on them, and ``grokverify audit`` repeats the operations.
Meant for small data; where the operations do not fit into a record only their digest is kept.
"""

from __future__ import annotations

import hashlib
import numbers
import operator
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from grokverify._proved import ROOM, Plain, Proved, as_text, digest, written

_STEPS = 20_000  # operations beyond which nobody need try to fit them ...
_CELLS = 4_000  # ... and entries of an array


class Worked(Fraction):
    """A rational number and the operation that it came from; made by ``given``.

    Sums, differences, products, quotients and whole powers of such with each other and with ints
    and Fractions are Worked. Any other arithmetic, and ``Fraction(x, y)``, forgets.
    """

    __slots__ = ("_came",)
    _came: tuple[str, Fraction, Fraction] | None

    def __new__(cls, value: Any, came: tuple[str, Fraction, Fraction] | None = None) -> Worked:
        made: Worked = super().__new__(cls, value)
        made._came = came
        return made

    def proof(self) -> Plain:
        """The certificate: the given numbers, and the operations on them in order."""
        at: dict[Any, int] = {}  # a given number, or an operation on places -> its own place
        place: dict[int, int] = {}  # the same by identity, so that nothing is walked twice
        order = list(_before(self))
        for x in order:
            if _origin(x) is None:
                place[id(x)] = at.setdefault(as_text(x), len(at))
        given = " ".join(at)
        steps = []
        for x in order:
            if came := _origin(x):
                key = f"{came[0]}{place[id(came[1])]:x},{place[id(came[2])]:x}"
                if key not in at:
                    at[key] = len(at)
                    steps.append(key)
                place[id(x)] = at[key]
        text = " ".join(steps)
        if len(order) > _STEPS or len(given) + len(text) > ROOM:
            told = hashlib.sha256(f"{given}\n{text}".encode()).hexdigest()
            why = f"{len(steps)} operations, more than a record carries"
            return digest("worked", why, sha256=told)
        return {"kind": "worked", "matrix": [given], "steps": text}

    def __add__(self, other: Any) -> Any:
        return _made("+", operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _made("+", operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _made("-", operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _made("-", operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _made("*", operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _made("*", operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _made("/", operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _made("/", operator.truediv, other, self)

    def __pow__(self, other: Any) -> Any:
        return _made("^", operator.pow, self, other)

    def __rpow__(self, other: Any) -> Any:
        return _made("^", operator.pow, other, self)

    def __neg__(self) -> Any:
        return 0 - self

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __copy__(self) -> Worked:
        return self

    def __deepcopy__(self, memo: Any) -> Worked:
        return self

    def __reduce__(self) -> Any:  # where it came from stays in the process that made it
        return Fraction, (self.numerator, self.denominator)


def given(x: Any) -> Any:
    """Numbers to start from.

    Args:
        x: an int, a Fraction, or a numpy array or nested lists of such.

    Returns:
        A Worked number, an object array of them, or lists of them. An integer array for which no
        record has room becomes plain Fractions.

    Raises:
        TypeError: a float, or anything else that is no rational number.
    """
    if hasattr(x, "tolist"):
        import numpy as np

        array = np.asarray(x)
        if array.size > _CELLS and array.dtype.kind in "iu":
            return np.frompyfunc(Fraction, 1, 1)(array.astype(object))
        listed = np.empty(array.shape, dtype=object)
        for at, entry in np.ndenumerate(array):
            listed[at] = given(entry.item() if hasattr(entry, "item") else entry)
        return listed if x.shape else listed.item()
    if isinstance(x, list | tuple):
        return [given(entry) for entry in x]
    if isinstance(x, numbers.Rational):
        return x if isinstance(x, Worked) else Worked(_plain(x))
    raise TypeError(
        f"given({x!r}) is a {type(x).__name__}. Only ints and Fractions are worked with exactly; a "
        "float has rounding error that nobody could do again."
    )


def unequal(xs: Iterable[Any], ys: Iterable[Any]) -> Any:
    """How many of two lists of rational numbers differ, place by place.

    It carries the numbers into ``exact`` as its certificate, and how they were worked out if so.

    Raises:
        ValueError: the lists differ in length, or are empty, which would compare nothing.
    """
    one, other = [[_plain(x) for x in side] for side in (xs, ys)]
    if len(one) != len(other) or not one:
        raise ValueError(
            f"unequal() compares {len(one)} numbers with {len(other)}, one by one; there must be "
            "as many of both, and some."
        )
    if any(isinstance(x, Worked) for x in (*one, *other)):
        marks = (Worked(int(a != b), ("!", a, b)) for a, b in zip(one, other, strict=True))
        return sum(marks)
    count = sum(a != b for a, b in zip(one, other, strict=True))
    return Proved(count, lambda: written({"kind": "differ"}, matrix=[one], other=[other]))


def _made(symbol: str, rule: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    if not (isinstance(a, numbers.Rational) and isinstance(b, numbers.Rational)):
        if isinstance(a, int | float | complex) or isinstance(b, int | float | complex):
            return rule(*(Fraction(x) if isinstance(x, Worked) else x for x in (a, b)))
        return NotImplemented
    a, b = _plain(a), _plain(b)
    idle = {"+": 0, "*": 1}.get(symbol)  # a constant that changes nothing leaves no trace
    for x, y in ((a, b), (b, a)):
        if x == idle and not isinstance(x, Worked):
            return y
    value = rule(Fraction(a), Fraction(b))
    return Worked(value, (symbol, a, b)) if isinstance(value, Fraction) else value


def _plain(x: Any) -> Any:
    if isinstance(x, Worked):
        return x
    if isinstance(x, numbers.Rational):
        return Fraction(int(x.numerator), int(x.denominator))
    return Fraction(x if isinstance(x, float) else x.item())


def _origin(x: Fraction) -> tuple[str, Fraction, Fraction] | None:
    return x._came if isinstance(x, Worked) else None


def _before(last: Fraction) -> Iterable[Fraction]:
    """A number and all that it came from, each once and after what it came from."""
    seen, stack = set(), [(last, False)]
    while stack:
        x, ready = stack.pop()
        if ready:
            yield x
        elif id(x) not in seen:
            seen.add(id(x))
            stack.append((x, True))
            stack += [(y, False) for y in (_origin(x) or ("",))[:0:-1]]
