"""Points for the pictures of a report: curves, stacked shares and grids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grokverify._evidence import Number, plain

POINTS = 2000  # a record keeps this many points of a series ...
MARKS = 8  # ... and this many of its events


@dataclass(frozen=True, slots=True)
class Series:
    """Points of a curve; those of one name and plot are joined over the cases of a check."""

    name: str
    x: tuple[Number, ...]
    y: tuple[Number, ...]
    printed: tuple[Number, ...] = ()
    xlabel: str = ""
    ylabel: str = ""
    log: str = ""  # which axes are logarithmic: "", "x", "y" or "xy"
    beside: str = "printed"  # what the second curve is; of a grid, what an infinite value means
    marks: tuple[tuple[str, Number], ...] = ()  # events along x
    plot: str = ""  # the picture that it shares with others of its check
    heat: tuple[Number, ...] = ()  # values of a grid, at each (x, y)
    stacked: bool = False  # its band stands on that of the one before it

    @property
    def key(self) -> tuple[str, str]:
        """Points with the same picture and name are one curve."""
        return self.plot, self.name


def series(
    name: str,
    *,
    x: Any,
    y: Any,
    printed: Any = (),
    xlabel: str = "",
    ylabel: str = "",
    log: str = "",
    beside: str = "printed",
    marks: Mapping[str, Any] | None = None,
    plot: str = "",
    heat: Any = (),
    stacked: bool = False,
) -> Series:
    """Points for a plot in the report; scalars and sequences both do.

    Args:
        name: curves of one name and plot are joined over the cases of a check.
        x, y: the driving size and the measured value.
        printed: the paper's value at each x, drawn as a second curve.
        beside: the name of the second curve where it is something else, a reference run say.
        xlabel, ylabel: axis labels; those of the first series of a picture count.
        log: which axes are logarithmic: "", "x", "y" or "xy"; likewise.
        marks: events along x, name -> place; one at infinity never happened and is left out.
        plot: the series of a check that give the same title share one picture with a legend.
        heat: the value at each (x, y), drawn as a grid of cells; one at infinity is censored, and
            ``beside`` says what that means ("not within the run").
        stacked: draw it as a band on top of the stacked series before it, which has the same x.

    Raises:
        ValueError: the lengths differ, a value is NaN, or ``log`` is not one of the four.
    """
    xs, ys, ps, hs = (_many(name, part) for part in (x, y, printed, heat))
    if len(xs) != len(ys) or any(some and len(some) != len(xs) for some in (ps, hs)):
        told = f"{len(xs)} x, {len(ys)} y and {len(ps)} printed" + f" and {len(hs)} heat" * bool(hs)
        raise ValueError(
            f"series {name!r} has {told} values; give one y (and one printed value, or none) for "
            "every x."
        )
    if log not in ("", "x", "y", "xy"):
        raise ValueError(f"series {name!r} has log={log!r}; choose '', 'x', 'y' or 'xy'.")
    if any(value != value for value in (*xs, *ys, *ps, *hs, *(marks or {}).values())):
        raise ValueError(f"series {name!r} contains NaN; leave the point out or mend its source.")
    events = tuple((k, plain(name, v)) for k, v in (marks or {}).items())
    seen = tuple((k, v) for k, v in events if v not in (math.inf, -math.inf))
    return Series(name, xs, ys, ps, xlabel, ylabel, log, beside, seen, plot, hs, stacked)


def joined(old: Series | None, new: Series) -> Series:
    """Points of one series from two cases, in the order of the cases."""
    if old is None:
        return new
    room = max(0, POINTS - len(old.x))
    both = old.printed and new.printed  # a printed value for every point, or none at all
    cells = old.heat and new.heat
    return replace(
        old,
        x=old.x + new.x[:room],
        y=old.y + new.y[:room],
        printed=old.printed + new.printed[:room] if both else (),
        marks=tuple(dict.fromkeys(old.marks + new.marks))[:MARKS],
        heat=old.heat + new.heat[:room] if cells else (),
    )


def _many(name: str, values: Any) -> tuple[Number, ...]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, Sequence):
        return tuple(plain(name, value) for value in values)
    return (plain(name, values),)
