"""Hypothesis strategies for the shapes and scalars of these papers."""

from __future__ import annotations

from hypothesis import strategies as st
from sympy import primerange


def primes(*, min_value: int = 2, max_value: int) -> st.SearchStrategy[int]:
    """Primes between two bounds, inclusive; shrinks towards the smallest.

    Raises:
        ValueError: there is no prime between the bounds.
    """
    found = list(primerange(min_value, max_value + 1))
    if not found:
        raise ValueError(f"there is no prime from {min_value} to {max_value}; widen the bounds.")
    return st.sampled_from(found)
