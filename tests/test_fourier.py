"""grokverify.fourier against polynomial arithmetic modulo the cyclotomic polynomial."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from grokverify.fourier import (
    HALF,
    Neuron,
    Wave,
    addition_table,
    amplified,
    block,
    cosine,
    duplicated,
    evaluate,
    half,
    printed,
    sine,
    sup_norm_cubed,
    three_phase,
    weights,
)
from grokverify.nets import quadratic

QUARTER = Fraction(1, 4)


def reference(net, p, n):
    """(p, p, p) table of 8 f, each a coefficient tuple modulo Phi_n, by polynomial division."""
    x = sp.Symbol("x")
    phi = sp.Poly(sp.cyclotomic_poly(n, x), x, domain="QQ")

    def wave(w, at):
        e = int(n * (Fraction(w.frequency * at, p) + w.phase)) % n
        return sp.Poly(x**e + x ** (-e % n), x, domain="QQ").rem(phi)

    table = {}
    for a in range(p):
        for b in range(p):
            squares = []
            for neuron in net:
                z = wave(neuron.first, a) + wave(neuron.second, b)
                squares.append((z * z).rem(phi) * sp.Rational(neuron.gain))
            for c in range(p):
                f = sum(
                    (s * wave(neuron.out, c) for s, neuron in zip(squares, net, strict=True)),
                    sp.Poly(0, x, domain="QQ"),
                )
                table[a, b, c] = f.rem(phi)
    return table


def bent(p):
    """One neuron's output moved by an eighth of a turn: irrational outputs appear."""
    net = printed(p)
    return (replace(net[-1], out=net[-1].out.shifted(Fraction(1, 8))), *net[:-1])


@pytest.mark.parametrize(
    ("net", "p", "n"),
    [
        (printed(2), 2, 4),
        (printed(3)[:-3], 3, 12),
        (three_phase(3), 3, 6),
        (three_phase(4)[:-1], 4, 12),
        (bent(3), 3, 24),
    ],
)
def test_evaluate_agrees_with_polynomials_modulo_phi(net, p, n):
    values, expected = evaluate(net, p), reference(net, p, n)
    for at, f in expected.items():
        assert bool(values.rational[at]) == (f.degree() <= 0)
        if f.degree() <= 0:
            assert Fraction(int(values.numerators[at]), values.denominator) * 8 == Fraction(
                int(f.LC().p), int(f.LC().q)
            )


@pytest.mark.parametrize("p", [2, 3, 4, 5, 6, 9, 10, 17])
def test_printed_weights_give_four_times_the_label(p):
    values, target = evaluate(printed(p), p), addition_table(p)
    assert values.wrong(4 * target) == 0
    assert values.wrong(target) == p * p
    assert values.mean_square(target) == 9 * p
    assert len(printed(p)) == 8 * p


@pytest.mark.parametrize("p", [2, 3, 4, 5, 6, 7, 8, 15])
def test_narrow_networks_interpolate(p):
    for net, width in (
        (half(p), 4 * p - 3 if p % 2 else 4 * p - 5),
        (three_phase(p), 3 * p - 2 if p % 2 else 3 * p - 3),
    ):
        assert len(net) == width
        assert evaluate(net, p).wrong(addition_table(p)) == 0


@pytest.mark.parametrize("p", [3, 4, 7])
@pytest.mark.parametrize("build", [printed, half, three_phase])
def test_float_weights_agree_with_exact_values(p, build):
    net = amplified(build(p), Fraction(3, 7))
    W, V = weights(net, p)
    assert (W.shape, V.shape) == ((len(net), 2 * p), (p, len(net)))
    a, b = (g.ravel() for g in np.meshgrid(np.arange(p), np.arange(p), indexing="ij"))
    f = quadratic(W, V, a, b).reshape(p, p, p)
    values = evaluate(net, p)
    exact = values.numerators / values.denominator
    assert np.abs(f - exact)[values.rational].max() < 1e-12
    assert max(np.abs(W).max(), np.abs(V).max()) ** 3 == pytest.approx(float(sup_norm_cubed(net)))


def test_a_small_change_of_gain_is_seen_everywhere_it_matters():
    net = amplified(printed(5), QUARTER)
    nudged = (replace(net[0], gain=net[0].gain + Fraction(1, 1000)), *net[1:])
    assert evaluate(nudged, 5).wrong(addition_table(5)) == 125


def test_waves_and_the_fourth_pair():
    assert cosine(3) == Wave(3)
    assert sine(3).shifted(HALF) == Wave(3, QUARTER)
    W, _ = weights(block(2), 7)
    angle = 2 * np.pi * 2 * np.arange(7) / 7
    assert np.allclose(W[7], np.concatenate([-np.cos(angle), np.sin(angle)]))


def test_duplication_keeps_the_function_and_fills_up_with_idle_neurons():
    wide = duplicated(amplified(printed(3), QUARTER), 2 * 24 + 5)
    assert len(wide) == 53
    assert evaluate(wide, 3).wrong(addition_table(3)) == 0
    assert sup_norm_cubed(wide) == Fraction(1, 8)
    assert sum(n.gain == 0 for n in wide) == 5


def test_duplication_needs_room():
    with pytest.raises(ValueError, match="24 neurons does not fit into width h=23"):
        duplicated(printed(3), 23)


def test_mean_square_refuses_irrational_outputs():
    with pytest.raises(ValueError, match="outputs are irrational"):
        evaluate(bent(3), 3).mean_square(addition_table(3))


def test_evaluate_refuses_degenerate_and_oversized_input():
    with pytest.raises(ValueError, match="p >= 2 and a neuron; got p=1"):
        evaluate(printed(2), 1)
    with pytest.raises(ValueError, match="got p=3 and 0 neurons"):
        evaluate((), 3)
    fine = Neuron(Wave(0), Wave(0), Wave(0), Fraction(1, 10**9))
    with pytest.raises(ValueError, match="needs more than 53 bits"):
        evaluate((fine, replace(fine, gain=Fraction(1))), 3)


def test_addition_table():
    table = addition_table(3)
    assert table[1, 2].tolist() == [3, 0, 0]
    assert table.sum() == 27


def test_a_negative_gain_counts_by_its_modulus():
    flat = Wave(0)
    net = (Neuron(flat, flat, flat, Fraction(1)), Neuron(flat, flat, flat, Fraction(-3)))
    assert sup_norm_cubed(net) == 3
