"""Plots are SVG pictures with words beside them, the same bytes for the same points."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from grokverify._evidence import Series, series
from grokverify.report._plots import plot


def svg(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def words(picture: str) -> str:
    return " ".join(svg(picture).itertext())


def test_a_plot_holds_both_curves_and_its_numbers_in_words() -> None:
    drawn = plot(
        series("w", x=[3, 5, 7], y=[6, 10, 15], printed=[12, 20, 28], xlabel="prime", log="xy")
    )
    assert drawn is not None
    assert "Plot of w against prime, 3 points." in drawn.alt
    assert "Measured from 6 at 3 to 15 at 7; lowest 6, highest 15." in drawn.alt
    assert "Beside it, printed: from 12 to 28." in drawn.alt
    text = words(drawn.svg)
    assert "prime" in text
    assert "measured" in text
    assert "printed" in text
    assert drawn.points == (("3", "6", "12"), ("5", "10", "20"), ("7", "15", "28"))


def test_measured_points_are_markers_and_the_printed_curve_is_dashed() -> None:
    drawn = plot(series("w", x=[1, 2, 3], y=[6, 10, 15], printed=[12, 20, 28]))
    assert drawn is not None
    marks = ElementTree.tostring(svg(drawn.svg), encoding="unicode")
    assert marks.count("stroke-dasharray") >= 1
    alone = plot(series("w", x=[1, 2, 3], y=[6, 10, 15]))
    assert alone is not None
    assert "stroke-dasharray" not in ElementTree.tostring(svg(alone.svg), encoding="unicode")
    assert "printed" not in words(alone.svg)


def test_the_same_points_give_the_same_bytes() -> None:
    one = series("w", x=[3, 5, 7], y=[6, 10, 15], xlabel="$p$", log="y")
    first = plot(one)
    assert plot(one) == first


def test_what_cannot_be_drawn_is_left_out_and_said() -> None:
    drawn = plot(series("w", x=[1, 2, 3, 4], y=[1.0, -1.0, math.inf, 10**400], log="y"))
    assert drawn is not None
    assert drawn.note == "3 of 4 points cannot be drawn here"
    assert plot(series("w", x=[1], y=[0], log="y")) is None
    assert plot(Series("w", (), ())) is None


@pytest.mark.parametrize(
    "label",
    [
        "<script>alert(1)</script>",
        "$\\frac{",
        "$\\undefined$ and $x$",
        "a\x00b\x1b[31m",
        "-->",
        "x" * 10_000,
        "$x_1$ & more",
        "half \ud800",
    ],
)
def test_a_hostile_label_is_only_text(label: str) -> None:
    drawn = plot(Series(label, (1, 2), (3, 4), (), label, label))
    assert drawn is not None
    assert {e.tag for e in svg(drawn.svg).iter()} == {"svg", "g", "path", "text"}
    known = {"class", "role", "aria-label", "viewBox", "d", "x", "y", "transform"}
    for e in svg(drawn.svg).iter():
        assert not [
            k for k in e.attrib if k not in known and not re.match("fill|stroke|font|text", k)
        ]


def test_many_points_are_thinned_and_a_spike_survives() -> None:
    y = [1.0] * 50_000
    y[31_234] = 7.0
    drawn = plot(Series("w", tuple(range(50_000)), tuple(y)))
    assert drawn is not None
    assert len(drawn.svg) < 15_000
    assert drawn.more == 50_000 - len(drawn.points)
    assert "highest 7" in drawn.alt
    (curve,) = [
        e.attrib["d"] for e in svg(drawn.svg).iter("path") if e.get("stroke-width") == "1.5"
    ]
    heights = {float(point.split()[1]) for point in curve[1:].split("L")}
    assert len(heights) == 2


def test_pictures_are_small_and_quick() -> None:
    """Hundreds of them share a page."""
    one = series("w", x=list(range(1, 41)), y=[k * k for k in range(1, 41)], log="xy")
    drawn = plot(one)
    assert drawn is not None
    assert len(drawn.svg) < 4_000


def place(picture: str, which: int) -> list[tuple[float, float]]:
    """Dots of the measured curve, in picture coordinates."""
    dots = [e for e in svg(picture).iter("path") if e.get("stroke-linecap") == "round"]
    return [
        tuple(map(float, m.split("h")[0].split())) for m in dots[which].attrib["d"][1:].split("M")
    ]


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_points_lie_where_their_values_say(log: str) -> None:
    """Equal steps of the value, or of its logarithm, are equal steps on the picture."""
    values = (1, 10, 100)
    drawn = plot(Series("w", values, values, log=log))
    assert drawn is not None
    (a, b, c) = place(drawn.svg, 0)
    for k, letter in enumerate("xy"):
        share = (b[k] - a[k]) / (c[k] - a[k])
        assert share == pytest.approx(0.5 if letter in log else 9 / 99, abs=2e-3)
    assert a[0] < c[0]
    assert a[1] > c[1], "up is larger"


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
@pytest.mark.parametrize(
    "values",
    [(1e308, -1e308, 0), (1e200, 1e-200, 1), (5e-324, 1, 2), (2, 2, 2), (0, 0, 0), (1e-200, 0, 0)],
)
def test_wild_values_are_drawn_or_left_out_without_a_warning(values, log: str) -> None:
    drawn = plot(Series("w", (1, 2, 3), values, values[::-1], log=log))
    assert drawn is None or svg(drawn.svg) is not None
    plot(Series("w", values, (1, 2, 3), log=log))


def test_ticks_tell_nearly_equal_values_apart() -> None:
    drawn = plot(series("w", x=[1, 2], y=[1, 1 + 2e-9]))
    assert drawn is not None
    assert "1.000000001" in words(drawn.svg)


def test_events_are_marked_where_they_happened_and_told_in_words() -> None:
    events = {"fit": 10, "low": 100, "never": math.inf}
    one = series("loss", x=[1, 10, 100], y=[1, 0.5, 0.1], log="x", marks=events)
    assert one.marks == (("fit", 10), ("low", 100))
    drawn = plot(one)
    assert drawn is not None
    assert drawn.alt.endswith(" fit at 10. low at 100.")
    assert "fit" in words(drawn.svg)
    dots = place(drawn.svg, 0)
    dotted = [e for e in svg(drawn.svg).iter("path") if e.get("stroke-dasharray") == "1.5 3"]
    where = [float(e.attrib["d"][1:].split()[0]) for e in dotted]
    assert where == [dots[1][0], dots[2][0]]
    with pytest.raises(ValueError, match="contains NaN"):
        series("loss", x=[1], y=[1], marks={"fit": math.nan})
