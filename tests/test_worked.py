"""Rational numbers that remember how they were worked out."""

import copy
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given as over, strategies as st

from grokverify import exact
from grokverify._witness import proved
from grokverify.worked import Worked, given, unequal

NUMBERS = st.fractions(-9, 9, max_denominator=7) | st.integers(-9, 9)


@over(a=NUMBERS, b=NUMBERS, c=NUMBERS, n=st.integers(0, 5))
def test_the_audit_works_out_the_same(a, b, c, n):
    x, y = given(a), given(b)
    told = {
        "sum": (x + c + y, a + c + b),
        "from the left": (c - x * y, c - a * b),
        "powers": ((c * x - 2) ** n * 2**n, (c * a - 2) ** n * 2**n),
        "signs": (abs(-x) - +y, abs(a) - b),
    }
    if a and b:
        told["quotient"] = (1 / x + c / (y / x), 1 / Fraction(a) + c / (Fraction(b) / a))
        told["negative power"] = (y ** (-n), Fraction(b) ** (-n))
    for name, (worked, plain) in told.items():
        assert worked == plain, name
        if isinstance(worked, Worked):
            assert proved(worked.proof(), Fraction(plain), Fraction(plain)) == "worked"


def test_arrays_and_what_numpy_does_with_them():
    A = np.arange(6).reshape(2, 3)
    B = given(A)
    gram = (B @ A.T) * np.int64(2) - A.sum()
    assert (gram == 2 * A @ A.T - 15).all()
    assert proved(gram[1, 1].proof(), Fraction(85), Fraction(85)) == "worked"
    assert [type(x) for x in (gram[0, 0], B.sum(), given([1, [2]])[1][0])] == [Worked] * 3
    large = given(np.arange(5000))
    assert {type(x) for x in large} == {Fraction}
    assert large.sum() == 5000 * 4999 // 2
    assert given(np.int64(3)).proof() == {"kind": "worked", "matrix": ["3"], "steps": ""}


def test_what_occurs_twice_is_written_once():
    x = given(Fraction(3, 2))
    square = x * x
    told = (square + 0) * 1 + square * square + x * x
    assert told.proof() == {"kind": "worked", "matrix": ["3/2"], "steps": "*0,0 *1,1 +1,2 +3,1"}


def test_a_long_calculation_leaves_a_digest_and_no_deep_recursion():
    x = total = given(1)
    for k in range(3000):
        total = total * x + k
    told = total.proof()
    assert told["kind"] == "digest"
    assert told["why"] == "5999 operations, more than a record carries"
    assert len(told["sha256"]) == 64


def test_other_arithmetic_forgets():
    x = given(Fraction(7, 2))
    for other in (x // 2, x % 2, x + 0.5, 0.5 * x, math.floor(x), x ** Fraction(1, 2), float(x)):
        assert not isinstance(other, Worked)
    assert type(pickle.loads(pickle.dumps(x))) is Fraction
    assert copy.copy(x) is copy.deepcopy(x) is x


def test_both_sides_of_a_comparison_carry_it_and_nothing_else_does():
    side = exact("x", given(2) / 3).equals(given(4) / 6)
    assert side.left.proof()["steps"] == "/0,1"
    assert side.right.proof()["matrix"] == ["4 6"]
    assert type(side.left.lo) is Fraction
    assert type(exact("x", given(4) / 2).lo) is int
    assert exact("x", Fraction(2, 3)).at_least(1).left.proof is None


def test_unequal_counts_and_says_of_what():
    told = unequal([1, Fraction(1, 2), 3], [1, 0.5, 4])
    assert (told, told.proof()["kind"]) == (1, "differ")
    x = given([1, 2, 3])
    told = unequal([a * a for a in x], [1, 4, 8])
    assert told == 1
    assert proved(told.proof(), Fraction(1), Fraction(1)) == "worked"
    assert proved(unequal(x, x).proof(), Fraction(0), Fraction(0)) == "worked"
    with pytest.raises(ValueError, match="compares 1 numbers with 2, one by one"):
        unequal([1], [1, 2])
    with pytest.raises(ValueError, match="as many of both, and some"):
        unequal([], [])
    with pytest.raises(ValueError, match="NaN"):
        unequal([math.nan], [math.nan])


@pytest.mark.parametrize("x", [0.5, np.ones(2), "1/2", [1, 2.0]])
def test_a_float_is_not_given(x):
    with pytest.raises(TypeError, match="Only ints and Fractions are worked with exactly"):
        given(x)
