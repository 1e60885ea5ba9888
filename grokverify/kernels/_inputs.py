"""The inputs (a, b, c), how they are numbered, and which of them share a coordinate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Inputs = tuple[Any, Any, Any]  # the coordinates a, b, c of n inputs, each of shape (n,)


def inputs(p: int, index: Any) -> Inputs:
    """The inputs (a, b, c) that are numbered ``a p^2 + b p + c``.

    Args:
        p: modulus.
        index: (n,) numbers below p^3, tensor or array; repeats are allowed.

    Raises:
        ValueError: an index is outside 0..p^3 - 1.
    """
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < p**3:
        raise ValueError(
            f"inputs({p}, ...) got indices from {int(index.min())} to {int(index.max())}, but the "
            f"inputs are numbered 0..{p**3 - 1}."
        )
    return index // p**2, index // p % p, index % p


def most_frequent(c: Any) -> int:
    """rho_c of Theorem 3.1: how often the most frequent third coordinate occurs."""
    return int(np.unique(array(c), return_counts=True)[1].max())


def array(values: Any) -> NDArray[Any]:
    """An array on the CPU, without a copy where there is one."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def groups(values: torch.Tensor) -> dict[int, torch.Tensor]:
    """Coordinate value -> the places where it occurs, in increasing order of value and place."""
    order = torch.argsort(values, stable=True)
    found, counts = torch.unique(values, return_counts=True)
    places = torch.split(order, counts.tolist())
    return dict(zip(found.tolist(), places, strict=True))


def pairs(s: torch.Tensor, t: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The blocks in which two lists of coordinates agree: places in s, places in t."""
    left = groups(s)
    right = left if t is s else groups(t)
    for value, places in left.items():
        if value in right:
            yield places, right[value]
