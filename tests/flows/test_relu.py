"""The flow of ReLU nets: gradients against autograd, scaled shares, and error texts."""

import math
import re

import pytest
import torch

from grokverify.flows.relu import Sums, _gradient, _pushed, decayed, he_start, undecayed
from grokverify.margins import SolverFailed

torch.manual_seed(0)
A, B, W2 = (torch.randn(5, 6, dtype=torch.float64) for _ in range(3))
DATA = Sums(5, torch.arange(0, 25, 2))


def test_the_gradient_is_that_of_the_mean_cross_entropy():
    theta = [w.clone().requires_grad_() for w in he_start(A, B, W2)]
    a, b = DATA.chosen // 5, DATA.chosen % 5
    outputs = torch.relu(theta[0][a] + theta[1][b] + theta[2]) @ theta[3].T
    loss = torch.nn.functional.cross_entropy(outputs, (a + b) % 5)
    expected = torch.autograd.grad(loss, theta)
    start = tuple(w.detach() for w in theta)
    for mine, other in zip(_gradient(DATA)(start, 0.0), expected, strict=True):
        assert torch.allclose(-mine, other, atol=1e-14)


def test_shares_keep_their_size_where_they_underflow():
    F = torch.tensor([[2000.0, 1000.0, 0.0]], dtype=torch.float64)
    R = _pushed(F, torch.tensor([0]), 1000.0)
    assert R[0].tolist() == pytest.approx([1.0, -1.0, 0.0])


def test_the_decay_of_a_net_that_has_nothing_to_learn():
    zero = he_start(A, 0 * B, 0 * W2)  # W2 = 0 and one class: no gradient at all
    data = Sums(2, torch.tensor([0, 1, 2, 3]), torch.zeros(4, dtype=torch.int64))
    start = tuple(w[:2] if w.ndim == 2 else w for w in zero)
    run = decayed(data, start, 1e6, 1.0, tol=1e-6)
    norm = math.sqrt(sum(float((w**2).sum()) for w in start))
    assert run.readings[-1].norm == pytest.approx(norm / math.e, rel=1e-2)


def test_time_is_summed_without_decay():
    run = undecayed(DATA, he_start(A, B, W2), 6.0, tol=1e-2)
    clocks = [r.clock for r in run.readings]
    assert clocks == sorted(clocks)
    assert clocks[-1] >= 6.0
    assert run.first("train", 0.9) < 6.0
    assert run.first("train", 2.0) == math.inf
    assert run.readings[-1].log_loss < run.readings[0].log_loss - 1


def test_decay_stops_where_enough_is_right():
    run = decayed(DATA, he_start(A, B, W2), 1e-2, 5.0, enough=0.0)
    assert run.readings[-1].clock < 1e-3


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Sums(5, torch.tensor([25])), "numbers up to 25 do not fit addition modulo 5"),
        (lambda: Sums(5, torch.tensor([], dtype=torch.int64)), "0 training pairs"),
        (lambda: decayed(DATA, he_start(A, B, W2), 0.0, 1.0), "lambda = 0.0"),
        (lambda: decayed(DATA, he_start(A, B, W2), 0.1, 1.0, tol=2.0), "tol below 1"),
        (lambda: undecayed(DATA, he_start(A, B, W2), 1.0, tol=0.0), "tol = 0.0"),
    ],
)
def test_bad_input(make, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


@pytest.mark.parametrize("flow", ["decayed", "undecayed"])
def test_too_few_steps_say_where_it_stopped(flow):
    start = he_start(A, B, W2)
    with pytest.raises(SolverFailed, match=r"stopped at .* after 3 steps.*chatter"):
        decayed(DATA, start, 1e-3, 1.0, steps=3) if flow == "decayed" else undecayed(
            DATA, start, 50.0, steps=3
        )
