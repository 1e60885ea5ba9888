"""Kernels on all p^3 inputs of modular addition, and their regression's mean loss over an orbit.

Inputs (a, b, c) are numbered ``a p^2 + b p + c``, labels are ``y = p 1[a + b = c mod p]``, and the
loss is the mean of ``(g - y)^2`` over all inputs (Mohamadi et al. 2024, Section 2 and Appendix D).
Everything is dense float64: p = 11 has 1331 inputs, p = 23 has 12167.
"""

from __future__ import annotations

import torch

from grokverify._lab import Lab
from grokverify.kernels import inputs, kernel_regression


def labels(lab: Lab, p: int) -> torch.Tensor:
    """y = p 1[a + b = c mod p], shape (p^3,)."""
    return p * (_sums(lab, p) == 0).to(torch.float64)


def invariant_kernel(lab: Lab, p: int, alpha: float) -> torch.Tensor:
    """``K_alpha = alpha J3 + P x P x P``, which every relabelling of a, b and c leaves as it is.

    J3 projects on constants and P = I - J/p on vectors of sum zero. alpha = (p - 1)^2 makes it
    proportional to the second moment of the orbit of y, so that its regression has the least mean
    loss over the orbit among all predictors that are linear in the labels.

    Returns:
        (p^3, p^3).
    """
    J = torch.full((p, p), 1 / p, dtype=torch.float64, device=lab.device)
    P = torch.eye(p, dtype=torch.float64, device=lab.device) - J
    constant = torch.full((p**3, p**3), p**-3.0, dtype=torch.float64, device=lab.device)
    return alpha * constant + torch.kron(torch.kron(P, P), P)


def cyclic_kernel(lab: Lab, p: int) -> torch.Tensor:
    """``1[a + b - c = a' + b' - c']``: cyclic shifts leave it as it is, most relabellings do not.

    Returns:
        (p^3, p^3).
    """
    s = _sums(lab, p)
    return (s[:, None] == s[None, :]).to(torch.float64)


def label_moment(lab: Lab, p: int) -> torch.Tensor:
    """E y_T(x) y_T(x') over all relabellings T of the three slots, shape (p^3, p^3).

    ``p^2 Sigma``, where Sigma has the eigenvalue p on constants and p / (p-1)^2 on tensors whose
    sums along every slot vanish, and is zero between.
    """
    return p**3 / (p - 1) ** 2 * invariant_kernel(lab, p, (p - 1) ** 2)


def regression(K: torch.Tensor, train: torch.Tensor) -> torch.Tensor:
    """The matrix ``A = K(., t) K(t, t)^+`` that takes training labels to predictions everywhere.

    Args:
        K: (N, N). train: (..., n) input numbers; repeats are allowed.

    Returns:
        (..., N, n).
    """
    n = train.shape[-1]
    inner = K[train[..., :, None], train[..., None, :]]
    eye = torch.eye(n, dtype=K.dtype, device=K.device)
    A: torch.Tensor = kernel_regression(inner, eye, K[train].mT)
    return A


def expected_loss(A: torch.Tensor, train: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
    """The mean over the orbit of ``mean_x (y - A y(train))(x)^2``, in closed form.

    ``(tr M - 2 tr(A M_t.) + tr(A M_tt A^T)) / N`` with the second moment M of y. Nothing is
    sampled, and any predictor that is linear in the labels is such an A.

    Args:
        A: (..., N, n). train: (..., n) input numbers. moment: (N, N).

    Returns:
        (...).
    """
    rows = moment[train]
    inner = moment[train[..., :, None], train[..., None, :]]
    cross = (A * rows.mT).sum(dim=(-2, -1))
    square = ((A @ inner) * A).sum(dim=(-2, -1))
    return (torch.trace(moment) - 2 * cross + square) / len(moment)


def _sums(lab: Lab, p: int) -> torch.Tensor:
    a, b, c = inputs(p, torch.arange(p**3, device=lab.device))
    total: torch.Tensor = (a + b - c) % p
    return total
