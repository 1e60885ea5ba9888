"""Limits that are approached like 1/log, decided by extrapolation and not by a tolerance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def log_limit(logs: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The limit of values that follow a series in 1/l and (log l)/l, l = ``logs`` -> infinity.

    Solves for the coefficients of 1, (log l)/l, 1/l, (log l)/l^2 and 1/l^2, as many as there are
    points, at most five. Such series describe the l2 path of the exponential loss, whose margins
    follow ``log B - log log B + const``.

    Returns:
        (limit, change): the change from the series with one term less, which usually exceeds the
        error of the limit.

    Raises:
        ValueError: fewer than three points, logs that do not increase, or logs below e.
    """
    l, y = np.asarray(logs, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(l) < 3 or len(l) != len(y) or (np.diff(l) <= 0).any() or l[0] < np.e:
        raise ValueError(
            f"log_limit needs at least three increasing logs above e and a value for each; got "
            f"{l.tolist()} and {y.tolist()}."
        )
    terms = np.stack([l**0, np.log(l) / l, 1 / l, np.log(l) / l**2, 1 / l**2], axis=1)
    k = min(len(l), 5)
    fits = [np.linalg.lstsq(terms[:, :j], y, rcond=None)[0][0] for j in (k - 1, k)]
    return float(fits[1]), float(abs(fits[1] - fits[0]))
