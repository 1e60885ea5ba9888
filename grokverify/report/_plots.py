"""Series as SVG pictures in data: URIs; the same series give the same bytes."""

from __future__ import annotations

import base64
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from grokverify._evidence import Series
from grokverify.report._text import as_float, clean, number

if TYPE_CHECKING:
    from matplotlib.axis import Axis

MOST_POINTS = 2000
_TABLE = 40  # points listed under a plot
_MEASURED, _PRINTED = "#1f5fa8", "#c2571a"


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture with words that replace it, and the points behind it."""

    name: str
    src: str
    alt: str
    note: str
    head: tuple[str, ...]
    points: tuple[tuple[str, ...], ...]
    more: int


def plot(series: Series) -> Plot | None:
    """Draw measured points and the paper's curve; None where no point can be drawn."""
    drawn = _drawable(series)
    if not drawn:
        return None
    left_out = len(series.x) - len(drawn)
    svg = _draw(
        tuple(drawn),
        clean(series.xlabel, 80),
        clean(series.ylabel or series.name, 80),
        series.log,
        clean(series.beside, 40),
    )
    rows = list(zip(series.x, series.y, series.printed or [None] * len(series.x), strict=False))
    keep = 3 if series.printed else 2
    return Plot(
        name=clean(series.name, 200),
        src="data:image/svg+xml;base64," + base64.b64encode(svg).decode(),
        alt=_alt(series, drawn),
        note=f"{left_out} of {len(series.x)} points cannot be drawn here" if left_out else "",
        head=(
            clean(series.xlabel or "x", 80),
            clean(series.ylabel or "measured", 80),
            clean(series.beside, 40),
        )[:keep],
        points=tuple(tuple(number(v) for v in row[:keep]) for row in rows[:_TABLE]),
        more=max(0, len(rows) - _TABLE),
    )


Point = tuple[float, float, float | None]


def _drawable(series: Series) -> list[Point]:
    """Points that fit the axes, in order of x, thinned if many."""
    logx, logy = "x" in series.log, "y" in series.log
    points: list[Point] = []
    for i, (x, y) in enumerate(zip(series.x, series.y, strict=False)):
        a, b = _coordinate(x, logx), _coordinate(y, logy)
        p = _coordinate(series.printed[i], logy) if i < len(series.printed) else None
        if a is not None and b is not None:
            points.append((a, b, p))
    points.sort(key=lambda one: one[0])
    step = -(-len(points) // MOST_POINTS)
    return points[:: step or 1]


def _coordinate(value: Any, log: bool) -> float | None:
    """A float whose axis, margins included, stays far from overflow; None where there is none."""
    x = as_float(value)
    if x is None or abs(x) > 1e200 or (log and x < 1e-200):
        return None
    return x


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
    return told


@lru_cache(maxsize=512)
def _draw(
    points: tuple[Point, ...], xlabel: str, ylabel: str, log: str, beside: str = "printed"
) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(cast(Any, _style())):
        figure = Figure(figsize=(4.7, 3.0))
        # Fixed margins: a layout engine would draw every plot twice to find its own.
        axes = figure.add_axes((0.185, 0.195, 0.79, 0.765))
        axes.grid(True, color="#000000", alpha=0.10, linewidth=0.6)
        axes.set_axisbelow(True)
        for text, put in ((xlabel, axes.set_xlabel), (ylabel, axes.set_ylabel)):
            math = _is_math(text)
            put(text if math else textwrap.fill(text, 36), parse_math=math)
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        printed = [(p[0], p[2]) for p in points if p[2] is not None]
        few = len(points) <= 60
        thin = "-" if len(set(xs)) == len(xs) and len(xs) > 2 else "none"
        axes.plot(
            xs,
            ys,
            color=_MEASURED,
            linestyle=thin,
            linewidth=0.8 if few else 1.2,
            marker="o" if few or thin == "none" else "",
            markersize=4.2 if few else 2.5,
            label="measured",
        )
        if printed:
            px, py = [p[0] for p in printed], [p[1] for p in printed]
            alone = "s" if len(set(px)) == 1 else ""
            axes.plot(
                px,
                py,
                color=_PRINTED,
                linestyle=(0, (5, 2.5)),
                linewidth=1.5,
                marker=alone,
                markersize=4,
                label=beside,
            )
            axes.legend(frameon=False, fontsize=8.5, handlelength=2.6)
        if "x" in log:
            axes.set_xscale("log")
        if "y" in log:
            axes.set_yscale("log")
        _scale(axes.xaxis, "x" in log, whole=all(x == int(x) for x in xs))
        _scale(axes.yaxis, "y" in log)
        buffer = io.BytesIO()
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return _lean(buffer.getvalue())


def _scale(axis: Axis, log: bool, whole: bool = False) -> None:
    """Ticks with plain labels; matplotlib's own need its formula parser, at half the total cost."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if log:
        low, high = axis.get_data_interval()
        if high < 20 * low:
            axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.set_minor_formatter(NullFormatter())
    elif whole:
        axis.set_major_locator(MaxNLocator("auto", integer=True))
    low, high = axis.get_view_interval()
    digits = 6 if high - low > 1e-4 * max(abs(low), abs(high)) else 12
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value), digits)))


def _is_math(text: str) -> bool:
    from matplotlib.mathtext import MathTextParser

    if text.count("$") < 2:
        return False
    try:
        MathTextParser("path").parse(text)
    except Exception:  # a label of foreign text that is no formula is set as it stands
        return False
    return True


def _style() -> dict[str, Any]:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "grokverify",
        "svg.id": None,
        "path.simplify": True,
        "text.usetex": False,
        "font.family": ["DejaVu Sans"],  # matplotlib ships it: no installed font changes a byte
        "mathtext.fontset": "dejavusans",
        "font.size": 9.0,
        "axes.labelsize": 9.0,
        "axes.edgecolor": "#555555",
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9.0,
        "axes.unicode_minus": True,
        "xtick.color": "#333333",
        "ytick.color": "#333333",
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "figure.dpi": 100.0,
        "savefig.dpi": 100.0,
        "savefig.bbox": None,
    }


def _lean(svg: bytes) -> bytes:
    """Without document type, comments and line ends, and with a choice of fonts."""
    text = svg.decode()
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><")
    return text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif").encode()
