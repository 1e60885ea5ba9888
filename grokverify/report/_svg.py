"""The few strokes and words of which a picture is made; all text in them is escaped."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# Okabe and Ito's order of hues, each at a lightness that stands out on white and on black.
COLOURS = (
    "#3f7fcf",
    "#cf6a24",
    "#17906a",
    "#b05fb8",
    "#93821a",
    "#d4476a",
    "#1b8ea6",
    "#7f8187",
)
_SHAPES = (  # circle, square, triangle, diamond, plus and cross
    "",
    "",
    "M{0} {1}m-3.2 2.6h6.4l-3.2-5.6z",
    "M{0} {1}m-3.6 0l3.6-3.6 3.6 3.6-3.6 3.6z",
    "M{0} {1}m-3.4 0h6.8m-3.4-3.4v6.8",
    "M{0} {1}m-2.6-2.6l5.2 5.2m0-5.2l-5.2 5.2",
)
Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """Colour and marker of one curve: neither has to be told apart by its colour alone."""

    colour: str
    shape: int = 0

    @staticmethod
    def of(k: int) -> Look:
        return Look(COLOURS[k % len(COLOURS)], k % len(_SHAPES))

    def line(self, points: Sequence[Place], width: float = 1.5, dash: str = "") -> str:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        where = "L".join(f"{n(x)} {n(y)}" for x, y in points)
        return f'<path stroke="{self.colour}" stroke-width="{n(width)}"{dashed} d="M{where}"/>'

    def marks(self, points: Sequence[Place], size: float = 5) -> str:
        """A circle or a square is a stroke of no length, the shortest way to write one."""
        if self.shape < 2:
            cap = "square" if self.shape else "round"
            dots = "".join(f"M{n(x)} {n(y)}h0" for x, y in points)
            look = f'stroke="{self.colour}" stroke-width="{n(size)}" stroke-linecap="{cap}"'
            return f'<path {look} d="{dots}"/>'
        drawn = "".join(_SHAPES[self.shape].format(n(x), n(y)) for x, y in points)
        filled = self.shape in (2, 3)
        look = f'fill="{self.colour}"' if filled else f'stroke="{self.colour}" stroke-width="1.8"'
        return f'<path {look} d="{drawn}"/>'

    def band(self, points: Sequence[Place]) -> str:
        where = "L".join(f"{n(x)} {n(y)}" for x, y in points)
        return f'<path fill="{self.colour}" fill-opacity=".3" d="M{where}z"/>'


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a legend: a sample that starts at (x, y) and is 18 wide, and its words."""

    words: str
    sample: str  # with {x} and {y} for its place
    width: float


def entry(
    words: str, look: Look, *, dash: str = "", marked: bool = True, lined: bool = True
) -> Entry:
    """A legend entry for a curve with markers, a line, or both."""
    parts = []
    if lined:
        parts.append(look.line([(0, 0), (18, 0)], 1.8, dash))
    if marked:
        parts.append(look.marks([(9, 0)]))
    return Entry(words, "".join(parts), 18 + 6 + 6.1 * len(words) + 16)


def legend(
    entries: Sequence[Entry], left: float, right: float, y: float
) -> tuple[list[str], float]:
    """Rows of entries from ``y`` downwards, above the frame where no curve runs through them.

    Returns:
        The drawing, and the height that it takes.
    """
    out, x, row = [], left, 0
    for one in entries:
        if x > left and x + one.width > right + 16:
            x, row = left, row + 1
        at = y + 15 * row
        out.append(f'<g transform="translate({n(x)} {n(at - 3.5)})">{one.sample}</g>')
        out.append(text(one.words, x + 24, at))
        x += one.width
    return out, 15.0 * (row + 1)


def text(told: str, x: float, y: float, anchor: str = "", fill: str = "currentColor") -> str:
    aligned = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text fill="{fill}" x="{n(x)}" y="{n(y)}"{aligned}>{escape(told)}</text>'


def words(text: str, x: float, y: float, width: int, turned: bool = False) -> list[str]:
    """A centred label in at most two lines, upright or along a vertical axis."""
    lines = textwrap.wrap(text, width)[:2]
    out = []
    for k, line in enumerate(lines):
        at = y + 12 * k if turned else y - 6 * (len(lines) - 1) + 12 * k
        place = f'transform="rotate(-90)" x="{n(-x)}"' if turned else f'x="{n(x)}"'
        look = 'fill="currentColor" text-anchor="middle"'
        out.append(f'<text {look} {place} y="{n(at)}">{escape(line)}</text>')
    return out


def picture(parts: Sequence[str], alt: str, width: float, height: float) -> str:
    return (
        f'<svg class="plot" role="img" aria-label="{escape(alt)}" viewBox="0 0 {n(width)} '
        f'{n(height)}" fill="none" font-size="11" font-family="sans-serif">{"".join(parts)}</svg>'
    )


def n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
