"""The paper's numbers beside ours: one table a claim, over all of its checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grokverify._curves import Series
from grokverify._evidence import Grade
from grokverify._verdict import Outcome, Record
from grokverify.report import _text as say

_MOST = 40


@dataclass(frozen=True, slots=True)
class Compared:
    """A quantity as printed, as computed without rounding, and as measured."""

    name: str
    printed: str
    exact: str
    measured: str


def compared(r: Record) -> tuple[Compared, ...]:
    """What a claim's checks put beside printed numbers: constants, and the ends of curves."""
    found = {c.name: c for o in r.checks for c in _of(o)}
    return tuple(found.values())[:_MOST]


def _of(o: Outcome) -> Iterator[Compared]:
    for m in o.constants:
        if m.printed is not None:
            unit = f" {say.clean(m.unit, 40)}" if m.unit else ""
            value, sharp = say.enclosure(m) + unit, m.grade >= Grade.EXACT
            yield _line(say.clean(m.name, 120), m.printed, value, sharp)
    for s in o.series:
        if s.printed and s.beside == "printed":
            yield _end(s)


def _end(s: Series) -> Compared:
    """A curve at the largest size that was tried."""
    last = max(range(min(len(s.x), len(s.printed))), key=lambda i: (s.x[i], i))
    name = f"{say.clean(s.name, 120)}, at {say.clean(s.xlabel or 'x', 60)} = "
    sharp = not isinstance(s.y[last], float)
    return _line(name + say.number(s.x[last]), s.printed[last], say.number(s.y[last]), sharp)


def _line(name: str, printed: Any, value: str, sharp: bool) -> Compared:
    return Compared(name, say.number(printed), *((value, "") if sharp else ("", value)))
