"""What structure saves in training, beside a plain loop and beside the products it cannot avoid.

Skipped by default. Run on a quiet machine, see test_bench_kernels.py:

    pytest tests/bench/test_bench_training.py -o addopts="" --benchmark-json=training.json

Peers take turns in one process on one thread. Their results must agree; nothing fails because of
the time it took.
"""

import pytest
import torch
from paired import beside, one_thread as one_thread

from grokverify import Lab
from grokverify.modular import cross_entropy_gradient, stored, sums
from grokverify.population import population_gradient
from grokverify.training import State, gradient_descent

LAB = Lab()


def brute_force(W, V, rows):
    """Loss and gradient over all p^2 pairs in matrix products, ``rows`` values of a at a time.

    Three products of p^2 x h x p for value and gradient; in blocks, so that z stays in the cache.
    """
    p = V.shape[0]
    u, w = W[:, :p].mT.contiguous(), W[:, p:].mT.contiguous()
    b = torch.arange(p)
    loss, dV, du, dw = 0.0, torch.zeros_like(V), torch.zeros_like(u), torch.zeros_like(w)
    for start in range(0, p, rows):
        part = slice(start, min(start + rows, p))
        z = u[part, None] + w
        s = (z * z).flatten(0, 1)
        E = s @ V.mT
        a = torch.arange(p)[part, None]
        E.view(-1, p, p)[a - start, b, (a + b) % p] -= p
        loss = loss + E.square().sum()
        dV += E.mT @ s
        d = (E @ V).view_as(z).mul_(z)
        du[part] = d.sum(1)
        dw += d.sum(0)
    scale = 2 / p**3
    return loss / p**3, (2 * scale * torch.cat([du, dw]).mT, scale * dV)


@pytest.mark.parametrize("p", [47, 97, 199])
def test_population_gradient(benchmark, p):
    h = 4 * p
    W = LAB.normal("W", h, 2 * p) / h ** (1 / 3)
    V = LAB.normal("V", p, h) / h ** (1 / 3)
    found, results = beside(
        benchmark,
        lambda: population_gradient(W, V),
        rounds=3 if p > 100 else 5,
        whole=lambda: brute_force(W, V, p),
        blocks=lambda: brute_force(W, V, 4),
    )
    benchmark.extra_info["p^2 / 3h"] = round(p * p / (3 * h), 2)
    for loss, slopes in results.values():
        assert abs(loss - found[0]) <= 1e-12 * loss
        for mine, theirs in zip(found[1], slopes, strict=True):
            assert (mine - theirs).abs().max() <= 1e-12 * theirs.abs().max()


class OneHot(torch.nn.Module):
    """The network as most people write it."""

    def __init__(self, W, V):
        super().__init__()
        self.first = torch.nn.Linear(W.shape[1], W.shape[0], bias=False)
        self.second = torch.nn.Linear(V.shape[1], V.shape[0], bias=False)
        with torch.no_grad():
            self.first.weight.copy_(W)
            self.second.weight.copy_(V)

    def forward(self, x):
        return self.second(self.first(x).square())


def setting(p, h, n, runs=0):
    lab = Lab(dtype="float32")
    batch = (runs,) if runs else ()
    W = lab.uniform("W", *batch, h, 2 * p) / (2 * p) ** 0.5
    V = lab.uniform("V", *batch, p, h) / h**0.5
    chosen = torch.stack([lab.subset(f"x{r}", p * p, n) for r in range(runs or 1)])
    return stored(W), V, sums(p, chosen if runs else chosen[0])


def ours(W, V, data, steps, rate=0.5):
    gradient, update = cross_entropy_gradient(data), gradient_descent(rate)

    def run():
        state = State((W, V))
        for _ in range(steps):
            state = update(state, gradient(state.theta))
        return state.theta

    return run


SIZES = [(23, 128, 264, 100), (97, 512, 3763, 6)]


@pytest.mark.parametrize(("p", "h", "n", "steps"), SIZES)
def test_step_beside_an_eager_loop(benchmark, p, h, n, steps):
    W, V, data = setting(p, h, n)
    x = torch.zeros(n, 2 * p)
    x[torch.arange(n), data.a] = 1
    x[torch.arange(n), p + data.b] = 1
    s, E = torch.rand(n, h), torch.rand(n, p)

    def eager():
        net, loss = OneHot(W, V), torch.nn.CrossEntropyLoss()
        optimiser = torch.optim.SGD(net.parameters(), 0.5)
        for _ in range(steps):
            optimiser.zero_grad()
            loss(net(x), data.c).backward()
            optimiser.step()
        return tuple(parameter.detach() for parameter in net.parameters())

    def its_products():
        for _ in range(steps):
            s @ V.mT, E.mT @ s, E @ V

    found, results = beside(
        benchmark,
        ours(W, V, data, steps),
        rounds=5,
        eager=eager,
        the_products_of_its_gradient=its_products,
    )
    for mine, theirs in zip(found, results["eager"], strict=True):
        assert (mine - theirs).abs().max() <= 1e-5


@pytest.mark.parametrize(("p", "h", "n", "steps", "runs"), [(*SIZES[0], 8), (*SIZES[1], 4)])
def test_runs_together(benchmark, p, h, n, steps, runs):
    """The gain is what a step costs beside its arithmetic: calls, and what fits the cache.

    At p = 23 one run takes 125 us a step, of which 63 are its three products, 25 passes over memory
    and the rest calls of Python and torch; only the last is shared, so that no number of runs gains
    more than 125 / 88 = 1.4. At p = 97 nothing is left to share.
    """
    W, V, data = setting(p, h, n, runs)
    steps = max(2, steps // runs)
    each = [ours(stored(W[r]), V[r], sums(p, (data.a * p + data.b)[r]), steps) for r in range(runs)]

    found, results = beside(
        benchmark,
        ours(W, V, data, steps),
        rounds=5,
        targets={"one after another": 1.5 if p == 23 else 1.0},
        products=3 * n * h * p * steps * runs,
        dtype=torch.float32,
        one_after_another=lambda: [run() for run in each],
    )
    for r, one in enumerate(results["one_after_another"]):
        for mine, theirs in zip(found, one, strict=True):
            assert (mine[r] - theirs).abs().max() <= 1e-5
