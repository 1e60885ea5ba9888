"""What was seen: measurements, how they are known, and three-valued comparisons."""

from __future__ import annotations

import enum
import math
import numbers
import operator
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from grokverify._proved import Proof, Proved
from grokverify.worked import Worked

HAIR = Fraction(1, 10**12)  # of a float bound: it may be rounded by as much where it is computed
Number = int | float | Fraction  # Python compares these exactly, also across types


class Grade(enum.IntEnum):
    """How an enclosure was obtained. Computed from the evidence, never declared by a claim."""

    EMPIRICAL = 1  # a tolerance that somebody chose
    STATISTICAL = 2  # a confidence set over iid draws
    CERTIFIED = 3  # a rigorous bound on every rounding error
    EXACT = 4  # integers, rationals, finite fields
    SYMBOLIC = 5  # an identity in symbols


class Truth(enum.Enum):
    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


_BUILTIN: tuple[type[Number], ...] = (int, float, Fraction)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A named number known to lie in ``[lo, hi]``, how we know, and the risk of being wrong.

    Args:
        name: what was measured; equal names are merged over the cases of a check.
        lo, hi: the enclosure; either may be infinite, neither may be NaN.
        grade: how the enclosure was obtained.
        risk: probability that the enclosure misses the true value.
        unit: free text.
        printed: the paper's number for the same quantity, shown beside the measured one.
        proof: writes down a certificate for the enclosure, plain data for ``grokverify audit``.
        power: ``(relation, bound) -> violation`` that the same trials would have caught with 99 %
            power, where the enclosure comes from trials.

    Raises:
        ValueError: the enclosure is empty or NaN, or the risk is not a probability.
    """

    name: str
    lo: Number
    hi: Number
    grade: Grade
    risk: float = 0.0
    unit: str = ""
    printed: Number | str | None = None
    proof: Proof | None = field(default=None, compare=False, repr=False)
    power: Callable[[str, float], float] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for end in ("lo", "hi"):  # a subclass may compare as it likes, and numpy's floats do
            value = getattr(self, end)
            if type(value) not in _BUILTIN:
                object.__setattr__(self, end, plain(self.name, value))
        if not self.lo <= self.hi:  # false for NaN as well
            raise ValueError(
                f"{self.name!r} has the empty enclosure [{self.lo}, {self.hi}]. A NaN came out of "
                "the computation, or the ends are swapped: look at the step that produced it."
            )
        if not 0.0 <= self.risk <= 1.0:
            raise ValueError(f"{self.name!r} has risk {self.risk}, which is not a probability.")

    def at_least(self, bound: Number | Measurement) -> Comparison:
        return Comparison(self, ">=", _given(bound))

    def at_most(self, bound: Number | Measurement) -> Comparison:
        return Comparison(self, "<=", _given(bound))

    def equals(self, bound: Number | Measurement) -> Comparison:
        return Comparison(self, "==", _given(bound))

    def beside(self, *, printed: Number | str) -> Measurement:
        """The same measurement with the paper's number (or formula) attached for display."""
        value = printed if isinstance(printed, str) else plain(self.name, printed)
        return replace(self, printed=value)

    def __str__(self) -> str:
        low, high = show(self.lo), show(self.hi)
        text = low if self.lo == self.hi else f"[{low}, {high}]"
        return f"{self.name} = {text}{f' {self.unit}' if self.unit else ''}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left relation right``, decided only where the two enclosures decide it."""

    left: Measurement
    relation: str
    right: Measurement

    @property
    def name(self) -> str:
        return self.left.name

    @property
    def truth(self) -> Truth:
        a, b = self.left, self.right
        holds, fails = {
            ">=": (a.lo >= b.hi, a.hi < b.lo),
            "<=": (a.hi <= b.lo, a.lo > b.hi),
            "==": (a.lo == a.hi == b.lo == b.hi, a.hi < b.lo or a.lo > b.hi),
        }[self.relation]
        return Truth.HOLDS if holds else Truth.FAILS if fails else Truth.UNDECIDED

    @property
    def caught(self) -> float | None:
        """For trials that hold: the violation they would have caught with 99 % power."""
        tell = self.left.power
        if tell is None or self.relation == "==" or self.truth is not Truth.HOLDS:
            return None
        return tell(self.relation, float(self.right.lo))

    @property
    def grade(self) -> Grade:
        """That of the weaker side; EMPIRICAL where only the rounding of a float bound decides."""
        a, b = self.left, self.right
        if isinstance(b.lo, float) and b.grade is Grade.SYMBOLIC and not b.lo.is_integer():
            end = a.lo if self.relation == ">=" else a.hi
            if math.isfinite(end) and 0 < abs(Fraction(end) - Fraction(b.lo)) <= HAIR * abs(b.lo):
                return Grade.EMPIRICAL
        return min(a.grade, b.grade)

    @property
    def risk(self) -> float:
        return self.left.risk + self.right.risk

    def __str__(self) -> str:
        b = self.right
        bound = show(b.lo) if b.lo == b.hi else f"[{show(b.lo)}, {show(b.hi)}]"
        claim = {">=": "at least", "<=": "at most", "==": "equal to"}[self.relation]
        return f"{self.left} {self.truth.value} to be {claim} {bound}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a check's table: column name -> number or short text."""

    columns: tuple[tuple[str, Number | str], ...]


def exact(name: str, value: Any, *, unit: str = "") -> Measurement:
    """A number known exactly: an int or a Fraction (sympy and numpy integers are converted).

    An int that a tool of ``linalg`` proved keeps its certificate, as does a number that was worked
    out from what is ``given``.

    Raises:
        TypeError: the value is a float, which is never exact.
    """
    number = plain(name, value)
    if isinstance(number, float):
        raise TypeError(
            f"exact({name!r}, {number!r}) was given a float. A float carries rounding error: pass "
            "an int or a Fraction, or use approx(name, value, radius) for an empirical number."
        )
    return Measurement(name, number, number, Grade.EXACT, unit=unit, proof=_proof(value))


def enclosed(
    name: str, lo: Any, hi: Any, *, unit: str = "", proof: Proof | None = None
) -> Measurement:
    """A number between two rigorous bounds. For tools that bound every rounding error.

    Raises:
        ValueError: there is no number between them.
    """
    low, high = plain(name, lo), plain(name, hi)
    if low == math.inf or high == -math.inf:
        raise ValueError(
            f"{name!r} is enclosed in [{low}, {high}], which holds no number. Something overflowed."
        )
    return Measurement(name, low, high, Grade.CERTIFIED, unit=unit, proof=proof)


def approx(name: str, value: Any, radius: Any = 0.0, *, unit: str = "") -> Measurement:
    """A floating-point number, give or take a radius that somebody chose.

    Raises:
        ValueError: the value or the radius is NaN or infinite, or the radius is negative.
    """
    number, r = plain(name, value), plain(name, radius)
    if not (math.isfinite(number) and math.isfinite(r) and r >= 0):
        raise ValueError(
            f"approx({name!r}, {number}, {r}) is not a finite number with a radius >= 0. NaN or "
            "infinity is an error, never evidence: look for an overflow, 0/0 or a diverged run."
        )
    return Measurement(name, number - r, number + r, Grade.EMPIRICAL, unit=unit)


def row(**columns: Any) -> Row:
    """A line for the check's table in the report, e.g. ``row(p=7, width=12, printed=4.7)``."""
    return Row(tuple((k, v if isinstance(v, str) else plain(k, v)) for k, v in columns.items()))


def show(x: Number) -> str:
    """A number as people read it: short, and exact where that fits."""
    if isinstance(x, float):
        return f"{x:.6g}"
    top, bottom = x.numerator, x.denominator
    if max(abs(top), bottom) < 10**12:
        return str(x)
    try:
        return f"{top / bottom:.6g}"
    except OverflowError:  # beyond floats, and beyond what Python turns into decimal digits
        return f"{'-' * (top < 0)}2^{abs(top).bit_length() - bottom.bit_length()}"


def _given(bound: Number | Measurement) -> Measurement:
    """A bound written in the statement is part of the statement: it lowers no grade."""
    if isinstance(bound, Measurement):
        return bound
    value = plain("bound", bound)
    if value in (math.inf, -math.inf):
        raise ValueError(
            f"a number is compared with the bound {value}, which is met by all of them or by none. "
            "Something overflowed; where the statement is empty, leave the case out."
        )
    return Measurement("bound", value, value, Grade.SYMBOLIC, proof=_proof(bound))


def _proof(value: Any) -> Proof | None:
    return value.proof if isinstance(value, Proved | Worked) else None


def plain(name: str, value: Any) -> Number:
    """Convert numpy, torch and sympy scalars to int, Fraction or float without rounding."""
    if type(value) in _BUILTIN:
        known: Number = value
        return known
    if isinstance(value, Worked):
        return int(value) if value.denominator == 1 else Fraction(value)
    for kind in _BUILTIN:  # numpy's float64 is a float that rounds what it is compared with
        if isinstance(value, kind):
            return kind(value)
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return plain(name, value.item())
    if isinstance(value, numbers.Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    try:
        return operator.index(value)
    except TypeError:
        pass
    if isinstance(value, numbers.Real) or type(value).__module__.startswith(("sympy", "flint")):
        return float(value)
    raise TypeError(
        f"{name!r} is a {type(value).__name__}, not a single number. Reduce it first, for example "
        "with float(x.max()), or yield one measurement for each entry."
    )
