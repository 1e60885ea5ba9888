"""What a decision would have caught: the power behind "holds"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from grokverify._evidence import Comparison, Grade, Measurement
from grokverify._lab import Lab
from grokverify.stats._caught import first as _first, share_caught
from grokverify.stats._frequency import confidence_sequence
from grokverify.stats._mean import mean_sequence


class Counted:
    """A source of blocks that counts its trials: ``decide(name, draws := Counted(f), ...)``."""

    def __init__(self, draw_block: Callable[[Lab, int], Any]) -> None:
        self.draw_block, self.trials = draw_block, 0

    def __call__(self, lab: Lab, n: int) -> Any:
        self.trials += n
        return self.draw_block(lab, n)


def power(
    told: Comparison,
    trials: int,
    *,
    low: float = 0.0,
    high: float = 1.0,
    mean: bool = False,
    chance: float = 0.99,
) -> Measurement:
    """The smallest violation that these trials would have caught with 99 % power.

    With that probability (or mean) in place of the claimed one, as many trials would have made
    the same decision fail with probability ``chance``. Counted at the last look alone, which can
    only overstate the violation; a run that had gone on to its cap would have caught smaller ones.

    Args:
        told: what ``decide`` or ``decide_mean`` returned.
        trials: how many trials it used; wrap the draws in ``Counted`` to learn it.
        low, high, mean: for ``decide_mean``: its bounds, and ``mean=True``. The answer is then for
            trials that only take the two values ``low`` and ``high``, which vary most.
        chance: the power asked for.

    Returns:
        A single number, infinite (of the sign of the violation) if none would have been caught.
        Its risk is the chance that this violation would have been missed.

    Raises:
        ValueError: the comparison carries no risk, so no random decision made it, or there is no
            trial.
    """
    alpha, bound = told.left.risk, float(told.right.lo)
    if not alpha > 0 or trials < 1 or told.relation not in ("<=", ">="):
        raise ValueError(
            f"power({told.name!r}, {trials}) needs the outcome of decide() or decide_mean() and "
            f"its number of trials; got relation {told.relation} at risk {alpha}."
        )
    above = told.relation == "<="

    def fails(violating: int) -> bool:
        hits = violating if above else trials - violating
        if mean:
            seen = np.repeat([high, low], [hits, trials - hits]).astype(float)
            lo, hi = mean_sequence(seen, low, high, alpha)
        else:
            lo, hi = confidence_sequence(hits, trials, alpha)
        return lo > bound if above else hi < bound

    name = f"{told.name}: caught with {100 * chance:g} % power"
    # A run that stops early may stop wrongly, with probability alpha at most: pay for that too.
    share = share_caught(_first(fails, trials), trials, 1 - chance - alpha)
    if share is None:
        value = math.inf if above else -math.inf
    else:
        value = low + (high - low) * (share if above else 1 - share)
    return Measurement(name, value, value, Grade.STATISTICAL, risk=1 - chance)
