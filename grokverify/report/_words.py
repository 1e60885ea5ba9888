"""What replaces a picture: its numbers in a sentence, and its points in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from grokverify._curves import Series
from grokverify.report._text import clean, number

CURVES = 8  # drawn in one picture
_TABLE = 24  # points listed under a picture


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture with words that replace it, and the points behind it."""

    name: str
    svg: Markup
    alt: str
    note: str
    head: tuple[str, ...]
    points: tuple[tuple[str, ...], ...]
    more: int


Drawn = tuple[Series, Sequence[tuple[float, float, float | None]]]


def alt_of(curves: Sequence[Drawn], events: Sequence[tuple[str, float]]) -> str:
    """The course of every curve in words, with its ends and its extremes."""
    first = curves[0][0]
    x = clean(first.xlabel or "x", 80)
    if len(curves) == 1:
        y, drawn = clean(first.ylabel or first.name, 80), curves[0][1]
        told = f"Plot of {y} against {x}, {_counted(drawn)}. Measured {_course(*curves[0])}."
        told += _beside(*curves[0])
    else:
        y = f" ({clean(first.ylabel, 80)})" if first.ylabel else ""
        told = f"Plot of {len(curves)} curves against {x}{y}."
        for series, drawn in curves:
            told += f" {clean(series.name, 80)}, {_counted(drawn)}: {_course(series, drawn)}."
            told += _beside(series, drawn)
    for name, at in events:
        told += f" {name} at {number(at, 4)}."
    return told


def _counted(drawn: Sequence[Any]) -> str:
    return f"{len(drawn)} {'point' if len(drawn) == 1 else 'points'}"


def _course(series: Series, drawn: Sequence[tuple[float, float, float | None]]) -> str:
    first, last = drawn[0], drawn[-1]
    low, high = min(p[1] for p in drawn), max(p[1] for p in drawn)
    return (
        f"from {number(first[1])} at {number(first[0])} to {number(last[1])} at "
        f"{number(last[0])}; lowest {number(low)}, highest {number(high)}"
    )


def _beside(series: Series, drawn: Sequence[tuple[float, float, float | None]]) -> str:
    start, end = drawn[0][2], drawn[-1][2]
    if start is None or end is None:
        return ""
    which = clean(series.beside, 40)
    return f" Beside it, {which}: from {number(start)} to {number(end)}."


def table_of(
    group: Sequence[Series],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int]:
    """Heads, rows and how many rows were left out: a column a curve where all have the same x."""
    x = clean(group[0].xlabel or "x", 80)
    if len(group) == 1:
        s = group[0]
        head = [x, clean(s.ylabel or "measured", 80), clean(s.beside, 40)][: 3 if s.printed else 2]
        columns = [s.x, s.y, s.printed][: len(head)]
    elif all(s.x == group[0].x for s in group):
        head, columns = [x], [group[0].x]
        for s in group:
            head.append(clean(s.name, 80))
            columns.append(s.y)
            if s.printed:
                head.append(f"{clean(s.beside, 40)}: {clean(s.name, 80)}")
                columns.append(s.printed)
    else:
        return _long(group, x)
    rows = [*zip(*columns, strict=False)]
    kept = _some(rows, _TABLE)
    return tuple(head), tuple(tuple(map(number, row)) for row in kept), len(rows) - len(kept)


def _long(
    group: Sequence[Series], x: str
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int]:
    share = max(6, 2 * _TABLE // len(group))
    head = ["curve", x, clean(group[0].ylabel or "measured", 80)]
    beside = any(s.printed for s in group)
    rows = []
    for s in group:
        points = [*zip(s.x, s.y, s.printed or ("",) * len(s.x), strict=False)]
        rows += [
            (clean(s.name, 80), *map(number, p[: 3 if beside else 2])) for p in _some(points, share)
        ]
    names = [*dict.fromkeys(clean(s.beside, 40) for s in group if s.printed)]
    head += [", ".join(names)[:80]] if beside else []
    return tuple(head), tuple(rows), sum(len(s.x) for s in group) - len(rows)


def _some(rows: Sequence[Any], most: int) -> list[Any]:
    """All rows, or as many as there is room for, evenly spread with both ends among them."""
    if len(rows) <= most:
        return [*rows]
    return [rows[round(k * (len(rows) - 1) / (most - 1))] for k in range(most)]
