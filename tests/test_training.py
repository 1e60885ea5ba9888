"""Update rules against torch.optim, exact gradients against autograd, and the error texts."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from grokverify import Lab
from grokverify.nets import quadratic
from grokverify.training import (
    Diverged,
    State,
    adagrad,
    adam,
    gradient_descent,
    gradient_of,
    momentum,
    normalised_descent,
    rmsprop,
    sign_descent,
    square_loss_gradient,
    sup_norm_subgradient,
    trajectory,
)

LAB = Lab()
P, H, N = 5, 4, 40
X = tuple(LAB.integers(k, 0, P, N) for k in "abc")
Y = LAB.integers("y", 0, P, N)


def start():
    return LAB.normal("W", H, 2 * P), LAB.normal("V", P, H)


def loss(theta):
    a, b, c = X
    return (quadratic(*theta, a, b)[torch.arange(N), c] - Y).square().mean()


@pytest.mark.parametrize(
    ("update", "optimiser"),
    [
        (gradient_descent(0.01), lambda q: torch.optim.SGD(q, 0.01)),
        (gradient_descent(0.01, decay=0.3), lambda q: torch.optim.SGD(q, 0.01, weight_decay=0.3)),
        (momentum(0.01, 0.8), lambda q: torch.optim.SGD(q, 0.01, momentum=0.8)),
        (
            momentum(0.01, decay=0.2),
            lambda q: torch.optim.SGD(q, 0.01, momentum=0.9, weight_decay=0.2),
        ),
        (adam(0.02), lambda q: torch.optim.Adam(q, 0.02)),
        (
            adam(0.02, 0.8, 0.95, 1e-3, decay=0.4),
            lambda q: torch.optim.AdamW(q, 0.02, (0.8, 0.95), 1e-3, weight_decay=0.4),
        ),
        (rmsprop(0.02), lambda q: torch.optim.RMSprop(q, 0.02)),
        (adagrad(0.1), lambda q: torch.optim.Adagrad(q, 0.1)),
    ],
)
def test_rules_agree_with_torch(update, optimiser):
    leaves = [x.clone().requires_grad_() for x in start()]
    reference = optimiser(leaves)
    states = trajectory(update, gradient_of(loss), State(start()), 25)
    for state in states[1:]:
        reference.zero_grad()
        loss(leaves).backward()
        reference.step()
        for x, y in zip(state.theta, leaves, strict=True):
            assert torch.allclose(x, y.detach(), rtol=1e-10, atol=1e-12)
    assert states[-1].t == 25


def test_sign_and_normalised_descent():
    theta, g = (torch.tensor([1.0, 2.0]),), (torch.tensor([-3.0, 0.0]),)
    assert sign_descent(0.5)(State(theta), g).theta[0].tolist() == [1.5, 2.0]
    both = (torch.tensor([3.0]), torch.tensor([4.0]))
    moved = normalised_descent(1.0)(State(both), both).theta
    assert [float(x) for x in moved] == pytest.approx([2.4, 3.2])
    exact = np.array([Fraction(1, 3), Fraction(-2, 7), 0], dtype=object)
    moved = sign_descent(Fraction(1, 9))(State((exact,)), (exact,)).theta[0]
    assert moved.tolist() == [Fraction(2, 9), Fraction(-2, 7) + Fraction(1, 9), 0]


def test_states_are_values():
    state = State(start())
    before = [x.clone() for x in state.theta]
    trajectory(adam(0.1), gradient_of(loss), state, 3)
    assert all(torch.equal(x, y) for x, y in zip(state.theta, before, strict=True))


def test_a_later_state_continues_the_run():
    whole = trajectory(adam(0.02), gradient_of(loss), State(start()), 10)[-1]
    half = trajectory(adam(0.02), gradient_of(loss), State(start()), 4)[-1]
    rest = trajectory(adam(0.02), gradient_of(loss), half, 6)[-1]
    assert rest.t == 10
    assert all(torch.equal(x, y) for x, y in zip(whole.theta, rest.theta, strict=True))


def test_trajectory_keeps_what_it_is_told():
    times = [s.t for s in trajectory(momentum(0.01), gradient_of(loss), State(start()), 7, every=3)]
    assert times == [0, 3, 6, 7]
    assert len(trajectory(momentum(0.01), gradient_of(loss), State(start()), 0)) == 1
    for n, every in ((-1, 1), (3, 0)):
        with pytest.raises(ValueError, match="n >= 0 and every >= 1"):
            trajectory(momentum(0.01), gradient_of(loss), State(start()), n, every=every)


def test_divergence_names_the_step():
    def square(theta):
        return theta[0].pow(4).sum()

    begin = State((torch.tensor([2.0]),))
    with pytest.raises(Diverged, match=r"step \d+ made parameter 0 .* NaN or infinite.*rate"):
        trajectory(gradient_descent(1.0), gradient_of(square), begin, 100)
    with pytest.raises(Diverged, match="step 1 made parameter 0"):
        trajectory(gradient_descent(np.inf), lambda t: t, State((np.ones(2),)), 5)


def test_closed_gradient_equals_autograd():
    """On whole numbers both are exact, up to the division by n."""
    W, V = (x.mul(4).round() for x in start())
    found = square_loss_gradient(tuple(x.numpy() for x in X), Y.numpy())(
        tuple(np.vectorize(Fraction, otypes=[object])(x.numpy()) for x in (W, V))
    )
    for x, y in zip(found, gradient_of(loss)((W, V)), strict=True):
        assert np.allclose(x.astype(float), y.numpy(), rtol=1e-12, atol=0)
    assert all(isinstance(v, Fraction) for v in found[0].ravel())


def test_sup_norm_subgradient_equals_autograd_with_ties():
    theta = torch.tensor([[3.0, -1.0], [2.0, -3.0]]), torch.tensor([3.0, 0.0])

    def largest(t):
        return torch.cat([x.flatten() for x in t]).abs().amax()

    expected = gradient_of(largest)(theta)
    assert all(
        torch.allclose(x, y) for x, y in zip(sup_norm_subgradient(theta), expected, strict=True)
    )
    exact = tuple(np.vectorize(Fraction, otypes=[object])(x.numpy()) for x in theta)
    W, V = sup_norm_subgradient(exact)
    assert W.tolist() == [[Fraction(1, 3), 0], [0, Fraction(-1, 3)]]
    assert V.tolist() == [Fraction(1, 3), 0]


def test_rational_adam_follows_the_float_one():
    """The same formula on Fractions, with a root good to twelve digits."""

    def root(v):
        return np.array([Fraction(float(x) ** 0.5) for x in v], dtype=object)

    rule = {"beta1": Fraction(9, 10), "beta2": Fraction(999, 1000), "eps": Fraction(1, 10**8)}
    state = State((np.array([Fraction(1), Fraction(-2)], dtype=object),))
    exact = trajectory(adam(Fraction(1, 10), root=root, **rule), lambda t: t, state, 3)[-1]
    begin = State((torch.tensor([1.0, -2.0], dtype=torch.float64),))
    floats = trajectory(adam(0.1), lambda t: t, begin, 3)[-1]
    assert [float(x) for x in exact.theta[0]] == pytest.approx(floats.theta[0].tolist(), rel=1e-12)
