"""Batched tanh networks against torch.nn, automatic differentiation and torch.func."""

import pytest
import torch

from grokverify import Lab
from grokverify.perceptrons import (
    RELU,
    TANH,
    Linearised,
    errors,
    output,
    square_gradient,
    start,
)

WIDTHS = (3, 5, 4, 2)


def setting(runs=3, n=7):
    lab = Lab(seed=4)
    theta = start(lab, "student", runs, WIDTHS, 2.0)
    return theta, lab.normal("x", runs, n, 3), lab.normal("y", runs, n, 2)


def module(theta, run, act=TANH):
    layers = []
    for k in range(len(theta) // 2):
        W, b = theta[2 * k][run], theta[2 * k + 1][run, 0]
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape, dtype=W.dtype)
        linear.weight.data, linear.bias.data = W.T.clone(), b.clone()
        layers += [linear, torch.nn.Tanh() if act is TANH else torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("act", [TANH, RELU], ids=["tanh", "relu"])
def test_each_run_is_the_network_of_torch_with_its_gradient(act):
    theta, x, y = setting()
    slopes = square_gradient(x, y, 0.7, act)(theta)
    for run in range(3):
        net = module(theta, run, act)
        f = net(x[run])
        torch.testing.assert_close(output(theta, x, act)[run], f.detach())
        (0.7 * f - y[run]).square().mean().backward()
        for g, p in zip(slopes, net.parameters(), strict=True):
            torch.testing.assert_close(g[run].squeeze(0).T if g.shape[1] > 1 else g[run, 0], p.grad)
        torch.testing.assert_close(
            errors(theta, x, y, 0.7, act)[run], (0.7 * f - y[run]).square().mean(-1).detach()
        )


@pytest.mark.parametrize("act", [TANH, RELU], ids=["tanh", "relu"])
def test_the_linearisation_is_the_jacobian_product(act):
    theta, x, y = setting()
    moved = tuple(p + 0.3 * Lab(seed=1).normal(str(k), *p.shape) for k, p in enumerate(theta))
    step = tuple(a - b for a, b in zip(moved, theta, strict=True))
    ahead, behind = (
        output(tuple(p + h * d for p, d in zip(theta, step, strict=True)), x, act)
        for h in (1e-5, -1e-5)
    )
    slope = (ahead - behind) / 2e-5
    twin = Linearised(theta, x, act)
    torch.testing.assert_close(
        twin.output(moved), output(theta, x, act) + slope, rtol=1e-6, atol=1e-8
    )
    leaves = tuple(p.clone().requires_grad_() for p in moved)
    loss = (0.7 * twin.output(leaves) - y).square().mean((1, 2)).sum()
    for a, b in zip(
        twin.square_gradient(y, 0.7)(moved), torch.autograd.grad(loss, leaves), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_the_start_is_uniform_of_the_given_size():
    W, b, *_ = start(Lab(), "w", 50, (4, 30), 2.0)
    assert (W.shape, b.shape) == ((50, 4, 30), (50, 1, 30))
    assert 0.98 < float(W.abs().max()) <= 1.0
    assert abs(float(W.mean())) < 0.03


def test_no_network_without_two_widths():
    with pytest.raises(ValueError, match=r"widths from inputs to outputs, got \[3\]"):
        start(Lab(), "w", 1, [3])
