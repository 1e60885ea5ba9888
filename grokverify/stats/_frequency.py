"""Probabilities from iid trials: confidence sets that may be watched and stopped at will."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln
from scipy.stats import beta

from grokverify._evidence import Comparison, Grade, Measurement
from grokverify._lab import Lab
from grokverify.stats._caught import violations

BLOCK = 500


def frequency(name: str, events: Any, alpha: float) -> Measurement:
    """Clopper-Pearson confidence interval for P(event), from a fixed number of iid trials.

    Args:
        events: boolean array or tensor, one entry a trial.
        alpha: probability that the interval misses, both tails together.

    Raises:
        ValueError: there is no trial, or alpha is not in (0, 1).
    """
    seen = _booleans(name, events)
    n, k = seen.size, int(seen.sum())
    if n == 0 or not 0.0 < alpha < 1.0:
        raise ValueError(f"frequency({name!r}) needs trials and 0 < alpha < 1; got {n}, {alpha}.")

    def interval(hits: int) -> tuple[float, float]:
        lo = float(beta.ppf(alpha / 2, hits, n - hits + 1)) if hits else 0.0
        return lo, float(beta.isf(alpha / 2, hits + 1, n - hits)) if hits < n else 1.0

    lo, hi = interval(k)
    caught = violations(interval, n)
    return Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, power=caught)


def decide(
    name: str,
    draw_block: Callable[[Lab, int], Any],
    *,
    lab: Lab,
    at_most: float | None = None,
    at_least: float | None = None,
    kth: int = 1,
) -> Comparison:
    """Draw blocks of iid trials until a confidence sequence settles P(event) against a bound.

    Args:
        draw_block: ``(lab, n) -> n booleans``, iid given the streams of the lab it gets.
        lab: its trial cap ends an undecided run; its budget pays for the k-th decision of a case.
        at_most, at_least: the claimed bound; give exactly one.
        kth: which random decision of this case this is, counted from 1.

    Returns:
        The comparison, undecided if the cap was reached first. Its enclosure is a beta-binomial
        mixture confidence sequence (Robbins 1970), valid at every stopping time.

    Raises:
        ValueError: not exactly one bound is given, every probability or none would satisfy it, a
            block has the wrong size, or an entry is neither true nor false.
    """
    if (at_most is None) == (at_least is None):
        raise ValueError(f"decide({name!r}) needs exactly one of at_most and at_least.")
    worth_deciding(name, 0.0, 1.0, at_most, at_least)
    alpha, trials, hits, block = lab.share(kth), 0, 0, 0
    while True:
        size = min(BLOCK, lab.trials - trials)
        events = draw_block(lab.at(["block", block]), size)
        events = _booleans(name, events)
        if events.size != size:
            raise ValueError(f"decide({name!r}) asked for {size} trials and got {events.size}.")
        trials, hits, block = trials + size, hits + int(events.sum()), block + 1
        lo, hi = confidence_sequence(hits, trials, alpha)
        seen = Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, power=_power(trials, alpha))
        told = seen.at_most(at_most) if at_most is not None else seen.at_least(at_least or 0.0)
        if told.truth.value != "undecided" or trials >= lab.trials:
            return told


def worth_deciding(
    name: str, low: float, high: float, at_most: float | None, at_least: float | None
) -> None:
    """Refuse a bound that every number in [low, high] satisfies, or none.

    Raises:
        ValueError: it does, or it is no number.
    """
    fine = low <= at_most < high if at_most is not None else low < (at_least or 0.0) <= high
    if not fine:
        told = f"at most {at_most}" if at_most is not None else f"at least {at_least}"
        raise ValueError(
            f"{name!r} is claimed to be {told}, which every number in [{low}, {high}] satisfies, "
            "or none: there is nothing to decide. Leave out the cases where the bound is vacuous."
        )


def _booleans(name: str, events: Any) -> NDArray[np.bool_]:
    seen = np.asarray(events.cpu() if hasattr(events, "cpu") else events).ravel()
    if not np.isin(seen, (0, 1)).all():  # NaN, above all, would count as true
        raise ValueError(
            f"{name!r} got {seen[~np.isin(seen, (0, 1))][0]} for an event. An event is true or "
            "false; NaN is neither, and a comparison with NaN is false: look for it before."
        )
    return seen.astype(bool)


def _power(trials: int, alpha: float) -> Callable[[str, float], float]:
    return violations(lambda hits: confidence_sequence(hits, trials, alpha), trials, early=alpha)


def confidence_sequence(hits: int, trials: int, alpha: float) -> tuple[float, float]:
    """All p whose beta(1/2, 1/2)-mixture martingale is still below 1/alpha, rounded outwards."""
    if trials == 0:
        return 0.0, 1.0
    mixture = betaln(hits + 0.5, trials - hits + 0.5) - betaln(0.5, 0.5)
    top = hits / trials

    def rejected(p: float) -> bool:
        logp = hits * math.log(p) if hits else 0.0
        logq = (trials - hits) * math.log1p(-p) if hits < trials else 0.0
        return bool(mixture - logp - logq >= -math.log(alpha))

    def edge(inside: float, outside: float) -> float:
        for _ in range(100):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
        return outside

    return (edge(top, 0.0) if hits else 0.0), (edge(top, 1.0) if hits < trials else 1.0)
