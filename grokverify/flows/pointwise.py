"""The quadratic committee machine on any labels, seen at given points instead of the population.

``committee.descend`` knows its target as a quadratic form, so that test losses are expectations.
Labels that are not one (eigenvectors of a kernel matrix, say) have values at points only: the first
P points train, the others test. The weights are stepped in the reduced coordinates of
``committee.compress``, and the linearisation at the start (Kumar et al. 2024, eq. 1) beside them in
the eigenbasis of its kernel. Cost: 2 P (D + 1) D operations a step, (P + Q) P^2 once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from grokverify.flows.committee import log_times

_EMPTY = 1e-12  # eigenvalues of a kernel below this fraction of the largest count as zero


@dataclass(frozen=True, slots=True)
class Curves:
    """Mean square errors along one run of B networks, (n, B) each; infinite after a divergence."""

    t: torch.Tensor  # (n,) steps taken
    train: torch.Tensor
    test: torch.Tensor
    twin_train: torch.Tensor  # of the linearisation at the start
    twin_test: torch.Tensor


def start_kernel(X: torch.Tensor, Z: torch.Tensor, u: torch.Tensor, eps: float) -> torch.Tensor:
    """The kernel at the start (eq. 5, without alpha^2/N) on points: (B, n, D) to (B, n, n)."""
    H = u[:, None, :] + eps * (X @ Z.mT)
    return (X @ X.mT) * (H @ H.mT)


def follow(
    X: torch.Tensor,
    y: torch.Tensor,
    P: int,
    Z: torch.Tensor,
    u: torch.Tensor,
    *,
    alpha: float,
    eps: float,
    rate: float,
    steps: int,
    records: int = 80,
) -> Curves:
    """Gradient descent on the first P points at the rate ``rate N / alpha^2``, f_0 taken off.

    Args:
        X: (B, n, D) points. y: (B, n) labels. P: how many of the points train, below n.
        Z, u: (B, m, D) and (B, m), the start from ``committee.compress``.
        alpha, eps: output scale and weight of the quadratic part, neither 0.

    Raises:
        ValueError: no point is left to test on.
    """
    if not 0 < P < X.shape[-2]:
        raise ValueError(f"follow() trains on {P} of {X.shape[-2]} points: leave some to test on.")
    times = log_times(steps, records)
    twin = _Twin(start_kernel(X, Z, u, eps), y, P, rate)
    gain, c, ones = alpha / (2 * eps), 2 * rate / (alpha * P), u[:, None, :]

    def output(Z: torch.Tensor, X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        H = ones + eps * (X @ Z.mT)
        return gain * H.square().sum(-1), H

    f0, _ = output(Z, X)
    pages, near = [], X[:, :P].contiguous()
    for t in range(steps + 1):
        if t in times:
            gap = output(Z, X)[0] - f0 - y
            own = [part.square().mean(-1) for part in (gap[:, :P], gap[:, P:])]
            pages.append(torch.stack([*own, *twin.losses(t)]))
        f, H = output(Z, near)
        r = f - f0[:, :P] - y[:, :P]
        Z = Z - (H * (c * r)[..., None]).mT @ near
    values = torch.stack(pages, 1).nan_to_num(nan=float("inf"), posinf=float("inf"))
    return Curves(torch.tensor(times, dtype=X.dtype, device=X.device), *values)


class _Twin:
    """The linearisation under the same descent: each residual decays in the kernel's eigenbasis."""

    def __init__(self, K: torch.Tensor, y: torch.Tensor, P: int, rate: float) -> None:
        self.lam, V = torch.linalg.eigh(K[:, :P, :P])
        self.z = (V.mT @ y[:, :P, None])[..., 0]
        self.cross, self.held = K[:, P:, :P] @ V, y[:, P:]
        self.full = self.lam > _EMPTY * self.lam[:, -1:]
        self.left = 1 - 2 * rate * self.lam / P

    def losses(self, t: int) -> tuple[torch.Tensor, torch.Tensor]:
        left = self.left**t
        lam = self.lam.where(self.full, torch.ones_like(self.lam))
        dual = torch.where(self.full, (1 - left) / lam, 0.0) * self.z
        test = (self.cross @ dual[..., None])[..., 0] - self.held
        return (left * self.z).square().mean(-1), test.square().mean(-1)
