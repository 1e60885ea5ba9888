"""Series as small SVG pictures; the same series give the same bytes.

Written by hand: a page holds hundreds of these, and a plotting library takes a tenth of a second
and twenty kilobytes for each. Colours and text follow the page, in light and dark.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup

from grokverify._evidence import Series
from grokverify.report._axes import Axis, axis, ticks
from grokverify.report._text import as_float, clean, number

MOST_POINTS = 600  # drawn of one curve; the extremes are kept
_TABLE = 24  # points listed under a plot
_WIDTH, _HEIGHT, _TOP, _BOTTOM, _RIGHT = 470, 300, 22, 256, 458
_MEASURED, _PRINTED = "#3f7fcf", "#cf6a24"  # both stand out on white and on black


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


Point = tuple[float, float, float | None]


def plot(series: Series) -> Plot | None:
    """Draw measured points and the paper's curve; None where no point can be drawn."""
    points = _drawable(series)
    if not points:
        return None
    left_out = len(series.x) - len(points)
    rows = list(zip(series.x, series.y, series.printed or [None] * len(series.x), strict=False))
    keep = 3 if series.printed else 2
    alt = _alt(series, points)
    return Plot(
        name=clean(series.name, 200),
        svg=_draw(_thinned(points), series, alt),
        alt=alt,
        note=f"{left_out} of {len(series.x)} points cannot be drawn here" if left_out else "",
        head=(
            clean(series.xlabel or "x", 80),
            clean(series.ylabel or "measured", 80),
            clean(series.beside, 40),
        )[:keep],
        points=tuple(tuple(number(v) for v in row[:keep]) for row in rows[:_TABLE]),
        more=max(0, len(rows) - _TABLE),
    )


def _drawable(series: Series) -> list[Point]:
    """Points that fit the axes, in order of x."""
    logx, logy = "x" in series.log, "y" in series.log
    points: list[Point] = []
    for i, (x, y) in enumerate(zip(series.x, series.y, strict=False)):
        a, b = _coordinate(x, logx), _coordinate(y, logy)
        p = _coordinate(series.printed[i], logy) if i < len(series.printed) else None
        if a is not None and b is not None:
            points.append((a, b, p))
    return sorted(points, key=lambda one: one[0])


def _coordinate(value: Any, log: bool) -> float | None:
    """A float whose axis, margins included, stays far from overflow; None where there is none."""
    x = as_float(value)
    if x is None or abs(x) > 1e200 or (log and x < 1e-200):
        return None
    return x


def _thinned(points: list[Point]) -> list[Point]:
    """At most ``MOST_POINTS``: of every stretch of a long curve its lowest and highest point."""
    if len(points) <= MOST_POINTS:
        return points
    size = -(-len(points) // (MOST_POINTS // 2))
    kept: list[Point] = []
    for k in range(0, len(points), size):
        part = points[k : k + size]
        ends = {part.index(f(part, key=lambda one: one[1])) for f in (min, max)}
        kept += [part[i] for i in sorted(ends)]
    return kept


def _alt(series: Series, drawn: Sequence[Point]) -> str:
    first, last = drawn[0], drawn[-1]
    low, high = min(p[1] for p in drawn), max(p[1] for p in drawn)
    x, y = clean(series.xlabel or "x", 80), clean(series.ylabel or series.name, 80)
    told = (
        f"Plot of {y} against {x}, {len(drawn)} points. "
        f"Measured from {number(first[1])} at {number(first[0])} to {number(last[1])} at "
        f"{number(last[0])}; lowest {number(low)}, highest {number(high)}."
    )
    if first[2] is not None and last[2] is not None:
        which = clean(series.beside, 40)
        told += f" Beside it, {which}: from {number(first[2])} to {number(last[2])}."
    for name, at in _events(series):
        told += f" {name} at {number(at, 4)}."
    return told


def _draw(points: list[Point], series: Series, alt: str) -> Markup:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    printed = [(p[0], p[2]) for p in points if p[2] is not None]
    down = axis([*ys, *(p[1] for p in printed)], "y" in series.log, _BOTTOM, _TOP)
    marks = ticks(down, 6)
    left = 40 + 6.2 * max((len(label) for _, label in marks), default=0)
    events = _events(series)
    along = axis([*xs, *(x for _, x in events)], "x" in series.log, left, _RIGHT)
    whole = all(x == int(x) for x in xs)
    parts = [*_grid(down, marks, along, ticks(along, 7, whole))]
    parts += _flags([(name, along.at(x)) for name, x in events])
    xlabel, ylabel = clean(series.xlabel, 80), clean(series.ylabel or series.name, 80)
    parts += _words(ylabel, (_TOP + _BOTTOM) / 2, 13, 40, turned=True)
    parts += _words(xlabel, (left + _RIGHT) / 2, _BOTTOM + 36, 70)
    where = [(along.at(x), down.at(y)) for x, y in zip(xs, ys, strict=True)]
    one_each = len(set(xs)) == len(xs)
    few = len(points) <= 60
    if printed:
        there = [(along.at(x), down.at(y)) for x, y in printed]
        look = f'stroke="{_PRINTED}" stroke-width="1.8" stroke-dasharray="5 3"'
        parts.append(_line(there, look))
        if len({x for x, _ in printed}) == 1:
            parts.append(_dots(there, f'stroke="{_PRINTED}" stroke-width="7"', "square"))
        parts += _legend(clean(series.beside, 40), left)
    if one_each and len(xs) > 2:
        parts.append(_line(where, f'stroke="{_MEASURED}" stroke-width="{1 if few else 1.5}"'))
    if few or not one_each or len(xs) <= 2:
        parts.append(_dots(where, f'stroke="{_MEASURED}" stroke-width="5"'))
    return Markup(  # every text inside was escaped
        f'<svg class="plot" role="img" aria-label="{escape(alt)}" viewBox="0 0 {_WIDTH} '
        f'{_HEIGHT}" fill="none" font-size="11" font-family="sans-serif">{"".join(parts)}</svg>'
    )


def _events(series: Series) -> list[tuple[str, float]]:
    """Marks that fit the axis, in order."""
    found = [(clean(k, 30), _coordinate(x, "x" in series.log)) for k, x in series.marks[:8]]
    return sorted(((k, x) for k, x in found if x is not None), key=lambda one: one[1])


def _flags(events: list[tuple[str, float]]) -> list[str]:
    """Dotted lines with their names, one below the other so that none is written over."""
    look = 'stroke="currentColor" stroke-opacity=".7" stroke-dasharray="1.5 3"'
    out = [f'<path {look} d="M{_n(x)} {_TOP}V{_BOTTOM}"/>' for _, x in events]
    for k, (name, x) in enumerate(events):
        end = x > 0.65 * _WIDTH
        place = f'x="{_n(x - 4 if end else x + 4)}" y="{_BOTTOM - 8 - 13 * (k % 4)}"'
        anchor = ' text-anchor="end"' if end else ""
        out.append(f'<text fill="currentColor" {place}{anchor}>{escape(name)}</text>')
    return out


def _grid(
    down: Axis, rows: list[tuple[float, str]], along: Axis, columns: list[tuple[float, str]]
) -> list[str]:
    lines = [f"M{_n(along.start)} {_n(down.at(v))}H{_RIGHT}" for v, _ in rows]
    lines += [f"M{_n(along.at(v))} {_TOP}V{_BOTTOM}" for v, _ in columns]
    frame = f"M{_n(along.start)} {_TOP}V{_BOTTOM}H{_RIGHT}"
    left = "".join(
        f'<text x="{_n(along.start - 6)}" y="{_n(down.at(v) + 4)}">{escape(t)}</text>'
        for v, t in rows
    )
    below = "".join(
        f'<text x="{_n(along.at(v))}" y="{_BOTTOM + 16}">{escape(t)}</text>' for v, t in columns
    )
    return [
        f'<path stroke="currentColor" stroke-opacity=".13" d="{"".join(lines)}"/>',
        f'<path stroke="currentColor" stroke-opacity=".6" d="{frame}"/>',
        f'<g fill="currentColor" text-anchor="end">{left}</g>',
        f'<g fill="currentColor" text-anchor="middle">{below}</g>',
    ]


def _words(text: str, x: float, y: float, width: int, turned: bool = False) -> list[str]:
    lines = textwrap.wrap(text, width)[:2]
    out = []
    for k, line in enumerate(lines):
        at = y + 12 * k if turned else y - 6 * (len(lines) - 1) + 12 * k
        place = f'transform="rotate(-90)" x="{_n(-x)}"' if turned else f'x="{_n(x)}"'
        look = 'fill="currentColor" text-anchor="middle"'
        out.append(f'<text {look} {place} y="{_n(at)}">{escape(line)}</text>')
    return out


def _legend(beside: str, left: float) -> list[str]:
    """Above the frame, where no curve can run through it."""
    x, y = left + 4, _TOP - 4
    second = x + 84
    dash = f"M{_n(second)} {y - 3}h18"
    return [
        _dots([(x + 4, y - 3)], f'stroke="{_MEASURED}" stroke-width="5"'),
        f'<text fill="currentColor" x="{_n(x + 12)}" y="{y}">measured</text>',
        f'<path stroke="{_PRINTED}" stroke-width="1.8" stroke-dasharray="5 3" d="{dash}"/>',
        f'<text fill="currentColor" x="{_n(second + 24)}" y="{y}">{escape(beside)}</text>',
    ]


def _line(points: Sequence[tuple[float, float]], look: str) -> str:
    return f'<path {look} d="M{"L".join(f"{_n(x)} {_n(y)}" for x, y in points)}"/>'


def _dots(points: Sequence[tuple[float, float]], look: str, cap: str = "round") -> str:
    """Dots as strokes of no length, the shortest way to write them."""
    marks = "".join(f"M{_n(x)} {_n(y)}h0" for x, y in points)
    return f'<path {look} stroke-linecap="{cap}" d="{marks}"/>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
