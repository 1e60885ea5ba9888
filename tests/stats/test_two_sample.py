"""Two samples: exact null laws of p-values and bets, all splits against scipy, both verdicts."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.stats import binom, energy_distance, permutation_test

from grokverify import Lab, Truth
from grokverify.stats import energy_p_value, pair_products, same_law
from grokverify.stats._two_sample import (
    bet,
    discrepancy,
    sequential_p_value,
    split_energies,
)

MOST, ENOUGH = 39, 4


def null_law(p_value, most=MOST, enough=ENOUGH):
    """Exact law of the p-value when the observed value is exchangeable with the permuted ones.

    After l draws with g hits the next one hits with probability (g + 1) / (l + 2).
    """
    law: dict[Fraction, Fraction] = {}
    alive = {0: Fraction(1)}
    for drawn in range(most):
        ahead: dict[int, Fraction] = {}
        for hits, mass in alive.items():
            hit = Fraction(hits + 1, drawn + 2)
            for more, q in ((1, hit), (0, 1 - hit)):
                if hits + more == enough or drawn + 1 == most:
                    path = [True] * hits + [False] * (drawn - hits) + [more == 1]
                    p = p_value(path, most=most, enough=enough)
                    law[p] = law.get(p, Fraction(0)) + mass * q
                else:
                    ahead[hits + more] = ahead.get(hits + more, Fraction(0)) + mass * q
        alive = ahead
    return law


def worst(law):
    """How far P(p <= t) exceeds t, at the worst t."""
    return max(sum(m for q, m in law.items() if q <= t) - t for t in law)


def test_sequential_p_value_is_exactly_valid():
    law = null_law(sequential_p_value)
    assert sum(law.values()) == 1
    assert worst(law) == 0  # valid, and not conservative


def without_the_one(exceeds, *, most, enough):
    p = sequential_p_value(exceeds, most=most, enough=enough)
    return p if sum(exceeds) == enough else Fraction(sum(exceeds), most)


def one_draw_more(exceeds, *, most, enough):
    p = sequential_p_value(exceeds, most=most, enough=enough)
    return p if p.denominator == most + 1 else Fraction(sum(exceeds), len(exceeds) + 1)


def strictly_fewer(exceeds, *, most, enough):
    hits = sum(exceeds)
    return (
        Fraction(max(hits - 1, 0) + 1, most + 1) if hits < enough else Fraction(hits, len(exceeds))
    )


@pytest.mark.parametrize("mutant", [without_the_one, one_draw_more, strictly_fewer])
def test_mutants_of_the_p_value_are_caught(mutant):
    assert worst(null_law(mutant)) > 0


def test_bets_are_fair_at_most():
    law = null_law(sequential_p_value, 999, 10)
    fair = sum(float(m) * bet(p) for p, m in law.items())
    assert 0.8 < fair <= 1
    law = null_law(without_the_one, 999, 10)  # a p-value of zero would pay without limit
    assert min(law) == 0
    assert math.log(bet(Fraction(1, 1000))) * 4 > -math.log(Lab().share(1) / 2)  # rounds needed


def test_energy_of_every_split_against_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=4), rng.normal(1.0, 2.0, size=4)
    pooled = np.concatenate([x, y])
    distances = torch.as_tensor(np.abs(pooled[:, None] - pooled[None]))
    signs = np.array(
        [
            [1.0 if k in one else -1.0 for k in range(8)]
            for one in itertools.combinations(range(8), 4)
        ]
    )
    ours = split_energies(distances, signs).numpy()
    direct = [energy_distance(pooled[s > 0], pooled[s < 0]) ** 2 for s in signs]
    assert ours == pytest.approx(direct)
    exact = permutation_test(
        (x, y), energy_distance, n_resamples=np.inf, alternative="greater"
    ).pvalue
    assert np.mean(ours >= ours[0] - 1e-12) == pytest.approx(exact)
    sampled = energy_p_value(
        torch.as_tensor(x)[:, None], torch.as_tensor(y)[:, None], lab=Lab(), most=4000, enough=4000
    )
    lo, hi = binom.interval(1 - 1e-9, 4000, exact)
    assert lo <= sampled * 4001 - 1 <= hi


def test_ties_count_as_reaching():
    same = torch.zeros(6, 2, dtype=torch.float64)
    assert energy_p_value(same, same, lab=Lab()) == 1


def test_discrepancy_covers_by_enumeration():
    """Laws on {0, 1}: all outcomes of two binomials."""
    n, scale, alpha = 25, 1.0, 0.3
    for p, q in [(0.5, 0.5), (0.3, 0.6), (0.02, 0.02)]:
        truth = math.sqrt(2 * (1 - math.exp(-1 / scale))) * abs(p - q)
        lost = 0.0
        for a in range(n + 1):
            for b in range(n + 1):
                x = (torch.arange(n) < a).double()[:, None]
                y = (torch.arange(n) < b).double()[:, None]
                mass = binom.pmf(a, n, p) * binom.pmf(b, n, q)
                if mass > 1e-12:
                    lo, hi = discrepancy(x, y, scale, alpha)
                    assert lo <= math.sqrt(2 * (1 - math.exp(-1))) * abs(a - b) / n <= hi
                    lost += mass * (not lo <= truth <= hi)
        assert lost <= alpha


def gauss(shift=0.0, rho=0.0):
    def draw(lab, n):
        z = lab.normal("z", n, 3)
        tied = rho * z[:, 0] + math.sqrt(1 - rho**2) * z[:, 1]
        return torch.stack([z[:, 0] + shift, tied, z[:, 2]], dim=1)

    return draw


@pytest.mark.parametrize(
    ("second", "given", "truth"),
    [
        (gauss(), {"margin": 0.3}, "holds"),
        (gauss(), {"margin": 0.01}, "undecided"),  # the samples cannot resolve so little
        (gauss(), {}, "undecided"),  # equality itself is never verified
        (gauss(shift=1.0), {"margin": 0.3}, "fails"),
        (gauss(shift=1.0), {}, "fails"),
        (gauss(rho=0.9), {"margin": 0.3, "features": pair_products}, "fails"),
    ],
)
def test_same_law_both_ways(second, given, truth):
    lab = Lab()
    told = same_law("law", gauss(), second, lab=lab, **given)
    assert told.truth.value == truth
    assert told.risk == lab.share(1)
    assert told == same_law("law", gauss(), second, lab=lab, **given)


def test_raw_energy_hardly_sees_dependence_and_products_do():
    x = gauss()(Lab().at("x"), 400)
    y = gauss(rho=0.5)(Lab().at("y"), 400)
    assert energy_p_value(x, y, lab=Lab()) > Fraction(1, 100)
    assert energy_p_value(pair_products(x), pair_products(y), lab=Lab()) < Fraction(1, 100)


def test_pair_products():
    x = torch.tensor([[2.0, 3.0, 5.0]])
    assert pair_products(x).tolist() == [[6.0, 10.0, 15.0]]
    with pytest.raises(ValueError, match="at least two columns"):
        pair_products(x[:, :1])


def test_levels_are_split_between_the_two_ways(monkeypatch):
    spent = []

    def spy(x, y, scale, alpha):
        spent.append(alpha)
        return discrepancy(x, y, scale, alpha)

    monkeypatch.setattr("grokverify.stats._two_sample.discrepancy", spy)
    told = same_law("law", gauss(), gauss(), lab=Lab(), margin=0.3)
    assert spent == [told.risk / 2]


def test_stopping_threshold_is_the_inverse_of_half_the_level(monkeypatch):
    """Every round pays the same: the first round whose product reaches 2/alpha ends the run."""
    monkeypatch.setattr(
        "grokverify.stats._two_sample.energy_p_value", lambda *_, **__: Fraction(1, 1000)
    )
    lab, pays = Lab(alpha=2 * 2 / bet(Fraction(1, 1000)) ** 3 * 1.001), bet(Fraction(1, 1000))
    assert pays**2 < 2 / lab.share(1) < pays**3
    told = same_law("law", gauss(), gauss(), lab=lab)
    assert told.truth is Truth.FAILS
    assert "after 3 rounds" in told.left.unit
    lab = Lab(alpha=2 * 2 / pays**3 / 1.001)  # a hair more is asked for than three rounds pay
    assert "after 4 rounds" in same_law("law", gauss(), gauss(), lab=lab).left.unit


def test_every_sample_has_streams_of_its_own():
    asked = []

    def spy(lab, n):
        asked.append(lab.path)
        return gauss()(lab, n)

    same_law("law", spy, spy, lab=Lab(), rounds=3)
    assert len(set(asked)) == len(asked) == 2 + 2 * 3


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"margin -1.0, not in \[0, sqrt 2\)"):
        same_law("law", gauss(), gauss(), lab=Lab(), margin=-1.0)
    with pytest.raises(ValueError, match="samples of shapes"):
        same_law("law", gauss(), lambda lab, n: gauss()(lab, n)[:, :2], lab=Lab())
    with pytest.raises(ValueError, match=r"give two \(n, d\)"):
        energy_p_value(torch.zeros(3), torch.zeros(3), lab=Lab())
