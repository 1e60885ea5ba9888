"""Diagonal linear nets: data, depth, loss and scales, and their weights without overflow.

With w = u^L - v^L and the conserved quantities of ``flows.diagonal``, ``w = eps^L phi_L(y)`` with
``phi_2(y) = 2 sinh(y/2)`` and otherwise ``phi_L(y) = (1 - k y)^-m - (1 + k y)^-m`` with
k = (L-2) / (2L), m = L / (L-2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from grokverify.flows._grid import in_range
from grokverify.margin_paths import EXPONENTIAL
from grokverify.margins import Array, rows


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """The loss ``(q_i - y_i)^2`` of Sect. 3.3; targets y of shape (n,)."""

    y: Array
    name: str = "square"


@dataclass(frozen=True, slots=True, eq=False)
class DiagonalNet:
    """Data, depth, loss, initial scale and weight decay.

    Args:
        X: (n, d) rows y_i x_i (classification) or x_i (``Square``); float32 halves the memory.
        depth: L >= 2.
        log_alpha: log of the scale at which every parameter starts.
        log_lam: log of the weight decay lambda > 0.
        loss: EXPONENTIAL, LOGISTIC or ``Square(y)``.

    Raises:
        ValueError: a depth below 2, a scale or a decay out of range, or targets that do not fit.
    """

    X: Array
    depth: int
    log_alpha: float
    log_lam: float
    loss: Any = EXPONENTIAL

    def __post_init__(self) -> None:
        if getattr(self.X, "dtype", None) != np.float32:
            object.__setattr__(self, "X", rows(self.X))
        if self.depth < 2 or int(self.depth) != self.depth:
            raise ValueError(
                f"a diagonal net needs a whole depth L >= 2, not {self.depth}. At L = 1 the model "
                "is linear and there is no transition; use grokverify.flows.linear."
            )
        if not (math.isfinite(self.log_alpha) and math.isfinite(self.log_lam)):
            raise ValueError(
                f"log alpha = {self.log_alpha} and log lambda = {self.log_lam} must be finite: "
                "alpha and lambda are positive, and alpha or lambda itself overflowed or was 0. "
                "Pass logarithms (log_alpha=128 * math.log(10)), and a tiny lambda for none."
            )
        in_range(self.log_alpha, self.log_lam)
        if isinstance(self.loss, Square):
            if np.shape(self.loss.y) != (len(self.X),):
                raise ValueError(
                    f"{len(self.X)} samples need as many targets, not {np.shape(self.loss.y)}."
                )
            if self.log_gain(0.0) > 30:
                raise ValueError(
                    f"at log alpha = {self.log_alpha:.4g}, log lambda = {self.log_lam:.4g} the "
                    f"square loss pulls with a gain of e^{self.log_gain(0.0):.3g}, so that "
                    "rounding in the residuals swamps it. Use a smaller alpha, or interpolants() "
                    "of flows.hypentropy for the limit lambda -> 0."
                )

    def log_gain(self, tau: float) -> float:
        """``log(2 L^2 eps^(2L-2) / (n lambda))``, the rate at which the loss acts on p."""
        L = self.depth
        return (
            math.log(2 * L * L / len(self.X)) + (2 * L - 2) * (self.log_alpha - tau) - self.log_lam
        )

    def weights(self, log_eps: float, z: Array) -> tuple[Array, Array]:
        """w and dw/dz, each of shape (d,), for ``z = X' p`` if eps > 1 and ``z = X' rho`` if not.

        Never a difference of large numbers, and no power of eps beyond what w itself has.
        """
        L = self.depth
        scale = L * max(log_eps, 0.0)
        size, grown = math.exp(-scale) * np.abs(z), L * min(log_eps, 0.0)
        if L == 2:
            log_top, gap, inner, outer = size / 2, size, size / 2, -size / 2
        else:
            k, m = (L - 2) / (2 * L), L / (L - 2)
            cut = np.minimum(k * size, 1 - 1e-14)
            inner, outer = -np.log1p(-cut), -np.log1p(cut)
            log_top, gap = m * inner, m * (inner - outer)
            inner, outer = (m + 1) * inner, (m + 1) * outer
        slope = (np.exp(np.minimum(grown + inner, 300.0)) + np.exp(grown + outer)) / 2
        if scale > 0:  # phi(y) / y, which is 1 at y = 0
            safe = np.where(size > 1e-9, size, 1.0)
            ratio = np.where(
                size > 1e-9, np.exp(np.minimum(log_top, 300.0)) * -np.expm1(-gap) / safe, 1.0
            )
            return z * ratio, slope
        return np.sign(z) * np.exp(np.minimum(grown + log_top, 300.0)) * -np.expm1(-gap), slope

    def parameters(self, log_eps: float, y: Array) -> Array:
        """theta = (u, v) of shape (2d,).

        Raises:
            ValueError: theta, of the size of eps, is too large to be represented.
        """
        L = self.depth
        if log_eps > 345:  # and its square, which norms need
            raise ValueError(
                f"theta of scale e^{log_eps:.4g} overflows; ask for a later lambda t, or use h."
            )
        if L == 2:
            return np.exp(log_eps + np.concatenate([y, -y]) / 4)
        z = (L - 2) / (2 * L) * np.concatenate([y, -y])
        return np.exp(log_eps - np.log1p(-z) / (L - 2))
