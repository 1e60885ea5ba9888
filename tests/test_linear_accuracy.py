"""Accuracies against sampling, enumeration and closed forms, and error texts."""

import numpy as np
import pytest
from scipy.special import ndtr

from grokverify.linear_accuracy import gap_accuracy, sparse_accuracy

rng = np.random.default_rng(0)


def test_a_small_cube_is_enumerated_exactly():
    w, signs = rng.standard_normal(9), np.array([1.0, -1, 1])
    x = 2.0 * ((np.arange(2**9)[:, None] >> np.arange(9)) & 1) - 1
    exact = (np.sign(x @ w) == np.sign(x[:, :3] @ signs)).mean()
    accuracy, error = sparse_accuracy(w, signs)
    assert (accuracy, error) == (pytest.approx(exact), 0.0)


def test_the_gaussian_rest_within_its_bound():
    w, signs = 0.3 * rng.standard_normal(60), np.array([1.0, 1, -1])
    w[:3] += signs
    x = np.sign(rng.standard_normal((200_000, 60)))
    sampled = (np.sign(x @ w) == np.sign(x[:, :3] @ signs)).mean()
    accuracy, error = sparse_accuracy(w, signs)
    assert 0 < error < 0.2
    assert abs(accuracy - sampled) < error / 5 + 4e-3


def test_the_gap_task():
    star = np.eye(20)[0]
    w = rng.standard_normal(20)
    w[0] = 0.5
    z = rng.standard_normal((200_000, 20))
    y = np.sign(z[:, 0])
    x = z + 1.5 * y[:, None] * star
    assert gap_accuracy(w, star, 3.0) == pytest.approx((np.sign(x @ w) == y).mean(), abs=4e-3)
    assert gap_accuracy(star, star, 3.0) == pytest.approx(1.0)
    assert gap_accuracy(w - 0.5 * star, star, 3.0) == pytest.approx(0.5)
    far = np.array([1.0, 1e-3]) / np.hypot(1, 1e-3)
    assert gap_accuracy(far, np.eye(2)[1], 2000.0) == pytest.approx(
        sum(m * ndtr(1e-3 * (g + 1000)) for g, m in zip(*_half_normal(), strict=True)), abs=1e-6
    )


def _half_normal():
    g = (np.arange(4000) + 0.5) / 400
    mass = np.exp(-g * g / 2)
    return g, mass / mass.sum()


def test_bad_input():
    with pytest.raises(ValueError, match="an odd number of entries \\+-1"):
        sparse_accuracy(np.ones(5), [1.0, 1.0])
