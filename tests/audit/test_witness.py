"""The checker of certificates by itself: its arithmetic, and what it may not accept."""

import decimal
from fractions import Fraction

import mpmath
import pytest

from grokverify import _witness


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "erfc", "cosh", "sinh"])
def test_functions_of_the_checker_enclose_those_of_mpmath(name):
    with mpmath.workprec(600):
        long = 99 + Fraction(1, 3) + Fraction(1, 10**150)  # the decimals beyond may not be lost
        for x in (0, 1, Fraction(1, 3), long, 2.5, Fraction(299, 100), 3, 5, 11.99, 12, 40, -1, -5):
            if x <= 0 and name in ("log", "sqrt"):
                continue
            x = Fraction(x)
            true = getattr(mpmath, name)(mpmath.mpf(x.numerator) / x.denominator)
            told = _witness.RULES[name](_witness.spanned(x, x))
            low, high = (mpmath.mpf(str(end)) for end in told)
            assert low <= true <= high
            assert high - low <= abs(true) * mpmath.mpf(10) ** -40
        low, high = (mpmath.mpf(str(end)) for end in _witness.at("pi"))
        assert low < mpmath.pi < high


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("v0**2", 0, 4),
        ("v0**3", -1, 8),
        ("v0 - v0", -3, 3),
        ("2 - v0/4", Fraction(3, 2), Fraction(9, 4)),
        ("(v0 + 2)**(-1)", Fraction(1, 4), 1),
        ("(v0 + 2)**(1/2)", 1, 2),
        ("4**(-3/2)", Fraction(1, 8), Fraction(1, 8)),
        ("Max(v0, 1) + Min(v0, 0)", 0, 2),
        ("-v0*v0", -4, 2),
        ("exp(0) + log(1)", 1, 1),
    ],
)
def test_interval_arithmetic_of_the_checker(text, low, high):
    told = _witness.at(text, v0=_witness.spanned(Fraction(-1), Fraction(2)))
    assert told == (decimal.Decimal(float(low)), decimal.Decimal(float(high)))


@pytest.mark.parametrize(("text", "true"), [("1/3", Fraction(1, 3)), ("-2/7", Fraction(-2, 7))])
def test_what_no_decimal_equals_lies_strictly_between_the_ends(text, true):
    low, high = map(Fraction, _witness.at(text))
    assert low < true < high


def test_a_negative_multiplier_bounds_no_margin():
    X, w, a = [[Fraction(1)], [Fraction(3, 2)]], [Fraction(1)], [Fraction(2), Fraction(-1)]
    for norm in ("1", "2", "inf"):  # the margin is 1; the multipliers would bound it by 1/2
        assert not _witness.duality(X, w, a, norm, 0, Fraction(1, 2))
        assert _witness.duality(X, w, [Fraction(1), Fraction(0)], norm, 1, 1)
        assert not _witness.duality(X, w, [Fraction(1), Fraction(0)], norm, Fraction(11, 10), 2)


@pytest.mark.parametrize("text", ["1/v0", "log(v0)", "v0.real", "__import__('os')", "[1]", "'a'"])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(Exception, match="."):
        _witness.at(text, v0=_witness.spanned(Fraction(-1), Fraction(2)))


EXP = {"kind": "formula", "text": "exp(v0)", "at": {"v0": ["0", "1"]}}
BOX = {"kind": "supremum", "text": "v0*(2 - v0)", "at": {}, "over": "v0", "points": "0 1 2"}
TRUE = {
    "rank": ({"kind": "rank", "prime": 7, "matrix": ["1 2", "2 4"], "kernel": ["2 -1"]}, 1, 1),
    "rank mod": ({"kind": "rank mod", "prime": 2, "matrix": ["1 2", "2 4"]}, 1, 1),
    "inertia": ({"kind": "inertia", "which": "zero", "matrix": ["0 1", "1 0"]}, 0, 0),
    "differ": ({"kind": "differ", "matrix": ["1 2"], "other": ["1 3"]}, 1, 1),
    "worked": (
        {"kind": "worked", "matrix": ["2 3/2"], "steps": "^0,0 /2,1 !3,1 -3,4"},
        "5/3",
        "5/3",
    ),
    "identity": ({"kind": "identity", "entries": ["(v0 + I)*(v0 - I) - v0**2 - 1"]}, 0, 0),
    "eigenvalue": (
        {"kind": "eigenvalue", "index": 0, "spread": "1/8", "matrix": ["1 0", "0 2"]},
        Fraction(7, 8),
        Fraction(9, 8),
    ),
    "formula": (EXP, 1, Fraction(2718281829, 10**9)),
    "supremum": ({**BOX, "best": "1"}, 1, 2),
    "margin": (
        {
            "kind": "margin",
            "norm": "2",
            "matrix": ["3 4"],
            "w": "3 4",
            "multipliers": "1",
        },
        5,
        5,
    ),
}
TRUE["sum"] = ({"kind": "sum", "plus": 4, "terms": [[-2, 1, TRUE["rank"][0]]]}, 2, 2)


@pytest.mark.parametrize("kind", TRUE)
def test_a_witness_proves_no_more_than_it_does(kind):
    """Of an enclosure nothing can be cut off, and what is exact cannot be moved."""
    proof, low, high = TRUE[kind]
    assert _witness.proved(proof, Fraction(low), Fraction(high)) == kind
    hair = Fraction(1, 10**9)
    low, high = Fraction(low), Fraction(high)
    if low < high:
        more = [(low + hair, high), (low, high - hair)]
    else:
        more = [(low + 1, low + 1), (low - 1, low - 1), (low + hair, low + hair)]
    for a, b in more:
        with pytest.raises(_witness.Bad, match="does not prove"):
            _witness.proved(proof, Fraction(a), Fraction(b))


CRAFTED = {
    "a multiple of a known prime": ({"kind": "identity", "entries": [f"I*{2**64 - 59}*v0"]}, 0),
    "a root that is a power modulo a prime": (
        {"kind": "identity", "entries": ["(v0**(1/2) - v0)*(v0**(1/2) + v0)"]},
        0,
    ),
    "a function in an identity": ({"kind": "identity", "entries": ["exp(v0)"]}, 0),
    "a pi of one's own": ({"kind": "formula", "text": "pi", "at": {"pi": ["3", "3"]}}, 3),
    "nothing modulo one": ({"kind": "rank mod", "prime": 1, "matrix": ["1"]}, 0),
    "a kind that nobody knows": ({"kind": "oath"}, 0),
    "arrays of unequal length": ({"kind": "differ", "matrix": ["1"], "other": ["1 2"]}, 0),
    "a root in what is worked out": ({"kind": "worked", "matrix": ["4 1/2"], "steps": "^0,1"}, 2),
    "a huge power": ({"kind": "worked", "matrix": ["1 ffffff"], "steps": "^0,1"}, 1),
    "squares of squares": (
        {"kind": "worked", "matrix": ["3"], "steps": " ".join(f"*{k:x},{k:x}" for k in range(99))},
        0,
    ),
    "an operation that nobody knows": (
        {"kind": "worked", "matrix": ["1"], "steps": "%0,0"},
        0,
    ),
    "work on what comes later": ({"kind": "worked", "matrix": ["1"], "steps": "+0,1"}, 2),
    "work on nothing": ({"kind": "worked", "matrix": [""], "steps": ""}, 0),
    "no box": ({**BOX, "points": "1", "best": "1"}, 1),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_crafted_witnesses_are_refused(what):
    proof, told = CRAFTED[what]
    with pytest.raises((_witness.Bad, ValueError, ZeroDivisionError, LookupError)):
        _witness.proved(proof, Fraction(told), Fraction(told))
