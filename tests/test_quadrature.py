"""grokverify.quadrature against Gaussian moments."""

import pytest
import torch

from grokverify.quadrature import gauss_hermite


@pytest.mark.parametrize(("nodes", "power"), [(3, 4), (5, 8), (1, 0)])
def test_moments_up_to_twice_the_nodes(nodes, power):
    x, mass = gauss_hermite(torch.zeros(1, dtype=torch.float64), 2, nodes=nodes, variance=0.5)
    assert x.shape == (nodes**2, 2)
    for k in range(0, power + 1, 2):
        moment = torch.tensor([1.0, 1.0, 3.0, 15.0, 105.0])[k // 2] * 0.5 ** (k / 2)
        told = mass @ (x[:, 0] ** k * x[:, 1] ** 2 if nodes > 1 else x[:, 0] ** k)
        assert float(told) == pytest.approx(float(moment) * (0.5 if nodes > 1 else 1.0), rel=1e-12)
    assert float((mass @ x).abs().max()) < 1e-15


def test_the_rule_is_not_exact_one_degree_further():
    x, mass = gauss_hermite(torch.zeros(1, dtype=torch.float64), 1, nodes=3)
    assert float(mass @ x[:, 0] ** 6) == pytest.approx(9.0)  # and not 15


def test_dtype_is_that_of_the_model_tensor():
    x, mass = gauss_hermite(torch.zeros(1), 3)
    assert x.dtype is mass.dtype is torch.float32
    x, _ = gauss_hermite(torch.zeros(1, dtype=torch.float64), 3)
    assert float(x.max()) == pytest.approx(3**0.5, rel=1e-15)


def test_a_rule_too_large_says_so():
    with pytest.raises(ValueError, match="3\\^20 points"):
        gauss_hermite(torch.zeros(1), 20)
