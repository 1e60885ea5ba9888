"""Tangent kernels: the eNTK of the quadratic network in three independent forms, and regression.

The network is eq. (2.1) of Mohamadi et al. 2024 with ``W = (Q, R)`` (their Appendix B),

    g(theta; (a, b, c)) = sum_k V_ck (Q_ka + R_kb)^2,      K(x, x') = <grad g(x), grad g(x')>.

``jacobian`` is its gradient in integers, for exact ranks; ``entk`` its Gram matrix in closed form,
for speed; ``tangent_gram`` differentiates any network by torch, as the independent reference.
Parameters are ordered V, Q, R throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grokverify.linalg.certified import gamma, positive_definite, require_ieee
from grokverify.linalg.exact import as_integers, rank_exact

Inputs = tuple[Any, Any, Any]  # the coordinates a, b, c of n inputs, each of shape (n,)
_CHUNK = 2**21  # hidden activations held at once while a batch of networks is decided


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
    return int(np.unique(_array(c), return_counts=True)[1].max())


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


def entk(W: torch.Tensor, V: torch.Tensor, x: Inputs, y: Inputs | None = None) -> torch.Tensor:
    """The eNTK in the closed form of Proposition B.6, from the one-hot structure of the inputs.

    ``K(x, y) = 1[c=c'] sum_k z_k^2 z'_k^2 + (1[a=a'] + 1[b=b']) sum_k 4 V_ck V_c'k z_k z'_k`` with
    ``z_k = Q_ka + R_kb``: n n' h operations, no (n, 3ph) Jacobian.

    Args:
        W: (..., h, 2p). V: (..., p, h). Batches broadcast. Floats, or int64 for exact values
            while every entry of K stays below 2^63 (on the CPU: CUDA has no integer products).
        x, y: n and n' inputs; y is x where it is left out.

    Returns:
        (..., n, n').
    """
    if not W.is_floating_point():
        W, V = W.cpu(), V.cpu()
        x, y = _on_cpu(x), None if y is None else _on_cpu(y)
    z, v = _features(W, V, x)
    zy, vy = (z, v) if y is None else _features(W, V, y)
    return _gram(z, v, zy, vy, x, x if y is None else y)


def entk_rounding(W: torch.Tensor, V: torch.Tensor, x: Inputs) -> torch.Tensor:
    """A rigorous entrywise bound for the rounding errors of ``entk(W, V, x)`` in float64.

    A term of the first sum collects at most 7 roundings before it is summed and h - 1 in the sum,
    a term of the second at most 5; two more join the sums. The same kernel of absolute values,
    whose own relative error is of that size, bounds what they act on.

    Raises:
        Refused: the arithmetic is not IEEE float64.
    """
    require_ieee(W, V)
    h = W.shape[-2]
    z, v = _features(W, V, x)
    size = _gram(z.abs(), v.abs(), z.abs(), v.abs(), x, x)
    return 2 * gamma(h + 16) * size + h * 2.0**-1000


def entk_singular(W: torch.Tensor, V: torch.Tensor, x: Inputs) -> torch.Tensor:
    """For each network of a batch, whether the eNTK at the inputs is singular. Always decided.

    A float64 certificate proves most kernels positive definite; for the rest the parameters,
    read as the dyadic rationals that they are, give an exact rank.

    Args:
        W: (k, h, 2p) float64. V: (p, h) or (k, p, h) float64.
        x: n inputs; with a repeated input every kernel is singular.

    Returns:
        (k,) booleans on the device of W.
    """
    k, h, _ = W.shape
    V = V.expand(k, *V.shape[-2:])
    n = len(x[0])
    step = max(1, _CHUNK // (h * n))
    parts = []
    for start in range(0, k, step):
        few = slice(start, start + step)
        K = entk(W[few], V[few], x)
        parts.append(positive_definite(K, radius=entk_rounding(W[few], V[few], x)))
    singular = ~torch.cat(parts)
    for i in torch.nonzero(singular).ravel().tolist():
        G = jacobian(as_integers(W[i]), as_integers(V[i]), x)
        singular[i] = rank_exact(G) < n
    return singular


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


def kernel_regression(
    K: torch.Tensor, y: torch.Tensor, K_query: torch.Tensor | None = None, *, rtol: float = 1e-12
) -> torch.Tensor:
    """Predictions of ridgeless kernel regression, ``K_query K^+ y`` (Definition 2.3).

    Args:
        K: (n, n) kernel at the training inputs. y: (n,) or (n, m) labels.
        K_query: (n', n) kernel between queries and training inputs; K where it is left out.
        rtol: eigenvalues below this fraction of the largest count as zero.
    """
    pseudo = torch.linalg.pinv(K, rtol=rtol, hermitian=True)
    coefficients: torch.Tensor = pseudo @ y
    return (K if K_query is None else K_query) @ coefficients


def _features(W: torch.Tensor, V: torch.Tensor, x: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
    a, b, c = x
    p = W.shape[-1] // 2
    z = W[..., a] + W[..., p + b]
    return z, 2 * V[..., c, :].mT * z


def _gram(
    z: torch.Tensor, v: torch.Tensor, zy: torch.Tensor, vy: torch.Tensor, x: Inputs, y: Inputs
) -> torch.Tensor:
    same_a, same_b, same_c = (
        (torch.as_tensor(s)[:, None] == torch.as_tensor(t)).to(z) for s, t in zip(x, y, strict=True)
    )
    return same_c * ((z * z).mT @ (zy * zy)) + (same_a + same_b) * (v.mT @ vy)


def _on_cpu(x: Inputs) -> Inputs:
    a, b, c = (torch.as_tensor(part).cpu() for part in x)
    return a, b, c


def _array(values: Any) -> NDArray[Any]:
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


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
