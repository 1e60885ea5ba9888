"""Monotone trends: levels by dynamic programming over all paths, mutants by the same program."""

import bisect
import math

import numpy as np
import pytest

from grokverify import Lab, Truth
from grokverify.stats import confidence_sequence, monotone, monotone_signs
from grokverify.stats._trend import least_frequency, least_mean_step

ALPHA, STEPS = 0.2, 12


def ever(p, misses, length):
    """P(misses(hits, t) for some t <= length) for iid hits, exact; misses is monotone in hits."""
    alive, missed = {0: 1.0}, 0.0
    for t in range(1, length + 1):
        ahead: dict[int, float] = {}
        for k, mass in alive.items():
            ahead[k] = ahead.get(k, 0.0) + mass * (1 - p)
            ahead[k + 1] = ahead.get(k + 1, 0.0) + mass * p
        upwards = misses(t, t)
        first = bisect.bisect_left(range(t + 1), True, key=lambda k: misses(k, t) == upwards)
        if upwards or misses(0, t):
            alive = {k: mass for k, mass in ahead.items() if (k < first) == upwards}
        else:
            alive = ahead
        missed += sum(ahead.values()) - sum(alive.values())
    return missed


def signs(k, t, alpha, method=least_frequency):
    """Of all steps but one rise surely, the ends speak of that one."""
    return method(np.array([k] + [t] * (STEPS - 1)), t, alpha)


def means(k, t, alpha, method=least_mean_step):
    """The same for steps of +1 and -1, whose mean is 2p - 1; ends as for p."""
    steps = np.ones((t, STEPS))
    steps[k:, 0] = -1.0
    lo, hi = method(steps, 1.0, alpha)
    return (1 + lo) / 2, (1 + hi) / 2


def false_alarm(p, ends, *given):
    """All steps independent with P(rise) = p: does any upper end ever fall below p?"""
    one = ever(p, lambda k, t: ends(k, t, *given)[1] < p, LENGTH[ends])
    return 1 - (1 - one) ** STEPS


def false_pass(p, ends, *given):
    """One step with P(rise) = p, the others rising surely: does the lower end ever pass p?"""
    return ever(p, lambda k, t: ends(k, t, *given)[0] > p, LENGTH[ends])


LENGTH = {signs: 100, means: 30}


@pytest.mark.parametrize("q", [0.02, 0.5])
@pytest.mark.parametrize("ends", [signs, means])
def test_each_way_spends_at_most_half_the_level(q, ends):
    assert 0 < false_alarm(1 - q, ends, ALPHA) <= ALPHA / 2
    assert 0 < false_pass(q, ends, ALPHA) <= ALPHA / 2


@pytest.mark.parametrize("ends", [signs, means])
def test_twenty_times_the_level_is_caught(ends):
    assert false_alarm(0.98, ends, 20 * 0.03) > 0.03
    assert false_pass(0.02, ends, 20 * 0.03) > 0.03


def unpaid(hits, trials, alpha):  # no union bound for refuting
    k = int(hits.min())
    return confidence_sequence(k, trials, alpha / 2)[0], confidence_sequence(k, trials, alpha)[1]


def unpaid_mean(steps, reach, alpha):
    return least_mean_step(steps, reach, alpha * STEPS)


def boldest(hits, trials, alpha):  # believes in the best step instead of the worst
    return confidence_sequence(int(hits.max()), trials, alpha / 2)


def off_by_one(hits, trials, alpha):  # counts one rise too many
    return least_frequency(np.minimum(hits + 1, trials), trials, alpha)


def test_mutants_are_caught():
    assert false_alarm(0.5, signs, ALPHA, unpaid) > ALPHA / 2
    assert false_alarm(0.98, means, ALPHA, unpaid_mean) > ALPHA / 2
    assert false_pass(0.5, signs, ALPHA, boldest) > ALPHA / 2
    assert false_pass(0.02, signs, ALPHA, off_by_one) > ALPHA / 2


def test_dependent_steps_are_covered_on_every_path():
    """Two steps of one joint law; all paths, each stopped at its first miss."""
    alpha, law = 0.4, {(0.3, -0.9): 0.4, (0.3, 0.9): 0.4, (-0.9, 0.9): 0.2}
    truth = min(sum(p * d[j] for d, p in law.items()) for j in (0, 1))
    points, odds = list(law), list(law.values())

    def missed(counts):
        lo, hi = least_mean_step(np.repeat(points, counts, axis=0), 0.9, alpha)
        return not lo <= truth <= hi

    alive: dict[tuple[int, ...], float] = {(0, 0, 0): 1.0}
    lost = 0.0
    for _ in range(10):
        ahead: dict[tuple[int, ...], float] = {}
        for counts, mass in alive.items():
            for j, p in enumerate(odds):
                key = tuple(c + (i == j) for i, c in enumerate(counts))
                ahead[key] = ahead.get(key, 0.0) + mass * p
        alive = {c: m for c, m in ahead.items() if not missed(c)}
        lost += sum(ahead.values()) - sum(alive.values())
    assert lost <= alpha


def test_ends_are_the_least_of_the_single_steps():
    """Against the plain definition, step by step."""
    steps = np.random.default_rng(0).uniform(-0.5, 1.0, (400, 5)) + 0.05 * np.arange(5)
    lo, hi = least_mean_step(steps, 2.0, 1e-3)
    single = [least_mean_step(s[:, None], 2.0, 1e-3) for s in steps.T]
    paid = [least_mean_step(s[:, None], 2.0, 1e-3 / 5) for s in steps.T]
    assert lo == pytest.approx(min(s[0] for s in single), abs=1e-12)
    assert hi == pytest.approx(min(s[1] for s in paid), abs=1e-12)


def test_steps_at_the_very_bottom_and_top():
    lo, hi = least_mean_step(np.full((60, 3), -2.0), 2.0, 1e-3)
    assert lo == -2.0
    assert hi < -0.5
    lo, hi = least_mean_step(np.full((60, 3), 2.0), 2.0, 1e-3)
    assert lo > 0.5
    assert hi == 2.0


def noisy(levels, spread=1.0):
    """Shared noise at all levels, and a little of its own at each."""

    def draw(lab, n):
        common = lab.uniform("common", n, 1, low=-spread, high=spread)
        own = lab.uniform("own", n, len(levels), low=-0.05, high=0.05)
        return common + own + lab.real(levels)

    return draw


@pytest.mark.parametrize(
    ("levels", "falling", "truth"),
    [
        ((0.0, 0.2, 0.4), False, "holds"),
        ((0.4, 0.2, 0.0), True, "holds"),
        ((0.0, 0.3, 0.2, 0.6, 0.9), False, "fails"),  # up but one dip: Page's test says "trend"
        ((0.0, 0.2, 0.2), False, "undecided"),
    ],
)
def test_monotone_and_signs_agree_on_clear_cases(levels, falling, truth):
    lab = Lab(trials=3000)
    told = monotone("rise", noisy(levels), lab=lab, reach=0.6, falling=falling)
    assert told.truth.value == truth
    assert told.risk == lab.share(1)
    if truth != "undecided":
        assert monotone_signs("P", noisy(levels), lab=lab, falling=falling).truth.value == truth


def test_stopping_depends_on_blocks_alone_and_dear_trials_take_small_ones():
    told = monotone("rise", noisy((0.0, 0.4)), lab=Lab(), reach=0.6, block=20)
    assert told == monotone("rise", noisy((0.0, 0.4)), lab=Lab(), reach=0.6, block=20)
    assert told.truth is Truth.HOLDS


def test_heavy_tails_go_through_the_signs_and_ties_are_a_choice():
    def cauchy(lab, n):
        z = lab.normal("z", n, 3) / lab.normal("w", n, 3)
        return z.cumsum(1) + 3.0 * lab.real([0.0, 1.0, 2.0])

    assert monotone_signs("P", cauchy, lab=Lab()).truth is Truth.HOLDS

    def flat(lab, n):
        return lab.real(np.zeros((n, 2)))

    assert monotone_signs("P", flat, lab=Lab()).truth is Truth.FAILS
    assert monotone_signs("P", flat, lab=Lab(), ties=True).truth is Truth.HOLDS


def test_what_breaks_the_guarantee_is_refused():
    with pytest.raises(ValueError, match="beyond its reach 0.1"):
        monotone("m", noisy((0.0, 0.5)), lab=Lab(), reach=0.1)
    with pytest.raises(ValueError, match="satisfy always or never"):
        monotone("m", noisy((0.0, 0.5)), lab=Lab(), reach=0.1, at_least=0.2)
    with pytest.raises(ValueError, match="needs 0 < at_least < 1"):
        monotone_signs("m", noisy((0.0, 0.5)), lab=Lab(), at_least=1.0)
    with pytest.raises(ValueError, match="a trend needs at least two"):
        monotone("m", noisy((0.0,)), lab=Lab(), reach=1)
    with pytest.raises(ValueError, match=r"one a row, and got an array of shape \(3,\)"):
        monotone("m", lambda lab, n: [1.0] * 3, lab=Lab(), reach=1)
    with pytest.raises(ValueError, match="NaN is never evidence"):
        monotone("m", lambda lab, n: [[math.nan, 1.0]] * n, lab=Lab(), reach=1)
