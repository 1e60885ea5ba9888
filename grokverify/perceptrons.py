"""Many small networks at once: closed gradients of the square loss, batched over runs.

    h_0 = x,  h_l = act(h_{l-1} W_l + b_l),  f = h_{L-1} W_L + b_L,  act = tanh or max(0, .)

Parameters are the flat tuple (W_1, b_1, ..., W_L, b_L) of stacked tensors, (R, in, out) and
(R, 1, out), which every elementwise rule of ``grokverify.training`` takes for R separate runs.
Forward and backward pass by hand cost a third of automatic differentiation at these sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from grokverify._lab import Lab
from grokverify.training import Gradient, Parameters


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation h, in place, and d times its derivative as a function of d and h."""

    act: Callable[[torch.Tensor], torch.Tensor]
    back: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


# One pass over the memory each; written with 1 - h h and h > 0 they take three.
TANH = Activation(torch.tanh_, torch.ops.aten.tanh_backward)
RELU = Activation(torch.relu_, lambda d, h: torch.ops.aten.threshold_backward(d, h, 0))


def start(lab: Lab, name: str, runs: int, widths: Sequence[int], scale: float = 1.0) -> Parameters:
    """Weights and biases uniform on ``scale / sqrt(in)`` times [-1, 1): torch.nn.Linear, scaled.

    Args:
        name: root of the names of the random variables.
        widths: inputs, hidden widths, outputs.

    Raises:
        ValueError: there are fewer than two widths.
    """
    if len(widths) < 2:
        raise ValueError(f"start() needs widths from inputs to outputs, got {list(widths)}.")
    theta: list[torch.Tensor] = []
    for k, (m, n) in enumerate(pairwise(widths)):
        a = scale / m**0.5
        theta.append(lab.uniform(f"{name} W{k}", runs, m, n, low=-a, high=a))
        theta.append(lab.uniform(f"{name} b{k}", runs, 1, n, low=-a, high=a))
    return tuple(theta)


def output(theta: Parameters, x: torch.Tensor, act: Activation = TANH) -> torch.Tensor:
    """f (R, n, outputs) at the inputs x (R, n, inputs)."""
    return _layers(theta, x, act)[-1]


def errors(
    theta: Parameters, x: torch.Tensor, y: torch.Tensor, alpha: float, act: Activation = TANH
) -> torch.Tensor:
    """(R, n): the square of ``alpha f - y`` at each input, as a mean over the outputs."""
    return (alpha * output(theta, x, act) - y).square().mean(-1)


def square_gradient(
    x: torch.Tensor, y: torch.Tensor, alpha: float = 1.0, act: Activation = TANH
) -> Gradient:
    """The gradient of ``mean (alpha f(x) - y)^2``, over inputs and outputs, of each run."""
    scale = 2 * alpha / (y.shape[-2] * y.shape[-1])

    def gradient(theta: Parameters) -> Parameters:
        *hidden, f = _layers(theta, x, act)
        return _backward(theta, [x, *hidden], scale * (alpha * f - y), act)

    return gradient


class Linearised:
    """The linearisation of the network at ``theta0`` (Kumar et al. 2024, eq. 1), never stored.

    ``f_lin(theta) = f(theta0) + f'(theta0) (theta - theta0)``; the product with the Jacobian is a
    forward pass along the tangent, its transpose a backward pass through fixed layers.
    """

    def __init__(self, theta0: Parameters, x: torch.Tensor, act: Activation = TANH) -> None:
        self._theta0, self._act = theta0, act
        *hidden, self._f0 = _layers(theta0, x, act)
        self._h = [x, *hidden]

    def output(self, theta: Parameters) -> torch.Tensor:
        """f_lin (R, n, outputs) at the inputs."""
        move = [a - b for a, b in zip(theta, self._theta0, strict=True)]
        d = torch.baddbmm(move[1], self._h[0], move[0])
        for k, h in enumerate(self._h[1:], 1):
            d = self._act.back(d, h)
            d = torch.baddbmm(move[2 * k + 1], h, move[2 * k]).baddbmm_(d, self._theta0[2 * k])
        return self._f0 + d

    def square_gradient(self, y: torch.Tensor, alpha: float = 1.0) -> Gradient:
        """As the function of that name, for the linearised network."""
        scale = 2 * alpha / (y.shape[-2] * y.shape[-1])

        def gradient(theta: Parameters) -> Parameters:
            gap = scale * (alpha * self.output(theta) - y)
            return _backward(self._theta0, self._h, gap, self._act)

        return gradient


def _layers(theta: Parameters, x: torch.Tensor, act: Activation) -> list[torch.Tensor]:
    """h_1, ..., h_{L-1} and f."""
    found, last = [], len(theta) // 2 - 1
    for k in range(last + 1):
        x = torch.baddbmm(theta[2 * k + 1], x, theta[2 * k])
        x = act.act(x) if k < last else x
        found.append(x)
    return found


def _backward(
    theta: Parameters, h: list[torch.Tensor], d: torch.Tensor, act: Activation
) -> Parameters:
    """The transpose of the Jacobian times d; h are the layers from the input on, without f."""
    found: list[torch.Tensor] = []
    for k in reversed(range(len(h))):
        found = [h[k].mT @ d, d.sum(1, keepdim=True), *found]
        if k:
            d = act.back(d @ theta[2 * k].mT, h[k])
    return tuple(found)
