"""A record with every kind of certificate, as a line of a file."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
import torch

from grokverify import Claim, Lab, Source, check, exact, stats, verify
from grokverify.enclosure import measured, supremum
from grokverify.groups import differing
from grokverify.linalg.certified import least_eigenvalue
from grokverify.linalg.exact import rank_exact, rank_mod_prime
from grokverify.linalg.rational import inertia
from grokverify.margins import margin_enclosure, max_margin
from grokverify.records import from_json, to_json
from grokverify.symbolic import residue
from grokverify.worked import given, unequal


@check(dict(n=3), dict(n=5))
def matrices(lab, n, drop=0):
    A = np.arange(n * n).reshape(n, n)  # rank 2
    yield exact("rank", rank_exact(A) - drop).equals(2)
    yield exact("rank", rank_exact(A.T[:2]) - drop).equals(2)
    yield exact("kernel dimension", n - rank_exact(A) + drop).equals(n - 2)
    yield exact("rank modulo 2", rank_mod_prime(A, q=2) - drop).at_least(2)
    yield exact("negative", inertia(A + A.T)[0] + drop).equals(1)
    yield exact("zero", inertia(np.eye(n)[::-1] * Fraction(1, 3))[1] + drop).equals(0)
    halves = (A * Fraction(1, 2),)
    yield exact("differing", differing(halves, (halves[0] + (A == 1) * drop,))).equals(0)
    K = torch.eye(n, dtype=torch.float64) + 0.1
    yield least_eigenvalue("floor", K, radius=1e-9).at_least(0.99 + drop)
    half, B = given(Fraction(1, 2)), given(A)
    trace = sum((half * B @ B).diagonal()) - (B * B.T).sum() / 2
    yield exact("trace", (trace + drop) ** 3 / (n + half)).equals(0)
    yield exact("unlike", unequal(B[0], A[0] + drop)).equals(0)
    yield exact("fifth", abs(-half) ** n / 5).at_most(half**n * Fraction(1 - drop, 5))
    yield exact("cube", Fraction(n**3, 7) + drop).at_most(Fraction(n**3, 7))


@check()
def identity(lab, power=2):
    a, b = sp.symbols("a b")
    turn = (a + sp.I * b) ** 2 - (a**2 - b**2 + 2 * sp.I * a * b)
    yield residue("square", (a + b) ** power - a**2 - 2 * a * b - b**2).equals(0)
    yield residue("turn", turn + (power - 2) * b).equals(0)
    yield residue("both", sp.Matrix([1 / (1 + a) - (1 + b) / (1 + a) / (1 + b), power - 2])).equals(
        0
    )


x, y = sp.symbols("x y")
BELL = sp.exp(-(x**2)) * sp.cosh(x / 3) + sp.erfc(y) - sp.sqrt(2) ** sp.Rational(1, 3) / sp.pi


@check(dict(t=0.25), dict(t=3))
def formulas(lab, t, less=0):
    yield measured("value", BELL, {x: t, y: (0.5, 0.75)}).at_least(-1 + 9 * less)
    yield measured("bound", sp.log(t + 1)).at_most(measured("larger", sp.log(t + 2 - 3 * less)))
    hump = supremum("hump", x * (y - x), x, (0, 3), {y: 2}, gap=0.1)
    yield hump.at_most(Fraction(5, 4) - less)
    sine = (sp.exp(x**2) - 1, "Taylor")
    yield supremum("near 0", (sp.exp(x**2) - 1) / x, x, (0, 1), near=sine, gap=0.1).at_most(
        2 - less
    )


@check(dict(norm=1), dict(norm=2), dict(norm=float("inf")))
def margins(lab, norm, less=0):
    X = [[2.0, 1.0], [1.0, 3.0], [-0.5, 2.0]]
    told = margin_enclosure("gamma*", X, max_margin(X, norm))
    yield told.at_least(0.5 + 9 * less)


@check(dict(p=0.1))
def seldom(lab, p, bound=0.2):
    yield stats.decide(
        "rate", lambda lab, n: lab.uniform("u", n, low=0.0) < p, lab=lab, at_most=bound
    )


@pytest.fixture(scope="module")
def line():
    claim = Claim(
        id="test/certificates",
        source=Source("A paper", "Theorem 1"),
        statement="s",
        checks=(matrices, identity, seldom, formulas, margins),
        controls=(
            matrices.but(drop=1),
            identity.but(power=3),
            seldom.but(bound=0.05),
            formulas.but(less=Fraction(1, 2)),
            margins.but(less=1),
        ),
    )
    record = verify(claim, Lab(profile="smoke"))
    assert record.verdict.value == "verified", record.explain()
    assert from_json(to_json(record)) == record
    return to_json(record)
