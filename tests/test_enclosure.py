"""Enclosures against mpmath at many digits, and suprema against calculus."""

import math

import mpmath
import pytest
import sympy as sp

from grokverify import Grade
from grokverify.enclosure import enclose, ends, measured, supremum

x, y = sp.symbols("x y")


@pytest.mark.parametrize("at", [-9.5, -1.25, 0, 2**-40, 0.3, 1, 3.7, 8, 11.999, 12, 12.5, 20, 26])
def test_erfc(at):
    with mpmath.workdps(80):
        low, high = ends(enclose(sp.erfc(x), {x: at}))
        assert mpmath.mpf(low) <= mpmath.erfc(at) <= mpmath.mpf(high)
        assert high - low <= 1e-4 * high


FORMULAS = [
    sp.sqrt(2 * sp.log(x)) * x ** sp.Rational(3, 2) - sp.exp(-x) / 7,
    sp.Max(x, sp.pi) * sp.E + sp.Min(x, 1),
    (sp.cosh(x) - sp.sinh(x / 2)) / (1 + x**2) ** 3,
    sp.Rational(1, 3) + x ** sp.Rational(1, 3) / 10,
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
@pytest.mark.parametrize("at", [1.5, 3, 17.25])
def test_formulas(formula, at):
    low, high = ends(enclose(formula, {x: at}))
    with mpmath.workdps(50):
        true = mpmath.mpf(str(sp.N(formula.subs(x, sp.Rational(at)), 45)))
        assert mpmath.mpf(low) <= true <= mpmath.mpf(high)
    assert high - low <= 1e-14 * abs(high)


def test_an_interval_of_arguments_covers_all_its_points():
    low, high = ends(enclose(sp.erfc(x) - x**2, {x: (-0.5, 1.5)}))
    points = [math.erfc(k / 100) - (k / 100) ** 2 for k in range(-50, 151)]
    assert low <= min(points)
    assert max(points) <= high


def test_floats_count_as_exact_and_fractions_are_enclosed():
    assert measured("a", x, {x: 0.1}).lo == 0.1 == measured("a", x, {x: 0.1}).hi
    third = measured("b", sp.Rational(1, 3))
    assert third.lo < third.hi
    assert third.grade is Grade.CERTIFIED


def test_supremum_of_a_parabola_and_of_a_callable():
    top = supremum("s", x * (y - x), x, (0, 3), {y: 2})
    assert top.lo <= 1 <= top.hi <= 1.01
    again = supremum("s", lambda part: enclose(x * (2 - x), {x: part}), x, (0, 3))
    assert again.lo <= 1 <= again.hi <= 1.01


def test_supremum_stops_once_it_is_below():
    told = supremum("s", x * (2 - x), x, (0, 3), below=50)
    assert told.hi <= 50
    assert supremum("s", x * (2 - x), x, (0, 3), below=0.25).lo > 0.25


def test_supremum_gives_up_honestly():
    wide = supremum("s", x - x**2, x, (0, 1), gap=1e-9, most=20)
    assert wide.lo <= 0.25 <= wide.hi


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="y, a symbol without a value"):
        measured("a", x + y, {x: 1})
    with pytest.raises(ValueError, match=r"gamma\(x\), gamma. It knows"):
        measured("a", sp.gamma(x), {x: 1})
    with pytest.raises(ValueError, match="not finite and real: a logarithm or a div"):
        measured("a", sp.log(x), {x: (0, 1)})
    with pytest.raises(ValueError, match="reaches below 0. Split"):
        measured("a", sp.sqrt(x), {x: (-1, 1)})


def test_near_zero_the_second_formula_is_taken_over_all_between_zero_and_the_box():
    """(1 - e^-x) / x is a mean of e^-x over [0, x], and larger than e^-x at x."""
    near = (sp.exp(-x), "Taylor")
    told = supremum("s", (1 - sp.exp(-x)) / x, x, (5e-4, 9e-4), near=near, gap=1e-9)
    assert told.hi >= -math.expm1(-5e-4) / 5e-4
    assert supremum("s", (1 - sp.exp(-x)) / x, x, (0, 1), near=near, gap=1e-9).hi >= 1
