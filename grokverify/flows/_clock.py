"""The clock of an integration that leaves its start through a thin layer and then runs evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import wrightomega

from grokverify.margins import Array


@dataclass(frozen=True, slots=True)
class Clock:
    """``sigma = log(1 + c x) + pace x`` with ``x = tau - start``: logarithmic first, linear later.

    A layer of any width 1/c takes log c units, and what follows about one unit for each of tau; in
    log(1 + c x) alone the last e-fold would hold nearly all of tau. Its inverse is Wright's omega.

    Args:
        start: tau at sigma = 0.
        log_c: log of the first rate, at least 0.
        pace: units of sigma for one of tau, in the end; positive.
    """

    start: float
    log_c: float
    pace: float

    def at(self, taus: Array) -> Array:
        """sigma at the times tau >= start."""
        x = taus - self.start
        with np.errstate(divide="ignore"):  # log 0 at the start itself
            return np.asarray(np.logaddexp(0.0, self.log_c + np.log(x)) + self.pace * x)

    def read(self, sigma: float) -> tuple[float, float]:
        """tau and ``log(d tau / d sigma)``."""
        first = math.exp(-self.log_c)
        log_x = sigma - self.log_c + self.pace * first  # of x + 1/c, but for the linear part
        far = float(wrightomega(log_x + math.log(self.pace)))  # pace (x + 1/c)
        return self.start + far / self.pace - first, log_x - far - math.log1p(far)
