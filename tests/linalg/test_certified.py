"""Certificates against exact determinants and known spectra, and what they refuse."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch

from grokverify import Grade
from grokverify.linalg.certified import (
    Refused,
    gamma,
    least_eigenvalue,
    positive_definite,
    require_ieee,
)


def rotated(values, seed=0):
    n = len(values)
    Q = torch.linalg.qr(torch.as_tensor(np.random.default_rng(seed).standard_normal((n, n)))).Q
    A = Q @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ Q.mT
    return (A + A.mT) / 2


def exactly_positive(A):
    """Sylvester's criterion in rationals, on the stored doubles."""
    M = sympy.Matrix(
        A.shape[0], A.shape[0], [sympy.Rational(Fraction(v)) for v in A.ravel().tolist()]
    )
    return all(M[:k, :k].det() > 0 for k in range(1, M.rows + 1))


def test_clear_cases():
    A = torch.stack(
        [rotated([1.0, 2.0, 3.0]), rotated([-1e-3, 2.0, 3.0]), rotated([0.0, 1.0, 1.0])]
    )
    assert positive_definite(A).tolist() == [True, False, False]


def test_no_false_proof_near_the_edge():
    # Spectra within rounding of zero, on both sides: a Cholesky factorisation that ends well is
    # no proof there, the certificate is.
    fooled = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        least = float(rng.normal() * 10.0 ** rng.integers(-18, -13))
        A = rotated([least, 0.5, 1.0, 2.0], seed)
        truth = exactly_positive(A)
        assert truth or not bool(positive_definite(A))
        fooled += not truth and int(torch.linalg.cholesky_ex(A).info) == 0
    assert fooled > 0


def test_the_certificate_is_sharp_enough_to_use():
    n = 50
    A = rotated([1e-10] + [1.0] * (n - 1))
    assert bool(positive_definite(A))


def test_every_matrix_within_the_radius_is_meant():
    A = rotated([0.1, 1.0, 2.0])
    assert bool(positive_definite(A, radius=0.02))
    assert not bool(positive_definite(A, radius=0.2))
    assert positive_definite(A, radius=torch.full((3, 3), 0.02, dtype=A.dtype)).tolist() is True


@pytest.mark.parametrize("n", [1, 2, 10, 60])
def test_enclosure_of_a_known_least_eigenvalue(n):
    # The second difference matrix: 2 - 2 cos(pi / (n + 1)), exactly representable entries.
    A = 2 * torch.eye(n, dtype=torch.float64)
    off = torch.ones(n - 1, dtype=torch.float64)
    A = A - torch.diag(off, 1) - torch.diag(off, -1)
    seen = least_eigenvalue("least", A)
    true = 2 - 2 * np.cos(np.pi / (n + 1))
    assert seen.grade is Grade.CERTIFIED
    assert seen.lo <= true <= seen.hi
    assert seen.hi - seen.lo < 1e-10


def test_enclosure_of_an_indefinite_matrix_and_of_its_neighbours():
    A = rotated([-3.0, 1.0, 2.0])
    assert least_eigenvalue("least", A).at_most(-2.999).truth.value == "holds"
    wide = least_eigenvalue("least", A, radius=0.1)
    assert wide.lo < -3.1
    assert wide.hi > -2.9


def test_only_the_lower_triangle_counts():
    A = rotated([1.0, 2.0, 3.0])
    spoilt = torch.tril(A) + 100 * torch.triu(torch.ones_like(A), 1)
    assert bool(positive_definite(spoilt))
    seen, clean = least_eigenvalue("x", spoilt), least_eigenvalue("x", A)
    assert (seen.lo, seen.hi) == (clean.lo, clean.hi)


def test_float32_is_refused():
    with pytest.raises(Refused, match=r"needs float64, but got torch\.float32"):
        positive_definite(torch.eye(2))


@pytest.mark.fault(15)
def test_tf32_is_refused():
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with pytest.raises(Refused, match="allow_tf32 is on"):
            positive_definite(torch.eye(2, dtype=torch.float64))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.fault(15)
def test_emulated_float64_is_refused(monkeypatch):
    monkeypatch.setenv("CUBLAS_EMULATE_DOUBLE_PRECISION", "1")
    with pytest.raises(Refused, match="CUBLAS_EMULATE_DOUBLE_PRECISION may replace"):
        require_ieee()


@pytest.mark.fault(15)
def test_flush_to_zero_is_refused():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers to zero")
    try:
        with pytest.raises(Refused, match="flushed to zero on cpu"):
            require_ieee()
    finally:
        torch.set_flush_denormal(False)
    require_ieee()


def test_shapes_and_nan():
    with pytest.raises(ValueError, match=r"the shape is \(2, 3\)"):
        positive_definite(torch.zeros(2, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="holds NaN or infinity"):
        positive_definite(torch.full((2, 2), float("nan"), dtype=torch.float64))
    with pytest.raises(ValueError, match=r"one \(n, n\) matrix"):
        least_eigenvalue("x", torch.zeros(2, 2, 2, dtype=torch.float64))


def test_gamma_is_an_upper_bound():
    u = Fraction(1, 2**53)
    for k in (0, 1, 10, 10**6):
        assert Fraction(gamma(k)) >= k * u / (1 - k * u)
    with pytest.raises(ValueError, match="leave nothing of float64"):
        gamma(10**15)


def test_errors_of_all_entries_add_up():
    """2 I - 0.9 (all ones) has the eigenvalue 2 - 2.7: within the radius, and not definite."""
    A = 2 * torch.eye(3, dtype=torch.float64)
    assert not bool(positive_definite(A, radius=0.9))
    assert bool(positive_definite(A, radius=0.6))
