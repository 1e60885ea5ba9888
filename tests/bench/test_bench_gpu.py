"""The same code on a CUDA device: verdicts and constants beside the CPU's, and device times.

Skipped with its reason where there is no device; the page of ``make bench`` then says so. Times are
taken after a synchronisation.
"""

import pytest
import torch
from paired import beside

from grokverify import Lab, find, verify
from grokverify.flows.committee import descend, sample
from grokverify.kernels import entk, inputs
from grokverify.population import population_gradient

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
    pytest.mark.benchmark(group="gpu"),
]
CLAIMS = [
    "theorems.mohamadi2024.interpolation",
    "theorems.mohamadi2024.interpolation_width",
    "theorems.mohamadi2024.tangent_split",
    "theorems.kumar2024.loss_decomposition",
]


def on_device(task):
    def run():
        found = task()
        torch.cuda.synchronize()
        return found

    return run


@pytest.mark.parametrize("place", CLAIMS)
def test_verdicts_and_constants(benchmark, place):
    def records(device):
        lab = Lab(profile="smoke", device=device)
        return [verify(claim, lab, ref=ref) for ref, claim in find(place).items()]

    cpu = records("cpu")
    found = benchmark.pedantic(lambda: records("cuda"), rounds=1)
    for mine, theirs in zip(found, cpu, strict=True):
        assert mine.verdict is theirs.verdict
        for a, b in zip(mine.checks, theirs.checks, strict=True):
            for x, y in zip(a.constants, b.constants, strict=True):
                room = 1e-6 * max(1.0, abs(float(y.lo)), abs(float(y.hi)))
                assert x.name == y.name
                assert float(x.lo) <= float(y.hi) + room
                assert float(y.lo) <= float(x.hi) + room


@pytest.mark.parametrize(("p", "h", "n"), [(23, 256, 1500), (97, 512, 6000)])
def test_regression_kernel(benchmark, p, h, n):
    def task(device):
        lab = Lab(device=device)
        W, V = lab.normal("W", h, 2 * p), lab.normal("V", p, h)
        x = inputs(p, lab.subset("x", p**3, n))
        return lambda: entk(W, V, x)

    found, results = beside(benchmark, on_device(task("cuda")), rounds=3, cpu=task("cpu"))
    torch.testing.assert_close(found.cpu(), results["cpu"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("p", [97, 199])
def test_population_gradient(benchmark, p):
    def task(device):
        lab = Lab(device=device)
        W, V = lab.normal("W", 4 * p, 2 * p), lab.normal("V", p, 4 * p)
        return lambda: population_gradient(W, V)[0]

    found, results = beside(benchmark, on_device(task("cuda")), rounds=5, cpu=task("cpu"))
    torch.testing.assert_close(found.cpu(), results["cpu"], rtol=1e-10, atol=0)


@pytest.mark.parametrize("runs", [1, 64])
def test_learning_curves(benchmark, runs):
    def task(device):
        problem = sample(Lab(device=device), runs, D=100, P=550, N=500, alpha=0.5, eps=0.5)
        return lambda: descend(problem, 0.02, 20, records=2).train[-1]

    found, results = beside(benchmark, on_device(task("cuda")), rounds=3, cpu=task("cpu"))
    torch.testing.assert_close(found.cpu(), results["cpu"], rtol=1e-8, atol=0)
