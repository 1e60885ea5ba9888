"""Shapes, dtypes and devices on a device that is not the CPU, where none is needed.

Fake tensors of torch on the device "meta" hold no numbers; an operation that mixes them with a
tensor of another device is an error, as it would be on a GPU. What has to look at a number (a
stopping rule, a grouping by value) cannot be run this way.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from grokverify.flows.committee import Problem, compress
from grokverify.kernels import entk, entk_limit
from grokverify.population import population_gradient, population_loss
from grokverify.training import (
    State,
    adagrad,
    adam,
    gradient_descent,
    gradient_of,
    momentum,
    normalised_descent,
    penalised,
    rmsprop,
    sign_descent,
    sup_norm,
)

DEVICE = "meta"
P, H, N = 7, 12, 20


@pytest.fixture(autouse=True)
def fake():
    with FakeTensorMode():
        yield


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


def made(dtype, *shape):
    return torch.empty(shape, dtype=dtype, device=DEVICE)


def inputs():
    return tuple(made(torch.int64, N) for _ in range(3))


def like(x, dtype, *shape):
    assert (x.device.type, x.dtype, tuple(x.shape)) == (DEVICE, dtype, shape)


def test_a_tensor_that_stays_behind_is_noticed():
    with pytest.raises(RuntimeError, match="on the same device"):
        made(torch.float64, 3) + torch.ones(3, dtype=torch.float64)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_regression_kernel(dtype, batch):
    W, V = made(dtype, *batch, H, 2 * P), made(dtype, *batch, P, H)
    like(entk(W, V, inputs()), dtype, *batch, N, N)
    like(entk(W, V, inputs(), tuple(x[:4] for x in inputs())), dtype, *batch, N, 4)


def test_kernel_of_infinite_width():
    like(entk_limit(inputs()), torch.float64, N, N)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_population(dtype, batch):
    W, V = made(dtype, *batch, H, 2 * P), made(dtype, *batch, P, H)
    loss, slopes = population_gradient(W, V)
    like(loss, dtype, *batch)
    like(slopes[0], dtype, *W.shape)
    like(slopes[1], dtype, *V.shape)
    like(population_loss(W, V), dtype, *batch)


def test_committee(dtype):
    B, rows, D = 2, 9, 4
    Z, u = compress(made(dtype, B, 50, D))
    like(Z, dtype, B, D + 1, D)
    like(u, dtype, B, D + 1)
    X, target = made(dtype, B, rows, D), made(dtype, B, D, D)
    problem = Problem(X, target, Z, u, made(dtype, B), made(dtype, B))
    like(problem.y, dtype, B, rows)
    like(problem.null, dtype, B)
    like(problem.at(slice(0, 1)).y, dtype, 1, rows)


RULES = [
    gradient_descent(0.1),
    momentum(0.1),
    adam(0.1),
    rmsprop(0.1),
    adagrad(0.1),
    sign_descent(0.1),
    normalised_descent(0.1, runs=1),
]


@pytest.mark.parametrize("rule", range(len(RULES)))
def test_steps(dtype, rule):
    runs = 3
    W, V = made(dtype, runs, H, 2 * P), made(dtype, runs, P, H)
    gradient = penalised(
        gradient_of(lambda theta: (theta[1] @ theta[0]).square().sum()), l2=0.1, sup=0.1, runs=1
    )
    state = State((W, V))
    for _ in range(2):
        state = RULES[rule](state, gradient(state.theta))
    like(state.theta[0], dtype, runs, H, 2 * P)
    like(state.theta[1], dtype, runs, P, H)
    like(sup_norm(state.theta, runs=1), dtype, runs)
