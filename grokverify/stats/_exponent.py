"""Scaling exponents: one slope a seed, a correction term from theory, no normal approximation.

The model is log y = a + b log n + c n^-w, one least-squares fit a seed. What can be said at a
risk of one in a million depends on what is assumed of the slopes:

* nothing but iid seeds: the median of the slope lies between two order statistics. The interval
  is exact for every law, and finite only from about log2(2/risk) seeds on: with fewer, the
  true median could be anywhere, whatever the data look like.
* normal slopes: a t interval, for any number of seeds. Nobody can check normality that far out
  in the tail, so this is graded empirical.

Neither knows of the error of the *model*. It is systematic and does not shrink with seeds, so the
fit is repeated without the smallest size, and whatever moves is not settled. A fit through a few
sizes is consistent with an exponent; it certifies none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from grokverify._evidence import Comparison, Grade, Measurement
from grokverify._lab import Lab
from grokverify.stats._trend import table


@dataclass(frozen=True, slots=True)
class Exponent:
    """A fitted exponent and what speaks for or against it.

    Args:
        slopes, later: one slope a seed, from all sizes and without the smallest.
        local: medians over the seeds of the slopes between neighbouring sizes, for a plot.
        measured: the hull of the intervals of both fits; its risk pays for both.
        drift: by how much dropping the smallest size moves the median run's slope.
    """

    name: str
    sizes: tuple[float, ...]
    slopes: tuple[float, ...]
    later: tuple[float, ...]
    local: tuple[float, ...]
    measured: Measurement
    drift: float

    def near(self, value: float, margin: float) -> Comparison:
        """Whether the exponent is within ``margin`` of ``value`` (an equivalence test).

        Holds if the intervals of both fits lie within the margin, fails if both lie beyond it. It
        is undecided whatever the intervals say while dropping the smallest size moves the slope
        by more than half of the margin: the sizes are then too small to speak of a limit. This
        gate only withholds, so it costs no risk.

        Raises:
            ValueError: the margin is not positive.
        """
        if not margin > 0:
            raise ValueError(f"{self.name!r}.near({value}, {margin}) needs a positive margin.")
        lo, hi = float(self.measured.lo) - value, float(self.measured.hi) - value
        least, most = max(0.0, lo, -hi), max(-lo, hi)
        unit = self.measured.unit
        if abs(self.drift) > margin / 2:
            least, most = 0.0, math.inf
            unit += f"; not settled, the smallest size moves it by {self.drift:.2g}"
        name = f"|{self.name} - {value:g}|"
        risk, grade = self.measured.risk, self.measured.grade
        return Measurement(name, least, most, grade, risk=risk, unit=unit).at_most(margin)


def exponent(
    name: str,
    draw_block: Callable[[Lab, int], Any],
    sizes: Sequence[float],
    *,
    lab: Lab,
    w: float | None,
    seeds: int | None = None,
    assume_normal: bool = False,
    kth: int = 1,
) -> Exponent:
    """Fit log y = a + b log n + c n^-w for every seed, and enclose b across the seeds.

    It is the exponent of the typical run; that of the mean over runs may differ.

    Args:
        draw_block: ``(lab, n) -> (n, len(sizes))`` positive values, one seed a row. Sizes of one
            seed may share randomness; seeds must be iid.
        sizes: increasing and positive; at least five with a correction term, four without.
        lab: its budget pays for the k-th decision of a case.
        w: exponent of the leading correction, from theory and never from the data; None for a
            pure power law.
        seeds: how many; None takes half as many again as a finite interval needs.
        assume_normal: t intervals for the mean slope, graded empirical, in place of the median.
        kth: which random decision of this case this is, counted from 1.

    Raises:
        ValueError: the sizes are too few or not increasing, w is not positive, there are fewer
            than two seeds, or a value is not positive and finite.
    """
    alpha, n = lab.share(kth), [float(s) for s in sizes]
    count = math.ceil(1.5 * seeds_needed(alpha / 2)) if seeds is None else seeds
    _check_fit(name, n, w, count)
    values = table(name, draw_block(lab.at(["block", 0]), count), count)
    if values.shape[1] != len(n) or values.min() <= 0:
        raise ValueError(
            f"exponent({name!r}) got values of shape {values.shape}, the smallest {values.min()}; "
            f"a power law needs one positive value for each of {len(n)} sizes."
        )
    logs = np.log(values)
    slopes = logs @ slope_weights(n, w)
    later = logs[:, 1:] @ slope_weights(n[1:], w)
    local = np.median(np.diff(logs, axis=1) / np.diff(np.log(n)), axis=0)
    interval = _mean_interval if assume_normal else median_interval
    ends = np.array([interval(slopes, alpha / 2), interval(later, alpha / 2)])
    centre = np.mean if assume_normal else np.median
    grade, unit = Grade.STATISTICAL, "median over seeds"
    if assume_normal:
        grade, unit = Grade.EMPIRICAL, "mean over seeds, slopes assumed normal"
    lo, hi = float(ends[:, 0].min()), float(ends[:, 1].max())
    measured = Measurement(name, lo, hi, grade, risk=alpha, unit=unit)
    return Exponent(
        name,
        tuple(n),
        tuple(slopes.tolist()),
        tuple(later.tolist()),
        tuple(local.tolist()),
        measured,
        float(centre(later - slopes)),
    )


def _check_fit(name: str, n: list[float], w: float | None, seeds: int) -> None:
    spare = 4 if w is None else 5
    if len(n) < spare or n[0] <= 0 or min(np.diff(n)) <= 0:
        raise ValueError(
            f"exponent({name!r}) needs at least {spare} increasing positive sizes, so that a fit "
            f"without the smallest can still be wrong; got {n}."
        )
    if seeds < 2 or (w is not None and not w > 0):
        raise ValueError(f"exponent({name!r}) needs two seeds and w > 0; got {seeds} and {w}.")


def slope_weights(sizes: Sequence[float], w: float | None) -> NDArray[np.float64]:
    """The weights g, shape (sizes,), for which g . log y is the least-squares slope b."""
    n = np.asarray(sizes, dtype=float)
    columns = [np.ones_like(n), np.log(n / n[0])]
    if w is not None:
        columns.append((n / n[0]) ** -w)
    weights: NDArray[np.float64] = np.linalg.pinv(np.stack(columns, axis=1))[1]
    return weights


def median_interval(values: Any, alpha: float) -> tuple[float, float]:
    """Order statistics that enclose the median of any law, but for probability alpha.

    P(fewer than r of m iid values lie on one side of the median) is at most that of fewer than r
    heads in m tosses. With too few values for this alpha the interval is the whole line.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    m, r, tail = ordered.size, 0, 0
    while r < m and 2 * (tail + math.comb(m, r)) <= Fraction(alpha) * 2**m:
        tail, r = tail + math.comb(m, r), r + 1
    if r == 0:
        return -math.inf, math.inf
    return float(ordered[r - 1]), float(ordered[m - r])


def seeds_needed(alpha: float) -> int:
    """The fewest seeds with which ``median_interval`` is finite: 2^(1 - m) <= alpha."""
    return math.ceil(1 - math.log2(alpha))


def _mean_interval(values: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    m = values.size
    radius = float(student.isf(alpha / 2, m - 1) * values.std(ddof=1) / math.sqrt(m))
    return float(values.mean()) - radius, float(values.mean()) + radius
