"""Named randomness: pure, independent of order, the same on every machine."""

import numpy as np
import pytest
import torch

from grokverify import Lab


def test_a_name_is_one_variable_and_two_names_are_two(lab):
    assert torch.equal(lab.normal("w", 5), lab.normal("w", 5))
    assert not torch.equal(lab.normal("w", 5), lab.normal("v", 5))
    assert not torch.equal(lab.normal("w", 5), lab.at(1).normal("w", 5))


def test_seeds_that_agree_modulo_two_to_the_32_differ():
    """torch's CPU generator would not tell these apart."""
    a, b = (Lab(seed=s).normal("w", 4) for s in (5, 5 + 2**32))
    assert not torch.equal(a, b)


def test_the_stream_is_pinned():
    """A change of the stream would silently change every recorded witness."""
    drawn = Lab(seed=1).at({"p": 3}).integers("u", 0, 10**6, 3).tolist()
    assert drawn == [382626, 553925, 53563]


def test_shared_streams_ignore_the_claim(lab):
    a, b = lab.at("one").shared("flow"), lab.at("two").shared("flow")
    assert torch.equal(a.normal("w", 3), b.normal("w", 3))


def test_draws_have_the_labs_dtype_and_are_cast_from_float64():
    single, double = Lab(dtype="float32"), Lab()
    assert single.normal("w", 3).dtype == torch.float32
    assert double.normal("w", 3).dtype == torch.float64
    assert torch.equal(single.normal("w", 3), double.normal("w", 3).float())


def test_laws(lab):
    n = 20_000
    assert abs(float(lab.normal("z", n).var()) - 1) < 0.05
    u = lab.uniform("u", n)
    assert float(u.min()) >= -1
    assert float(u.max()) < 1
    assert set(lab.signs("s", n).tolist()) == {-1.0, 1.0}
    assert sorted(lab.permutation("p", 9).tolist()) == list(range(9))
    chosen = lab.subset("c", 50, 20).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 20


def test_streams_of_neighbours_are_uncorrelated(lab):
    draws = np.stack([lab.at(k).normal("w", 2000).numpy() for k in range(20)])
    off = np.corrcoef(draws) - np.eye(20)
    assert np.abs(off).max() < 0.12


def test_pick_takes_the_nearest_smaller_profile():
    assert Lab(profile="standard").pick(smoke=1, quick=2, paper=4) == 2
    assert Lab(profile="smoke").pick(quick=2, paper=4) == 2
    with pytest.raises(ValueError, match=r"got the profiles \['fast'\]; choose from"):
        Lab().pick(fast=1)


def test_an_unknown_profile_is_refused():
    with pytest.raises(ValueError, match="unknown profile 'fast'"):
        Lab(profile="fast")


def test_memory_is_carried_and_positive():
    assert Lab(memory=5).at("x").shared("y").memory == 5
    with pytest.raises(ValueError, match="memory=0: give bytes, at least 1, or None"):
        Lab(memory=0)


def test_shares_of_the_risk_budget_never_exceed_it(lab):
    assert sum(lab.share(k) for k in range(1, 10_000)) < lab.alpha
    with pytest.raises(ValueError, match="counted from 1"):
        lab.share(0)
