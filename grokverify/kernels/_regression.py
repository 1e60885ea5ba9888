"""Ridgeless kernel regression: in general, and block by block."""

from __future__ import annotations

from collections.abc import Callable

import torch

from grokverify.kernels._inputs import Inputs, groups
from grokverify.linalg.certified import positive_definite


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


def block_regression(
    kernel: Callable[[Inputs, Inputs], torch.Tensor],
    x: Inputs,
    y: torch.Tensor,
    query: Inputs | None = None,
    *,
    rtol: float = 1e-12,
) -> torch.Tensor:
    """Predictions of ridgeless regression with a kernel that vanishes unless c = c'.

    Such are the eNTK of the second layer alone (V = 0) and the kernel of infinite width,
    ``entk_limit``. The kernel matrix is block diagonal in c, so that each block is solved by
    itself: sum_c m_c^3 operations for m_c inputs with this c, about n^3 / p^2 instead of n^3.
    A block of float64 that is *proved* to have no eigenvalue below the cut is solved by Cholesky;
    others take their pseudo-inverse.

    Args:
        kernel: (x, x') -> (n, n') Gram matrix, called for inputs with one c at a time.
        x: n training inputs. y: (n,) or (n, m) labels.
        query: n' inputs at which to predict; x where it is left out. A query whose c was never
            seen is answered by zero.
        rtol: eigenvalues below this fraction of the largest of their block count as zero.

    Returns:
        (n',) or (n', m) predictions.

    Raises:
        ValueError: the kernel does not vanish between the first inputs of two different c.
    """
    x = tuple(torch.as_tensor(part, device=y.device) for part in x)  # type: ignore[assignment]
    query = x if query is None else query
    query = tuple(torch.as_tensor(part, device=y.device) for part in query)  # type: ignore[assignment]
    train, asked = groups(x[2]), groups(query[2])
    _refuse_coupled(kernel, _at(x, torch.stack([places[0] for places in train.values()])))
    out = y.new_zeros(len(query[0]), *y.shape[1:])
    for c, places in train.items():
        if c in asked:
            here = _at(x, places)
            coefficients = _solve(kernel(here, here), y[places], rtol)
            out[asked[c]] = kernel(_at(query, asked[c]), here) @ coefficients
    return out


def _solve(K: torch.Tensor, y: torch.Tensor, rtol: float) -> torch.Tensor:
    """K^+ y, where eigenvalues below rtol times the largest count as zero."""
    if K.dtype == torch.float64:
        largest = float(K.abs().sum(-1).max())  # at least the largest eigenvalue
        eye = torch.eye(len(K), dtype=K.dtype, device=K.device)
        if bool(positive_definite(K - 2 * rtol * largest * eye)):
            columns = y if y.ndim > 1 else y[:, None]
            return torch.cholesky_solve(columns, torch.linalg.cholesky(K)).reshape(y.shape)
    solution: torch.Tensor = torch.linalg.pinv(K, rtol=rtol, hermitian=True) @ y
    return solution


def _refuse_coupled(kernel: Callable[[Inputs, Inputs], torch.Tensor], firsts: Inputs) -> None:
    K = kernel(firsts, firsts)
    between = float((K - torch.diag(K.diagonal())).abs().max()) if len(K) > 1 else 0.0
    if between:
        raise ValueError(
            f"block_regression() needs a kernel that vanishes between inputs of different c, but "
            f"this one reaches {between:.3g}. The eNTK does so for V = 0 only; use "
            "kernel_regression(entk(W, V, x), y) otherwise."
        )


def _at(x: Inputs, places: torch.Tensor) -> Inputs:
    a, b, c = x
    return a[places], b[places], c[places]
