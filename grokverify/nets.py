"""Networks as pure functions of their parameters, in the letters of the papers."""

from __future__ import annotations

from typing import Any


def quadratic(W: Any, V: Any, a: Any, b: Any) -> Any:
    """Logits of the two-layer quadratic network of Mohamadi et al. 2024, eq. (2.1).

    ``f(theta; (e_a, e_b)) = V (W (e_a, e_b))^2``: the inputs are one-hot, so that ``W`` acts by
    picking columns, at n h operations instead of 2 n p h.

    Args:
        W: (h, 2p) first layer; columns 0..p-1 meet the first summand, p..2p-1 the second.
        V: (p, h) second layer. Torch tensors, or numpy arrays (of Fractions for exact values).
        a, b: (n,) summands in 0..p-1.

    Returns:
        (n, p) logits; entry (i, c) is the paper's g(theta; (e_a, e_b, e_c)).
    """
    p = W.shape[1] // 2
    z = W[:, a] + W[:, p + b]
    return (V @ (z * z)).T
