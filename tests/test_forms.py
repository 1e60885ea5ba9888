"""grokverify.forms against coordinates: concrete dimensions, entry by entry."""

import itertools

import pytest
import sympy as sp

from grokverify.forms import form, form_mean, mean_over, trace
from grokverify.symbolic import gaussian_mean, residue

D, v = sp.symbols("D v")


def symmetric(letter, d):
    return sp.Matrix(d, d, lambda i, j: sp.Symbol(f"{letter}{min(i, j)}{max(i, j)}"))


def in_coordinates(expr, d):
    """Forms and traces written out in dimension d; x stays the vector of x0, x1, ..."""
    values = {D: d}
    for symbol in expr.free_symbols - {D, v}:
        head, *rest = symbol.name.split(".")
        if head == "tr":
            product = sp.eye(d)
            for name in rest:
                product = product * symmetric(name, d)
            values[symbol] = product.trace()
            continue
        *between, last = rest
        row = sp.Matrix(sp.symbols(f"{head}0:{d}")).T
        for name in between:
            row = row * symmetric(name, d)
        values[symbol] = (row * sp.Matrix(sp.symbols(f"{last}0:{d}")))[0]
    return sp.expand(expr.subs(values, simultaneous=True))


EXPRESSIONS = (
    form("u", "x") ** 2,
    form("x", "x") ** 3,
    form("x", "A", "x") ** 2 * form("u", "x"),
    form("x", "A", "x") * form("x", "B", "x") + 3 * form("u", "A", "x") * form("x", "z"),
    form("x", "A", "B", "x") * form("u", "x") ** 2 - form("u", "u"),
    (1 + form("x", "z")) ** 4 * form("x", "x"),
)


@pytest.mark.parametrize("expr", EXPRESSIONS, ids=str)
@pytest.mark.parametrize("d", [1, 2])
def test_form_mean_agrees_with_coordinates(expr, d):
    told = in_coordinates(form_mean(expr, "x", variance=v, dimension=D), d)
    expected = gaussian_mean(in_coordinates(expr, d), sp.symbols(f"x0:{d}"), v)
    assert sp.expand(told - expected) == 0


def test_known_moments_in_every_dimension():
    def mean(expr):
        return sp.expand(form_mean(expr, "x", variance=1, dimension=D))

    assert mean(form("x", "x")) == D
    assert mean(form("x", "x") ** 2) == sp.expand(D * (D + 2))
    assert mean(form("x", "x") ** 4) == sp.expand(D * (D + 2) * (D + 4) * (D + 6))
    assert mean(form("x", "A", "x") ** 2) == trace("A") ** 2 + 2 * trace("A", "A")
    assert mean(form("u", "x") ** 3) == 0
    assert mean(form("u", "w")) == form("u", "w")
    assert form_mean(trace("x"), "x", variance=1, dimension=D) == trace("x")


def test_forms_are_equal_to_their_transposes():
    assert form("u", "A", "B", "v") == form("v", "B", "A", "u")
    assert form("u", "A", "B", "v") != form("u", "B", "A", "v")
    assert trace("A", "B", "C") == trace("B", "C", "A") == trace("C", "B", "A")


def test_mean_over_is_the_mean_over_a_list_of_vectors():
    d, n = 2, 3
    expr = 1 + 2 * form("u", "A", "w") * form("w", "z") + form("w", "B", "w") - form("w", "u")
    told = mean_over(expr, "w", first="m", second="S")
    lists = [sp.Matrix(sp.symbols(f"w{i}_0:{d}")) for i in range(n)]
    m = sum(lists, sp.zeros(d, 1)) / n
    S = sum((w * w.T for w in lists), sp.zeros(d, d)) / n
    moments = {sp.Symbol(f"m{i}"): m[i] for i in range(d)}
    moments |= {
        sp.Symbol(f"S{i}{j}"): S[i, j] for i, j in itertools.product(range(d), repeat=2) if i <= j
    }
    left = in_coordinates(told, d).subs(moments)
    plain = in_coordinates(expr, d)
    right = sum(
        plain.subs({sp.Symbol(f"w{i}"): w[i] for i in range(d)}, simultaneous=True) for w in lists
    )
    assert residue("gap", left - right / n).lo == 0


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="needs the names of two vectors"):
        form("u")
    with pytest.raises(ValueError, match="hold no dot"):
        form("u", "A.B", "v")
    with pytest.raises(ValueError, match="which marks a trace"):
        form("tr", "v")
    with pytest.raises(ValueError, match="is the dimension itself"):
        trace()
    with pytest.raises(ValueError, match=r"a polynomial in u\.x is needed"):
        form_mean(1 / form("u", "x"), "x", variance=1, dimension=D)
    with pytest.raises(ValueError, match="met a term of degree 3 in w"):
        mean_over(form("u", "w") ** 3, "w", first="m", second="S")
