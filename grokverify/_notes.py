"""What one sweep has seen so far: hulls of constants, tallies of comparisons, rows, curves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from grokverify._evidence import Comparison, Grade, Measurement, Number, Row, Series, Truth
from grokverify._lab import Lab
from grokverify._verdict import Tally

ROWS = 200  # a record keeps this many table rows ...
POINTS = 2000  # ... and this many points of a series
Item = Comparison | Measurement | Row | Series


@dataclass
class Notes:
    """What has been seen so far."""

    hulls: dict[str, Measurement] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    curves: dict[str, Series] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    grade: Grade = Grade.SYMBOLIC
    risk: float = 0.0
    cases: int = 0
    numbers: list[float] = field(default_factory=list)  # every end of every enclosure, in order
    cheapest: tuple[float, Lab, dict[str, Any], list[float]] | None = None
    first: tuple[dict[str, Any], Comparison] | None = None  # the first failure of a control

    def take(self, item: Item) -> None:
        if isinstance(item, Row):
            if len(self.rows) < ROWS:
                self.rows.append(item)
        elif isinstance(item, Series):
            self.curves[item.name] = _joined(self.curves.get(item.name), item)
        elif isinstance(item, Measurement):
            self._measure(item)
        else:
            self._measure(item.left)
            self.tallies[item.name] = _tally(self.tallies.get(item.name), item)
            self.grade = min(self.grade, item.grade)
            self.risk += item.risk

    def _measure(self, m: Measurement) -> None:
        self.hulls[m.name] = _hull(self.hulls.get(m.name), m)
        self.numbers += [_as_float(m.lo), _as_float(m.hi)]

    def agrees(self, numbers: list[float]) -> bool:
        """Whether the numbers are these, up to the last bits of floats."""
        return len(numbers) == len(self.numbers) and all(
            math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9)
            for x, y in zip(numbers, self.numbers, strict=True)
        )


def _as_float(x: Number) -> float:
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def _hull(old: Measurement | None, new: Measurement) -> Measurement:
    if old is None:
        return new
    return replace(
        old,
        lo=min(old.lo, new.lo),
        hi=max(old.hi, new.hi),
        grade=min(old.grade, new.grade),
        risk=min(1.0, old.risk + new.risk),
        printed=old.printed if old.printed == new.printed else None,
    )


def _tally(old: Tally | None, new: Comparison) -> Tally:
    t = new.truth
    b = new.right
    base = old or Tally(new.name, new.relation, b.lo, b.hi, new.grade)
    return replace(
        base,
        bound_lo=min(base.bound_lo, b.lo),
        bound_hi=max(base.bound_hi, b.hi),
        grade=min(base.grade, new.grade),
        held=base.held + (t is Truth.HOLDS),
        failed=base.failed + (t is Truth.FAILS),
        undecided=base.undecided + (t is Truth.UNDECIDED),
    )


def _joined(old: Series | None, new: Series) -> Series:
    if old is None:
        return new
    room = max(0, POINTS - len(old.x))
    return replace(
        old,
        x=old.x + new.x[:room],
        y=old.y + new.y[:room],
        printed=old.printed + new.printed[:room],
    )
