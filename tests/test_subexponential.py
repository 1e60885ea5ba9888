"""Sub-exponential parameters against calculus by hand."""

import math

import pytest
import sympy as sp

from grokverify.subexponential import L, excess, gaussian, product, square, three_points


def test_a_square_at_alpha_4_by_calculus():
    # -l - log(1 - 2 l) / 2 over l^2 rises: its largest value is at l = 1/4.
    true = 2 * (-0.25 + math.log(2) / 2) / (4 * 0.0625)
    told = excess("e", square(1), 2, 4)
    assert told.lo <= true <= told.hi
    assert told.hi - told.lo < 1e-3


def test_negative_l_counts():
    """-(z^2 - 1) is as long-tailed to the left as z^2 - 1 to the right."""
    right, left = excess("e", square(1), 2, 4), excess("e", square(-1), 2, 4)
    assert left.lo <= right.hi
    assert right.lo <= left.hi


def test_a_product_at_its_end():
    true = -math.log(1 - 1 / 16) / (4 / 16)
    told = excess("e", product(1), 2, 4)
    assert told.lo <= true <= told.hi


def test_a_gaussian_is_on_the_edge():
    told = excess("e", gaussian(2), sp.sqrt(2), 1)
    assert told.lo <= 1 <= told.hi < 1.01


def test_three_points_have_variance_q_t_squared_at_least():
    q, t = sp.Rational(1, 100), 2
    assert excess("e", three_points(t, q), 1, 100).hi >= 0.04


@pytest.mark.parametrize("law", [square(2), product(3), three_points(2, sp.Rational(1, 7))])
def test_laws_are_centred(law):
    assert law.subs(L, 0) == 0
    assert sp.diff(law, L).subs(L, 0) == 0


def test_a_mean_is_an_error():
    with pytest.raises(ValueError, match=r"K'\(0\) = 1; both are 0 for a centred variable"):
        excess("e", L, 1, 1)
