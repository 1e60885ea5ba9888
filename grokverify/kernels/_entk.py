"""The eNTK in closed form, from the one-hot structure of the inputs: no Jacobian is formed.

Two gradients by V meet only where c = c', two gradients by Q where a = a', by R where b = b'. The
kernel is therefore a sum of three matrices, block diagonal in c, in a and in b: on n inputs spread
evenly over p values that is 3 n^2 h / p multiplications, where two n x n x h products would take
2 n^2 h and the contraction of two (n, 3ph) Jacobians 3 n^2 p h.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import torch

from grokverify.kernels._inputs import Inputs, pairs
from grokverify.linalg.certified import gamma, require_ieee
from grokverify.memory import budget

GIGABYTE = 10**9
_LEAST = 8  # hidden units taken at a time at least; the rounding bound counts on it
_BLOCKS_PAY = 2**18  # multiplications; below, one masked product is faster than many small ones


def entk(
    W: torch.Tensor,
    V: torch.Tensor,
    x: Inputs,
    y: Inputs | None = None,
    *,
    memory: int | None = None,
) -> torch.Tensor:
    """The eNTK in the closed form of Proposition B.6, from the one-hot structure of the inputs.

    ``K(x, y) = 1[c=c'] sum_k z_k^2 z'_k^2 + (1[a=a'] + 1[b=b']) sum_k 4 V_ck V_c'k z_k z'_k`` with
    ``z_k = Q_ka + R_kb``.

    Args:
        W: (..., h, 2p). V: (..., p, h). Batches broadcast. Floats, or int64 for exact values
            while every entry of K stays below 2^63 (on the CPU: CUDA has no integer products).
        x, y: n and n' inputs; y is x where it is left out.
        memory: bytes that the result and the work for it may take; hidden units are taken in
            parts to keep to it. What ``Lab.memory`` says of the device of W, if left out.

    Returns:
        (..., n, n') of the dtype of W.

    Raises:
        ValueError: the result does not fit the memory.
    """
    return _summed(W, V, x, y, memory, magnitude=False)


def entk_rounding(W: torch.Tensor, V: torch.Tensor, x: Inputs) -> torch.Tensor:
    """A rigorous entrywise bound for the rounding errors of ``entk(W, V, x)`` in float64.

    A term collects at most 7 roundings before it is summed, h - 1 in the sum over hidden units and
    3 more for every part in which these were taken (of at least 8 units). The same kernel of
    absolute values, whose own relative error is of that size, bounds what they act on.

    Raises:
        Refused: the arithmetic is not IEEE float64.
    """
    require_ieee(W, V)
    h = W.shape[-2]
    size = _summed(W, V, x, None, None, magnitude=True)
    return size.mul_(2 * gamma(h + 16)).add_(h * 2.0**-1000)


def entk_classification(
    W: torch.Tensor,
    V: torch.Tensor,
    x: tuple[Any, Any],
    y: tuple[Any, Any] | None = None,
    *,
    memory: int | None = None,
) -> torch.Tensor:
    """The matrix-valued eNTK of the p logits f(theta; (a, b)) of Section 4: a p x p block per pair.

    ``K(x, y) = (sum_k z_k^2 z'_k^2) I + (1[a=a'] + 1[b=b']) V diag(4 z z') V^T``: off the pairs
    that share a summand the blocks are multiples of the identity. About 2 n^2 p h multiplications,
    where the contraction of two (n p, 3ph) Jacobians takes 3 n^2 p^3 h.

    Args:
        W: (h, 2p) floats. V: (p, h) floats.
        x, y: summands (a, b) of n and n' inputs; y is x where it is left out.
        memory: bytes that the result and the work for it may take; by default as for ``entk``.

    Returns:
        (n, n', p, p).

    Raises:
        ValueError: the result does not fit the memory.
    """
    x, own = (_on(W.device, *x), y is None)
    y = x if y is None else _on(W.device, *y)
    n, m, p = len(x[0]), len(y[0]), V.shape[0]
    K = W.new_zeros(n, m, p, p)
    for few in _parts(W, V, (n + m) * (p + 3), K, memory):
        z = _hidden(W[few], *x)
        zy = z if own else _hidden(W[few], *y)
        K.diagonal(dim1=2, dim2=3).add_(((z * z) @ (zy * zy).mT)[:, :, None])
        second = 2 * V[:, few]
        for s, t in zip(x, y, strict=True):
            for i, j in pairs(s, t):
                left = (z[i, None, :] * second).flatten(0, 1)
                right = (zy[j, None, :] * second).flatten(0, 1)
                block = (left @ right.mT).reshape(len(i), p, len(j), p)
                K[i[:, None], j] += block.transpose(1, 2)
    return K


def entk_limit(
    x: Inputs,
    y: Inputs | None = None,
    *,
    variance_W: float = 1.0,
    variance_V: float = 1.0,
    kurtosis: float = 3.0,
) -> torch.Tensor:
    """The kernel K / h of infinite width, for independent weights of mean zero.

    With variances s of W and t of V and kurtosis k = E w^4 / s^2 (Proposition B.3 for the first
    layer; the second adds E J = 4 s t (1[a=a'] + 1[b=b'])^2 1[c=c']) it is

        1[c=c'] (4 s^2 + ((k - 1) s^2 + 4 s t) (1[a=a'] + 1[b=b']) + (4 s^2 + 8 s t) 1[a=a', b=b']).

    It is block diagonal in c: see ``block_regression``. On all inputs with one c its eigenvalues
    are g = 4 s^2 + 8 s t on what sums to zero along a and b, g + p ((k - 1) s^2 + 4 s t) on what
    depends on a or on b alone, and once g + 2 p ((k - 1) s^2 + 4 s t) + 4 p^2 s^2. In the
    classification setting the kernel is this one for c = c' times the identity.

    Args:
        x, y: n and n' inputs; y is x where it is left out.
        variance_W, variance_V: of the weights of the two layers.
        kurtosis: of the first layer: 3 for Gaussian, 9/5 for uniform, 1 for fair signs.

    Returns:
        (n, n') float64 on the device of x.
    """
    y = x if y is None else y
    device = torch.as_tensor(x[0]).device
    A, B, C = (
        (s[:, None] == t).to(torch.float64)
        for s, t in zip(_on(device, *x), _on(device, *y), strict=True)
    )
    s, t = variance_W, variance_V
    mixed = (kurtosis - 1) * s**2 + 4 * s * t
    limit: torch.Tensor = C * (4 * s**2 + mixed * (A + B) + (4 * s**2 + 8 * s * t) * A * B)
    return limit


def _summed(
    W: torch.Tensor,
    V: torch.Tensor,
    x: Inputs,
    y: Inputs | None,
    memory: int | None,
    *,
    magnitude: bool,
) -> torch.Tensor:
    if not W.is_floating_point():
        W, V = W.cpu(), V.cpu()
    own = y is None
    x = _on(W.device, *x)
    y = x if y is None else _on(W.device, *y)
    n, m = len(x[0]), len(y[0])
    batch = np.broadcast_shapes(tuple(W.shape[:-2]), tuple(V.shape[:-2]))
    masked = bool(batch) or n * m * W.shape[-2] < _BLOCKS_PAY
    K = W.new_zeros(*batch, n, m)
    extra = 3 * K.numel() if masked else 0
    for few in _parts(W, V, 4 * (n + m) * prod(batch), K, memory, extra):
        z, v = _features(W[..., few, :], V[..., few], x, magnitude)
        zy, vy = (z, v) if own else _features(W[..., few, :], V[..., few], y, magnitude)
        if masked:
            K += _masked(z, v, zy, vy, x, y)
            continue
        for s, t, left, right in zip(x, y, (v, v, z * z), (vy, vy, zy * zy), strict=True):
            for i, j in pairs(s, t):
                rows = left.index_select(0, i)
                columns = rows if j is i else right.index_select(0, j)
                K[i[:, None], j] += rows @ columns.mT
    return K


def _parts(
    W: torch.Tensor,
    V: torch.Tensor,
    per_unit: int,
    K: torch.Tensor,
    memory: int | None,
    extra: int = 0,
) -> Iterator[slice]:
    """The hidden units in parts, for which ``per_unit`` numbers each fit beside the result K."""
    h = W.shape[-2]
    if V.shape[-1] != h or 2 * V.shape[-2] != W.shape[-1]:
        raise ValueError(
            f"W has shape {tuple(W.shape)} and V {tuple(V.shape)}: for W of shape (h, 2p), V must "
            "be (p, h)."
        )
    memory = budget(str(K.device)) if memory is None else memory
    left = memory // K.element_size() - K.numel() - extra
    step = min(h, left // max(1, per_unit))
    if h and step < min(h, _LEAST):
        need = (K.numel() + extra + _LEAST * per_unit) * K.element_size()
        raise ValueError(
            f"a kernel of shape {tuple(K.shape)} takes {need / GIGABYTE:.3g} GB with the work for "
            f"it, but memory={memory / GIGABYTE:.3g} GB. Raise memory, ask for some rows at a time "
            "(pass a part of the inputs as x and all of them as y), or, to know only whether it "
            "is positive definite, use entk_positive."
        )
    for start in range(0, h, max(1, step)):
        yield slice(start, min(start + step, h))


def _hidden(W: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Activations z, (..., n, h); rows are gathered, which is contiguous in memory."""
    columns = W.mT.contiguous()
    p = W.shape[-1] // 2
    z: torch.Tensor = columns[..., a, :] + columns[..., p + b, :]
    return z


def _features(
    W: torch.Tensor, V: torch.Tensor, x: Inputs, magnitude: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    a, b, c = x
    z = _hidden(W, a, b)
    v = 2 * V[..., c, :] * z
    return (z.abs(), v.abs()) if magnitude else (z, v)


def _masked(
    z: torch.Tensor, v: torch.Tensor, zy: torch.Tensor, vy: torch.Tensor, x: Inputs, y: Inputs
) -> torch.Tensor:
    same_a, same_b, same_c = ((s[:, None] == t).to(z) for s, t in zip(x, y, strict=True))
    gram: torch.Tensor = same_c * ((z * z) @ (zy * zy).mT) + (same_a + same_b) * (v @ vy.mT)
    return gram


def _on(device: torch.device, *coordinates: Any) -> Any:
    return tuple(torch.as_tensor(part, device=device) for part in coordinates)
