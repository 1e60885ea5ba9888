"""Gradients of g: in integers from the formula, and of any network by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grokverify.kernels._inputs import Inputs, array as _array


def jacobian(W: Any, V: Any, x: Inputs, *, modulus: int | None = None) -> NDArray[Any]:
    """Gradients of g at the inputs, in exact integer arithmetic.

    Args:
        W: (h, 2p) integers. V: (p, h) integers. Arrays, tensors or nested lists.
        x: coordinates a, b, c, each (n,), below p.
        modulus: reduce modulo this prime below 2^31 and stay within int64; Python ints otherwise.

    Returns:
        (n, p h + 2 p h): for each input the derivatives by V (row-major), by Q and by R, both
        (h, p) row-major. Its Gram matrix is the eNTK; its rank is the rank of the eNTK.

    Raises:
        TypeError: W or V holds floats; make them integers by ``linalg.exact.as_integers``.
        ValueError: the shapes of W and V do not fit, or a coordinate is not below p.
    """
    W, V = _whole(W, modulus), _whole(V, modulus)
    h, p = W.shape[0], W.shape[1] // 2
    if V.shape != (p, h):
        raise ValueError(
            f"W has shape {W.shape}, so V must have shape {(p, h)} but has {V.shape}: the second "
            "layer maps h hidden units to p logits, the first takes two one-hot vectors."
        )
    a, b, c = (_array(part).astype(np.int64) for part in x)
    n = len(a)
    if n and max(a.max(), b.max(), c.max()) >= p:
        raise ValueError(f"a coordinate is {max(a.max(), b.max(), c.max())}, not below p = {p}.")
    z = _reduce(W[:, a] + W[:, p + b], modulus)  # (h, n)
    v = _reduce(_reduce(2 * V[c].T, modulus) * z, modulus)
    rows, units = np.arange(n), np.arange(h)[:, None]
    by_v, by_q, by_r = np.zeros((3, n, h * p), dtype=z.dtype)
    by_v[rows, c * h + units] = _reduce(z * z, modulus)
    by_q[rows, units * p + a] = v
    by_r[rows, units * p + b] = v
    return np.concatenate([by_v, by_q, by_r], axis=1)


def tangent_gram(
    outputs: Callable[[Mapping[str, torch.Tensor]], torch.Tensor],
    params: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """Gram matrix of the gradients of n outputs, by automatic differentiation.

    Args:
        outputs: a function of the parameters that returns (n,) numbers.
        params: name -> tensor.

    Returns:
        (n, n).
    """
    slopes = torch.func.jacrev(outputs)(dict(params))
    rows = [slope.reshape(slope.shape[0], -1) for slope in slopes.values()]
    G = torch.cat(rows, dim=1)
    return G @ G.mT


def _whole(values: Any, modulus: int | None) -> NDArray[Any]:
    array = _array(values)
    if array.dtype.kind not in "iub" and not (
        array.dtype.kind == "O" and all(isinstance(v, int | np.integer) for v in array.flat)
    ):
        raise TypeError(
            f"jacobian() works in integers and got {array.dtype}. Convert without rounding first: "
            "as_integers(W) from grokverify.linalg.exact (a common factor does not change a rank)."
        )
    if modulus is None:
        return array.astype(object)
    return (array % modulus).astype(np.int64)


def _reduce(values: NDArray[Any], modulus: int | None) -> NDArray[Any]:
    return values if modulus is None else values % modulus
