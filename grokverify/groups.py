"""Relabellings of the symbols of modular addition, and how far a map is from commuting with them.

Mohamadi et al. 2024, Definition 3.2: the group of triples of permutations acts on the inputs
``(a, b, c)``; the action on the weights ``(W, V)`` is the one under which the quadratic network
keeps its values (the one that the proof of their Lemma C.5 uses).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from grokverify._lab import Lab
from grokverify._proved import Plain, Proved, digest, written

Permutation = tuple[int, ...]
Arrays = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Relabelling:
    """T = (sigma1, sigma2, sigma3), acting as ``(a, b, c) -> (s1(a), s2(b), s3(c))``.

    Args:
        sigma1, sigma2, sigma3: permutations of 0..p-1 as sequences of images.

    Raises:
        ValueError: one of them is not a permutation, or their lengths differ.
    """

    sigma1: Permutation
    sigma2: Permutation
    sigma3: Permutation

    def __post_init__(self) -> None:
        for name in ("sigma1", "sigma2", "sigma3"):
            images = tuple(int(i) for i in getattr(self, name))
            if sorted(images) != list(range(len(self.sigma1))):
                raise ValueError(
                    f"{name} = {images} is not a permutation of 0..{len(self.sigma1) - 1}. Give "
                    "the image of every symbol once, and the same p for all three."
                )
            object.__setattr__(self, name, images)

    @property
    def p(self) -> int:
        return len(self.sigma1)

    @property
    def moved(self) -> int:
        """How many of the 3p symbols change: the size by which counterexamples are ordered."""
        return sum(i != j for s in self.parts for i, j in enumerate(s))

    @property
    def parts(self) -> tuple[Permutation, Permutation, Permutation]:
        return self.sigma1, self.sigma2, self.sigma3

    @property
    def inverse(self) -> Relabelling:
        return Relabelling(*(inverse(s) for s in self.parts))

    def after(self, first: Relabelling) -> Relabelling:
        """The composition: ``self.after(first)(x) = self(first(x))``."""
        pairs = zip(self.parts, first.parts, strict=True)
        return Relabelling(*(tuple(s[i] for i in r) for s, r in pairs))

    def __call__(self, a: Any, b: Any, c: Any) -> tuple[Any, Any, Any]:
        """The images of inputs; ints, numpy integer arrays or torch integer tensors."""
        return _image(self.sigma1, a), _image(self.sigma2, b), _image(self.sigma3, c)


def inverse(sigma: Permutation) -> Permutation:
    """The permutation that undoes ``sigma``."""
    return tuple(sorted(range(len(sigma)), key=sigma.__getitem__))


def relabellings(p: int) -> list[Relabelling]:
    """All (p!)^3 relabellings, those that move the fewest symbols first.

    Raises:
        ValueError: p is below 1, or above 4, where there are millions of them.
    """
    if not 1 <= p <= 4:
        raise ValueError(
            f"relabellings({p}) would list {math.factorial(max(p, 0))}^3 elements; p must be 1 to "
            "4. Draw some of them with random_relabelling(lab, p) instead."
        )
    every = itertools.product(itertools.permutations(range(p)), repeat=3)
    return sorted((Relabelling(*s) for s in every), key=lambda T: (T.moved, T.parts))


def random_relabelling(lab: Lab, p: int, name: str = "T") -> Relabelling:
    """A uniform element of the group, a pure function of the lab and the name."""
    drawn = [lab.permutation(f"{name}, sigma{k}", p).tolist() for k in (1, 2, 3)]
    return Relabelling(*(tuple(s) for s in drawn))


def relabel(T: Relabelling, theta: Arrays) -> Arrays:
    """The action on weights that keeps ``g(relabel(T, U); T x) = g(U; x)``.

    ``W'[:, s1(j)] = W[:, j]``, ``W'[:, p + s2(j)] = W[:, p + j]``, ``V'[s3(j), :] = V[j, :]``:
    the weights follow the symbols that they meet.

    Args:
        theta: ``(W, V)`` with W of shape (h, 2p) and V of shape (p, h), torch or numpy.

    Raises:
        ValueError: the shapes do not fit p.
    """
    W, V = theta
    p = T.p
    if W.shape[1] != 2 * p or V.shape[0] != p:
        raise ValueError(
            f"a relabelling of {p} symbols met W of shape {tuple(W.shape)} and V of shape "
            f"{tuple(V.shape)}; it needs (h, {2 * p}) and ({p}, h)."
        )
    columns = [*inverse(T.sigma1), *(p + j for j in inverse(T.sigma2))]
    return W[:, columns], V[list(inverse(T.sigma3)), :]


def homomorphism_defects(
    act: Callable[[Relabelling, Arrays], Arrays],
    pairs: Iterable[tuple[Relabelling, Relabelling]],
    theta: Arrays,
) -> list[tuple[Relabelling, Relabelling]]:
    """The pairs (S, T) with ``act(S T)`` different from ``act(S) act(T)`` at the weights theta."""
    return [
        (S, T) for S, T in pairs if differing(act(S.after(T), theta), act(S, act(T, theta))) != 0
    ]


def differing(x: Arrays, y: Arrays) -> int:
    """How many entries of two tuples of arrays are not exactly equal.

    It carries both, where they are small, into ``exact`` as its certificate.

    Raises:
        ValueError: two arrays differ in shape, or there is no entry, which would compare nothing.
    """
    shapes = [tuple(u.shape) for u in x], [tuple(v.shape) for v in y]
    if shapes[0] != shapes[1] or not any(map(math.prod, shapes[0])):
        raise ValueError(
            f"differing() compares arrays of the shapes {shapes[0]} and {shapes[1]}, entry by "
            "entry; they must be the same, and not empty."
        )
    count = sum(int((u != v).sum()) for u, v in zip(x, y, strict=True))

    def proof() -> Plain:
        one, other = ([e for a in side for e in a.reshape(-1).tolist()] for side in (x, y))
        if any(isinstance(e, float) and e != e for e in (*one, *other)):
            return digest("differ", "NaN, which differs from itself")
        return written({"kind": "differ"}, matrix=[one], other=[other])

    return Proved(count, proof)


def deviation(x: Arrays, y: Arrays) -> float:
    """``|x - y| / |y|`` in the Euclidean norm over all arrays of a tuple of float tensors.

    Raises:
        ZeroDivisionError: y is zero, so that there is nothing to be relative to.
    """
    gap = sum(float((u - v).square().sum()) for u, v in zip(x, y, strict=True))
    size = sum(float(v.square().sum()) for v in y)
    return math.sqrt(gap / size)


def rotation(lab: Lab, name: str, n: int) -> torch.Tensor:
    """A Haar-distributed orthogonal matrix, shape (n, n), in the lab's dtype.

    QR of a Gaussian matrix with the signs of R's diagonal moved into Q.
    """
    q, r = torch.linalg.qr(lab.normal(name, n, n))
    turned: torch.Tensor = q * r.diagonal().sign()
    return turned


def plane_rotation(
    n: int, i: int, j: int, cosine: Fraction = Fraction(3, 5), sine: Fraction = Fraction(4, 5)
) -> Any:
    """The turn of coordinates i and j by an angle with rational sine and cosine.

    Returns:
        (n, n) numpy object array of Fractions; orthogonal exactly if cosine^2 + sine^2 = 1.
    """
    q = np.array([[Fraction(int(r == c)) for c in range(n)] for r in range(n)], dtype=object)
    c, s = Fraction(cosine), Fraction(sine)  # an int would turn into a float when divided
    q[i, i], q[i, j], q[j, i], q[j, j] = c, -s, s, c
    return q


def _image(sigma: Permutation, index: Any) -> Any:
    if isinstance(index, torch.Tensor):
        return torch.tensor(sigma, device=index.device)[index]
    if isinstance(index, np.ndarray):
        return np.array(sigma)[index]
    return sigma[index]
