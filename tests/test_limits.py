"""Series of the assumed form are extrapolated exactly; the rest is an error."""

import numpy as np
import pytest

from grokverify.limits import log_limit


def test_a_series_in_one_over_log():
    l = np.array([20.0, 40, 80, 160, 320])
    y = 3 - np.log(l) / l + 2 / l + 5 * np.log(l) / l**2 - 1 / l**2
    limit, change = log_limit(l, y)
    assert limit == pytest.approx(3, abs=1e-10)
    assert 1e-10 < change < 1e-2


def test_the_next_term_is_seen_in_the_change():
    l = np.array([20.0, 40, 80, 160, 320])
    limit, change = log_limit(l, 3 - np.log(l) / l + 40 / l**3)
    assert abs(limit - 3) < change


@pytest.mark.parametrize("logs", [[10, 20], [10, 5, 20], [1, 2, 3]])
def test_bad_input(logs):
    with pytest.raises(ValueError, match="at least three increasing logs above e"):
        log_limit(logs, [1.0] * len(logs))
