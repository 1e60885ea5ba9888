"""Gauss-Hermite rules for Gaussian inputs: means of polynomials without sampling."""

from __future__ import annotations

import numpy as np
import torch


def gauss_hermite(
    like: torch.Tensor, dimension: int, *, nodes: int = 3, variance: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """A product rule for x ~ N(0, variance I), exact up to degree ``2 nodes - 1`` in each entry.

    Args:
        like: a tensor whose dtype and device the rule takes.
        dimension: of x. The rule has ``nodes ** dimension`` points.
        nodes: a side. Three integrate the fourth power, five the eighth.

    Returns:
        Points (n, dimension) and positive masses (n,) that sum to 1.

    Raises:
        ValueError: there is no dimension or no node, or the rule has over ten million points.
    """
    if dimension < 1 or nodes < 1 or nodes**dimension > 10**7:
        raise ValueError(
            f"gauss_hermite(dimension={dimension}, nodes={nodes}) has {nodes}^{dimension} points; "
            "both must be positive and the rule below 10^7 points. Take fewer nodes, or use the "
            "Gaussian moments in closed form."
        )
    axis, mass = np.polynomial.hermite_e.hermegauss(nodes)
    ticks = torch.as_tensor(axis * variance**0.5).to(like)
    shares = torch.as_tensor(mass / mass.sum()).to(like)
    points = torch.cartesian_prod(*[ticks] * dimension).reshape(-1, dimension)
    weights = torch.cartesian_prod(*[shares] * dimension).reshape(-1, dimension).prod(-1)
    return points, weights
