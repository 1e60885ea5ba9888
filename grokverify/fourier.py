"""Cosine networks for modular addition, evaluated exactly in a cyclotomic field.

The networks are those of Mohamadi et al. 2024, Appendix F, and narrower ones. A neuron is a triple
of cosine waves on Z_p: it maps (a, b) to ``(first(a) + second(b))^2`` and adds ``gain * out(c)``
times that to the logit c.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from grokverify.groups import differing

QUARTER, HALF = Fraction(1, 4), Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Wave:
    """x -> cos(2 pi (frequency x / p + phase)), the phase in turns."""

    frequency: int
    phase: Fraction = Fraction(0)

    def shifted(self, turns: Fraction) -> Wave:
        return Wave(self.frequency, self.phase + turns)


def cosine(k: int) -> Wave:
    return Wave(k)


def sine(k: int) -> Wave:
    return Wave(k, -QUARTER)


@dataclass(frozen=True, slots=True)
class Neuron:
    first: Wave
    second: Wave
    out: Wave
    gain: Fraction = Fraction(1)


Network = tuple[Neuron, ...]


def block(k: int) -> Network:
    """The eight neurons of frequency k of (F.1) and (F.2), which add 4 cos(2 pi k (a+b-c) / p).

    The signs of the last row of (F.1) are those of the paper; its square is that of cos a - sin b.
    """
    cos, sin = cosine(k), sine(k)
    _cos, _sin = cos.shifted(HALF), sin.shifted(HALF)  # the same with a minus
    return (
        Neuron(cos, cos, cos),
        Neuron(cos, _cos, _cos),
        Neuron(sin, sin, _cos),
        Neuron(sin, _sin, cos),
        Neuron(sin, cos, sin),
        Neuron(sin, _cos, _sin),
        Neuron(cos, sin, sin),
        Neuron(_cos, sin, _sin),
    )


def printed(p: int) -> Network:
    """The 8 p neurons of (F.1) and (F.2), in the interleaved order of (F.2) and (F.3)."""
    return tuple(neuron for k in range(p) for neuron in block(k))


def half(p: int) -> Network:
    """Remark F.1: frequencies up to p/2, doubled where two are folded, and dead neurons left out.

    Interpolates p 1[a + b = c] with 4p - 3 neurons for odd p and 4p - 5 for even p > 2 (3 at 2).
    """
    paired = [replace(n, gain=HALF) for k in range(1, (p + 1) // 2) for n in block(k)]
    return (*_real_characters(p), *paired)


def three_phase(p: int) -> Network:
    """Six neurons a frequency: 3p - 2 neurons for odd p and 3p - 3 for even p.

    Sums over j = 0, 1, 2 of cos(A + t_j) cos(B + t_j) cos(C + 2 t_j) with t_j = 2 pi j / 3 leave
    3/4 cos(A + B - C), and 4 cos x cos y = (cos x + cos y)^2 - (cos x - cos y)^2.
    """
    paired = []
    for k in range(1, (p + 1) // 2):
        for t in (Fraction(0), Fraction(1, 3), Fraction(2, 3)):
            wave, out = Wave(k, t), Wave(k, 2 * t)
            paired.append(Neuron(wave, wave, out, Fraction(2, 3)))
            paired.append(Neuron(wave, wave.shifted(HALF), out.shifted(HALF), Fraction(2, 3)))
    return (*_real_characters(p), *paired)


def amplified(net: Network, factor: Fraction) -> Network:
    """The network whose outputs are ``factor`` times as large."""
    return tuple(replace(n, gain=n.gain * factor) for n in net)


def duplicated(net: Network, h: int) -> Network:
    """The same function at width h: as many copies as fit, weaker in turn, and idle neurons.

    Raises:
        ValueError: h is below the width of the network.
    """
    copies = h // len(net)
    if copies == 0:
        raise ValueError(
            f"a network of {len(net)} neurons does not fit into width h={h}; take h >= {len(net)}."
        )
    idle = Neuron(Wave(0), Wave(0), Wave(0), Fraction(0))
    return amplified(net, Fraction(1, copies)) * copies + (idle,) * (h - copies * len(net))


def sup_norm_cubed(net: Network) -> Fraction:
    """Bound on ||theta||_inf^3 when every neuron spreads its gain evenly over its three waves.

    A neuron of gain g is g^(1/3) times three waves, each at most 1 in modulus; the bound is met
    where a wave of a neuron of largest gain has phase 0.
    """
    return max(abs(n.gain) for n in net)


def weights(net: Network, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Float64 weights W (h, 2p) and V (p, h), each neuron's gain spread evenly over its waves."""
    scale = np.cbrt([[float(n.gain)] for n in net])
    n = _order(net, p)
    table = np.cos(2 * np.pi * np.arange(n) / n)
    first, second, out = (table[_exponents(net, p, n, which)] for which in _WAVES)
    return scale * np.hstack([first, second]), (scale * out).T


@dataclass(frozen=True)
class Values:
    """Outputs of a network, exactly: ``numerators / denominator`` where ``rational``.

    Attributes:
        numerators: (p, p, p) integers, indexed by a, b, c; meaningless where not rational.
        rational: (p, p, p) booleans; elsewhere the output is certainly irrational.
        denominator: common denominator.
    """

    numerators: np.ndarray
    rational: np.ndarray
    denominator: int

    def wrong(self, target: np.ndarray) -> int:
        """On how many (a, b, c) the output differs from an integer target of shape (p, p, p).

        It carries both into ``exact`` as its certificate, where they are rational and small.
        """
        wanted = target * self.denominator
        if self.rational.all():
            return differing((self.numerators,), (wanted,))
        return int((~self.rational | (self.numerators != wanted)).sum())

    def mean_square(self, target: np.ndarray) -> Fraction:
        """The population square loss, mean over all (a, b, c).

        Raises:
            ValueError: some output is irrational.
        """
        if not self.rational.all():
            raise ValueError(
                f"{int((~self.rational).sum())} of {self.rational.size} outputs are irrational, so "
                "that the loss is no fraction. Count the wrong outputs instead: Values.wrong."
            )
        gap = (self.numerators - target * self.denominator).astype(object)
        return Fraction(int((gap**2).sum()), self.denominator**2 * gap.size)


def addition_table(p: int) -> np.ndarray:
    """The regression target p 1[a + b = c mod p], integers of shape (p, p, p)."""
    r = np.arange(p)
    hit: np.ndarray = (r[:, None, None] + r[:, None] - r) % p == 0
    return p * hit.astype(np.int64)


def evaluate(net: Network, p: int) -> Values:
    """All p^3 outputs of a network in exact arithmetic.

    With n the common order of the waves, every 2 cos is zeta^e + zeta^-e for a primitive n-th root
    of unity zeta, so that 8 d f is an algebraic integer of Q(zeta), d the common denominator of
    the gains. A prime q = 1 (mod n) splits completely there: zeta goes to each of the phi(n)
    roots of order n in F_q. If an algebraic integer x, all of whose conjugates are below q in
    modulus, is 0 at every one of these roots, then x/q is an algebraic integer of norm below 1,
    hence 0. So f equals a rational m iff it does at all roots, for q above twice the bound that
    the triangle inequality puts on the conjugates. No float is rounded on the way.

    Raises:
        ValueError: p is below 2, there is no neuron, or sums of products would leave 53 bits.
    """
    if p < 2 or not net:
        raise ValueError(f"evaluate needs p >= 2 and a neuron; got p={p} and {len(net)} neurons.")
    n = _order(net, p)
    d = math.lcm(*(neuron.gain.denominator for neuron in net))
    gains = np.array([int(neuron.gain * d) for neuron in net])
    bound = max(32 * int(np.abs(gains).sum()), 8 * d * p)
    q = _split_prime(n, above=2 * bound)
    if len(net) * q * q >= 2**53:
        raise ValueError(
            f"width {len(net)} at modulus {q} needs more than 53 bits; use a smaller p, a narrower "
            "network or gains with a smaller common denominator."
        )
    first, second, out = (_exponents(net, p, n, which) for which in _WAVES)
    seen: np.ndarray | None = None
    same = np.ones((p, p, p), dtype=bool)
    for table in _twice_cosines(n, q):
        z = (table[first][:, :, None] + table[second][:, None, :]) % q
        V = (table[out] * gains[:, None]).T % q
        squares = (z * z % q).reshape(len(net), p * p)
        # integers below 2^53 in float64: exact, and as fast as a float product
        f = (V.astype(np.float64) @ squares.astype(np.float64)).astype(np.int64) % q
        f = f.T.reshape(p, p, p)
        same &= seen is None or f == seen
        seen = f if seen is None else seen
    assert seen is not None
    return Values(np.where(seen > q // 2, seen - q, seen), same, 8 * d)


_WAVES = ("first", "second", "out")


def _real_characters(p: int) -> Network:
    """Frequencies 0 and, for even p, p/2: the sine vanishes and one or two neurons do."""
    flat = Neuron(Wave(0), Wave(0), Wave(0), QUARTER)
    if p % 2:
        return (flat,)
    sign = Wave(p // 2)
    plus = Neuron(sign, sign, sign, QUARTER)
    return (flat, plus, Neuron(sign, sign.shifted(HALF), sign.shifted(HALF), QUARTER))


def _order(net: Sequence[Neuron], p: int) -> int:
    return math.lcm(p, *{getattr(n, w).phase.denominator for n in net for w in _WAVES})


def _exponents(net: Sequence[Neuron], p: int, n: int, which: str) -> Any:
    """(h, p) exponents e with wave(x) = cos(2 pi e / n)."""
    waves: list[Wave] = [getattr(neuron, which) for neuron in net]
    k = np.array([[wave.frequency] for wave in waves])
    shift = np.array([[int(wave.phase * n)] for wave in waves])
    return (k * np.arange(p) * (n // p) + shift) % n


def _split_prime(n: int, above: int) -> int:
    q = above - above % n + n + 1
    while not sp.isprime(q):
        q += n
    return int(q)


def _twice_cosines(n: int, q: int) -> Iterator[np.ndarray]:
    """Tables e -> 2 cos(2 pi e / n) in F_q, one for every pair of conjugate roots of order n."""
    root = pow(int(sp.primitive_root(q)), (q - 1) // n, q)
    powers = np.array([pow(root, e, q) for e in range(n)])
    e = np.arange(n)
    for t in range(1, n // 2 + 1):
        if math.gcd(t, n) == 1:
            yield (powers[t * e % n] + powers[-t * e % n]) % q
