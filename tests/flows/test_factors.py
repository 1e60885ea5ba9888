"""Bad input of the flow of the factors, and its conserved quantity."""

import math
import re

import numpy as np
import pytest

from grokverify.completion import observe
from grokverify.flows.factors import factor_flow

PROBLEM = observe(np.eye(3), [(0, 0), (0, 1), (2, 2)])
EYE = np.eye(3)


def test_the_product_of_the_factors_decays():
    ((U, V),) = factor_flow(PROBLEM, 2 * EYE, 2 * EYE, 0.1, [1.5], rtol=1e-10)
    left = V.T @ U
    assert left == pytest.approx(4 * math.exp(-3.0) * EYE, abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((EYE, EYE, 0.0), "lambda = 0.0 do not fit a matrix of size 3"),
        ((EYE, EYE, -1.0), "lambda = -1.0"),
        ((np.eye(2), EYE, 0.1), "factors of shapes (2, 2) and (3, 3)"),
        ((1e200 * EYE, EYE, 0.1), "entries up to 1e+200"),
        ((np.nan * EYE, EYE, 0.1), "entries up to nan"),
    ],
)
def test_bad_input(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        factor_flow(PROBLEM, *arguments, [1.0])


def test_times_have_to_increase():
    with pytest.raises(ValueError, match="increase from 0"):
        factor_flow(PROBLEM, EYE, EYE, 0.1, [2.0, 1.0])
