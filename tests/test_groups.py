"""Relabellings against permutation matrices, and their error texts."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from grokverify import Lab
from grokverify.groups import (
    Relabelling,
    deviation,
    differing,
    homomorphism_defects,
    inverse,
    plane_rotation,
    random_relabelling,
    relabel,
    relabellings,
    rotation,
)
from grokverify.nets import quadratic

LAB = Lab()
T = Relabelling((1, 2, 0), (0, 2, 1), (2, 0, 1))


def matrix(sigma):
    """P with P e_j = e_sigma(j)."""
    P = np.zeros((len(sigma), len(sigma)), dtype=int)
    P[list(sigma), range(len(sigma))] = 1
    return P


def weights(p, h):
    rng = np.random.default_rng(7)
    return rng.integers(-99, 99, (h, 2 * p)), rng.integers(-99, 99, (p, h))


def test_images_of_numbers_arrays_and_tensors_agree():
    assert T(0, 1, 2) == (1, 2, 1)
    a = np.array([0, 1, 2])
    assert [x.tolist() for x in T(a, a, a)] == [[1, 2, 0], [0, 2, 1], [2, 0, 1]]
    t = torch.tensor([2, 0])
    assert [x.tolist() for x in T(t, t, t)] == [[0, 1], [1, 0], [1, 2]]


def test_inverse_composition_and_size():
    identity = Relabelling(*[(0, 1, 2)] * 3)
    assert T.after(T.inverse) == T.inverse.after(T) == identity
    assert (T.moved, identity.moved) == (3 + 2 + 3, 0)
    S = Relabelling((1, 0, 2), (1, 0, 2), (1, 0, 2))
    assert S.after(T)(0, 0, 0) == S(*T(0, 0, 0))
    assert inverse((2, 0, 1)) == (1, 2, 0)


def test_lists_from_json_are_accepted():
    assert Relabelling([1, 2, 0], [0, 2, 1], [2, 0, 1]) == T


@pytest.mark.parametrize("bad", [(0, 0, 1), (0, 1), (1, 2, 3)])
def test_no_permutation(bad):
    with pytest.raises(ValueError, match="sigma2 = .* is not a permutation of 0..2"):
        Relabelling((0, 1, 2), bad, (0, 1, 2))


def test_enumeration_is_complete_and_ordered_by_size():
    for p in (1, 2, 3):
        group = relabellings(p)
        assert len(set(group)) == math.factorial(p) ** 3
        sizes = [S.moved for S in group]
        assert sizes == sorted(sizes)
        assert sizes[0] == 0
    with pytest.raises(ValueError, match="random_relabelling"):
        relabellings(5)
    with pytest.raises(ValueError, match="p must be 1 to"):
        relabellings(0)


def test_relabel_is_multiplication_by_permutation_matrices():
    W, V = weights(3, 4)
    P1, P2, P3 = (matrix(s) for s in T.parts)
    W_, V_ = relabel(T, (W, V))
    assert np.array_equal(W_, np.hstack([W[:, :3] @ P1.T, W[:, 3:] @ P2.T]))
    assert np.array_equal(V_, P3 @ V)
    there = relabel(T, (torch.as_tensor(W), torch.as_tensor(V)))
    assert all(np.array_equal(u, v.numpy()) for u, v in zip((W_, V_), there, strict=True))


def test_relabel_keeps_the_network():
    W, V = weights(3, 4)
    W_, V_ = relabel(T, (W, V))
    for a, b, c in itertools.product(range(3), repeat=3):
        a_, b_, c_ = T(a, b, c)
        one = quadratic(W, V, np.array([a]), np.array([b]))[0, c]
        assert one == quadratic(W_, V_, np.array([a_]), np.array([b_]))[0, c_]


def test_relabel_names_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"needs \(h, 6\) and \(3, h\)"):
        relabel(T, weights(4, 2))


def test_homomorphism_defects():
    def reverse(S, theta):
        return relabel(S.inverse, theta)

    group = relabellings(2)
    pairs = [(S, R) for S in group for R in group]
    assert homomorphism_defects(relabel, pairs, weights(2, 2)) == []
    assert homomorphism_defects(reverse, pairs, weights(2, 2)) == []  # all commute at p = 2
    swap = Relabelling((1, 0, 2), *[(0, 1, 2)] * 2)
    turn = Relabelling((1, 2, 0), *[(0, 1, 2)] * 2)
    assert homomorphism_defects(reverse, [(swap, swap), (swap, turn)], weights(3, 2)) == [
        (swap, turn)
    ]


def test_random_relabelling_depends_on_name_and_lab_only():
    one, again = (random_relabelling(LAB, 11) for _ in range(2))
    assert one == again
    assert one != random_relabelling(LAB, 11, "S")
    assert one != random_relabelling(LAB.at(1), 11)
    assert one.p == 11


def test_differing_and_deviation():
    x = torch.tensor([3.0, 4.0]), torch.tensor([0.0])
    y = torch.tensor([3.0, 4.5]), torch.tensor([0.0])
    assert differing(x, y) == 1
    assert deviation(y, x) == pytest.approx(0.1, rel=1e-12)
    z = x[0], torch.tensor([0.5])  # the last array counts as well
    assert differing(z, x) == 1
    assert deviation(z, x) == pytest.approx(0.1, rel=1e-12)
    exact = np.array([Fraction(1, 3), 2], dtype=object)
    assert differing((exact,), (exact + Fraction(1, 10**30),)) == 2
    with pytest.raises(ZeroDivisionError):
        deviation(x, tuple(v * 0 for v in x))


def test_rotations_are_orthogonal():
    Q = rotation(LAB, "Q", 6)
    assert torch.allclose(Q @ Q.T, torch.eye(6, dtype=Q.dtype), atol=1e-14)
    q = plane_rotation(4, 1, 3)
    assert (q @ q.T == np.eye(4, dtype=int)).all()
    assert q[1, 3] == Fraction(-4, 5)
    assert q[3, 1] == Fraction(4, 5)
    turn = plane_rotation(2, 0, 1, 0, 1)  # whole numbers stay exact
    assert all(isinstance(x, Fraction) for x in turn.ravel())


def test_rotation_has_no_preferred_side():
    """Without the sign correction the diagonal of Q is biased."""
    first = [float(rotation(LAB.at(k), "Q", 2)[0, 0]) for k in range(200)]
    assert abs(sum(x > 0 for x in first) - 100) < 50
