"""The population square loss of the quadratic network over all p^3 triples, without visiting them.

The network ``f_c(a, b) = sum_j (u_ja + w_jb)^2 v_jc`` is a sum of 3h products of three vectors, so
that sums over all (a, b, c) become Gram matrices. Centre the first layer, ``u = m + u~`` with m_j
the mean of u_j over a, and ``w = n + w~``. Then

    f_c(a, b) = A_ac + B_bc + 2 C_abc,      A = (u^2 + 2 n u~)' V,   B = (w^2 + 2 m w~ + 2 m n)' V,
                                            C_abc = sum_j u~_ja w~_jb v_jc,

and C sums to zero over a and over b, so it is orthogonal to A and to B. With column sums alpha of A
and beta of B over a and over b,

    sum f^2 = p |A|^2 + p |B|^2 + 2 <alpha, beta> + 4 <(u~u~') o (w~w~') , vv'>,

where o is the entrywise product of h x h matrices: only C needs them, A and B are p x p. The target
y = p 1[a + b = c] meets every (a, c) and every (b, c) once, and meets C in the cyclic convolution
of u~_j with w~_j, by FFT. All gradients are of the same form. The cost is 12 p h^2 + 12 p^2 h
operations and O(h p log p), where all pairs in matrix products take 6 p^3 h.
"""

from __future__ import annotations

from typing import Any

import torch

from grokverify.memory import chunks

Gradients = tuple[torch.Tensor, torch.Tensor]


def population_loss(W: torch.Tensor, V: torch.Tensor, *, memory: int | None = None) -> torch.Tensor:
    """Mean of ``(f_c(a, b) - p 1[a + b = c])^2`` over all (a, b, c); Mohamadi et al. 2024, (2.2).

    Autograd sees the closed gradient of ``population_gradient``, once: it has no second derivative.
    The rounding error is that of sums of squares, about 1e-16 times p plus the mean square of the
    three parts of f; a loss below that is not resolved.

    Args:
        W: (..., h, 2p) first layer, columns 0..p-1 for a. V: (..., p, h). Batches must agree.
        memory: see ``population_gradient``.

    Returns:
        (...) losses; the zero network has loss p.

    Raises:
        ValueError: the shapes do not fit.
    """
    loss: torch.Tensor = _Population.apply(W, V, memory)  # type: ignore[no-untyped-call]
    return loss


def population_gradient(
    W: torch.Tensor, V: torch.Tensor, *, memory: int | None = None
) -> tuple[torch.Tensor, Gradients]:
    """The population loss, and its gradient by W and by V, in the shapes of W and V.

    Args:
        memory: bytes for the h x h Gram matrices, which are made some rows at a time; by default
            what ``grokverify.memory.budget`` says of the device. Rounding apart, nothing else
            depends on it.

    Raises:
        ValueError: the shapes do not fit.
    """
    p = V.shape[-2]
    if W.shape[:-2] != V.shape[:-2] or W.shape[-2:] != (V.shape[-1], 2 * p):
        raise ValueError(
            f"W has shape {tuple(W.shape)} and V {tuple(V.shape)}: for V of shape (..., p, h), W "
            "must be (..., h, 2p), with the same leading axes."
        )
    u, w = W[..., :p], W[..., p:]
    v = V.mT.contiguous()
    m, n = u.mean(-1, keepdim=True), w.mean(-1, keepdim=True)
    uc, wc = u - m, w - n
    first, second = u * u + 2 * n * uc, w * w + 2 * m * wc + 2 * m * n
    A, B = first.mT @ v, second.mT @ v
    alpha, beta = A.sum(-2, keepdim=True), B.sum(-2, keepdim=True)
    # sums of the residual f - y over b and over a; the target puts p into each of them
    over_b, over_a = p * A + beta - p, p * B + alpha - p
    spin_u, spin_w, spin_v = (torch.fft.rfft(x) for x in (uc, wc, v))
    hit = torch.fft.irfft(spin_u * spin_w, n=p)  # sum over a + b = c of u~_a w~_b
    by_grams = _by_grams(uc, wc, v, memory)
    cross = 2 * by_grams[2] - p * hit  # sum over a, b of u~ w~ (f - y)
    dv = 2 * (first @ over_b + second @ over_a) + 4 * cross
    by_first, by_second = v @ over_b.mT, v @ over_a.mT
    du_c = 8 * by_grams[0] - 4 * p * torch.fft.irfft(spin_v * spin_w.conj(), n=p)
    dw_c = 8 * by_grams[1] - 4 * p * torch.fft.irfft(spin_v * spin_u.conj(), n=p)
    du_c += 4 * n * by_first
    dw_c += 4 * m * by_second
    dm = 4 * (w * by_second).sum(-1, keepdim=True)
    dn = 4 * ((uc * by_first).sum(-1, keepdim=True) + m * by_second.sum(-1, keepdim=True))
    du = 4 * u * by_first + _centred(du_c) + dm / p
    dw = 4 * w * by_second + _centred(dw_c) + dn / p
    # f is linear in V, so that <v, dv> = 2 sum f (f - y), and sum y f is known
    meets = p * (alpha + beta).sum((-1, -2)) + 2 * p * (hit * v).sum((-1, -2))
    loss = ((dv * v).sum((-1, -2)) / 2 - meets) / p**3 + p
    return loss, (torch.cat([du, dw], -1) / p**3, dv.mT / p**3)


def _by_grams(
    u: torch.Tensor, w: torch.Tensor, v: torch.Tensor, memory: int | None
) -> list[torch.Tensor]:
    """``(ww' o vv') u``, ``(uu' o vv') w`` and ``(uu' o ww') v``, for u, w, v of shape (..., h, p).

    The row of a unit takes 3 h numbers of Gram matrices, and as many of their products.
    """
    h = u.shape[-2]
    each = 6 * (u.numel() // u.shape[-1]) * u.element_size()
    parts = []
    for rows in chunks(h, each, memory, u.device):
        of_u, of_w, of_v = (x[..., rows, :] @ x.mT for x in (u, w, v))
        parts.append(((of_w * of_v) @ u, (of_u * of_v) @ w, (of_u * of_w) @ v))
    return [torch.cat(x, -2) if len(parts) > 1 else x[0] for x in zip(*parts, strict=True)]


def unseen_loss(population: Any, train: Any, p: int, n: int) -> Any:
    """The mean square loss over the p^3 - n triples outside a train set of n distinct ones.

    Raises:
        ValueError: nothing is unseen.
    """
    if not 0 <= n < p**3:
        raise ValueError(f"a train set of n={n} of the p^3={p**3} triples leaves nothing unseen.")
    return (population * p**3 - train * n) / (p**3 - n)


def _centred(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(-1, keepdim=True)


class _Population(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, W: torch.Tensor, V: torch.Tensor, memory: int | None) -> torch.Tensor:
        loss, slopes = population_gradient(W, V, memory=memory)
        ctx.save_for_backward(*slopes)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[Any, ...]:
        dW, dV = ctx.saved_tensors
        return upstream[..., None, None] * dW, upstream[..., None, None] * dV, None
