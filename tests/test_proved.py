"""Integers with proofs: what stays proved, and what a record keeps of them."""

import copy
import pickle

from grokverify import exact
from grokverify._proved import Proved

SEVEN = Proved(7, lambda: {"kind": "seven"})
TWO = Proved(2, lambda: {"kind": "two"})


def test_sums_and_multiples_stay_proved():
    made = 3 * (10 - SEVEN) + TWO
    assert made == 11
    assert made.proof() == {
        "kind": "sum",
        "plus": 30,
        "terms": [[-3, 7, {"kind": "seven"}], [1, 2, {"kind": "two"}]],
    }
    assert sum([SEVEN, TWO]).proof()["plus"] == 0
    assert (-SEVEN).proof()["terms"] == [[-1, 7, {"kind": "seven"}]]


def test_other_arithmetic_is_plain():
    for value in (SEVEN // 2, SEVEN**2, SEVEN * 0.5, SEVEN + 0.5, 0.5 - SEVEN, SEVEN * SEVEN):
        assert not isinstance(value, Proved)
    assert 0.5 - SEVEN == -6.5
    assert SEVEN - 0.5 == 6.5


def test_a_measurement_keeps_the_proof_and_a_plain_number():
    seen = exact("rank", SEVEN)
    assert type(seen.lo) is int
    assert seen.proof() == {"kind": "seven"}
    assert exact("other", 7).proof is None
    assert seen == exact("rank", 7), "the proof is no part of what is known"


def test_copies_are_plain_ints():
    assert type(pickle.loads(pickle.dumps(SEVEN))) is int
    assert copy.deepcopy(SEVEN) == 7
