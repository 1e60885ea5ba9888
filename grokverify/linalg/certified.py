"""Least eigenvalues of symmetric matrices in float64, with every rounding error bounded.

The certificate is the one of Rump, "Verification of positive definiteness" (BIT 46, 2006): if the
floating-point Cholesky factorisation of a slightly shifted matrix runs to its end, the matrix is
positive definite. The bound needs IEEE arithmetic in which a product and a sum are each rounded
once (or fused), in any order; it therefore holds for LAPACK, MKL and cuSOLVER alike.
"""

from __future__ import annotations

import os

import torch

from grokverify._evidence import Measurement, enclosed
from grokverify._proved import as_text, written

UNIT = 2.0**-53  # unit roundoff of float64
_TINY = 2.0**-1000  # covers what gradual underflow can lose in a sum


class Refused(RuntimeError):
    """A certificate was asked for where arithmetic is not what the proof needs."""


def require_ieee(*tensors: torch.Tensor) -> None:
    """Refuse arithmetic for which the rounding bounds below are not valid.

    Raises:
        Refused: an operand is not float64, TF32 or FP64 emulation is switched on, or subnormal
            numbers are flushed to zero.
    """
    for t in tensors:
        if t.dtype != torch.float64:
            raise Refused(
                f"a certificate needs float64, but got {t.dtype}. Draw in float64 "
                "(Lab(dtype='float64')) or convert before computing, not after."
            )
    if torch.backends.cuda.matmul.allow_tf32:
        raise Refused(
            "torch.backends.cuda.matmul.allow_tf32 is on, so that matrix products may be rounded "
            "to 10 bits. Set it to False before asking for a certificate."
        )
    emulated = [
        k
        for k in ("CUBLAS_EMULATE_DOUBLE_PRECISION", "CUBLAS_EMULATION_STRATEGY")
        if k in os.environ
    ]
    if emulated:
        raise Refused(
            f"{' and '.join(emulated)} may replace float64 products by emulation, for which the "
            "rounding bound is not proved. Unset it."
        )
    for device in {t.device for t in tensors} | {torch.device("cpu")}:
        subnormal = torch.tensor([2.0**-1040], dtype=torch.float64, device=device)
        if not bool((subnormal * 1.0 != 0).all()):
            raise Refused(
                f"subnormal numbers are flushed to zero on {device}. Call "
                "torch.set_flush_denormal(False) before asking for a certificate."
            )


def gamma(k: int) -> float:
    """The classical bound for k roundings, k u / (1 - k u), rounded upwards (Higham 2002, 3.1).

    Raises:
        ValueError: k u is not far below 1.
    """
    if not 0 <= k * UNIT < 0.01:
        raise ValueError(f"gamma({k}): so many roundings leave nothing of float64.")
    return k * UNIT / (1 - k * UNIT) * (1 + 4 * UNIT)


def positive_definite(A: torch.Tensor, *, radius: torch.Tensor | float = 0.0) -> torch.Tensor:
    """For each symmetric matrix, whether it is *proved* to be positive definite.

    Args:
        A: (..., n, n) float64; only the lower triangle is read.
        radius: entrywise error, broadcastable to A: what holds is proved for every symmetric
            matrix X with ``|X - A| <= radius``.

    Returns:
        (...) booleans. False means "not proved": singular, indefinite, or too close to tell.

    Raises:
        Refused: see ``require_ieee``.
        ValueError: A is not square, or holds NaN or infinity.
    """
    return _certify(A, torch.zeros(A.shape[:-2], dtype=A.dtype, device=A.device), radius)


def least_eigenvalue(
    name: str, A: torch.Tensor, *, radius: torch.Tensor | float = 0.0
) -> Measurement:
    """A rigorous enclosure of the least eigenvalue of one symmetric matrix.

    Args:
        name: of the measurement.
        A: (n, n) float64.
        radius: entrywise error of A; the enclosure then covers every symmetric matrix within it.

    Returns:
        An enclosure of grade CERTIFIED; its lower end is minus infinity where no shift could be
        certified.

    Raises:
        Refused: see ``require_ieee``.
        ValueError: A is not square, or holds NaN or infinity.
    """
    square(A)
    require_ieee(A)
    if A.ndim != 2:
        raise ValueError(f"least_eigenvalue() takes one (n, n) matrix, not shape {tuple(A.shape)}.")
    n = A.shape[-1]
    A = torch.tril(A) + torch.tril(A, -1).mT
    values, vectors = torch.linalg.eigh(A)
    guess, x = float(values[0]), vectors[:, 0]
    # Some eigenvalue lies within |A x - guess x| / |x| of the guess, so the least one is no larger.
    size = A.abs() @ x.abs() + abs(guess) * x.abs()
    residual = (A @ x - guess * x).abs() + gamma(2 * n + 10) * size + _TINY
    spread = row_norm(A, radius)
    defect = float(residual.norm() / x.norm()) * (1 + 8 * n * UNIT)
    step = 2 * (defect + float(spread) + _loss(A, guess))
    low = float("-inf")
    for factor in (1.0, 4.0, 64.0, 4096.0):
        shift = torch.tensor(guess - factor * step, dtype=A.dtype, device=A.device)
        if bool(_certify(A, shift, radius)):
            low = float(shift)
            break
    above = defect + float(spread)
    plain = {"kind": "eigenvalue", "index": 0, "spread": as_text(float(spread))}
    high = guess + above + 4 * UNIT * (abs(guess) + above)
    return enclosed(name, low, high, proof=lambda: written(plain, matrix=A))


def _certify(A: torch.Tensor, shift: torch.Tensor, radius: torch.Tensor | float) -> torch.Tensor:
    """Whether ``X - shift I`` is proved positive definite for every X within the radius of A."""
    square(A)
    require_ieee(A)
    n = A.shape[-1]
    diagonal = A.diagonal(dim1=-2, dim2=-1)
    # Cholesky ending well proves A + E > 0 with |E| <= g / (1 - g) trace, g = gamma(n + 1); two
    # more roundings allow for a division done as a product with a reciprocal.
    g = gamma(n + 3)
    scale = (diagonal.abs() + shift.abs()[..., None]).sum(-1)
    margin = (g / (1 - g) + 8 * UNIT) * scale * (1 + 4 * n * UNIT) + row_norm(A, radius) + _TINY
    lowered = A.clone()
    lowered.diagonal(dim1=-2, dim2=-1).sub_((shift + margin * (1 + 8 * UNIT))[..., None])
    _, info = torch.linalg.cholesky_ex(lowered)
    done: torch.Tensor = info == 0
    return done


def _loss(A: torch.Tensor, shift: float) -> float:
    n = A.shape[-1]
    return float(gamma(2 * n + 20) * (A.diagonal().abs() + abs(shift)).sum()) + _TINY


def row_norm(A: torch.Tensor, radius: torch.Tensor | float) -> torch.Tensor:
    """The spectral norm of a symmetric error below the radius: at most its largest row sum."""
    n = A.shape[-1]
    r = torch.as_tensor(radius, dtype=A.dtype, device=A.device).abs().expand(A.shape)
    r = torch.maximum(r, r.mT)
    return r.sum(-1).amax(-1) * (1 + 2 * n * UNIT)


def square(A: torch.Tensor) -> None:
    if A.ndim < 2 or A.shape[-1] != A.shape[-2] or not A.shape[-1]:
        raise ValueError(
            f"a symmetric matrix is square and not empty, but the shape is {tuple(A.shape)}."
        )
    if not bool(torch.isfinite(A).all()):
        raise ValueError(
            "the matrix holds NaN or infinity, about which nothing can be certified: look for 0/0 "
            "or an overflow in the step that built it."
        )
