"""Axes of a line plot: where values lie in the picture, and which of them are labelled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from grokverify.report._text import as_float, number

_NEAR = 1e-290  # below this, floats have too few digits left to divide an axis


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values in [low, high] to picture coordinates from ``start`` to ``end``."""

    low: float
    high: float
    log: bool
    start: float
    end: float

    def at(self, value: float) -> float:
        a, b, x = (_log(v) if self.log else v for v in (self.low, self.high, value))
        # Halves first: the span of two numbers near the largest float would overflow.
        share = (x / 2 - a / 2) / (b / 2 - a / 2)
        return self.start + share * (self.end - self.start)


def axis(values: Sequence[float], log: bool, start: float, end: float) -> Axis:
    """An axis that holds the values with a margin of a twentieth on either side."""
    low, high = min(values), max(values)
    if log:
        room = max(0.05 * (_log(high) - _log(low)), 0.02 if high > low * 1.01 else 0.2)
        return Axis(low * 10**-room, high * 10**room, True, start, end)
    room = 0.05 * (high - low)
    if room < max(_NEAR, 1e-14 * abs(high)):
        room = abs(high) / 10 or 1.0
        room = max(room, _NEAR)
    return Axis(low - room, high + room, False, start, end)


def ticks(of: Axis, most: int, whole: bool = False) -> list[tuple[float, str]]:
    """Round values along an axis, at most about ``most``, with their labels."""
    found = _powers(of, most) if of.log else _steps(of.low, of.high, most, whole)
    if len(found) < 2:  # a logarithmic axis so short that no two round powers lie on it
        found = [v for v in _steps(of.low, of.high, most, whole) if v > 0 or not of.log]
    size = max(map(abs, found), default=1.0)
    step = min((b - a for a, b in pairwise(found)), default=size) or size
    digits = 3 if of.log else min(15, max(3, 2 + math.ceil(math.log10(size / step))))
    return [(v, number(v, digits)) for v in found]


def coordinate(value: Any, log: bool) -> float | None:
    """A float whose axis, margins included, stays far from overflow; None where there is none."""
    x = as_float(value)
    if x is None or abs(x) > 1e200 or (log and x < 1e-200):
        return None
    return x


def _steps(low: float, high: float, most: int, whole: bool) -> list[float]:
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(m * power for m in (1, 2, 5, 10) if m * power * most >= span)
    if whole:
        step = max(1.0, float(math.ceil(step)))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [k * step for k in range(first, min(last, first + 2 * most) + 1)]


def _powers(of: Axis, most: int) -> list[float]:
    first, last = math.ceil(_log(of.low) - 1e-9), math.floor(_log(of.high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / most))
    if last - first >= 2:
        return [10.0**k for k in range(first, last + 1) if k % every == 0]
    for parts in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        some = [m * 10.0**k for k in range(first - 1, last + 1) for m in parts]
        some = [v for v in some if of.low <= v <= of.high]
        if len(some) >= 3:
            return some
    return []


def _log(value: float) -> float:
    return math.log10(value)
