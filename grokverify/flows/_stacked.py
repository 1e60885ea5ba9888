"""The steps of ``committee``: runs on the same inputs stand side by side in one matrix.

k runs of m neurons on one data set X (P, D) need ``X Y'`` and ``(c r H)' X`` for each run. With the
k m weight vectors as the columns of one matrix these are two products, with k m columns in place
of m: at m of about 40 they run at twice the rate, and X is read once.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from grokverify.flows.committee import Problem


def copies(*parts: torch.Tensor) -> int:
    """The largest k for which the batch is made of stretches of k entries equal in all parts."""
    B = len(parts[0])
    same = torch.ones(B - 1, dtype=torch.bool, device=parts[0].device)
    for part in parts:
        flat = part.reshape(B, -1)
        same &= (flat[1:] == flat[:-1]).all(1)
    starts = [0, *((~same).nonzero()[:, 0] + 1).tolist(), B]
    return gcd(*(b - a for a, b in pairwise(starts)))


class Stack:
    """State of B runs, k on each of G data sets, in the coordinates ``Y = eps Z`` of the module."""

    def __init__(self, problem: Problem, rate: torch.Tensor, momentum: float, decay: float) -> None:
        """Args: as for ``committee.descend``, with a rate for each run."""
        B, P, D = problem.X.shape
        self.k = k = copies(problem.X)
        self.runs = torch.arange(B, device=problem.X.device).view(-1, k)
        self.momentum, self.decay, self.eps = momentum, decay, problem.eps.view(-1, k)
        self.X = problem.X[::k].contiguous()
        self.Xt = self.X.mT.contiguous()
        Y = problem.eps[:, None, None] * problem.Z
        self.Y = _laid_out(Y.view(B // k, -1, D).mT, k)  # (G, D, k m)
        self.V = torch.zeros_like(self.Y)
        self.u = problem.u.view(B // k, 1, -1)
        self.y = problem.y.view(-1, k, P).mT.contiguous()
        self.c = (2 * rate * problem.eps / (problem.alpha * P)).view(-1, 1, k)
        self.gain = (problem.alpha / (2 * problem.eps)).view(-1, 1, k)
        self.start = torch.ones_like(self.y)
        self.measure()
        if problem.centred:
            self.start = self._size()

    def measure(self) -> None:
        """Activations (G, P, k m) and residuals (G, P, k) at the weights of now."""
        self.H = torch.baddbmm(self.u, self.X, self.Y)
        self.r = self.gain * (self._size() - self.start) - self.y

    def _size(self) -> torch.Tensor:
        return self._each(self.H).square().sum(-1)

    def _each(self, flat: torch.Tensor) -> torch.Tensor:
        return flat.view(*flat.shape[:2], self.k, -1)

    def step(self) -> None:
        """One step of descent along the gradient that was measured; uses up the activations."""
        self._each(self.H).mul_((self.c * self.r)[..., None])
        if self.momentum or self.decay:
            self.V.mul_(self.momentum).add_(self.Y, alpha=self.decay)
            self._add_gradient(self.V, 1)
            self.Y -= self.V
        else:
            self._add_gradient(self.Y, -1)

    def _add_gradient(self, to: torch.Tensor, sign: int) -> None:
        if self.k == 1:  # the order of its layout
            to.mT.baddbmm_(self.H.mT, self.X, alpha=sign)
        else:
            to.baddbmm_(self.Xt, self.H, alpha=sign)

    def weights(self) -> torch.Tensor:
        """(G, k, m, D): Z."""
        return (
            self.Y.reshape(*self.Y.shape[:2], self.k, -1).permute(0, 2, 3, 1)
            / self.eps[..., None, None]
        )

    def keep(self, moving: torch.Tensor) -> None:
        """Leave out runs that do not move, given as (G, k), where that saves a fifth of the work.

        Every data set keeps as many runs as the one with the most.
        """
        width, some = int(moving.sum(1).max()), moving.any(1)
        if int(some.sum()) * width >= 0.8 * moving.numel():
            return
        best = moving[some].to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :width]
        pick = some.nonzero(), best.sort(1).values

        def cut(value: torch.Tensor) -> torch.Tensor:
            own = value.reshape(*value.shape[:2], self.k, -1).movedim(2, 1)
            return own[pick].movedim(1, 2).flatten(2).contiguous()

        self.runs, self.eps = self.runs[pick], self.eps[pick]
        self.X, self.Xt = self.X[some], self.Xt[some]
        self.Y, self.V, self.u, self.H = (cut(v) for v in (self.Y, self.V, self.u, self.H))
        self.y, self.r, self.start = cut(self.y), cut(self.r), cut(self.start)
        self.c, self.gain, self.k = cut(self.c), cut(self.gain), width
        self.Y, self.V = _laid_out(self.Y, width), _laid_out(self.V, width)


def _laid_out(Y: torch.Tensor, k: int) -> torch.Tensor:
    """(G, D, k m), with D innermost in memory where k = 1: single runs are a tenth faster so."""
    return Y.contiguous() if k > 1 else Y.mT.contiguous().mT
