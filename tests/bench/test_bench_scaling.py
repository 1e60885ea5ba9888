"""How costs grow: one size of a kernel at a time, the others fixed. No peers.

Skipped by default. Run on a quiet machine, see test_bench_kernels.py; one thread.
"""

import pytest
from paired import one_thread as one_thread, record_machine

from grokverify import Lab
from grokverify.flows.committee import descend, sample
from grokverify.kernels import entk, entk_positive, inputs, most_frequent
from grokverify.population import population_gradient

LAB = Lab()


def cross(**middle):
    """The middle sizes, and each size halved and doubled by itself."""
    others = [middle | {k: n} for k, size in middle.items() for n in (size // 2, 2 * size)]
    return [tuple(sizes.values()) for sizes in (middle, *others)]


def timed(benchmark, task):
    record_machine(benchmark.extra_info)
    return benchmark.pedantic(task, rounds=5, iterations=1, warmup_rounds=1)


@pytest.mark.parametrize(("p", "h", "n"), cross(p=24, h=128, n=800))
def test_regression_kernel_cost(benchmark, p, h, n):
    W, V = LAB.normal("W", h, 2 * p), LAB.normal("V", p, h)
    x = inputs(p, LAB.subset("x", p**3, n))
    assert timed(benchmark, lambda: entk(W, V, x)).shape == (n, n)


@pytest.mark.parametrize("p", [11, 23, 47])
def test_positive_definite_cost(benchmark, p):
    """With n = 2 p^2.25 inputs and as many units as the most frequent c has inputs."""
    n = int(2 * p**2.25)
    x = inputs(p, LAB.subset("x", p**3, n))
    W = LAB.uniform("W", most_frequent(x[2]), 2 * p)
    assert timed(benchmark, lambda: entk_positive(W, x))


@pytest.mark.parametrize(("p", "h"), cross(p=96, h=256))
def test_population_gradient_cost(benchmark, p, h):
    W, V = LAB.normal("W", h, 2 * p), LAB.normal("V", p, h)
    timed(benchmark, lambda: population_gradient(W, V))


@pytest.mark.parametrize(("D", "P"), cross(D=40, P=200))
def test_committee_cost(benchmark, D, P):
    """Twenty steps of the reduced dynamics."""
    problem = sample(LAB, 1, D=D, P=P, N=500, alpha=0.5, eps=0.5)
    timed(benchmark, lambda: descend(problem, 0.02, 20, records=2))
