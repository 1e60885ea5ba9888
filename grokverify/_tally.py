"""What a check keeps of its comparisons: counts, the numbers compared, certificates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from grokverify._evidence import Grade, Number, show


@dataclass(frozen=True, slots=True)
class Decision:
    """Two enclosures that were compared, in ``count`` cases: what an audit decides again."""

    lo: Number
    hi: Number
    bound_lo: Number
    bound_hi: Number
    count: int = 1


@dataclass(frozen=True, slots=True)
class Certificate:
    """A witness that a separate checker can verify: plain data, written by the tool that knows it.

    Args:
        of: the name of the measurement or comparison whose number it proves.
        role: "measured", or "bound" for the other side of a comparison.
        value: both ends of what it proves, as hexadecimal text.
        proof: its "kind", and what a check of that kind needs.
        count: in how many cases it came up.
    """

    of: str
    role: str
    value: tuple[str, str]
    proof: dict[str, Any]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Tally:
    """How one named comparison of a check came out over all its cases.

    ``decided`` holds the numbers behind it, the shortest first, as far as a record has room;
    ``left_out`` counts the comparisons whose numbers it had no room for.
    ``risk`` is what its comparisons spent in all. ``caught`` is the violation that trials which
    held would have caught with 99 % power, in the worst of the cases.
    """

    name: str
    relation: str
    bound_lo: Any
    bound_hi: Any
    grade: Grade
    held: int = 0
    failed: int = 0
    undecided: int = 0
    risk: float = 0.0
    caught: float | None = None
    decided: tuple[Decision, ...] = ()
    left_out: int = 0


def power_told(t: Tally) -> str:
    """What a passed statistical comparison would have caught, in words."""
    if t.caught is None:
        return ""
    if math.isinf(t.caught):
        return "too few trials to catch any violation with 99 % power"
    side = "at least" if t.relation == "<=" else "at most"
    return f"would have caught {side} {show(t.caught)} with 99 % power"


T = TypeVar("T", Decision, Certificate)


def shelve(items: Iterable[T], room: int, text: Callable[[T], str]) -> tuple[T, ...]:
    """Equal items joined to one with their counts, and of those the shortest that fit.

    What is kept is a prefix of all items in order of length. So neither the order of arrival nor a
    division into parts that are shelved one by one changes what is kept or its counts.

    Args:
        items: things with a count.
        room: how many characters fit in all.
        text: what tells items apart, and how long each is.
    """
    joined: dict[str, T] = {}
    for item in items:
        key = text(item)
        old = joined.get(key)
        joined[key] = item if old is None else replace(old, count=old.count + item.count)
    kept: list[T] = []
    for key in sorted(joined, key=lambda key: (len(key), key)):
        room -= len(key)
        if room < 0:
            break
        kept.append(joined[key])
    return tuple(kept)
