"""Tangent kernels of the quadratic network: exact, closed, certified; and regression with them.

The network is eq. (2.1) of Mohamadi et al. 2024 with ``W = (Q, R)`` (their Appendix B),

    g(theta; (a, b, c)) = sum_k V_ck (Q_ka + R_kb)^2,      K(x, x') = <grad g(x), grad g(x')>.

``jacobian`` is its gradient in integers, for exact ranks; ``entk`` its Gram matrix in closed form,
for speed; ``tangent_gram`` differentiates any network by torch, as the independent reference.
``entk_classification`` is the matrix-valued kernel of all p logits, ``entk_limit`` the kernel of
infinite width. ``entk_positive`` and ``entk_floor`` prove positive definiteness for every V.
Parameters are ordered V, Q, R throughout.
"""

from __future__ import annotations

from grokverify.kernels._decide import entk_floor, entk_positive, entk_singular
from grokverify.kernels._entk import entk, entk_classification, entk_limit, entk_rounding
from grokverify.kernels._inputs import Inputs, inputs, most_frequent
from grokverify.kernels._jacobian import jacobian, tangent_gram
from grokverify.kernels._regression import block_regression, kernel_regression

__all__ = [
    "Inputs",
    "block_regression",
    "entk",
    "entk_classification",
    "entk_floor",
    "entk_limit",
    "entk_positive",
    "entk_rounding",
    "entk_singular",
    "inputs",
    "jacobian",
    "kernel_regression",
    "most_frequent",
    "tangent_gram",
]
