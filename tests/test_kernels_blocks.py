"""Kernels put together from blocks, against derivatives, enumeration and generic solvers."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from grokverify import Grade, Lab
from grokverify.kernels import (
    block_regression,
    entk,
    entk_classification,
    entk_floor,
    entk_limit,
    entk_positive,
    entk_rounding,
    inputs,
    jacobian,
    kernel_regression,
    most_frequent,
    tangent_gram,
)
from grokverify.kernels._decide import _blocks
from grokverify.kernels._entk import _BLOCKS_PAY
from grokverify.linalg.certified import Refused
from grokverify.linalg.exact import PRIME, rank_mod_prime
from grokverify.nets import quadratic

LAB = Lab()


def network(p, h, lab=LAB):
    return lab.normal("W", h, 2 * p), lab.normal("V", p, h)


def some_inputs(p, n, name="x"):
    return inputs(p, LAB.integers(name, 0, p**3, n))  # repeats included, in no order


def by_torch(W, V, x):
    a, b, c = x
    rows = torch.arange(len(a))
    return tangent_gram(lambda t: quadratic(t["W"], t["V"], a, b)[rows, c], {"W": W, "V": V})


def relative_error(found, true):
    return float((found - true).abs().max() / true.abs().max())


def test_blocks_agree_with_automatic_differentiation():
    p, h, n = 7, 40, 150
    assert n * n * h > _BLOCKS_PAY  # or else this would test the masked product
    W, V = network(p, h)
    x = some_inputs(p, n)
    assert relative_error(entk(W, V, x), by_torch(W, V, x)) < 1e-12


def test_blocks_between_two_sets_of_inputs():
    p, h = 7, 40
    W, V = network(p, h)
    x, y = some_inputs(p, 90), some_inputs(p, 110, "y")
    both = tuple(torch.cat(pair) for pair in zip(x, y, strict=True))
    assert 90 * 110 * h > _BLOCKS_PAY
    assert relative_error(entk(W, V, x, y), by_torch(W, V, both)[:90, 90:]) < 1e-12


def test_a_coordinate_that_only_one_side_has():
    x = tuple(torch.tensor([v] * 64) for v in (0, 1, 2))
    y = tuple(torch.tensor([v] * 64) for v in (1, 1, 0))
    W, V = network(3, 80)
    both = tuple(torch.cat(pair) for pair in zip(x, y, strict=True))
    assert relative_error(entk(W, V, x, y), by_torch(W, V, both)[:64, 64:]) < 1e-12


def test_hidden_units_in_parts():
    p, h, n = 5, 200, 60
    W, V = network(p, h)
    x = some_inputs(p, n)
    whole = entk(W, V, x)
    little = 8 * (n * n + 16 * 8 * n)  # room for the result and some units at a time
    assert relative_error(entk(W, V, x, memory=little), whole) < 1e-14
    with pytest.raises(ValueError, match=r"takes .* GB .*Raise memory, .*entk_positive"):
        entk(W, V, x, memory=8 * n * n)


def test_float32_and_integers():
    p, h, n = 5, 100, 80
    W, V = network(p, h)
    x = some_inputs(p, n)
    single = entk(W.float(), V.float(), x)
    assert single.dtype == torch.float32
    assert relative_error(single.double(), entk(W, V, x)) < 1e-5
    w, v = LAB.integers("w", -9, 10, h, 2 * p), LAB.integers("v", -9, 10, p, h)
    G = jacobian(w, v, x)
    assert n * n * h > _BLOCKS_PAY
    assert (entk(w, v, x).numpy() == G @ G.T).all()


def test_rounding_bound_covers_the_blocks():
    # Entries of W and V are multiples of 2^-20: exact values by integers.
    p, h, n = 5, 120, 60
    w, v = LAB.integers("w", -(2**20), 2**20, h, 2 * p), LAB.integers("v", -(2**20), 2**20, p, h)
    W, V = w.double() / 2**20, v.double() / 2**20
    x = some_inputs(p, n)
    K, radius = entk(W, V, x), entk_rounding(W, V, x)
    G = jacobian(w, v, x)
    for i, j in itertools.product(range(0, n, 13), range(0, n, 7)):
        true = Fraction(int(G[i] @ G[j]), 2**80)
        assert abs(Fraction(float(K[i, j])) - true) <= Fraction(float(radius[i, j]))


@pytest.mark.parametrize(("p", "h", "n"), [(2, 3, 4), (5, 12, 20), (7, 30, 30)])
def test_classification_agrees_with_automatic_differentiation(p, h, n):
    W, V = network(p, h)
    a, b = LAB.integers("a", 0, p, n), LAB.integers("b", 0, p, n)
    flat = tangent_gram(lambda t: quadratic(t["W"], t["V"], a, b).ravel(), {"W": W, "V": V})
    true = flat.reshape(n, p, n, p).transpose(1, 2)
    found = entk_classification(W, V, (a, b))
    assert relative_error(found, true) < 1e-12
    few = (a[:3], b[:3])
    assert relative_error(entk_classification(W, V, few, (a, b)), true[:3]) < 1e-12
    little = 8 * (n * n * p * p + 2 * n * (p + 3) * 8)
    assert relative_error(entk_classification(W, V, (a, b), memory=little), true) < 1e-12


def test_classification_contains_the_regression_kernel():
    p, h = 5, 9
    W, V = network(p, h)
    x = inputs(p, torch.arange(p**3))
    a, b, c = x
    rows = torch.arange(p**3)
    blocks = entk_classification(W, V, (a, b))
    picked = blocks[rows[:, None], rows[None, :], c[:, None], c[None, :]]
    assert relative_error(picked, entk(W, V, x)) < 1e-13


@pytest.mark.parametrize("law", [(-1, 1), (-2, 1, 1), (-1, 0, 0, 1)])
def test_limit_is_the_mean_over_all_weights(law):
    # One hidden unit, p = 2, and every choice of its weights from a law of mean zero, in integers.
    p, n = 2, 8
    x = inputs(p, np.arange(n))
    total, count = 0, 0
    for weights in itertools.product(law, repeat=2 * p):
        for second in itertools.product((-1, 1), repeat=p):
            G = jacobian([list(weights)], [[v] for v in second], x)
            total, count = total + G @ G.T, count + 1
    square = sum(w**2 for w in law) / len(law)
    fourth = sum(w**4 for w in law) / len(law)
    limit = entk_limit(x, variance_W=square, variance_V=1.0, kurtosis=fourth / square**2)
    np.testing.assert_allclose(limit.numpy(), (total / count).astype(float), rtol=1e-14)
    part = entk_limit(inputs(p, np.arange(3)), x, variance_W=1.0)
    assert torch.equal(part, entk_limit(x, variance_W=1.0)[:3])


def test_eigenvalues_of_the_limit_on_one_slab():
    p, s, t, k = 5, 0.7, 1.3, 1.8
    x = inputs(p, torch.arange(p**3))
    slab = tuple(part[x[2] == 2] for part in x)
    values = torch.linalg.eigvalsh(entk_limit(slab, variance_W=s, variance_V=t, kurtosis=k))
    g, mixed = 4 * s**2 + 8 * s * t, (k - 1) * s**2 + 4 * s * t
    expected = [g] * (p - 1) ** 2 + [g + p * mixed] * 2 * (p - 1)
    expected += [g + 2 * p * mixed + 4 * p**2 * s**2]
    torch.testing.assert_close(values, torch.tensor(expected, dtype=values.dtype))


def test_block_regression_is_kernel_regression():
    p, n = 5, 60
    x = inputs(p, LAB.permutation("x", p**3)[:n])
    query = inputs(p, torch.arange(p**3))
    y = LAB.normal("y", n, 2)
    expected = kernel_regression(entk_limit(x), y, entk_limit(query, x))
    torch.testing.assert_close(block_regression(entk_limit, x, y, query), expected)
    torch.testing.assert_close(
        block_regression(entk_limit, x, y[:, 0], query), expected[:, 0], rtol=1e-9, atol=1e-9
    )


def test_block_regression_with_singular_blocks():
    # V = 0 and few hidden units: the blocks have rank h, the labels are projected.
    p, n, h = 5, 70, 6
    W, V = LAB.normal("W", h, 2 * p), torch.zeros(p, h, dtype=torch.float64)
    x = inputs(p, LAB.permutation("x", p**3)[:n])
    y = LAB.normal("y", n)
    expected = kernel_regression(entk(W, V, x), y)
    assert float((expected - y).abs().max()) > 0.1
    torch.testing.assert_close(block_regression(lambda s, t: entk(W, V, s, t), x, y), expected)


def test_block_regression_cuts_small_eigenvalues():
    # Within a block the kernel has the eigenvalues 3 + 1e-8 once and 1e-8 twice.
    x = tuple(torch.tensor(part) for part in ([0, 1, 2] * 2, [0] * 6, [0, 0, 0, 1, 1, 1]))
    y = torch.tensor([1.0, 2.0, 6.0, 0.0, 0.0, 3.0], dtype=torch.float64)

    def nearly_constant(s, t):
        same = [(u[:, None] == v).to(y) for u, v in zip(s, t, strict=True)]
        return same[2] * (1 + 1e-8 * same[0])

    mean = torch.tensor([3.0] * 3 + [1.0] * 3, dtype=torch.float64)
    cut = block_regression(nearly_constant, x, y, rtol=1e-6)
    torch.testing.assert_close(cut, mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(block_regression(nearly_constant, x, y), y, rtol=1e-6, atol=1e-6)


def test_block_regression_refuses_a_coupled_kernel_and_leaves_unseen_c_at_zero():
    W, V = network(3, 4)
    x = inputs(3, torch.arange(27))
    with pytest.raises(ValueError, match="vanishes between inputs of different c"):
        block_regression(lambda s, t: entk(W, V, s, t), x, LAB.normal("y", 27))
    seen = tuple(part[x[2] != 1] for part in x)
    found = block_regression(entk_limit, seen, torch.ones(18, dtype=torch.float64), x)
    assert (found[x[2] == 1] == 0).all()
    torch.testing.assert_close(found[x[2] != 1], torch.ones(18, dtype=torch.float64))


def test_certificate_for_every_second_layer_is_sharp_in_the_width():
    p, n = 5, 75
    x = inputs(p, LAB.permutation("x", p**3)[:n])
    rho = most_frequent(x[2])
    W = LAB.uniform("W", rho + 3, 2 * p)
    assert entk_positive(W, x)
    assert entk_positive(W[:rho], x)
    assert not entk_positive(W[: rho - 1], x)
    twice = tuple(torch.cat([part, part[:1]]) for part in x)
    assert not entk_positive(W, twice)


def test_rounding_of_every_block_is_bounded():
    p, h, n = 3, 50, 20
    w = LAB.integers("w", -(2**30), 2**30, h, 2 * p)
    x = some_inputs(p, n)
    G = jacobian(w, torch.zeros(p, h, dtype=torch.int64), x)
    seen = inexact = 0
    for c, (K, radius) in zip(torch.unique(x[2]), _blocks(w.double() / 2**30, x), strict=True):
        rows = G[(x[2] == c).numpy()]
        for (i, j), true in np.ndenumerate(rows @ rows.T):
            error = abs(Fraction(float(K[i, j])) - Fraction(int(true), 2**120))
            assert error <= Fraction(float(radius[i, j]))
            seen, inexact = seen + 1, inexact + (error > 0)
    assert seen >= n
    assert inexact > seen / 2


def test_certificate_of_the_classification_kernel():
    # Its part from V is the identity times the block of one c.
    p, n = 5, 20
    W, V = network(p, n)
    a, b, _ = inputs(p, p * LAB.permutation("pairs", p * p)[:n])
    one_c = (a, b, torch.zeros_like(a))
    assert entk_positive(W, one_c)
    assert not entk_positive(W[: n - 1], one_c)
    K = entk_classification(W, 0 * V, (a, b)).transpose(1, 2).reshape(n * p, n * p)
    floor = entk_floor("least", W, one_c)
    assert floor.lo - 1e-9 <= float(torch.linalg.eigvalsh(K)[0]) <= floor.hi + 1e-9


def test_no_proof_for_an_exactly_singular_kernel():
    # h = rho = 4 inputs that share c, on the box {0, 1}^2; two units agree, or nearly so.
    p = 2
    x = inputs(p, torch.tensor([0, 2, 4, 6]))
    W = LAB.integers("W", -9, 10, 4, 2 * p)
    W[3] = -W[2]
    assert rank_mod_prime(jacobian(W, torch.zeros(p, 4, dtype=torch.int64), x)) == 3
    assert not entk_positive(W.double(), x)
    W[3, 0] += 1
    assert rank_mod_prime(jacobian(W, torch.zeros(p, 4, dtype=torch.int64), x)) == 4
    assert entk_positive(W.double(), x)


def test_floor_encloses_the_least_eigenvalue_at_zero_and_bounds_all_others():
    p, n, h = 5, 60, 40
    x = inputs(p, LAB.permutation("x", p**3)[:n])
    W, V = network(p, h)
    floor = entk_floor("least", W, x)
    assert floor.grade is Grade.CERTIFIED
    at_zero = float(torch.linalg.eigvalsh(by_torch(W, 0 * V, x))[0])
    assert floor.lo - 1e-9 <= at_zero <= floor.hi + 1e-9
    assert floor.hi - floor.lo < 1e-8 * at_zero + 1e-9
    assert float(torch.linalg.eigvalsh(by_torch(W, V, x))[0]) >= floor.lo


def test_mistakes_are_explained():
    x = inputs(2, torch.arange(4))
    with pytest.raises(Refused, match="needs float64"):
        entk_positive(torch.ones(4, 4), x)
    with pytest.raises(ValueError, match=r"W has shape \(3, 4\) and V \(2, 2\)"):
        entk(torch.ones(3, 4), torch.ones(2, 2), x)


def test_modular_rank_of_a_generic_point_at_the_threshold():
    p = 7
    n = 2 * p * p
    h = -(-n // (3 * p - 2))
    x = inputs(p, LAB.permutation("x", p**3)[:n])
    W, V = LAB.integers("W", 0, PRIME, h, 2 * p), LAB.integers("V", 0, PRIME, p, h)
    assert rank_mod_prime(jacobian(W, V, x, modulus=PRIME)) == n
    narrow = jacobian(W[: h - 1], V[:, : h - 1], x, modulus=PRIME)
    assert rank_mod_prime(narrow) == (h - 1) * (3 * p - 2)
