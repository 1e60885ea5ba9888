"""Means from iid trials, by betting: no normal approximation, no peeking penalty.

A bet of the fraction c of one's capital on "X is above m" multiplies it by 1 - c + c X / m. If the
mean of X >= 0 is at most m, the capital is a supermartingale that starts at 1, so it ever reaches
1/alpha with probability at most alpha (Ville). Averaging the capital over a few fixed fractions
keeps this and adapts to the variance (Waudby-Smith and Ramdas 2024, hedged capital).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from grokverify._evidence import Comparison, Grade, Measurement, Truth
from grokverify._lab import Lab
from grokverify.stats._caught import violations
from grokverify.stats._frequency import BLOCK, worth_deciding

# From tiny bets, which find small gaps in many trials, to large ones, which find large gaps fast.
_FRACTIONS = 0.5 ** np.arange(1, 13)


def decide_mean(
    name: str,
    draw_block: Callable[[Lab, int], Any],
    *,
    lab: Lab,
    low: float,
    high: float,
    at_most: float | None = None,
    at_least: float | None = None,
    kth: int = 1,
) -> Comparison:
    """Draw blocks of iid trials in [low, high] until the mean is settled against a bound.

    Args:
        draw_block: ``(lab, n) -> n numbers``, iid given the streams of the lab it gets.
        lab: its trial cap ends an undecided run; its budget pays for the k-th decision of a case.
        low, high: hard bounds on every trial. Without them no mean can be *verified*: a rare huge
            value may always be missing from the sample (Bahadur and Savage 1956).
        at_most, at_least: the claimed bound; give exactly one.
        kth: which random decision of this case this is, counted from 1.

    Returns:
        The comparison, undecided if the cap was reached first.

    Raises:
        ValueError: not exactly one bound is given, every mean or none would satisfy it, a block
            has the wrong size, or a trial lies outside [low, high] or is NaN.
    """
    if (at_most is None) == (at_least is None):
        raise ValueError(f"decide_mean({name!r}) needs exactly one of at_most and at_least.")
    bound = at_least if at_most is None else at_most
    assert bound is not None
    worth_deciding(name, low, high, at_most, at_least)
    alpha, seen, block = lab.share(kth), np.empty(0), 0
    while True:
        size = min(BLOCK, lab.trials - seen.size)
        seen = np.append(seen, _block(name, draw_block(lab.at(["block", block]), size), size))
        block += 1
        if seen.min() < low or seen.max() > high:
            raise ValueError(
                f"decide_mean({name!r}) got trials from {seen.min()} to {seen.max()}, outside "
                f"[{low}, {high}]. The bounds must hold for every trial: widen them."
            )
        if seen.size < lab.trials and not _settled(seen, low, high, bound, alpha):
            continue  # the enclosure, dearer, is only needed once
        lo, hi = mean_sequence(seen, low, high, alpha)
        caught = _power(seen.size, low, high, alpha)
        value = Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, power=caught)
        told = value.at_most(bound) if at_most is not None else value.at_least(bound)
        if told.truth is not Truth.UNDECIDED or seen.size >= lab.trials:
            return told


def _power(trials: int, low: float, high: float, alpha: float) -> Callable[[str, float], float]:
    """For trials that only take the values low and high, which vary most."""
    ends = np.array([low, high])

    def interval(hits: int) -> tuple[float, float]:
        return mean_sequence(ends, low, high, alpha, np.array([trials - hits, hits]))

    return violations(interval, trials, early=alpha, low=low, high=high)


def mean_sequence(
    seen: NDArray[np.float64],
    low: float,
    high: float,
    alpha: float,
    times: NDArray[np.int64] | None = None,
) -> tuple[float, float]:
    """The confidence sequence for the mean of trials in [low, high], after these trials.

    Args:
        seen: the trials, or the values that they took.
        times: how often each value was taken; once where left out.

    Returns:
        The means that neither of two bettors with alpha/2 each has ruled out, rounded outwards.
    """
    unit = (seen - low) / (high - low)
    below = _least_mean(unit, alpha / 2, times=times)
    above = _least_mean(1.0 - unit, alpha / 2, times=times)
    return low + (high - low) * below, high - (high - low) * above


def _settled(
    seen: NDArray[np.float64], low: float, high: float, bound: float, alpha: float
) -> bool:
    """Whether one of the two bettors has ruled the bound out."""
    share = (bound - low) / (high - low)
    unit = (seen - low) / (high - low)
    if not 0.0 < share < 1.0:
        return True
    won = max(_log_capital(unit, share), _log_capital(1.0 - unit, 1.0 - share))
    return won >= -float(np.log(alpha / 2))


def exceeds(
    name: str,
    draw_block: Callable[[Lab, int], Any],
    bound: float,
    *,
    lab: Lab,
    kth: int = 1,
) -> Measurement:
    """A lower confidence bound on the mean of nonnegative trials without an upper limit.

    It can show that a claimed "E X <= bound" is false; it can never show that it is true, and so
    its upper end is infinite.

    Raises:
        ValueError: a trial is negative or NaN, a block has the wrong size, or the bound is not
            positive.
    """
    if not bound > 0:
        raise ValueError(f"exceeds({name!r}) needs a positive bound, not {bound}.")
    alpha, seen, block = lab.share(kth), np.empty(0), 0
    while seen.size < lab.trials:
        size = min(BLOCK, lab.trials - seen.size)
        seen = np.append(seen, _block(name, draw_block(lab.at(["block", block]), size), size))
        block += 1
        if seen.min() < 0:
            raise ValueError(f"exceeds({name!r}) got the negative trial {seen.min()}.")
        if _log_capital(seen, bound) >= -np.log(alpha):
            break
    lo = _least_mean(seen / bound, alpha, top=max(1.0, float(seen.max() / bound))) * bound
    return Measurement(name, lo, float("inf"), Grade.STATISTICAL, risk=alpha)


def _block(name: str, drawn: Any, size: int) -> NDArray[np.float64]:
    values = np.asarray(drawn.cpu() if hasattr(drawn, "cpu") else drawn, dtype=float).ravel()
    if values.size != size:
        raise ValueError(f"{name!r} asked for {size} trials and got {values.size}.")
    if not np.isfinite(values).all():
        raise ValueError(f"{name!r} got a trial that is not finite. NaN is never evidence.")
    return values


def _log_capital(
    seen: NDArray[np.float64], mean: float, times: NDArray[np.int64] | None = None
) -> float:
    """Log of the capital won against "the mean is at most this", averaged over the fractions."""
    with np.errstate(divide="ignore"):
        gains = np.log1p(_FRACTIONS[:, None] * (seen[None, :] / mean - 1.0))
    won = gains.sum(axis=1) if times is None else gains @ times
    return float(logsumexp(won) - np.log(_FRACTIONS.size))


def _least_mean(
    seen: NDArray[np.float64],
    alpha: float,
    top: float = 1.0,
    times: NDArray[np.int64] | None = None,
) -> float:
    """The smallest mean that is not ruled out; the capital decreases in the mean, so bisect."""
    edge = -np.log(alpha)
    out, inside = 0.0, top
    some = seen.any() if times is None else (seen * times).any()
    if not some or _log_capital(seen, top, times) >= edge:
        return top if some else 0.0
    for _ in range(60):
        middle = (out + inside) / 2
        if middle > 0 and _log_capital(seen, middle, times) < edge:
            inside = middle
        else:
            out = middle
    return out
