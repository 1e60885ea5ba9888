"""Series as small SVG pictures; the same series give the same bytes.

Written by hand: a page holds hundreds of these, and a plotting library takes a tenth of a second
and twenty kilobytes for each. Colours and text follow the page, in light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

from markupsafe import Markup

from grokverify._curves import Series
from grokverify.report import _svg as svg
from grokverify.report._axes import Axis, axis, coordinate, ticks
from grokverify.report._heat import heat
from grokverify.report._text import clean
from grokverify.report._words import CURVES, Plot, alt_of, table_of

MOST_POINTS = 600  # drawn in one picture, in equal shares; the extremes of a curve are kept
_WIDTH, _HIGH, _RIGHT, _UNDER = 470, 234, 458, 44  # of a picture, of its frame, right, below
_MARKED = 60  # with more points than this a curve is a line with a few markers
Point = tuple[float, float, float | None]


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of a series that can be drawn, in order of x, and how they look."""

    series: Series
    points: tuple[Point, ...]
    look: svg.Look
    base: tuple[float, ...] = ()  # where a stacked band begins, for each point

    @property
    def printed(self) -> list[svg.Place]:
        return [(p[0], p[2]) for p in self.points if p[2] is not None]


def plots(series: Iterable[Series]) -> list[Plot]:
    """One picture for every title, in the order in which the titles come."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for s in series:
        groups.setdefault(("plot", s.plot) if s.plot else ("name", s.name), []).append(s)
    return [p for p in map(plot, groups.values()) if p is not None]


def plot(group: Sequence[Series]) -> Plot | None:
    """Draw series that share a picture; None where no point can be drawn."""
    if group[0].heat:
        return heat(group[0])
    shown = [s for s in group if not s.heat][:CURVES]
    log = shown[0].log
    curves = [
        Curve(s, tuple(_drawable(s, log)), svg.Look.of(k if len(shown) > 1 else 0))
        for k, s in enumerate(shown)
    ]
    note = _note(group, sum(len(c.points) for c in curves), log)
    curves = [c for c in curves if c.points]
    if not curves:
        return None
    alt = alt_of([(c.series, c.points) for c in curves], _events(shown, log))
    head, rows, more = table_of(shown)
    return Plot(
        name=clean(shown[0].plot or shown[0].name, 200),
        svg=Markup(_draw(_stacked(curves, log), alt)),  # every text inside was escaped
        alt=alt,
        note=note,
        head=head,
        points=rows,
        more=more,
    )


def _note(group: Sequence[Series], drawn: int, log: str) -> str:
    """How many points are missing from the picture; zero on a logarithmic axis is no riddle."""
    points = [(x, y) for s in group for x, y in zip(s.x, s.y, strict=False)]
    left_out = len(points) - drawn
    zero = sum(("x" in log and x == 0) or ("y" in log and y == 0) for x, y in points)
    if not left_out:
        return ""
    if left_out == zero:
        return f"{zero} of {len(points)} points, at zero, are on no logarithmic axis"
    return f"{left_out} of {len(points)} points cannot be drawn here"


def _drawable(series: Series, log: str) -> list[Point]:
    """Points that fit the axes, in order of x."""
    points: list[Point] = []
    for i, (x, y) in enumerate(zip(series.x, series.y, strict=False)):
        a, b = coordinate(x, "x" in log), coordinate(y, "y" in log)
        p = coordinate(series.printed[i], "y" in log) if i < len(series.printed) else None
        if a is not None and b is not None:
            points.append((a, b, p))
    return sorted(points, key=lambda one: one[0])


def _stacked(curves: list[Curve], log: str) -> list[Curve]:
    """Stacked series, each raised by those before it; one with other x is left as it is."""
    below: dict[float, float] = {}
    out = []
    for c in curves:
        xs = [p[0] for p in c.points]
        if c.series.stacked and len({*xs}) == len(xs) and (not below or [*below] == xs):
            base = tuple(below.get(x, 0.0) for x in xs)
            raised = [(x, b + y, p) for (x, y, p), b in zip(c.points, base, strict=True)]
            c = replace(c, points=tuple(raised), base=base)
            below = {x: y for x, y, _ in raised}
        out.append(c)
    return out


def _thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most that many: of every stretch of a long curve its lowest and highest point."""
    if len(points) <= most:
        return [*points]
    size = -(-len(points) // (most // 2))
    kept: list[Point] = []
    for k in range(0, len(points), size):
        part = points[k : k + size]
        ends = {part.index(f(part, key=lambda one: one[1])) for f in (min, max)}
        kept += [part[i] for i in sorted(ends)]
    return kept


def _draw(curves: list[Curve], alt: str) -> str:
    first = curves[0].series
    log = first.log
    share = MOST_POINTS // len(curves)
    curves = [c if c.base else replace(c, points=tuple(_thinned(c.points, share))) for c in curves]
    entries, high = svg.legend(_entries(curves), 16, _RIGHT, 14)
    top = 22.0 if high <= 15 else 7 + high
    bottom = top + _HIGH
    values = [y for c in curves for _, y in [*((p[0], p[1]) for p in c.points), *c.printed]]
    down = axis(
        [*values, *(b for c in curves for b in c.base if not log or b)], "y" in log, bottom, top
    )
    marks = ticks(down, 6)
    left = 40 + 6.2 * max((len(label) for _, label in marks), default=0)
    events = _events([c.series for c in curves], log)
    xs = [p[0] for c in curves for p in c.points]
    along = axis([*xs, *(x for _, x in events)], "x" in log, left, _RIGHT)
    parts = [*entries, *_grid(down, marks, along, ticks(along, 7, all(x == int(x) for x in xs)))]
    parts += _flags([(name, along.at(x)) for name, x in events], top, bottom)
    ylabel = first.ylabel or ("" if len(curves) > 1 else first.name)
    parts += svg.words(clean(ylabel, 80), (top + bottom) / 2, 13, 40, turned=True)
    parts += svg.words(clean(first.xlabel, 80), (left + _RIGHT) / 2, bottom + 36, 70)
    for c in curves:
        parts += _curve(c, along, down, alone=len(curves) == 1)
    return svg.picture(parts, alt, _WIDTH, bottom + _UNDER)


def _entries(curves: Sequence[Curve]) -> list[svg.Entry]:
    """Every curve by its name, and what the dashed ones are, once for each name of those."""
    dashed = [c for c in curves if c.printed]
    if len(curves) == 1:
        if not dashed:
            return []
        words = [svg.entry("measured", curves[0].look, lined=False)]
        other = svg.Look(svg.COLOURS[1])
        return [
            *words,
            svg.entry(clean(curves[0].series.beside, 60), other, dash="5 3", marked=False),
        ]
    found = [
        svg.entry(clean(c.series.name, 60), c.look, lined=_lined(c), marked=not c.base)
        for c in curves
    ]
    by_name: dict[str, list[Curve]] = {}
    for c in dashed:
        by_name.setdefault(clean(c.series.beside, 60), []).append(c)
    for name, some in by_name.items():
        look = some[0].look if len(some) == 1 else svg.Look("currentColor")
        found.append(svg.entry(name, look, dash="5 3", marked=False))
    return found


def _lined(c: Curve) -> bool:
    """A line joins points only where there is one for each x."""
    return len({p[0] for p in c.points}) == len(c.points) > 1


def _curve(c: Curve, along: Axis, down: Axis, alone: bool) -> list[str]:
    out = []
    where = [(along.at(x), down.at(y)) for x, y, _ in c.points]
    if c.base:
        low = [(x, down.at(max(b, down.low))) for (x, _), b in zip(where, c.base, strict=True)]
        return [c.look.band([*where, *low[::-1]]), c.look.line(where)]
    if c.printed:
        there = [(along.at(x), down.at(y)) for x, y in c.printed]
        other = svg.Look(svg.COLOURS[1], 1) if alone else c.look
        out.append(other.line(there, 1.8, "5 3"))
        if len({x for x, _ in there}) == 1:
            out.append(svg.Look(other.colour, 1).marks(there, 7))
    few = len(where) <= _MARKED
    if _lined(c) and (len(where) > 2 or not alone):
        out.append(c.look.line(where, 1 if few and alone else 1.5))
    if few or not _lined(c):
        out.append(c.look.marks(where))
    elif not alone:  # a few markers, not at the same places as those of the other curves
        start = len(where) // 8 * (c.look.shape + 1) // 7
        out.append(c.look.marks(where[start :: max(1, len(where) // 7)]))
    return out


def _events(series: Sequence[Series], log: str) -> list[tuple[str, float]]:
    """Marks that fit the axis, in order."""
    marks = dict.fromkeys(one for s in series for one in s.marks[:8])
    found = [(clean(k, 30), coordinate(x, "x" in log)) for k, x in [*marks][:12]]
    return sorted(((k, x) for k, x in found if x is not None), key=lambda one: one[1])


def _flags(events: list[tuple[str, float]], top: float, bottom: float) -> list[str]:
    """Dotted lines with their names, one below the other so that none is written over."""
    look = 'stroke="currentColor" stroke-opacity=".7" stroke-dasharray="1.5 3"'
    out = [f'<path {look} d="M{svg.n(x)} {svg.n(top)}V{svg.n(bottom)}"/>' for _, x in events]
    for k, (name, x) in enumerate(events):
        end = x > 0.65 * _WIDTH
        place = f'x="{svg.n(x - 4 if end else x + 4)}" y="{svg.n(bottom - 8 - 13 * (k % 4))}"'
        anchor = ' text-anchor="end"' if end else ""
        out.append(f'<text fill="currentColor" {place}{anchor}>{escape(name)}</text>')
    return out


def _grid(
    down: Axis, rows: list[tuple[float, str]], along: Axis, columns: list[tuple[float, str]]
) -> list[str]:
    top, bottom = svg.n(down.end), svg.n(down.start)
    lines = [f"M{svg.n(along.start)} {svg.n(down.at(v))}H{_RIGHT}" for v, _ in rows]
    lines += [f"M{svg.n(along.at(v))} {top}V{bottom}" for v, _ in columns]
    frame = f"M{svg.n(along.start)} {top}V{bottom}H{_RIGHT}"
    left = "".join(
        f'<text x="{svg.n(along.start - 6)}" y="{svg.n(down.at(v) + 4)}">{escape(t)}</text>'
        for v, t in rows
    )
    below = "".join(
        f'<text x="{svg.n(along.at(v))}" y="{svg.n(down.start + 16)}">{escape(t)}</text>'
        for v, t in columns
    )
    return [
        f'<path stroke="currentColor" stroke-opacity=".13" d="{"".join(lines)}"/>',
        f'<path stroke="currentColor" stroke-opacity=".6" d="{frame}"/>',
        f'<g fill="currentColor" text-anchor="end">{left}</g>',
        f'<g fill="currentColor" text-anchor="middle">{below}</g>',
    ]
