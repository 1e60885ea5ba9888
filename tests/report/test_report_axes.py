"""Ticks: round values inside the axis, told apart by their labels."""

from __future__ import annotations

import itertools

import pytest

from grokverify.report._axes import axis, ticks

_WILD = (0.0, 5e-324, 1e-200, 1e-9, 0.1, 1.0, 1 + 1e-9, 7.0, 1e6, 1e200, -3.0, -1e200)


@pytest.mark.parametrize(("low", "high"), list(itertools.combinations_with_replacement(_WILD, 2)))
@pytest.mark.parametrize("log", [False, True])
def test_an_axis_holds_its_values_and_has_ticks_inside(low: float, high: float, log: bool) -> None:
    low, high = sorted((low, high))
    if log and low < 1e-200:
        return
    one = axis([low, high], log, 50, 450)
    assert 50 <= one.at(low) <= one.at(high) <= 450
    marks = ticks(one, 6)
    assert 1 <= len(marks) <= 20
    assert all(49.9 <= one.at(value) <= 450.1 for value, _ in marks)
    assert len({label for _, label in marks}) == len(marks), marks


def test_ticks_are_round() -> None:
    assert [label for _, label in ticks(axis([0, 10], False, 0, 1), 6)] == [
        "0",
        "2",
        "4",
        "6",
        "8",
        "10",
    ]
    assert [label for _, label in ticks(axis([1, 1000], True, 0, 1), 6)] == [
        "1",
        "10",
        "100",
        "1000",
    ]
    assert [label for _, label in ticks(axis([2, 5], True, 0, 1), 6)] == ["2", "3", "5"]
    assert [label for _, label in ticks(axis([2, 4], False, 0, 1), 7, whole=True)] == [
        "2",
        "3",
        "4",
    ]
