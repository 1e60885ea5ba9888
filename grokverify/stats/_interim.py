"""Looks at a part of the runs before all of them: group-sequential sampling for whole checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from inspect import signature
from typing import Any

from grokverify._evidence import Comparison, Grade, Measurement, Truth, exact
from grokverify._lab import Lab

Observe = Callable[..., Iterator[Any]]  # what a check is made of: it yields what a check may yield


def interim(*looks: int, of: str = "runs") -> Callable[[Observe], Observe]:
    """Observe a case with a few iid runs first, and with all of them only if that is needed.

    Stands between ``@check(...)`` and the observation. ``@interim(32, 64)`` calls it with
    ``runs=32``, then 64, then the number in the case, and keeps the first look that settles the
    case: every comparison is decided, and what fails rests on trials. Most controls fall at the
    first. Each look has an equal part of the risk, so that the verdict errs no more often than one
    look at all runs would, whatever the looks have in common: the first 32 of 64 runs may be those
    of the look before. How many it took is told. Profiles above "quick" look once, at all runs, for
    sharper constants.

    Args:
        looks: increasing numbers of runs; those that are not below the number in the case are
            left out.
        of: the parameter of the case that holds the number of runs.

    Raises:
        ValueError: there is no look, or they do not increase from 1 on.
        TypeError: the observation has no such parameter, or one with a default.
    """
    if not looks or any(b <= a for a, b in zip((0, *looks), looks, strict=False)):
        raise ValueError(f"interim{looks} needs numbers of runs that increase, from 1 on.")

    def decorate(observe: Observe) -> Observe:
        runs = signature(observe).parameters.get(of)
        if runs is None or runs.default is not runs.empty:
            raise TypeError(
                f"interim(of={of!r}) changes how many runs {observe.__name__}() observes: that "
                f"has to be a parameter of its case, without a default: observe(lab, ..., {of})."
            )

        @wraps(observe)
        def staged(lab: Lab, **case: Any) -> Iterator[Any]:
            planned = lab.pick(smoke=looks, standard=())
            sizes = [*(n for n in planned if n < case[of]), case[of]]
            part = replace(lab, alpha=lab.alpha / len(sizes))
            for n in sizes:
                seen = list(observe(part, **{**case, of: n}))
                if n == sizes[-1] or _settled(seen):
                    yield from (_charged(item, len(sizes)) for item in seen)
                    if len(sizes) > 1:
                        yield exact(f"{of} observed", n)
                    return

        return staged

    return decorate


def blocks(lab: Lab, runs: int, size: int) -> list[tuple[Lab, int]]:
    """The streams and the numbers of runs of consecutive blocks, the last one perhaps smaller.

    A later look at more runs adds blocks. Observations that cache the blocks repeat none of them,
    as long as the looks are multiples of the size.

    Raises:
        ValueError: the number of runs or the size is below 1.
    """
    if runs < 1 or size < 1:
        raise ValueError(
            f"blocks() needs at least one run in blocks of at least one: {runs}, {size}."
        )
    return [(lab.at(["block", i]), min(size, runs - i)) for i in range(0, runs, size)]


def _settled(seen: list[Any]) -> bool:
    """Not by a tolerance that fails: with more runs a median may come within it."""
    told = [item for item in seen if isinstance(item, Comparison)]
    return bool(told) and all(
        c.truth is Truth.HOLDS or (c.truth is Truth.FAILS and c.grade is Grade.STATISTICAL)
        for c in told
    )


def _charged(item: Any, looks: int) -> Any:
    """With the risk of all looks: that one of them misses is at most the sum."""
    if isinstance(item, Comparison):
        left, right = (replace(m, risk=looks * m.risk) for m in (item.left, item.right))
        return replace(item, left=left, right=right)
    return replace(item, risk=looks * item.risk) if isinstance(item, Measurement) else item
