"""Whether two sources of samples have one law.

Equality of laws can be refuted and never verified: another law may be as near as one likes. So
two tools work on one run. Against the claim: permutation tests with the energy distance, whose
p-values are valid for every law and dimension; small ones are turned into bets, multiplied over
independent rounds, so that a risk of one in a million costs thousands of permutations and not
millions. For the claim, up to a stated margin: the maximum mean discrepancy with a kernel in
[0, 1], whose error is bounded for every law (McDiarmid's inequality in Hilbert space).

Where a coupling exists (feed both sides the same random numbers), use it instead: it needs no
statistics and sees far smaller faults.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from grokverify._evidence import Comparison, Grade, Measurement
from grokverify._lab import Lab
from grokverify.stats._caught import CHANCE
from grokverify.stats._trend import table

Source = Callable[[Lab, int], Any]
_BATCH = 100  # permutations drawn at a time
_POWER = Fraction(1, 4)  # a p-value pays out _POWER * p ** (_POWER - 1), which has mean at most 1


def same_law(
    name: str,
    first: Source,
    second: Source,
    *,
    lab: Lab,
    margin: float | None = None,
    features: Callable[[torch.Tensor], torch.Tensor] | None = None,
    n: int = 200,
    rounds: int = 8,
    most: int = 999,
    enough: int = 10,
    kth: int = 1,
) -> Comparison:
    """Whether two sources draw from one law, up to a margin.

    Args:
        first, second: ``(lab, n) -> (n, d)``, iid rows, each from its own streams.
        lab: its budget pays for the k-th decision of a case, half for each way to be wrong.
        margin: the largest discrepancy that passes for none, in [0, sqrt 2]; None can only refute.
        features: what to compare of the samples, once their columns have been standardised by a
            pilot sample. The energy distance hardly sees a change in the *dependence* of columns
            with unchanged single laws: give ``pair_products`` to look for that.
        n, rounds: sizes of both samples in a round, and the number of rounds.
        most, enough: a round ends after so many permutations, or once so many of them reach the
            observed distance.
        kth: which random decision of this case this is, counted from 1.

    Returns:
        Fails, as a distance that is positive, once the rounds have refuted equality (or where the
        discrepancy is beyond the margin); holds if a margin was given and the discrepancy is
        below it; undecided otherwise.

    Raises:
        ValueError: a sample is no finite table of the right shape, the two have different numbers
            of columns, or the margin is negative.
    """
    if margin is not None and not 0 <= margin < math.sqrt(2):
        raise ValueError(f"same_law({name!r}) has the margin {margin}, not in [0, sqrt 2).")
    alpha, won = lab.share(kth), 0.0
    pilot = [_sample(name, f, lab.at(["pilot", k]), n) for k, f in enumerate((first, second))]
    look, scale = _looking_glass(name, pilot, features)
    kept: list[list[torch.Tensor]] = [[], []]
    for k in range(rounds):
        here = lab.at(["round", k])
        x, y = (look(_sample(name, f, here.at(j), n)) for j, f in enumerate((first, second)))
        won += math.log(bet(energy_p_value(x, y, lab=here, most=most, enough=enough)))
        kept[0].append(x)
        kept[1].append(y)
        if won >= -math.log(alpha / 2):
            lo, hi, unit = sys.float_info.min, math.inf, f"energy distance > 0 after {k + 1} rounds"
            found = Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, unit=unit)
            return found.at_most(0)
    lo, hi = 0.0, math.inf
    if margin is not None:
        lo, hi = discrepancy(torch.cat(kept[0]), torch.cat(kept[1]), scale, alpha / 2)
    unit, power = "discrepancy", _power(n * rounds, alpha / 2)
    value = Measurement(name, lo, hi, Grade.STATISTICAL, risk=alpha, unit=unit, power=power)
    return value.at_most(margin or 0.0)


def energy_p_value(
    x: torch.Tensor, y: torch.Tensor, *, lab: Lab, most: int = 999, enough: int = 10
) -> Fraction:
    """A valid p-value for "x and y, both (n, d), are iid from one law", by permutation.

    The energy distance of a split of the pooled rows is -s' D s / n^2 with signs s and distances
    D. Permutations are drawn until ``enough`` of them reach the observed distance or ``most`` are
    drawn (Besag and Clifford 1991); ties and rounding errors count as reaching it.

    Raises:
        ValueError: the shapes differ.
    """
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(
            f"energy_p_value got the shapes {tuple(x.shape)} and {tuple(y.shape)}; give two (n, d)."
        )
    pooled = torch.cat([x, y])
    distances = torch.cdist(pooled, pooled, compute_mode="donot_use_mm_for_euclid_dist")
    signs = np.repeat([1.0, -1.0], x.shape[0])
    seen = float(split_energies(distances, signs[None])[0])
    least = seen - 1e-9 * float(distances.max())

    def exceeds() -> Iterator[bool]:
        rng = lab.generator("permutations")
        while True:
            some = rng.permuted(np.tile(signs, (_BATCH, 1)), axis=1)
            yield from (split_energies(distances, some) >= least).tolist()

    return sequential_p_value(exceeds(), most=most, enough=enough)


def sequential_p_value(exceeds: Iterable[bool], *, most: int, enough: int) -> Fraction:
    """Besag and Clifford's p-value: hits/draws at the ``enough``-th hit, else (hits+1)/(most+1)."""
    hits = 0
    for drawn, hit in enumerate(exceeds, start=1):
        hits += bool(hit)
        if hits == enough:
            return Fraction(hits, drawn)
        if drawn == most:
            break
    return Fraction(hits + 1, most + 1)


def split_energies(distances: torch.Tensor, signs: Any) -> torch.Tensor:
    """Energy distances of splits into halves, given by rows of signs, shape (splits, 2n)."""
    s = torch.as_tensor(signs, dtype=distances.dtype, device=distances.device)
    return -((s @ distances) * s).sum(dim=1) / (s.shape[1] / 2) ** 2


def bet(p: Fraction) -> float:
    """What a bet against the null pays for the p-value p; its mean under the null is at most 1."""
    return float(_POWER) / math.pow(p, 1 - _POWER)


def discrepancy(
    x: torch.Tensor, y: torch.Tensor, scale: float, alpha: float
) -> tuple[float, float]:
    """A confidence interval for the maximum mean discrepancy with kernel exp(-|x-y| / scale).

    With v = 1/n + 1/m, the error of the embedded means has norm at most sqrt(v) on average, and
    one row moves it by at most sqrt(2)/n, so it is beyond sqrt(v) (1 + sqrt(log 1/alpha)) with
    probability at most alpha.
    """
    square = sum(
        weight * _mean_kernel(a, b, scale) for a, b, weight in ((x, x, 1), (y, y, 1), (x, y, -2))
    )
    value, v = math.sqrt(max(0.0, square)), 1 / x.shape[0] + 1 / y.shape[0]
    radius = _radius(v, alpha)
    return max(0.0, value - radius), value + radius


def _power(n: int, alpha: float) -> Callable[[str, float], float]:
    """A discrepancy that is beyond the bound even when both errors make it smaller."""
    return lambda _, bound: bound + _radius(2 / n, alpha) + _radius(2 / n, 1 - CHANCE)


def _radius(v: float, alpha: float) -> float:
    return math.sqrt(v) * (1 + math.sqrt(-math.log(alpha)))


def pair_products(x: torch.Tensor) -> torch.Tensor:
    """Products of all pairs of different columns, shape (n, d(d-1)/2), to see dependence."""
    if x.shape[1] < 2:
        raise ValueError(f"pair_products needs at least two columns, got {tuple(x.shape)}.")
    i, j = torch.triu_indices(x.shape[1], x.shape[1], offset=1, device=x.device)
    return x[:, i] * x[:, j]


def _sample(name: str, source: Source, lab: Lab, n: int) -> torch.Tensor:
    return torch.as_tensor(table(name, source(lab, n), n), device=lab.device)


def _looking_glass(
    name: str,
    pilot: list[torch.Tensor],
    features: Callable[[torch.Tensor], torch.Tensor] | None,
) -> tuple[Callable[[torch.Tensor], torch.Tensor], float]:
    """The map applied to every sample, and the kernel's scale; fixed by the pilot alone."""
    if pilot[0].shape != pilot[1].shape:
        shapes = [tuple(p.shape) for p in pilot]
        raise ValueError(f"same_law({name!r}) got samples of shapes {shapes[0]} and {shapes[1]}.")
    pooled = torch.cat(pilot)
    middle, spread = pooled.mean(0), pooled.std(0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))

    def look(x: torch.Tensor) -> torch.Tensor:
        z = (x - middle) / spread
        seen = z if features is None else features(z)
        if not bool(torch.isfinite(seen).all()):
            raise ValueError(f"{name!r} got features that are not finite. NaN is never evidence.")
        return seen

    seen = look(pooled)
    scale = float(torch.pdist(seen).median()) or 1.0
    return look, scale


def _mean_kernel(x: torch.Tensor, y: torch.Tensor, scale: float) -> float:
    total = 0.0
    for k in range(0, x.shape[0], 1000):  # a part of the rows at a time, to bound the memory
        total += float(torch.exp(-torch.cdist(x[k : k + 1000], y) / scale).sum())
    return total / (x.shape[0] * y.shape[0])
