"""Looks at a part of the runs, by exact enumeration of what the looks can see."""

from itertools import product
from math import comb

import pytest

from grokverify import Comparison, Lab, Truth, approx, check, row
from grokverify.stats import blocks, frequency, interim

SIZES = (12, 20)  # the second look has the runs of the first, and eight more


def observed(hits, **of):
    """The check below at the first and the second look, which see so many events."""
    calls = []

    @interim(SIZES[0])
    def observe(lab, runs, of_all=1.0):
        calls.append((runs, lab.alpha))
        k = hits[runs]
        yield frequency("P", [True] * k + [False] * (runs - k), lab.share(1)).at_least(0.5)
        yield row(runs=runs)

    return list(observe(Lab(alpha=0.1), runs=SIZES[1], **of)), calls


@pytest.mark.parametrize("p", [0.5, 0.499, 0.3, 0.7])
def test_a_wrong_verdict_is_no_likelier_than_the_risk(p):
    """Exact: the law of both looks, and what the check says of a probability that is known."""
    wrong = 0.0
    for first, rest in product(range(13), range(9)):
        mass = comb(12, first) * comb(8, rest) * p ** (first + rest)
        mass *= (1 - p) ** (20 - first - rest)
        (told, *_), _ = observed({12: first, 20: first + rest})
        truth = Truth.HOLDS if p >= 0.5 else Truth.FAILS
        wrong += mass * (told.truth not in (truth, Truth.UNDECIDED))
    assert wrong <= 0.025  # one tail of the share


@pytest.mark.parametrize(
    ("hits", "looks"), [({12: 12}, 1), ({12: 0}, 1), ({12: 6, 20: 20}, 2), ({12: 9, 20: 11}, 2)]
)
def test_it_stops_at_the_first_look_that_settles(hits, looks):
    (told, table, count), calls = observed(hits)
    assert [runs for runs, _ in calls] == list(SIZES[:looks])
    assert all(alpha == pytest.approx(0.05) for _, alpha in calls)
    assert told.risk == pytest.approx(0.05)  # both looks at half of alpha/2
    assert dict(table.columns)["runs"] == SIZES[looks - 1]
    assert str(count) == f"runs observed = {SIZES[looks - 1]}"


def settle(comparisons, profile="quick", runs=9):
    taken = []

    @interim(3, 6)
    def observe(lab, runs):
        taken.append(runs)
        yield from comparisons

    seen = list(observe(Lab(profile=profile), runs=runs))
    told = [str(item) for item in seen if not isinstance(item, Comparison)]
    several = profile == "quick" and runs > 3
    assert told == [f"runs observed = {taken[-1]}"] * several
    return taken


def test_a_tolerance_that_fails_asks_for_more_runs():
    assert settle([approx("median", 2.0).at_most(1.0)]) == [3, 6, 9]
    assert settle([approx("median", 0.5).at_most(1.0)]) == [3]


def test_one_that_fails_beside_one_that_is_open_asks_for_more_runs():
    """A control may have to fell both."""
    fails = frequency("P", [False] * 40, 1e-3).at_least(0.5)
    undecided = frequency("Q", [True, False], 1e-3).at_least(0.5)
    assert settle([fails, undecided]) == [3, 6, 9]
    assert settle([fails]) == [3]


def test_a_look_that_compares_nothing_settles_nothing():
    assert settle([]) == [3, 6, 9]


def test_larger_profiles_and_small_cases_look_once():
    undecided = [frequency("P", [True, False], 1e-3).at_least(0.5)]
    assert settle(undecided, profile="standard") == [9]
    assert settle(undecided, runs=6) == [3, 6]
    assert settle(undecided, runs=2) == [2]


def test_a_check_keeps_its_case_its_ingredients_and_its_words():
    @check(dict(runs=20))
    @interim(8)
    def often(lab, runs, p=1.0):
        """Bernoulli trials."""
        yield frequency("P", [p > 0.5] * runs, lab.share(1)).at_least(0.5)

    assert often.observe.__doc__ == "Bernoulli trials."
    assert often.but(p=0.1).name == "often but p=0.1"
    with pytest.raises(TypeError, match="names no ingredient"):
        often.but(runs=3)
    (told, _) = often.but(p=0.1).observe(Lab(), runs=20)
    assert told.truth is Truth.UNDECIDED
    (told, _) = often.but(p=0.1).observe(Lab(), runs=40)
    assert told.truth is Truth.FAILS


@pytest.mark.parametrize("looks", [(), (0,), (8, 8), (8, 4)])
def test_looks_that_do_not_increase_are_refused(looks):
    with pytest.raises(ValueError, match="needs numbers of runs that increase"):
        interim(*looks)


def test_more_runs_add_blocks_with_streams_of_their_own():
    lab = Lab(seed=3)
    few, many = blocks(lab, 8, 4), blocks(lab, 10, 4)
    assert [n for _, n in many] == [4, 4, 2]
    assert few == many[:2]
    first, second, _ = (here.normal("w", 4) for here, _ in many)
    assert not (first == second).any()
    for runs, size in ((0, 4), (4, 0)):
        with pytest.raises(ValueError, match="blocks.. needs at least one run"):
            blocks(lab, runs, size)


@pytest.mark.parametrize("observe", [lambda lab, n: [], lambda lab, runs=3: []])
def test_the_number_of_runs_belongs_to_the_case(observe):
    with pytest.raises(TypeError, match="has to be a parameter of its case"):
        interim(2)(observe)
