"""Bounds for all eigenvalues against exact inertia and known spectra; sums against fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from grokverify import Grade
from grokverify.linalg.certified import Refused
from grokverify.linalg.rational import inertia, rational
from grokverify.linalg.spectrum import eigenvalue, eigenvalue_bounds, total


def below(A, x):
    """How many eigenvalues of the stored matrix lie below x, and how many at most at x; exact."""
    n = len(A)
    shifted = rational(A) - Fraction(x) * rational(np.eye(n, dtype=int))
    negative, zero, _ = inertia(shifted)
    return negative, negative + zero


@pytest.mark.parametrize("seed", range(12))
def test_every_eigenvalue_lies_between_its_bounds(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    A = torch.as_tensor(rng.standard_normal((n, n)) * 10.0 ** rng.integers(-6, 6, (n, n)))
    A = A + A.mT
    low, high = eigenvalue_bounds(A)
    for k in range(n):
        assert below(A, float(low[k]))[0] <= k
        assert below(A, float(high[k]))[1] >= k + 1


def test_a_known_spectrum_and_the_width():
    n = 300
    A = 2 * torch.eye(n, dtype=torch.float64)
    A = A - torch.diag(torch.ones(n - 1, dtype=A.dtype), -1)  # the lower triangle is enough
    low, high = eigenvalue_bounds(A)
    true = 2 - 2 * torch.cos(torch.arange(1, n + 1, dtype=A.dtype) * math.pi / (n + 1))
    assert bool(((low <= true) & (true <= high)).all())
    assert float((high - low).max()) < 1e-9
    assert float((high - low).max()) > 1e-13, "that would be luck, not a bound"


def test_multiple_eigenvalues_are_no_trouble():
    low, high = eigenvalue_bounds(torch.ones(40, 40, dtype=torch.float64))
    assert bool((low[:39] <= 0).all() and (high[:39] >= 0).all())
    assert float(low[39]) <= 40 <= float(high[39])


def test_an_inaccurate_decomposition_only_widens_the_bounds(monkeypatch):
    honest = torch.linalg.eigh

    def sloppy(A):
        w, X = honest(A)
        rng = np.random.default_rng(1)
        return w + 1e-5, X + 1e-4 * torch.as_tensor(rng.standard_normal(X.shape))

    A = torch.diag(torch.arange(1.0, 7.0, dtype=torch.float64))
    monkeypatch.setattr(torch.linalg, "eigh", sloppy)
    low, high = eigenvalue_bounds(A)
    true = torch.arange(1.0, 7.0, dtype=torch.float64)
    assert bool(((low <= true) & (true <= high)).all())
    assert 1e-5 < float((high - low).max()) < 0.1
    monkeypatch.setattr(torch.linalg, "eigh", lambda A: (honest(A)[0], 2 * honest(A)[1]))
    with pytest.raises(ValueError, match="away from orthonormal, so nothing follows"):
        eigenvalue_bounds(A)


def test_every_matrix_within_the_radius_is_meant():
    A = torch.diag(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
    seen = eigenvalue("middle", A, 1, radius=0.1)
    for sign in (-1, 1):
        values = torch.linalg.eigvalsh(A + sign * 0.1)
        assert seen.lo <= float(values[1]) <= seen.hi
    assert seen.grade is Grade.CERTIFIED
    assert seen.proof()["index"] == 1


def test_what_is_refused():
    with pytest.raises(Refused, match="float64"):
        eigenvalue_bounds(torch.eye(3))
    with pytest.raises(Refused, match="float64"):
        total("sum", torch.ones(3))
    with pytest.raises(ValueError, match="square"):
        eigenvalue_bounds(torch.ones(2, 3, dtype=torch.float64))
    with pytest.raises(IndexError, match="number 3 of a 3 x 3 matrix: count from 0"):
        eigenvalue("top", torch.eye(3, dtype=torch.float64), 3)
    with pytest.raises(ValueError, match="one that is not finite"):
        total("sum", [1.0, math.nan])
    with pytest.raises(ValueError, match="a radius that is not >= 0"):
        total("sum", [1.0], radii=[-1.0])


@pytest.mark.parametrize("seed", range(10))
def test_sums_enclose_the_exact_sum(seed):
    rng = np.random.default_rng(seed)
    terms = rng.standard_normal(50) * 10.0 ** rng.integers(-20, 20, 50)
    true = sum(map(Fraction, terms.tolist()))
    seen = total("sum", torch.as_tensor(terms))
    assert seen.lo <= true <= seen.hi
    assert seen.hi <= math.nextafter(math.nextafter(seen.lo, math.inf), math.inf)
    wide = total("sum", terms, radii=[1e-3] * 50)
    assert wide.lo <= true - Fraction(5, 100)
    assert true + Fraction(5, 100) <= wide.hi


def test_an_exact_sum_is_a_point():
    seen = total("sum", [0.5, 0.25, -0.75, 2.0**60])
    assert seen.lo == seen.hi == 2.0**60
