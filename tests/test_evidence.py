"""Measurements, three-valued comparisons, and what the constructors refuse."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch

from grokverify import Grade, Measurement, Truth, approx, enclosed, exact, row, series


@pytest.mark.parametrize(
    ("lo", "hi", "bound", "at_least", "at_most", "equals"),
    [
        (1, 1, 1, "holds", "holds", "holds"),
        (1, 2, 1, "holds", "undecided", "undecided"),
        (1, 2, 2, "undecided", "holds", "undecided"),
        (1, 2, Fraction(3, 2), "undecided", "undecided", "undecided"),
        (1, 2, 3, "fails", "holds", "fails"),
        (1, 2, 0, "holds", "fails", "fails"),
        (-math.inf, 2, 3, "fails", "holds", "fails"),
    ],
)
def test_comparisons_are_decided_only_by_the_enclosures(lo, hi, bound, at_least, at_most, equals):
    m = Measurement("m", lo, hi, Grade.CERTIFIED)
    assert m.at_least(bound).truth.value == at_least
    assert m.at_most(bound).truth.value == at_most
    assert m.equals(bound).truth.value == equals


def test_overlapping_measurements_are_undecided():
    a, b = approx("a", 1.0, 0.2), approx("b", 1.1, 0.2)
    assert a.at_most(b).truth is Truth.UNDECIDED
    assert a.at_most(b).grade is Grade.EMPIRICAL


def test_a_bound_in_the_statement_lowers_no_grade_and_a_measured_one_does():
    assert exact("rank", 3).equals(3).grade is Grade.EXACT
    assert exact("rank", 3).at_most(approx("x", 4.0)).grade is Grade.EMPIRICAL


def test_risks_of_both_sides_add():
    a = Measurement("a", 0.1, 0.2, Grade.STATISTICAL, risk=1e-6)
    b = Measurement("b", 0.3, 0.4, Grade.STATISTICAL, risk=2e-6)
    assert a.at_most(b).risk == pytest.approx(3e-6)


@pytest.mark.parametrize(
    "value", [7, np.int64(7), torch.tensor(7), sympy.Integer(7), np.array(7), Fraction(7)]
)
def test_exact_takes_every_kind_of_integer(value):
    m = exact("n", value)
    assert m.lo == m.hi == 7
    assert isinstance(m.lo, int | Fraction)


def test_exact_keeps_rationals():
    assert exact("q", sympy.Rational(2, 3)).lo == Fraction(2, 3)


@pytest.mark.parametrize("value", [1.0, np.float64(1), torch.tensor(1.0), sympy.sqrt(2)])
def test_exact_refuses_floats(value):
    with pytest.raises(TypeError, match=r"given a float.*use approx"):
        exact("n", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, torch.tensor(float("nan"))])
def test_a_number_that_is_not_finite_is_an_error_and_never_evidence(value):
    with pytest.raises(ValueError, match="NaN or infinity is an error, never evidence"):
        approx("x", value)


def test_an_empty_enclosure_is_refused_with_its_ends():
    with pytest.raises(ValueError, match=r"'x' has the empty enclosure \[2, 1\]"):
        enclosed("x", 2, 1)
    with pytest.raises(ValueError, match="A NaN came out"):
        enclosed("x", math.nan, 1)


def test_a_tensor_is_not_one_number():
    with pytest.raises(TypeError, match="is a Tensor, not a single number"):
        approx("x", torch.zeros(3))


def test_risk_must_be_a_probability():
    with pytest.raises(ValueError, match=r"risk 1.5, which is not a probability"):
        Measurement("x", 0, 1, Grade.STATISTICAL, risk=1.5)


def test_beside_keeps_the_papers_number():
    assert exact("width", 4).beside(printed=Fraction(1, 3)).printed == Fraction(1, 3)
    assert exact("width", 4).beside(printed="36 rho").printed == "36 rho"


def test_rows_and_series_take_scalars_and_sequences():
    assert row(p=np.int64(3), law="uniform").columns == (("p", 3), ("law", "uniform"))
    s = series("s", x=3, y=torch.tensor(0.5), printed=1)
    assert (s.x, s.y, s.printed) == ((3,), (0.5,), (1,))
    assert series("s", x=np.arange(3), y=[1, 2, 3]).x == (0, 1, 2)


def test_series_refuse_ragged_and_nan_points():
    with pytest.raises(ValueError, match="has 2 x, 1 y and 0 printed"):
        series("s", x=[1, 2], y=[1])
    with pytest.raises(ValueError, match="contains NaN"):
        series("s", x=1, y=math.nan)
    with pytest.raises(ValueError, match="log='z'; choose"):
        series("s", x=1, y=1, log="z")


def test_comparisons_read_as_sentences():
    assert str(exact("rank", 3).equals(4)) == "rank = 3 fails to be equal to 4"
    assert str(approx("d", 0.5, 0.1).at_most(0.7)) == "d = [0.4, 0.6] holds to be at most 0.7"


def test_numbers_are_shown_short_and_huge_ones_do_not_raise():
    shown = [str(exact("n", v)) for v in (7, Fraction(2, 3), 10**13, -(10**6000))]
    assert shown == ["n = 7", "n = 2/3", "n = 1e+13", "n = -2^19931"]
