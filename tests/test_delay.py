"""Definitions of delay against curves whose crossings are known by hand."""

import math

import pytest
import torch

from grokverify.delay import crossing, delay, lag, overshoot, value_at


def curve(*values):
    return torch.tensor(values, dtype=torch.float64)


T = curve(0, 1, 2, 4, 8, 16)


def test_a_power_law_crosses_where_the_logarithms_say():
    t = torch.logspace(0, 3, 40, dtype=torch.float64)
    when = crossing(t, 1 / t, 0.05)
    assert float(when) == pytest.approx(20, rel=1e-9)


def test_a_dip_that_does_not_last_is_not_a_crossing():
    loss = curve(1, 0.1, 0.9, 0.9, 0.1, 0.1)
    assert float(crossing(T, loss, 0.2)) > 4


def test_a_rise_below_the_hysteresis_keeps_the_crossing():
    loss = curve(1, 0.1, 0.28, 0.1, 0.1, 0.1)
    assert float(crossing(T, loss, 0.2)) <= 1
    assert float(crossing(T, loss, 0.2, hysteresis=1.0)) > 2


def test_never_low_is_infinite_and_a_divergence_never_counts():
    both = torch.stack([curve(1, 1, 1, 1, 1, 1), curve(1, 0.1, 0.1, 0.1, math.inf, math.inf)], 1)
    assert crossing(T, both, 0.2).isinf().all()


def test_low_from_the_first_record_gives_the_first_record():
    assert float(crossing(T, curve(*[0.01] * 6), 0.2)) == 0


def test_delay_and_lag():
    t = torch.logspace(0, 4, 200, dtype=torch.float64)
    train, test = 1 / t, 10 / t
    assert float(delay(t, train, test, 0.1)) == pytest.approx(1, abs=1e-9)
    assert float(lag(t, train, test, 0.1)) == pytest.approx(90, rel=1e-9)
    assert float(delay(t, train, 0 * t + 1, 0.1)) == math.inf
    assert float(delay(t, 0 * t + 1, test, 0.1)) == math.inf
    assert float(lag(t, train, 0 * t + 1, 0.1)) == math.inf


def test_delay_does_not_depend_on_the_clock_and_lag_does():
    t = torch.logspace(0, 4, 200, dtype=torch.float64)
    train, test = 1 / t, 3 / t
    assert float(delay(7 * t, train, test, 0.1)) == pytest.approx(float(delay(t, train, test, 0.1)))
    assert float(lag(7 * t, train, test, 0.1)) == pytest.approx(7 * float(lag(t, train, test, 0.1)))


def test_overshoot():
    assert float(overshoot(curve(2, 3, 1))) == 1.5
    assert float(overshoot(curve(2, 1, 0.5))) == 1


def test_value_at_interpolates_in_the_logarithm():
    t = curve(1, 10, 100)
    seen = value_at(t, t.log10()[:, None].expand(3, 2), curve(10**0.5, math.inf))
    assert seen.tolist() == pytest.approx([0.5, 2])


@pytest.mark.parametrize(
    ("t", "loss", "level", "told"),
    [
        (T, curve(1, 1), 0.2, "give \\(n,\\) times"),
        (T[:1], T[:1], 0.2, "n at least 2"),
        (T, T, 0.0, "level > 0"),
        (T, T * math.nan, 0.2, "NaN loss"),
    ],
)
def test_senseless_input(t, loss, level, told):
    with pytest.raises(ValueError, match=told):
        crossing(t, loss, level)
