"""The committee machine at points: against autograd, its closed form, and kernel regression."""

import pytest
import torch

from grokverify import Lab
from grokverify.flows.committee import compress, descend, sample
from grokverify.flows.pointwise import follow, start_kernel

LAB = Lab(seed=2)
D, N, P, Q = 3, 6, 7, 5


def start(runs=2):
    X = LAB.normal("x", runs, P + Q, D) / D**0.5
    W = LAB.normal("w", runs, N, D)
    return X, LAB.normal("y", runs, P + Q), W, *compress(W)


def output(W, X, alpha=0.7, eps=0.4):
    h = X @ W.mT
    return alpha * (h + eps / 2 * h**2).mean(-1)


def test_against_autograd():
    X, y, W0, Z, u = start()
    alpha, eps, rate = 0.7, 0.4, 0.1
    run = follow(X, y, P, Z, u, alpha=alpha, eps=eps, rate=rate, steps=50, records=10)
    W, f0 = W0.clone(), output(W0, X)
    for t in range(51):
        gap = output(W, X) - f0 - y
        if t in run.t:
            k = run.t.tolist().index(t)
            torch.testing.assert_close(run.train[k], gap[:, :P].square().mean(-1))
            torch.testing.assert_close(run.test[k], gap[:, P:].square().mean(-1))
        W = W.requires_grad_()
        loss = (output(W, X[:, :P]) - f0[:, :P] - y[:, :P]).square().mean(-1).sum()
        (g,) = torch.autograd.grad(loss, W)
        W = W.detach() - rate * N / alpha**2 * g


def test_the_twin_is_gradient_descent_on_the_tangent_model():
    X, y, W0, Z, u = start(1)
    run = follow(X, y, P, Z, u, alpha=0.7, eps=0.4, rate=0.1, steps=40, records=8)
    W0 = W0[0]
    J = torch.autograd.functional.jacobian(lambda W: output(W, X[0]), W0).reshape(P + Q, -1)
    torch.testing.assert_close(N / 0.7**2 * J @ J.T, start_kernel(X, Z, u, 0.4)[0])
    w = torch.zeros_like(W0).reshape(-1)
    for t in range(41):
        gap = J @ w - y[0]
        if t in run.t:
            k = run.t.tolist().index(t)
            torch.testing.assert_close(run.twin_train[k, 0], gap[:P].square().mean())
            torch.testing.assert_close(run.twin_test[k, 0], gap[P:].square().mean())
        w = w - 0.1 * N / 0.7**2 * 2 / P * J[:P].T @ gap[:P]


def test_on_a_quadratic_form_it_is_the_committee():
    problem = sample(LAB, 2, D=D, P=P, N=N, alpha=0.7, eps=0.4)
    X = torch.cat([problem.X, problem.X[:, :1]], 1)
    y = torch.cat([problem.y, problem.y[:, :1]], 1)
    run = follow(X, y, P, problem.Z, problem.u, alpha=0.7, eps=0.4, rate=0.1, steps=30, records=6)
    other = descend(problem, 0.1, 30, records=6)
    torch.testing.assert_close(run.train, other.train * problem.null)


def test_a_rate_that_is_too_large_ends_at_infinity():
    X, y, _, Z, u = start()
    run = follow(X, y, P, Z, u, alpha=0.7, eps=0.4, rate=50.0, steps=40)
    assert run.train[-1].isinf().all()
    assert not run.test.isnan().any()


@pytest.mark.parametrize("P", [0, 12])
def test_some_points_must_be_left_to_test_on(P):
    X, y, _, Z, u = start()
    with pytest.raises(ValueError, match=f"trains on {P} of 12 points"):
        follow(X, y, P, Z, u, alpha=1.0, eps=0.4, rate=0.1, steps=3)
