"""Maximum margins and certified spectra beside the generic solvers of scipy.

Skipped by default. Run on a quiet machine, see test_bench_kernels.py; one thread. Results must
agree, and nothing fails because of the time it took.
"""

import numpy as np
import pytest
import torch
from paired import beside, one_thread as one_thread
from scipy.linalg import eigvalsh
from scipy.optimize import minimize

from grokverify import Lab
from grokverify.kernels import entk, entk_positive, inputs, most_frequent
from grokverify.margins import max_margin

LAB = Lab()


@pytest.mark.parametrize(("n", "d"), [(16, 40), (40, 100)])
def test_maximum_margin(benchmark, n, d):
    """The quadratic programme ``min |w|^2 subject to X w >= 1``, by SLSQP."""
    X = LAB.normal("X", n, d).numpy()

    def generic():
        limits = {"type": "ineq", "fun": lambda w: X @ w - 1, "jac": lambda w: X}
        start = np.zeros(d)
        options = {"ftol": 1e-12, "maxiter": 1000}
        return minimize(
            lambda w: w @ w / 2,
            start,
            jac=lambda w: w,
            constraints=limits,
            method="SLSQP",
            options=options,
        ).x

    found, results = beside(benchmark, lambda: max_margin(X), rounds=3, SLSQP=generic)
    assert 1 / np.linalg.norm(results["SLSQP"]) == pytest.approx(found.margin, rel=1e-5)


@pytest.mark.parametrize("p", [11, 17])
def test_least_eigenvalue(benchmark, p):
    """Whether the kernel is positive definite for every V, beside its least eigenvalue at V = 0."""
    n = int(2 * p**2.25)
    x = inputs(p, LAB.subset("x", p**3, n))
    h = most_frequent(x[2])
    W, V = LAB.uniform("W", h, 2 * p), torch.zeros(p, h, dtype=torch.float64)

    def generic():
        return eigvalsh(entk(W, V, x).numpy(), subset_by_index=[0, 0])[0]

    found, results = beside(benchmark, lambda: entk_positive(W, x), rounds=3, eigvalsh=generic)
    assert found
    assert results["eigvalsh"] > 0
