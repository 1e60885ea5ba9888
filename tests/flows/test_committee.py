"""The reduced committee machine against torch.optim, Monte Carlo and the unreduced network."""

from dataclasses import fields, replace

import pytest
import torch

from grokverify import Lab
from grokverify.flows._stacked import copies
from grokverify.flows.committee import (
    compress,
    descend,
    log_times,
    sample,
    sweep,
    train_network,
)
from grokverify.flows.linearised import (
    Twin,
    kernel_regression_loss,
    moments,
    population_loss,
)

LAB = Lab(seed=1)


def small(runs=2, N=7, **changes):
    problem = sample(LAB, runs, D=4, P=9, N=N, alpha=0.6, eps=0.4)
    return replace(problem, **changes)


def weights(runs=2, N=7):
    return LAB.normal("w", runs, N, 4)


@pytest.mark.parametrize("N", [1, 2, 4, 5, 30])
def test_compress_keeps_the_moments(N):
    W = LAB.normal("any", 3, N, 4)
    Z, u = compress(W)
    assert Z.shape == (3, min(N, 5), 4)
    wbar, M = moments(Z, u)
    torch.testing.assert_close(wbar, W.mean(1))
    torch.testing.assert_close(M, W.mT @ W / N)
    torch.testing.assert_close(u.square().sum(-1), torch.ones(3, dtype=W.dtype))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 1e-3])
@pytest.mark.parametrize("centred", [True, False])
def test_against_torch_optim(momentum, decay, centred):
    problem, N, rate = small(1, centred=centred), 7, 0.1
    a, e, lr = 0.6, 0.4, rate * N / 0.6**2
    W = weights(1)[0].clone().requires_grad_()
    X, y = problem.X[0], problem.y[0]

    def f(W):
        h = X @ W.T
        return a * (h + e / 2 * h**2).mean(-1)

    start = f(W).detach() if centred else 0
    optimiser = torch.optim.SGD([W], lr=lr, momentum=momentum, weight_decay=decay / lr)
    for _ in range(60):
        optimiser.zero_grad()
        ((f(W) - start - y) ** 2).mean().backward()
        optimiser.step()
    loss = ((f(W) - start - y) ** 2).mean().detach() / problem.null[0]
    run = descend(problem, rate, 60, momentum=momentum, decay=decay, records=8)
    torch.testing.assert_close(run.train[-1, 0], loss, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(run.norm[-1, 0], W.detach().norm() / weights(1).norm())
    moved = (W.detach() - weights(1)[0]).norm() / weights(1).norm()
    torch.testing.assert_close(run.moved[-1, 0], moved)


def test_train_network_agrees_and_samples_the_test_loss():
    problem, times = small(), log_times(80, 6)
    probe = LAB.normal("probe", 2, 200_000, 4) / 2
    train, test, W = train_network(weights(), problem, 0.1, times, momentum=0.5, probe=probe)
    run = descend(problem, 0.1, 80, momentum=0.5, records=6)
    torch.testing.assert_close(run.train, train, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(run.test, test, rtol=0.05, atol=0.01)
    assert W.shape == (len(times), 2, 7, 4)


def test_a_network_that_diverges_has_infinite_losses_and_no_nan():
    train, test, W = train_network(weights(), small(), 1e4, [0, 40], momentum=0.5)
    assert torch.isfinite(train[0]).all()
    assert (train[1] == float("inf")).all()
    assert (test[1] == float("inf")).all()
    assert not torch.isfinite(W[1]).all()


def test_batch_chunks_and_early_stops_change_nothing(monkeypatch):
    problem = sweep(small(3), alpha=[0.1, 1.0, 30.0])
    whole = descend(problem, 0.2, 3000, records=20)
    monkeypatch.setattr("grokverify.flows.committee._CHUNK", 100)
    monkeypatch.setattr("grokverify.flows.committee._DONE", -1.0)
    parts = descend(problem, 0.2, 3000, records=20)
    for name in ("train", "variance", "misalignment", "power", "moved", "twin_test", "apart"):
        torch.testing.assert_close(
            getattr(whole, name), getattr(parts, name), rtol=1e-5, atol=1e-6, msg=name
        )


@pytest.mark.parametrize(
    ("chunk", "momentum", "decay", "centred"),
    [(2**18, 0.0, 0.0, True), (200, 0.8, 0.0, False), (100, 0.5, 1e-3, True)],
)
def test_runs_on_shared_data_are_the_runs_alone(monkeypatch, chunk, momentum, decay, centred):
    """They stand side by side in one product; some end early, unevenly over the data sets."""
    monkeypatch.setattr("grokverify.flows.committee._CHUNK", chunk)
    monkeypatch.setattr("grokverify.flows.committee._DONE", 0.12)
    many = sweep(small(3, centred=centred), eps=[0.3, 0.5])
    problem = sweep(many, alpha=[0.1, 0.4, 3.0])
    assert copies(problem.X) == 6
    assert copies(problem.X, problem.eps) == 3
    settings = {"momentum": momentum, "decay": decay, "records": 20}
    rate = torch.linspace(0.01, 0.05, 18, dtype=torch.float64)
    rate[4] = 1e3  # diverges
    together = descend(problem, rate, 300, **settings)
    for i in range(18):
        alone = descend(problem.at(slice(i, i + 1)), rate[i], 300, **settings)
        moving = alone.train[:, 0] > 0.12
        for f in fields(together):
            if f.name != "t":
                a, b = getattr(together, f.name)[moving, i], getattr(alone, f.name)[moving, 0]
                torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_copies_counts_stretches_of_equal_entries():
    a = torch.tensor([[1.0], [1.0], [2.0], [2.0], [2.0], [2.0]])
    assert copies(a) == 2
    assert copies(a, torch.tensor([0.0, 0, 0, 0, 0, 1])) == 1
    assert copies(a[:1]) == 1
    assert copies(a[2:]) == 4


def test_a_diverged_run_is_infinite_and_alone():
    problem = small(3)
    run = descend(problem, torch.tensor([0.1, 1e3, 0.1], dtype=torch.float64), 400, records=10)
    assert run.test[-1, 1].isinf()
    assert run.train[-1, 1].isinf()
    alone = descend(problem.at(slice(0, 1)), 0.1, 400, records=10)
    torch.testing.assert_close(run.test[:, :1], alone.test)
    assert not torch.stack([run.test, run.train, run.apart]).isnan().any()


def test_population_loss_by_monte_carlo():
    problem = small(1)
    wbar, M = LAB.normal("wbar", 1, 4), LAB.normal("M", 1, 4, 4)
    M = M + M.mT
    x = LAB.normal("x", 400_000, 4) / 2
    f = 0.6 * (x @ wbar[0] + 0.2 * ((x @ M[0]) * x).sum(-1))
    y = ((x @ problem.target[0]) * x).sum(-1) / 2
    terms = population_loss(problem.alpha, problem.eps, wbar, M, problem.target)
    assert float(sum(terms)) == pytest.approx(float(((f - y) ** 2).mean()), rel=0.02)


def test_the_twin_is_gradient_descent_on_the_kernel():
    problem, rate, steps = small(), 0.3, 25
    twin = Twin(problem, rate)
    W = weights()
    slope = 1 + 0.4 * problem.X @ W.mT
    K = (problem.X @ problem.X.mT) * (slope @ slope.mT) / 7
    r = -problem.y
    for _ in range(steps):
        r = r - 2 * rate / 9 * (K @ r[..., None])[..., 0]
    torch.testing.assert_close(twin.after(steps)[0], r.square().mean(-1))


def test_a_lazy_network_follows_its_twin():
    problem = replace(small(), alpha=torch.full((2,), 1e5, dtype=torch.float64))
    run = descend(problem, 0.1, 300, records=8)
    assert float(run.apart.max()) < 1e-6
    torch.testing.assert_close(run.test, run.twin_test, rtol=1e-3, atol=1e-6)
    richer = descend(small(), 0.1, 300, records=8)
    assert float(richer.apart.max()) > 1e-3


def test_kernel_regression_is_exact_from_all_linear_and_quadratic_functions():
    assert kernel_regression_loss(sample(LAB, 3, D=4, P=14, N=5, alpha=1.0, eps=0.3)).max() < 1e-9
    assert kernel_regression_loss(sample(LAB, 3, D=4, P=13, N=5, alpha=1.0, eps=0.3)).min() > 1e-6
    assert kernel_regression_loss(sample(LAB, 3, D=4, P=14, N=4, alpha=1.0, eps=0.3)).max() > 1e-9


def test_labels_can_be_replaced_and_sweeps_are_run_major():
    problem = small()
    other = replace(problem, labels=problem.y.roll(1, -1))
    assert not torch.equal(other.y, problem.y)
    many = sweep(other, alpha=[1.0, 2.0, 3.0])
    assert many.alpha.tolist() == [1.0, 2.0, 3.0] * 2
    torch.testing.assert_close(many.y[3], other.y[1])


def test_log_times():
    assert log_times(1000, 4) == [0, 1, 10, 100, 1000]
    assert log_times(3, 50) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="at least 1 step"):
        log_times(0)
