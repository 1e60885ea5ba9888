"""Rademacher complexities against sums by hand and against a plain loop."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from grokverify.rademacher import cube, finite, linear, mean_modulus, signs


@pytest.mark.parametrize("k", range(9))
def test_mean_modulus_by_enumeration(k):
    total = sum(abs(sum(s)) for s in itertools.product((-1, 1), repeat=k))
    assert mean_modulus(k) == Fraction(total, 2**k)


def test_mean_modulus_refuses_a_negative_number():
    with pytest.raises(ValueError, match="at least 0 terms"):
        mean_modulus(-1)


def test_finite_by_a_plain_loop():
    table = np.random.default_rng(1).integers(-5, 6, (7, 4))
    total = sum(
        max(sum(a * b for a, b in zip(s, h, strict=True)) for h in table.tolist())
        for s in itertools.product((-1, 1), repeat=4)
    )
    assert finite(table) == Fraction(total, 4 * 2**4)


def test_finite_of_one_function_is_zero_and_of_all_signs_is_one():
    assert finite([[3, -1, 4]]) == 0
    assert finite(cube((-1, 1), 3)) == 1


def test_linear_by_hand():
    # n = 2 samples at one coordinate: E |s_1 + s_2| = 1; at two coordinates: 2.
    assert linear([2]) == 1
    assert linear([1, 1, 0]) == 2


def test_signs_and_cubes_are_all_different():
    assert len(np.unique(signs(5), axis=0)) == 32
    assert len(np.unique(cube((-1, 0, 2), 3), axis=0)) == 27


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"table of integers .* shape \(3,\) of int64"):
        finite(np.arange(3))
    with pytest.raises(ValueError, match="of float64"):
        finite(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="1073741824 sums, more than 67108864"):
        finite(np.zeros((1, 30), dtype=np.int64))
