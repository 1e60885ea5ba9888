"""The smallest violation that a decision would have caught, from as many trials as it used."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.stats import beta

CHANCE = 0.99


def violations(
    enclosure: Callable[[int], tuple[float, float]],
    trials: int,
    *,
    early: float = 0.0,
    low: float = 0.0,
    high: float = 1.0,
    chance: float = CHANCE,
) -> Callable[[str, float], float]:
    """What a measurement needs to say which violation of a bound it would have caught.

    Args:
        enclosure: from the number of trials that came out ``high``, the others ``low``, to the
            enclosure of their mean that the decision rests on; monotone.
        trials: how many there were.
        early: the chance that a run stopped before with the wrong answer.
        low, high: the two values of a trial.
        chance: the power asked for.

    Returns:
        ``(relation, bound) -> m``: were m the mean in place of the claimed one, as many trials
        would have made the comparison fail with that chance. Infinite where no mean is caught.
    """

    def tell(relation: str, bound: float) -> float:
        above = relation == "<="

        def fails(violating: int) -> bool:
            lo, hi = enclosure(violating if above else trials - violating)
            return lo > bound if above else hi < bound

        share = share_caught(first(fails, trials), trials, 1 - chance - early)
        if share is None:
            return math.inf if above else -math.inf
        return low + (high - low) * (share if above else 1 - share)

    return tell


def share_caught(needed: int | None, trials: int, missed: float) -> float | None:
    """The p at which fewer hits than needed have just this probability (Clopper-Pearson)."""
    if needed is None or missed <= 0:
        return None
    return float(beta.isf(missed, needed, trials - needed + 1)) if needed else 0.0


def first(fails: Callable[[int], bool], trials: int) -> int | None:
    """The fewest violating trials with which the decision fails; failing is monotone."""
    if not fails(trials):
        return None
    short, enough = -1, trials
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if fails(middle) else (middle, enough)
    return enough
