"""The largest mean over many instances: search first, then confirm on fresh streams.

The best of many noisy instances looks better than it is (the winner's curse), and testing all of
them costs a union bound. Searching on one set of streams and confirming the winner on another
costs neither: the confirmation knows nothing of the luck that made it the winner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grokverify._evidence import Comparison, Grade, Measurement, Truth
from grokverify._lab import Lab
from grokverify.stats._frequency import BLOCK
from grokverify.stats._mean import decide_mean


def largest(
    name: str,
    draw_block: Callable[[Lab, int, Any], Any],
    instances: Sequence[Any],
    *,
    lab: Lab,
    low: float = 0.0,
    high: float = 1.0,
    at_most: float | None = None,
    at_least: float | None = None,
    pilot: int = BLOCK,
    kth: int = 1,
) -> Comparison:
    """The largest mean (or probability) over a finite list of instances, against a bound.

    ``at_most`` is a claim about every instance. It fails if the winner of a search exceeds the
    bound on fresh streams; it holds if every instance, at the full level, stays below it, since
    a wrong "holds" is a miss at the one instance that is truly largest (intersection-union).
    ``at_least`` is the claim that some instance reaches the bound: it holds if the winner does.

    Args:
        draw_block: ``(lab, n, instance) -> n`` iid numbers in [low, high]; events count as 0, 1.
        instances: JSON values; each has its own streams, so their order does not matter.
        lab: its trial cap holds for each instance; its budget pays for the k-th decision.
        low, high: hard bounds on every trial.
        at_most, at_least: the claimed bound; give exactly one.
        pilot: trials that the search spends on each instance.
        kth: which random decision of this case this is, counted from 1.

    Returns:
        The comparison, undecided if the cap was reached first.

    Raises:
        ValueError: there is no instance, two are equal, not exactly one bound is given, or a
            trial lies outside [low, high] or is NaN.
    """
    bound = _checked(name, instances, lab, at_most, at_least)
    alpha = lab.share(kth)

    def decided(phase: str, instance: Any) -> Measurement:
        # Spends alpha, of which one tail counts: the lower of the winner, the upper of the rest.
        here = replace(lab.at([phase, instance]), alpha=2 * alpha)
        draws = _of(draw_block, instance)
        return decide_mean(name, draws, lab=here, low=low, high=high, at_most=bound).left

    def told(lo: Any, hi: Any) -> Comparison:
        value = Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, unit="largest")
        return value.at_most(bound) if at_most is not None else value.at_least(bound)

    won = decided("confirm", _winner(draw_block, instances, lab, pilot))
    first = told(won.lo, high)
    if first.truth is not Truth.UNDECIDED:
        return first
    top: Any = low
    for instance in instances:
        top = max(top, decided("all", instance).hi)
        if top > bound or (at_least is not None and top == bound):
            return first  # this instance cannot be shown to stay below
    return told(min(won.lo, top), top)


def _checked(
    name: str, instances: Sequence[Any], lab: Lab, at_most: float | None, at_least: float | None
) -> float:
    bound = at_least if at_most is None else at_most
    if bound is None or None not in (at_most, at_least):
        raise ValueError(f"largest({name!r}) needs exactly one of at_most and at_least.")
    keys = {lab.at(instance).path[-1] for instance in instances}
    if not keys or len(keys) < len(instances):
        raise ValueError(
            f"largest({name!r}) needs distinct instances; got {list(instances)!r:.80}."
        )
    return bound


def _of(draw_block: Callable[[Lab, int, Any], Any], instance: Any) -> Callable[[Lab, int], Any]:
    return lambda lab, n: draw_block(lab, n, instance)


def _winner(
    draw_block: Callable[[Lab, int, Any], Any], instances: Sequence[Any], lab: Lab, pilot: int
) -> Any:
    """The instance with the largest mean of its pilot trials; of equals, the first by name."""

    def score(instance: Any) -> tuple[float, str]:
        here = lab.at(["search", instance])
        drawn = draw_block(here, pilot, instance)
        values = np.asarray(drawn.cpu() if hasattr(drawn, "cpu") else drawn, dtype=float)
        return float(values.mean()), here.path[-1]

    return max(instances, key=score)
