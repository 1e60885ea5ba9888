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

    def shares(self, log_eps: float) -> tuple[float, float]:
        """``log(1 + eps^L)`` and ``log(1 + eps^-L)``.

        The dual variable of the flow is ``s = p (1 + eps^-L) = rho (1 + eps^L)``, with p = eps^L
        rho: p early and rho late, of moderate size throughout.
        """
        grown = self.depth * log_eps
        rest = math.log1p(math.exp(-abs(grown)))
        return max(grown, 0.0) + rest, max(-grown, 0.0) + rest

    def weights(self, log_eps: float, z: Array) -> Array:
        """(d,) effective weights w for ``z = X' s``; see ``shares`` for s.

        Never a difference of large numbers, and no power of eps beyond what w itself has.
        """
        low, high = self.shares(log_eps)
        if self.depth == 2 and abs(low - high) < 300:  # sinh neither overflows nor cancels
            return np.asarray(2 * math.exp(low - high) * np.sinh(_half(z, low)))
        size = math.exp(-low) * np.abs(z)
        if self.depth == 2:
            top, gap = size / 2, size
        else:
            inner, outer = self._logs(size)
            m = self.depth / (self.depth - 2)
            top, gap = m * inner, m * (inner - outer)
        safe = np.maximum(size, 1e-9)  # phi(y) / y is 1 below
        ratio = np.where(size > 1e-9, -np.expm1(-gap) / safe, 1.0)
        return np.asarray(z * np.exp(np.minimum(top - high, 300.0)) * ratio)

    def slopes(self, log_eps: float, z: Array) -> Array:
        """(d,) dw/dz."""
        low, high = self.shares(log_eps)
        if self.depth == 2 and abs(low - high) < 300:
            return np.asarray(math.exp(-high) * np.cosh(_half(z, low)))
        size = math.exp(-low) * np.abs(z)
        if self.depth == 2:
            inner, outer = size / 2, -size / 2
        else:
            inner, outer = (
                power * (1 + self.depth / (self.depth - 2)) for power in self._logs(size)
            )
        return np.asarray(np.exp(np.minimum(inner - high, 300.0)) + np.exp(outer - high)) / 2

    def _logs(self, size: Array) -> tuple[Array, Array]:
        """``-log(1 - k |y|)`` and ``-log(1 + k |y|)``."""
        cut = np.minimum((self.depth - 2) / (2 * self.depth) * size, 1 - 1e-14)
        return -np.log1p(-cut), -np.log1p(cut)

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


def _half(z: Array, low: float) -> Array:
    """y / 2 at depth 2, cut where w, at most e^600 times the least eps^2 here, means nothing."""
    half = np.multiply(z, math.exp(-low) / 2)
    return np.asarray(np.minimum(np.maximum(half, -600.0, out=half), 600.0, out=half))
