"""A grid of values as cells with a scale of lightness; censored cells are hatched and counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from grokverify._curves import Series
from grokverify.report import _svg as svg
from grokverify.report._text import as_float, clean, number
from grokverify.report._words import Plot

_SIDES = 40  # columns and rows that are drawn
_WIDTH, _RIGHT, _TOP, _HIGH = 470, 458, 30.0, 226.0
_STEPS = 6  # boxes of the scale
# From dark to light, as cividis does: told apart in grey, and with any kind of colour vision.
_SCALE = ((0, 34, 78), (65, 77, 107), (124, 123, 120), (188, 175, 111), (254, 232, 56))


def heat(s: Series) -> Plot | None:
    """Cells for the (x, y) of a grid; None where nothing can be drawn."""
    cells = _cells(s)
    if not cells:
        return None
    across, up = (sorted({key[k] for key in cells})[:_SIDES] for k in (0, 1))
    seen = [v for v in cells.values() if v is not None]
    xlabel, ylabel = clean(s.xlabel or "x", 80), clean(s.ylabel or "y", 80)
    word = "censored" if s.beside == "printed" else clean(s.beside, 60)
    alt = _alt(s.name, xlabel, ylabel, cells, word)
    rows = tuple((number(y), *(_told(cells, (x, y)) for x in across[:12])) for y in reversed(up))
    return Plot(
        name=clean(s.name, 200),
        svg=Markup(_draw(cells, across, up, seen, xlabel, ylabel, word, alt)),
        alt=alt,
        note="" if len(cells) == len(s.x) else f"{len(cells)} cells from {len(s.x)} points",
        head=(f"{ylabel} \\ {xlabel}", *map(number, across[:12])),
        points=rows,
        more=max(0, len(across) - 12) * len(up),
    )


Cells = dict[tuple[float, float], float | None]


def _cells(s: Series) -> Cells:
    """The value of each cell, None where it is censored; the last of equal places counts."""
    found: Cells = {}
    for x, y, v in zip(s.x, s.y, s.heat, strict=False):
        a, b = as_float(x), as_float(y)
        if a is not None and b is not None:
            found[a, b] = as_float(v)
    return found


def _told(cells: Cells, key: tuple[float, float]) -> str:
    if key not in cells:
        return ""
    value = cells[key]
    return "∞" if value is None else number(value, 3)


def _alt(name: str, x: str, y: str, cells: Cells, word: str) -> str:
    seen = {key: v for key, v in cells.items() if v is not None}
    told = f"Grid of {clean(name, 80)} over {x} and {y}, {len(cells)} cells."
    for which, f in (("Lowest", min), ("highest", max)):
        if seen:
            at, v = f(seen.items(), key=lambda one: one[1])
            told += f" {which} {number(v, 3)} at {x} {number(at[0], 3)}, {y} {number(at[1], 3)}"
            told += ";" if which == "Lowest" else "."
    if len(seen) < len(cells):
        told += f" {len(cells) - len(seen)} of the cells: {word}."
    return told


def _draw(
    cells: Cells,
    across: Sequence[float],
    up: Sequence[float],
    seen: Sequence[float],
    xlabel: str,
    ylabel: str,
    word: str,
    alt: str,
) -> str:
    left = 44 + 6.2 * max(len(number(y, 3)) for y in up)
    wide, high = (_RIGHT - left) / len(across), _HIGH / len(up)
    bottom = _TOP + _HIGH
    scale = _Scale(seen)
    parts = scale.bar(left, word if len(seen) < len(cells) else "")
    legible = wide >= 30 and high >= 13
    for (x, y), value in cells.items():
        if x in across and y in up:
            at = left + wide * across.index(x), bottom - high * (up.index(y) + 1)
            parts.append(scale.cell(value, *at, wide, high))
            if legible and value is not None:
                middle = at[0] + wide / 2, at[1] + high / 2 + 4
                parts.append(svg.text(number(value, 3), *middle, "middle", scale.ink(value)))
    every = math.ceil(len(across) * 34 / (_RIGHT - left)), math.ceil(len(up) * 13 / _HIGH)
    for k in range(0, len(across), every[0]):
        at = left + wide * (k + 0.5), bottom + 16
        parts.append(svg.text(number(across[k], 3), *at, "middle"))
    for k in range(0, len(up), every[1]):
        at = left - 6, bottom - high * (k + 0.5) + 4
        parts.append(svg.text(number(up[k], 3), *at, "end"))
    parts += svg.words(ylabel, (_TOP + bottom) / 2, 13, 40, turned=True)
    parts += svg.words(xlabel, (left + _RIGHT) / 2, bottom + 36, 70)
    return svg.picture(parts, alt, _WIDTH, bottom + 44)


class _Scale:
    """Values to lightness; by their logarithms where they span more than a factor of thirty."""

    def __init__(self, values: Sequence[float]) -> None:
        self.low, self.high = (min(values), max(values)) if values else (0.0, 0.0)
        self.log = self.low > 0 and self.high > 30 * self.low

    def share(self, value: float) -> float:
        a, b, v = self.low, self.high, value
        if self.log:
            a, b, v = (math.log(z) for z in (a, b, v))
        return (v / 2 - a / 2) / (b / 2 - a / 2) if b > a else 0.5

    def value(self, share: float) -> float:
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low * (1 - share) + self.high * share

    def rgb(self, value: float) -> tuple[int, int, int]:
        at = self.share(value) * (len(_SCALE) - 1)
        k = min(int(at), len(_SCALE) - 2)
        a, b = _SCALE[k], _SCALE[k + 1]
        r, g, blue = (round(p + (q - p) * (at - k)) for p, q in zip(a, b, strict=True))
        return r, g, blue

    def ink(self, value: float) -> str:
        return "#fff" if luminance(self.rgb(value)) < 0.18 else "#000"

    def cell(self, value: float | None, x: float, y: float, wide: float, high: float) -> str:
        """A filled cell, or a hatched one where the value is censored."""
        box = f"M{svg.n(x)} {svg.n(y)}h{svg.n(wide)}v{svg.n(high)}h{svg.n(-wide)}z"
        if value is not None:
            r, g, b = self.rgb(value)
            return f'<path fill="#{r:02x}{g:02x}{b:02x}" stroke="#7f8187" d="{box}"/>'
        lines = "".join(_stripes(x, y, wide, high))
        return f'<path stroke="currentColor" stroke-opacity=".65" d="{box}{lines}"/>'

    def bar(self, left: float, word: str) -> list[str]:
        """The scale in boxes with its ends, and what hatched cells are."""
        out, x, y = [], left, 10.0
        if self.high > self.low:
            ends = number(self.low, 3), number(self.high, 3)
            out.append(svg.text(ends[0], x, 19))
            x += 6.2 * len(ends[0]) + 6
            for k in range(_STEPS):
                out.append(self.cell(self.value(k / (_STEPS - 1)), x, y, 16, 11))
                x += 16
            out.append(svg.text(ends[1], x + 6, 19))
            x += 6.2 * len(ends[1]) + 26
        if word:
            out.append(self.cell(None, x, y, 16, 11))
            out.append(svg.text(word, x + 22, 19))
        return out


def _stripes(x: float, y: float, wide: float, high: float) -> list[str]:
    """Diagonals six apart, cut at the edges of the cell."""
    out = []
    for k in range(1, int((wide + high) / 6) + 1):
        d = 6.0 * k
        a = (x + min(d, wide), y + max(0.0, d - wide))
        b = (x + max(0.0, d - high), y + min(d, high))
        out.append(f"M{svg.n(a[0])} {svg.n(a[1])}L{svg.n(b[0])} {svg.n(b[1])}")
    return out


def luminance(rgb: Sequence[int]) -> float:
    """Relative luminance of WCAG, from 0 to 1."""
    parts = [c / 255 for c in rgb]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
