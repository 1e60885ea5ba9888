"""grokverify.symbolic against closed forms and numerical quadrature."""

import numpy as np
import pytest
import sympy as sp

from grokverify import Grade, Truth
from grokverify.symbolic import gaussian_mean, residue

x, y, a, b, u = sp.symbols("x y a b u")


def test_residue_counts_surviving_terms_at_symbolic_grade():
    told = residue("terms", (a + b) ** 3 - a**3 - b**3)
    assert (told.name, told.lo, told.hi) == ("terms", 2, 2)
    assert told.grade is Grade.SYMBOLIC
    assert told.equals(0).truth is Truth.FAILS
    assert residue("terms", (a + b) ** 2 - a**2 - 2 * a * b - b**2).equals(0).truth is Truth.HOLDS


@pytest.mark.parametrize(
    ("expr", "terms"),
    [
        (sp.Integer(0), 0),
        (sp.Rational(1, 3), 1),
        (0, 0),
        (1 / (a - b) - (a + b) / (a**2 - b**2), 0),
        (1 / (a - b) - (a + b) / (a**2 - 2 * b**2), 1),
        ((a + sp.I * b) * (a - sp.I * b) - a**2 - b**2, 0),
        ((u - 1 / u) ** 2 / -4 + (u + 1 / u) ** 2 / 4 - 1, 0),
        (sp.Matrix([[a - a, a], [b, a + b]]), 4),
    ],
)
def test_residue_of_rational_functions(expr, terms):
    assert residue("terms", expr).lo == terms


@pytest.mark.parametrize(
    "expr",
    [
        a - 0.5,
        sp.cos(a) ** 2 + sp.sin(a) ** 2 - 1,
        sp.sqrt(a**2) - a,
        sp.sqrt(2) * a,
        2**a - sp.exp(a * sp.log(2)),
        sp.pi * a,
        sp.Eq(a, b),
    ],
)
def test_residue_refuses_what_expansion_cannot_decide(expr):
    with pytest.raises(TypeError, match=r"residue\('terms'\) is for rational functions"):
        residue("terms", expr)


def test_residue_names_the_offender():
    with pytest.raises(TypeError, match=r"holds -0\.5"):
        residue("terms", a - 0.5)


def test_residue_of_a_vanishing_denominator():
    zero = sp.Add(a * (a + 1), -(a**2), -a, evaluate=False)
    with pytest.raises(ZeroDivisionError, match="a denominator vanishes identically"):
        residue("terms", 1 / zero)
    with pytest.raises(ZeroDivisionError, match="a denominator vanishes identically"):
        residue("terms", sp.zoo)


@pytest.mark.parametrize(("power", "moment"), [(0, 1), (1, 0), (2, 1), (3, 0), (4, 3), (6, 15)])
def test_gaussian_moments(power, moment):
    assert gaussian_mean(x**power, [x], 1) == moment


def test_gaussian_mean_keeps_other_symbols_and_scales_with_the_variance():
    assert gaussian_mean(a * x**2 * y**2 + b * x * y, [x, y], sp.Rational(1, 2)) == a / 4
    assert sp.expand(gaussian_mean((a * x + y) ** 4, [x], b)) == sp.expand(
        3 * a**4 * b**2 + 6 * a**2 * b * y**2 + y**4
    )


def test_gaussian_mean_obeys_isserlis_for_a_quadratic_form():
    v = sp.Matrix([x, y])
    form = (v.T * sp.Matrix([[a, b], [b, u]]) * v)[0]  # E (v'Av)^2 = (tr A)^2 + 2 tr A^2
    expected = (a + u) ** 2 + 2 * (a**2 + 2 * b**2 + u**2)
    assert sp.expand(gaussian_mean(form**2, v, 1) - expected) == 0


def test_gaussian_mean_against_quadrature():
    nodes, mass = np.polynomial.hermite_e.hermegauss(8)
    mass = mass / mass.sum()
    poly = (1 + 2 * x - y) ** 3 * (x * y + 1) + x**4
    s = 0.7
    told = float(gaussian_mean(poly, [x, y], sp.Rational(49, 100)))
    grid = sp.lambdify((x, y), poly)(s * nodes[:, None], s * nodes[None, :])
    assert told == pytest.approx(float(mass @ grid @ mass), rel=1e-12)


def test_gaussian_mean_refuses_non_polynomials():
    with pytest.raises(ValueError, match="needs a polynomial in x"):
        gaussian_mean(1 / (1 + x), [x], 1)
