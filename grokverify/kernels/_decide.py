"""Whether the eNTK is regular: proved in float64 block by block, or decided by exact ranks."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from grokverify._evidence import Measurement, enclosed
from grokverify._proved import digest
from grokverify.kernels._entk import entk, entk_rounding
from grokverify.kernels._inputs import Inputs, groups
from grokverify.kernels._jacobian import jacobian
from grokverify.linalg.certified import gamma, least_eigenvalue, positive_definite, require_ieee
from grokverify.linalg.exact import as_integers, rank_exact
from grokverify.memory import chunks

_CHUNK = 2**21  # hidden activations held at once while a batch of networks is decided


def entk_singular(
    W: torch.Tensor, V: torch.Tensor, x: Inputs, *, memory: int | None = None
) -> torch.Tensor:
    """For each network of a batch, whether the eNTK at the inputs is singular. Always decided.

    A float64 certificate proves most kernels positive definite; for the rest the parameters,
    read as the dyadic rationals that they are, give an exact rank.

    Args:
        W: (k, h, 2p) float64. V: (p, h) or (k, p, h) float64.
        x: n inputs; with a repeated input every kernel is singular.
        memory: bytes for the kernels of some of the networks, one at least; by default what
            ``grokverify.memory.budget`` says of the device of W.

    Returns:
        (k,) booleans on the device of W.
    """
    k, h, _ = W.shape
    V = V.expand(k, *V.shape[-2:])
    n = len(x[0])
    each = (8 * n + 4 * h) * n * W.element_size()  # kernels, their bounds, masks; activations
    parts = []
    for few in chunks(k, each, memory, W.device, max(1, _CHUNK // (h * n))):
        K = entk(W[few], V[few], x)
        parts.append(positive_definite(K, radius=entk_rounding(W[few], V[few], x)))
    singular = ~torch.cat(parts)
    for i in torch.nonzero(singular).ravel().tolist():
        G = jacobian(as_integers(W[i]), as_integers(V[i]), x)
        singular[i] = rank_exact(G) < n
    return singular


def entk_positive(W: torch.Tensor, x: Inputs) -> bool:
    """Whether the eNTK at the inputs is *proved* positive definite, for every second layer V.

    K = J + L, where J is positive semi-definite and vanishes for V = 0, and L, from the
    derivatives by V, does not depend on V and is block diagonal in c (Proposition B.4). So K > 0
    for every V if and only if each block of L is positive definite, which a Cholesky factorisation
    with bounded rounding errors proves (Rump 2006). The matrix-valued kernel of classification has
    L = G times the identity, with G the block of one c: give all inputs (a, b) the same c.

    Cost: sum_c m_c^2 (2h + m_c / 3) operations and one block of memory at a time, for m_c inputs
    with this c. At p = 97 and n = 2 p^2.25 = 59 056 inputs, with h near rho_c = 700, that is
    about 6e10 operations and tens of megabytes; to factorise the whole (n, n) kernel would take
    n^3 / 3 = 7e13 operations and 28 gigabytes.

    Args:
        W: (h, 2p) float64, read as the exact numbers that it holds.
        x: n inputs.

    Returns:
        False means "not proved": some block is singular (always so for h < rho_c or a repeated
        input), or too close to tell; ``entk_singular`` decides those.

    Raises:
        Refused: the arithmetic is not IEEE float64.
    """
    require_ieee(W)
    if any(len(places) > W.shape[0] for places in groups(torch.as_tensor(x[2])).values()):
        return False
    return all(bool(positive_definite(K, radius=radius)) for K, radius in _blocks(W, x))


def entk_floor(name: str, W: torch.Tensor, x: Inputs) -> Measurement:
    """The least eigenvalue that the eNTK at the inputs can have over all V, rigorously enclosed.

    It is attained at V = 0, where the kernel is block diagonal in c: see ``entk_positive``, whose
    cost this multiplies by about ten (an eigenvalue problem per block).

    Args:
        name: of the measurement.
        W: (h, 2p) float64. x: n inputs.

    Returns:
        An enclosure of grade CERTIFIED.

    Raises:
        Refused: the arithmetic is not IEEE float64.
    """
    require_ieee(W)
    ends = [least_eigenvalue(name, K, radius=radius) for K, radius in _blocks(W, x)]
    why = f"the least over {len(ends)} blocks of the kernel, more than a record carries"
    low, high = min(end.lo for end in ends), min(end.hi for end in ends)
    return enclosed(name, low, high, proof=lambda: digest("eigenvalue", why))


def _blocks(W: torch.Tensor, x: Inputs) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The blocks of L, one for each c, with a bound for their rounding errors.

    Every term is positive, at most 7 roundings old, and summed over h units: the block itself
    bounds what the errors are relative to.
    """
    h, p = W.shape[0], W.shape[1] // 2
    a, b, c = (torch.as_tensor(part, device=W.device) for part in x)
    columns = W.mT.contiguous()
    for places in groups(c).values():
        z = columns[a[places]] + columns[p + b[places]]
        features = z * z
        K = features @ features.mT
        yield K, K * (2 * gamma(h + 16)) + h * 2.0**-1000
