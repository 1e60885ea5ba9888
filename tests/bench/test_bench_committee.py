"""The reduced dynamics of the quadratic committee machine, beside the loops that one would write.

Skipped by default. Run on a quiet machine, see test_bench_kernels.py. One thread. Peers take turns
in one process and their losses must agree; nothing fails because of the time it took.
"""

import pytest
import torch
from paired import beside, one_thread as one_thread

from grokverify import Lab
from grokverify.flows.committee import descend, sample, sweep

LAB = Lab()
STEPS, RATE, EPS = 200, 0.02, 0.5


class Committee(torch.nn.Module):
    """The network as a research repository writes it: N neurons, output taken off at the start."""

    def __init__(self, W, alpha, eps):
        super().__init__()
        self.hidden = torch.nn.Linear(W.shape[1], W.shape[0], bias=False, dtype=W.dtype)
        self.alpha, self.eps = alpha, eps
        with torch.no_grad():
            self.hidden.weight.copy_(W)

    def forward(self, x):
        h = self.hidden(x)
        return self.alpha * (h + self.eps / 2 * h.square()).mean(-1)


def eager(W, X, y, alpha, null):
    net = Committee(W, alpha, EPS)
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE * len(W) / alpha**2)
    with torch.no_grad():
        start = net(X)
    for _ in range(STEPS):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(net(X) - start, y).backward()
        optimiser.step()
    with torch.no_grad():
        return torch.nn.functional.mse_loss(net(X) - start, y) / null


def setting(D, P, N, runs=1, alpha=0.5):
    problem = sample(LAB, runs, D=D, P=P, N=N, alpha=alpha, eps=EPS)
    return problem, LAB.normal("w", runs, N, D)


def last(problem, steps=STEPS):
    return descend(problem, RATE, steps, records=2).train[-1]


@pytest.mark.parametrize(("D", "P", "N"), [(40, 200, 500), (100, 550, 500)])
def test_learning_curve(benchmark, D, P, N):
    """Start-up and two records included, so that the ratio per step is larger than this one."""
    problem, W = setting(D, P, N)
    X, y, null = problem.X[0], problem.y[0], problem.null[0]
    found, results = beside(
        benchmark,
        lambda: last(problem),
        rounds=5,
        targets={"eager": 2.0} if D == 100 else None,
        products=2.0 * STEPS * P * (min(N, D + 1)) * D,
        eager=lambda: eager(W[0], X, y, 0.5, null),
    )
    benchmark.extra_info["steps"] = STEPS
    torch.testing.assert_close(found[0], results["eager"], rtol=1e-9, atol=0)


@pytest.mark.parametrize("runs", [1, 8])
def test_runs_together(benchmark, runs):
    problem, _ = setting(40, 200, 500, runs)
    each = [problem.at(slice(r, r + 1)) for r in range(runs)]
    found, results = beside(
        benchmark,
        lambda: last(problem),
        rounds=3,
        one_after_another=lambda: torch.cat([last(one) for one in each]),
    )
    torch.testing.assert_close(found, results["one_after_another"], rtol=1e-9, atol=0)


@pytest.mark.parametrize("steps", [200, 2000])
@pytest.mark.parametrize("bends", [1, 4])
def test_scales_on_shared_data(benchmark, steps, bends):
    """Sixteen settings of alpha and eps on one data set and start, beside the same one by one.

    Few steps show the start (a kernel is diagonalised for each eps, not for each run), many the
    products, of 16 (D + 1) columns in place of D + 1.
    """
    alphas = [0.25 * 1.25**k for k in range(16 // bends)]
    several = [0.25 * 1.4**k for k in range(bends)]
    problem = sweep(sweep(setting(40, 200, 500)[0], eps=several), alpha=alphas)
    each = [problem.at(slice(r, r + 1)) for r in range(16)]
    found, results = beside(
        benchmark,
        lambda: last(problem, steps),
        rounds=3,
        targets={"one_after_another": 2.0},
        one_after_another=lambda: torch.cat([last(one, steps) for one in each]),
    )
    torch.testing.assert_close(found, results["one_after_another"], rtol=1e-9, atol=0)
