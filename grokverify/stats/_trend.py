"""Monotone trends over levels, from trials that share their randomness across the levels.

"The mean rises with every level" says that the smallest of its steps is positive. Confidence
sequences for the single steps give one for the smallest of them. Its lower end is the smallest of
the lower ends, each at the full level: a miss is a miss at the step that is truly smallest, and
that is one fixed step (intersection-union). Its upper end is the smallest of the upper ends, each
at the level divided by the number of steps: a miss may come from any step (union bound). A test
for "some trend", such as Page's, accepts data with a dip; this one does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from grokverify._evidence import Comparison, Grade, Measurement, Truth
from grokverify._lab import Lab
from grokverify.stats._caught import violations
from grokverify.stats._frequency import BLOCK, confidence_sequence
from grokverify.stats._mean import _FRACTIONS, _least_mean, _log_capital

Draws = Callable[[Lab, int], Any]


def monotone(
    name: str,
    draw_block: Draws,
    *,
    lab: Lab,
    reach: float,
    falling: bool = False,
    at_least: float = 0.0,
    block: int = BLOCK,
    kth: int = 1,
) -> Comparison:
    """Whether the mean rises (or falls) at every step, from paired and bounded differences.

    Args:
        name: of the measured number, the smallest mean step.
        draw_block: ``(lab, n) -> (n, levels)``: n iid trials, each seen at every level in
            increasing order. Use the same random numbers at all levels of one trial: steps are
            then paired, and their noise mostly cancels.
        lab: its trial cap ends an undecided run; its budget pays for the k-th decision of a case.
        reach: a hard bound on the absolute difference between neighbouring levels of one trial.
        falling: claim that the mean falls; steps are then counted downwards.
        at_least: the claimed size of every mean step. At exactly this size nothing is decided.
        block: trials between two looks; smaller for dear trials.
        kth: which random decision of this case this is, counted from 1.

    Returns:
        The comparison, undecided if the cap was reached first.

    Raises:
        ValueError: a block is no table of finite numbers of the right shape, a difference is
            beyond ``reach``, or ``at_least`` is not inside (-reach, reach).
    """
    if not -reach < at_least < reach:
        raise ValueError(
            f"monotone({name!r}) claims steps of at least {at_least}, which differences within "
            f"[-{reach}, {reach}] satisfy always or never. Check the bound and the reach."
        )
    alpha, share = lab.share(kth), (at_least + reach) / (2 * reach)
    gained: Any = 0.0  # log of the capital of every bet, on "above" and on "below", step by step
    blocks: list[NDArray[np.float64]] = []
    for steps, trials in _steps(name, draw_block, lab, block, falling):
        if float(np.abs(steps).max()) > reach:
            raise ValueError(
                f"monotone({name!r}) got a difference of {np.abs(steps).max()} between two levels, "
                f"beyond its reach {reach}. The bound must hold for every trial: widen it."
            )
        blocks.append(steps)
        gained = gained + _gains(steps, reach, share)
        won = logsumexp(gained, axis=1) - math.log(_FRACTIONS.size)
        held = won[0].min() >= -math.log(alpha / 2)
        settled = held or won[1].max() >= -math.log(alpha / (2 * steps.shape[1]))
        if not settled and trials < lab.trials:
            continue
        lo, hi = least_mean_step(np.concatenate(blocks), reach, alpha)
        caught, unit = _step_power(trials, reach, alpha, steps.shape[1]), "least mean step"
        value = Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, unit=unit, power=caught)
        told = value.at_least(at_least)
        if told.truth is not Truth.UNDECIDED or trials >= lab.trials:
            return told
    raise AssertionError("the trial cap ends the loop")


def monotone_signs(
    name: str,
    draw_block: Draws,
    *,
    lab: Lab,
    falling: bool = False,
    ties: bool = False,
    at_least: float = 0.5,
    block: int = BLOCK,
    kth: int = 1,
) -> Comparison:
    """Whether a trial rises (or falls) with probability at least one half, at every step.

    For differences without a bound, whose means can never be verified. At one half it speaks of
    medians: every step's median is at least zero. It says nothing about means. For "the whole
    path is monotone with probability p", pass that event to ``decide``.

    Args:
        ties: count a step of exactly zero as a rise.
        at_least: the claimed probability of a rise, at every step.
        name, draw_block, lab, falling, block, kth: as for ``monotone``; the measured number is
            the smallest probability of a rise.

    Raises:
        ValueError: a block is no table of finite numbers of the right shape, or ``at_least`` is
            not in (0, 1).
    """
    if not 0.0 < at_least < 1.0:
        raise ValueError(f"monotone_signs({name!r}) needs 0 < at_least < 1, not {at_least}.")
    alpha, hits = lab.share(kth), np.zeros(1, dtype=int)
    for steps, trials in _steps(name, draw_block, lab, block, falling):
        hits = hits + ((steps >= 0) if ties else (steps > 0)).sum(axis=0)
        lo, hi = least_frequency(hits, trials, alpha)
        caught, unit = _rise_power(trials, alpha, hits.size), "least P(rise)"
        value = Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, unit=unit, power=caught)
        told = value.at_least(at_least)
        if told.truth is not Truth.UNDECIDED or trials >= lab.trials:
            return told
    raise AssertionError("the trial cap ends the loop")


def _step_power(
    trials: int, reach: float, alpha: float, steps: int
) -> Callable[[str, float], float]:
    """One step alone is too small, in differences of -reach and reach, which vary most."""
    ends = np.array([1.0, 0.0])

    def interval(hits: int) -> tuple[float, float]:
        most = _least_mean(ends, alpha / (2 * steps), times=np.array([trials - hits, hits]))
        return -math.inf, reach - 2 * reach * most

    return violations(interval, trials, early=alpha, low=-reach, high=reach)


def _rise_power(trials: int, alpha: float, steps: int) -> Callable[[str, float], float]:
    def interval(hits: int) -> tuple[float, float]:
        return -math.inf, confidence_sequence(hits, trials, alpha / (2 * steps))[1]

    return violations(interval, trials, early=alpha)


def _gains(steps: NDArray[np.float64], reach: float, share: float) -> NDArray[np.float64]:
    """Log gains of every bet on "above" and on "below", shape (2, bets, steps)."""
    unit, bets = (steps + reach) / (2 * reach), _FRACTIONS[:, None, None]
    above = np.log1p(bets * (unit / share - 1)).sum(axis=1)
    below = np.log1p(bets * ((1 - unit) / (1 - share) - 1)).sum(axis=1)
    return np.stack([above, below])


def least_mean_step(steps: NDArray[np.float64], reach: float, alpha: float) -> tuple[float, float]:
    """The confidence sequence for the smallest mean step, after these trials, shape (n, steps)."""
    unit = (steps + reach) / (2 * reach)
    each = alpha / 2
    lo = 1.0
    for column in unit.T:  # one look tells whether a step can lower the minimum
        if lo > 0 and _log_capital(column, lo) < -math.log(each):
            lo = _least_mean(column, each, top=lo)
    each, most = alpha / (2 * unit.shape[1]), 0.0
    for column in 1.0 - unit.T:
        if most == 0.0 or _log_capital(column, most) >= -math.log(each):
            most = max(most, _least_mean(column, each))
    return 2 * reach * lo - reach, reach - 2 * reach * most


def least_frequency(hits: NDArray[np.int64], trials: int, alpha: float) -> tuple[float, float]:
    """The confidence sequence for the smallest of several probabilities, from hits of each."""
    k = int(hits.min())
    lo, _ = confidence_sequence(k, trials, alpha / 2)
    _, hi = confidence_sequence(k, trials, alpha / (2 * hits.size))
    return lo, hi


def _steps(
    name: str, draw_block: Draws, lab: Lab, block: int, falling: bool
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Differences of neighbouring levels, shape (n, levels - 1), and the trials so far."""
    trials, k, levels = 0, 0, 0
    while trials < lab.trials:
        size = min(block, lab.trials - trials)
        values = table(name, draw_block(lab.at(["block", k]), size), size)
        levels = levels or values.shape[1]
        if values.shape[1] != levels or levels < 2:
            raise ValueError(
                f"{name!r} got {values.shape[1]} levels after {levels}; a trend needs at least "
                "two, and as many in every block."
            )
        trials, k = trials + size, k + 1
        yield np.diff(values, axis=1) * (-1.0 if falling else 1.0), trials


def table(name: str, drawn: Any, size: int) -> NDArray[np.float64]:
    """A block of trials as a finite array with ``size`` rows.

    Raises:
        ValueError: it is not two-dimensional, has another number of rows, or holds NaN or
            infinity.
    """
    values = np.asarray(drawn.cpu() if hasattr(drawn, "cpu") else drawn, dtype=float)
    if values.ndim != 2 or values.shape[0] != size or not values.size:
        raise ValueError(
            f"{name!r} asked for {size} trials, one a row, and got an array of shape "
            f"{values.shape}."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name!r} got a trial that is not finite. NaN is never evidence.")
    return values
