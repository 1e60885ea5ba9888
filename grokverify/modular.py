"""Modular addition on a budget: train sets, and closed gradients of the quadratic network.

Inputs are one-hot, so the first layer never multiplies: ``z = W[:, a] + W[:, p + b]`` gathers rows,
its gradient adds rows up by summand. Both are one pass over (n, h) numbers, where one-hot matrices
cost 2 n h 2p operations each. What is left for cross-entropy are three products of n h p:
``z^2 V'``, ``E' z^2`` and ``E V``, with E the residual of the softmax. The square loss on triples
has no product at all: it takes O(n h).

Everything is batched over runs (seeds, hyper-parameters): R runs are one gather in a table of 2p R
rows and one batched product. ``W`` is (R, h, 2p) and ``V`` (R, p, h), or both without R for one
run; each run has its own train set, all of one size. Keep W as ``stored(W)``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import embedding_bag

from grokverify.memory import chunks

_CACHE = 3 * 2**19  # bytes of a (runs, n, h) array that stay near the processor, and in malloc

Gradient = Callable[[tuple[Any, ...]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class TrainSet:
    """n examples for each of R runs: (R, n) or (n,) summands a, b and labels c, int64.

    For regression c is an input, and y, shaped alike, its label: p 1[a + b = c] if left out.
    """

    p: int
    a: torch.Tensor
    b: torch.Tensor
    c: torch.Tensor
    y: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if not self.a.shape == self.b.shape == self.c.shape or self.a.ndim not in (1, 2):
            raise ValueError(
                f"a train set needs a, b and c of one shape, (n,) or (R, n); got "
                f"{tuple(self.a.shape)}, {tuple(self.b.shape)} and {tuple(self.c.shape)}."
            )
        for name, x in (("a", self.a), ("b", self.b), ("c", self.c)):
            if x.numel() == 0 or int(x.min()) < 0 or int(x.max()) >= self.p:
                raise ValueError(f"{name} must have entries in 0..p-1 = 0..{self.p - 1}.")

    @property
    def n(self) -> int:
        return self.a.shape[-1]

    @property
    def target(self) -> torch.Tensor:
        """The labels of the regression task."""
        return self.p * ((self.a + self.b) % self.p == self.c) if self.y is None else self.y

    def of(self, part: slice | tuple[slice, ...]) -> TrainSet:
        """Some of the runs, and some of the examples of each."""
        y = None if self.y is None else self.y[part]
        return TrainSet(self.p, self.a[part], self.b[part], self.c[part], y)


def sums(p: int, chosen: torch.Tensor) -> TrainSet:
    """Classification: pairs p a + b (from 0..p^2 - 1) with the label a + b mod p."""
    a, b = chosen // p, chosen % p
    return TrainSet(p, a, b, (a + b) % p)


def triples(p: int, chosen: torch.Tensor) -> TrainSet:
    """Regression: inputs p^2 a + p b + c (from 0..p^3 - 1)."""
    return TrainSet(p, chosen // p**2, chosen // p % p, chosen % p)


def stored(W: torch.Tensor) -> torch.Tensor:
    """The same first layer with the hidden units of one column side by side in memory."""
    return W.mT.contiguous().mT


def cross_entropy_gradient(data: TrainSet, *, memory: int | None = None) -> Gradient:
    """The gradient of the mean cross-entropy of ``V (W (e_a, e_b))^2`` against the labels c.

    With ``E = softmax(logits) - 1[c]``: dV is ``E' z^2 / n``, dW adds ``2 z (E V) / n`` up by a and
    by p + b. Logits are (p, n), one class a row: at p = 23 twice as fast as (n, p).

    Args:
        memory: bytes for the arrays of (n, h) and (n, p) numbers; runs are taken in groups that
            keep to it, one at least. By default what ``grokverify.memory.budget`` says.
    """
    return _by_groups(data, _cross_entropy, memory)


def _cross_entropy(data: TrainSet, whole: int, room: _Room) -> Gradient:
    p, n = data.p, data.n
    table, fold = _places(data)
    flat = (_shifted(data.c, p) * n + torch.arange(n, device=data.a.device)).flatten()

    @functools.cache
    def arrays(h: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        like = torch.empty(0, dtype=dtype, device=data.a.device)
        s = room("s", like, (*data.a.shape, h))
        logits = room("logits", like, (*data.a.shape[:-1], p, n))
        return s, s.mT, logits, logits.mT, logits.view(-1), like.new_full(flat.shape, -1)

    def gradient(theta: tuple[Any, ...]) -> tuple[Any, ...]:
        W, V = theta
        z = table(W)
        s, across, residual, down, entries, minus = arrays(z.shape[-1], z.dtype)
        torch.mul(z, z, out=s)
        (torch.mm if V.ndim == 2 else torch.bmm)(V, across, out=residual)
        torch.softmax(residual, -2, out=residual)
        entries.index_add_(0, flat, minus)
        dV = _product(V, residual, s, 1 / whole)
        d = _product(s, down, V, 2 / whole, out=s).mul_(z)
        return fold(d, W), dV

    return gradient


def square_gradient(data: TrainSet, *, memory: int | None = None) -> Gradient:
    """The gradient of the mean of ``(g(W, V; (a, b, c)) - y)^2``, y = p 1[a + b = c] as a rule.

    ``memory`` is as for ``cross_entropy_gradient``.
    """
    return _by_groups(data, _square, memory)


def _square(data: TrainSet, whole: int, room: _Room) -> Gradient:
    table, fold = _places(data)
    label, row = data.target, _shifted(data.c, data.p)
    order, starts = _by_value(row, data.p)

    def gradient(theta: tuple[Any, ...]) -> tuple[Any, ...]:
        W, V = theta
        z, h = table(W), V.shape[-1]
        vz = room("vz", z, z.shape)
        torch.index_select(V.reshape(-1, h), 0, row.flatten(), out=vz.view(-1, h))
        r = (torch.linalg.vecdot(vz.mul_(z), z) - label).mul_(2 / whole)
        s = torch.mul(z, z, out=room("s", z, z.shape)).view(-1, h)
        dV = embedding_bag(order, s, starts, mode="sum", per_sample_weights=r.flatten()[order])
        return fold(vz.mul_(2 * r[..., None]), W), dV.view(V.shape)

    return gradient


def outputs(W: torch.Tensor, V: torch.Tensor, data: TrainSet) -> torch.Tensor:
    """Logits (..., n, p) of the quadratic network at the summands of a train set."""
    return _places(data)[0](W).square() @ V.mT


def all_outputs(W: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
    """Logits (..., p^2, p) at all pairs, in the order p a + b; 2 p^3 h operations a run."""
    p = V.shape[-2]
    u, w = W.mT[..., :p, :], W.mT[..., p:, :]
    return (u[..., :, None, :] + w[..., None, :, :]).flatten(-3, -2).square_() @ V.mT


@dataclass(frozen=True, slots=True)
class Scores:
    """Loss and accuracy on the train set and off it, one of each a run."""

    train_loss: torch.Tensor
    test_loss: torch.Tensor
    train_accuracy: torch.Tensor
    test_accuracy: torch.Tensor


def classification_scores(
    logits: torch.Tensor, data: TrainSet, truth: torch.Tensor | None = None
) -> Scores:
    """Cross-entropy and accuracy on the pairs of a train set, and on all other pairs.

    Args:
        logits: (..., p^2, p) at all pairs, see ``all_outputs``.
        data: its labels count on the train pairs; elsewhere a + b mod p does.
        truth: (..., p^2) other labels for the unseen pairs.

    Raises:
        ValueError: every pair is in the train set, so that there is no test.
    """
    p = data.p
    here = (data.a * p + data.b).expand(*logits.shape[:-2], data.n)
    seen = torch.zeros(logits.shape[:-1], dtype=torch.bool, device=logits.device)
    seen.scatter_(-1, here, torch.ones_like(here, dtype=torch.bool))
    if bool(seen.all(-1).any()):
        raise ValueError(f"all p^2 = {p * p} pairs are in the train set: nothing is unseen.")
    pairs = torch.arange(p * p, device=logits.device)
    label = (pairs // p + pairs % p) % p if truth is None else truth
    label = label.expand(logits.shape[:-1]).scatter(-1, here, data.c.expand(here.shape))
    loss = -logits.log_softmax(-1).gather(-1, label[..., None])[..., 0]
    right = (logits.argmax(-1) == label).to(loss)
    train, test = seen.to(loss), (~seen).to(loss)

    def mean(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (x * weight).sum(-1) / weight.sum(-1)

    return Scores(mean(loss, train), mean(loss, test), mean(right, train), mean(right, test))


def _product(like: Any, left: Any, right: Any, factor: float, *, out: Any = None) -> Any:
    """``factor left right`` in one pass; ``like`` only lends its shape."""
    product = torch.addmm if left.ndim == 2 else torch.baddbmm
    return product(like, left, right, beta=0, alpha=factor, out=out)


class _Room:
    """Memory kept from step to step, by all groups of runs: freed pages cost faults to get back."""

    def __init__(self) -> None:
        self._held: dict[str, torch.Tensor] = {}

    def __call__(self, name: str, like: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        size, held = math.prod(shape), self._held.get(name)
        if held is None or len(held) < size or held.dtype != like.dtype:
            held = self._held[name] = like.new_empty(size)
        return held[:size].view(shape)


def _by_groups(
    data: TrainSet, make: Callable[[TrainSet, int, _Room], Gradient], memory: int | None
) -> Gradient:
    """The gradient that ``make`` makes, in groups of runs that fit the memory, and a CPU's cache.

    Groups are of one size, but for the last: a small remainder would be all overhead. Where one run
    alone does not fit the cache, its examples are cut, and the gradient is a sum over blocks.
    """
    room, batch = _Room(), data.a.ndim == 2
    parts: dict[tuple[int, int], list[tuple[slice, list[Gradient]]]] = {}

    def cut(runs: int, one: int) -> list[tuple[slice, list[Gradient]]]:
        blocks = 1 if data.a.is_cuda else math.ceil(one / _CACHE)
        rows = list(chunks(data.n, 1, None, most=math.ceil(data.n / blocks)))
        most = 0 if data.a.is_cuda else max(1, _CACHE // one)
        held = 4 * one // blocks  # z, its square, what goes back, logits
        groups = len(list(chunks(runs, held, memory, data.a.device, most)))
        return [
            (c, [make(data.of((c, i) if batch else i), data.n, room) for i in rows])
            for c in chunks(runs, 1, None, most=math.ceil(runs / groups))
        ]

    def grouped(theta: tuple[Any, ...]) -> tuple[Any, ...]:
        W, V = theta
        key = len(V) if batch else 1, data.n * W.shape[-2] * W.element_size()
        if key not in parts:  # once: free memory of a device changes from step to step
            parts[key] = cut(*key)
        found = []
        for c, (first, *others) in parts[key]:
            own = theta if len(parts[key]) == 1 else (W[c], V[c])
            dW, dV = first(own)
            for more in (part(own) for part in others):
                dW.mT.add_(more[0].mT)
                dV.add_(more[1])
            found.append((dW, dV))
        if len(found) == 1:
            return found[0]
        return stored(torch.cat([dW.mT for dW, _ in found]).mT), torch.cat([dV for _, dV in found])

    return grouped


def _places(data: TrainSet) -> tuple[Callable[[Any], torch.Tensor], Callable[[Any, Any], Any]]:
    """Gather rows of W into z (..., n, h), and add rows of (..., n, h) up into the shape of W."""
    p = data.p
    first, second = (_shifted(x, 2 * p).flatten() for x in (data.a, data.b + p))
    pairs = torch.stack([first, second], 1).flatten()
    begins = torch.arange(0, len(pairs), 2, device=pairs.device)
    order, starts = _by_value(torch.cat([first, second]), 2 * p)
    runs, count = data.a.shape[:-1], data.a.numel()
    order = order % count

    def table(W: Any) -> torch.Tensor:
        rows = W.mT.reshape(-1, W.shape[-2])
        return embedding_bag(pairs, rows, begins, mode="sum").view(*runs, data.n, -1)

    def fold(d: Any, W: Any) -> Any:
        return embedding_bag(order, d.view(count, -1), starts, mode="sum").view(*runs, 2 * p, -1).mT

    return table, fold


def _shifted(x: torch.Tensor, rows: int) -> torch.Tensor:
    """Row numbers in the table of all runs: run r owns rows ``rows r`` and following."""
    if x.ndim == 1:
        return x
    return x + rows * torch.arange(len(x), device=x.device)[:, None]


def _by_value(x: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The positions of x in the order of its values, and where each value begins."""
    runs = len(x) if x.ndim == 2 else 1
    flat = x.flatten()
    top = max(rows * runs, int(flat.max()) + 1)
    sizes = torch.bincount(flat, minlength=-(-top // rows) * rows)
    return flat.argsort(stable=True), sizes.cumsum(0) - sizes
