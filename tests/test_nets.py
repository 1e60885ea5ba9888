from fractions import Fraction

import numpy as np
import torch

from grokverify.nets import quadratic


def test_quadratic_is_the_network_on_one_hot_inputs(lab):
    p, h = 5, 7
    W, V = lab.normal("W", h, 2 * p), lab.normal("V", p, h)
    a, b = (x.flatten() for x in torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij"))
    eye = torch.eye(p, dtype=W.dtype)
    rows = [V @ (W @ torch.cat([eye[i], eye[j]])) ** 2 for i in range(p) for j in range(p)]
    dense = torch.stack(rows)
    assert torch.allclose(quadratic(W, V, a, b), dense, rtol=1e-14, atol=1e-14)


def test_quadratic_is_exact_on_fractions():
    W = np.array([[Fraction(1, 2), Fraction(1), Fraction(1, 3), Fraction(2)]])
    V = np.array([[Fraction(3)], [Fraction(1)]])
    assert quadratic(W, V, np.array([0]), np.array([0])).tolist() == [
        [Fraction(25, 12), Fraction(25, 36)]
    ]
