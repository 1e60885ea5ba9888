"""A step of AdamW in eight passes over the memory; written plainly it takes seventeen.

Where many small networks are trained at once, that is the larger half of the time.
"""

from __future__ import annotations

from typing import Any

import torch

_Parts = tuple[Any, ...]


def applies(g: _Parts, *numbers: Any) -> bool:
    """Whether the gradient is made of tensors, and what the rule is given of plain numbers."""
    plain = all(isinstance(v, (int, float)) for v in numbers)
    return plain and all(isinstance(d, torch.Tensor) for d in g)


def step(
    theta: _Parts, memory: tuple[_Parts, _Parts], g: _Parts, t: int, rule: tuple[float, ...]
) -> tuple[_Parts, tuple[_Parts, _Parts]]:
    """Parameters and memory after the t-th step; the rule is (rate, beta1, beta2, eps, decay)."""
    rate, beta1, beta2, eps, decay = rule
    m = tuple(torch.lerp(a, d, 1 - beta1) for a, d in zip(memory[0], g, strict=True))
    v = tuple(
        (beta2 * b).addcmul_(d, d, value=1 - beta2) for b, d in zip(memory[1], g, strict=True)
    )
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    moved = tuple(
        ((1 - rate * decay) * x).addcdiv_(a, (b / c2).sqrt_().add_(eps), value=-rate / c1)
        for x, a, b in zip(theta, m, v, strict=True)
    )
    return moved, (m, v)
