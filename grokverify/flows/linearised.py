"""The lazy limit of the quadratic committee machine: its linearisation at the start, exactly.

``f(x) = f_0(x) + grad f_0(x) . (W - W_0)`` (Kumar et al. 2024, eq. 1) under the gradient descent
of ``committee``: in the eigenbasis of the kernel on the inputs each residual decays geometrically.
The change of f is a linear plus a quadratic function, so that its population loss is eq. 6 again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from grokverify.flows._stacked import copies
from grokverify.memory import chunks

if TYPE_CHECKING:
    from grokverify.flows.committee import Problem

_EMPTY = 1e-13  # eigenvalues of a kernel below this fraction of the largest count as zero


def moments(Z: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean weight (B, D) and the mean of ``w w'`` (B, D, D) (eq. 4)."""
    return (Z.mT @ u[..., None])[..., 0], Z.mT @ Z


def population_loss(
    alpha: torch.Tensor, eps: torch.Tensor, wbar: torch.Tensor, M: torch.Tensor, T: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Variance, misalignment and power in linear modes: the expected square error (eq. 6)."""
    D = wbar.shape[-1]
    gap = (alpha * eps)[..., None, None] * M - T
    trace = gap.diagonal(dim1=-2, dim2=-1).sum(-1)
    power = alpha**2 / D * wbar.square().sum(-1)
    return (trace / D) ** 2 / 4, _squares(gap) / (2 * D**2), power


def bytes_each(problem: Problem) -> int:
    """What one of the problems takes, its twin included: arrays P x P, P x m, P x D and m x D."""
    (P, D), m = problem.X.shape[-2:], problem.Z.shape[-2]
    numbers = 5 * P * P + 4 * P * m + 2 * P * D + 6 * m * D
    return numbers * problem.X.element_size()


class Twin:
    """The linearised network (eq. 1) under the same gradient descent, in closed form."""

    def __init__(self, problem: Problem, rate: Any) -> None:
        """Diagonalise the kernel on the inputs: P^3 operations, once for runs that share it.

        Args:
            problem: B problems. rate: a number or (B,).
        """
        self.problem = problem
        rates = torch.as_tensor(rate, dtype=problem.X.dtype, device=problem.X.device)
        self.k = copies(problem.X, problem.Z, problem.u, problem.eps)  # one kernel for k of them
        first = problem.at(slice(None, None, self.k))
        self.X, u = first.X, first.u[:, None, :]
        P = self.X.shape[-2]
        self.H = u + first.eps[:, None, None] * (self.X @ first.Z.mT)
        K = (self.X @ self.X.mT) * (self.H @ self.H.mT)  # eq. 5, without alpha^2/N
        self.lam, self.V = torch.linalg.eigh(K)
        gap = problem.y.view(-1, self.k, P)
        if not problem.centred:
            f0 = (problem.alpha / (2 * problem.eps)).view(-1, self.k, 1)
            gap = gap - f0 * (_size(self.H) - 1)[:, None]
        self.z = gap @ self.V  # (B / k, k, P)
        self.speed = 2 * rates.expand(len(problem.X)).view(-1, self.k, 1) * self.lam[:, None] / P

    def after(self, t: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Train loss (B,), and the change of wbar (B, D) and of M (B, D, D) after t steps.

        ``t = inf`` gives ridgeless kernel regression on the kernel at the start.
        """
        problem, lam = self.problem, self.lam[:, None]
        full = lam > _EMPTY * lam[..., -1:]
        if t == float("inf"):
            left = (~full).to(lam).expand_as(self.speed)
        else:
            slow = torch.exp(t * torch.log1p(-self.speed.clamp(max=0.5)))
            left = torch.where(self.speed < 0.5, slow, (1 - self.speed) ** t)
        dual = torch.where(full, (1 - left) / lam.where(full, torch.ones_like(lam)), 0.0)
        q = (dual * self.z) @ self.V.mT / problem.alpha.view(-1, self.k, 1)
        moved = (self.H[:, None] * q[..., None]).mT @ self.X[:, None]
        moved = moved.flatten(0, 1)
        cross = problem.Z.mT @ moved
        wbar = (moved.mT @ problem.u[..., None])[..., 0]
        return (left * self.z).square().mean(-1).flatten(), wbar, cross + cross.mT


def kernel_regression_loss(problem: Problem) -> torch.Tensor:
    """(B,) population loss of ridgeless regression with the kernel at the start, in null losses."""
    parts = chunks(len(problem.X), bytes_each(problem), problem.memory, problem.X.device)
    return torch.cat([_regressed(problem.at(some)) for some in parts])


def _regressed(problem: Problem) -> torch.Tensor:
    wbar0, M0 = moments(problem.Z, problem.u)
    keep = 0.0 if problem.centred else 1.0
    _, wbar, M = Twin(problem, 0.0).after(float("inf"))
    terms = population_loss(
        problem.alpha, problem.eps, keep * wbar0 + wbar, keep * M0 + M, problem.target
    )
    loss: torch.Tensor = sum(terms) / problem.null
    return loss


def _size(H: torch.Tensor) -> torch.Tensor:
    return H.square().sum(-1)


def _squares(M: torch.Tensor) -> torch.Tensor:
    return M.square().sum((-1, -2))
