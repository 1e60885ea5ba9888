"""Plots are SVG pictures with words beside them, the same bytes for the same points."""

from __future__ import annotations

import base64
import math
from xml.etree import ElementTree

import pytest

from grokverify._evidence import Series, series
from grokverify.report import _plots
from grokverify.report._plots import plot


def svg(src: str) -> ElementTree.Element:
    head, _, body = src.partition(",")
    assert head == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(body))


def words(src: str) -> str:
    return " ".join(svg(src).itertext())


def test_a_plot_holds_both_curves_and_its_numbers_in_words() -> None:
    drawn = plot(
        series("w", x=[3, 5, 7], y=[6, 10, 15], printed=[12, 20, 28], xlabel="prime", log="xy")
    )
    assert drawn is not None
    assert "Plot of w against prime, 3 points." in drawn.alt
    assert "Measured from 6 at 3 to 15 at 7; lowest 6, highest 15." in drawn.alt
    assert "Beside it, printed: from 12 to 28." in drawn.alt
    text = words(drawn.src)
    assert "prime" in text
    assert "measured" in text
    assert "printed" in text
    assert drawn.points == (("3", "6", "12"), ("5", "10", "20"), ("7", "15", "28"))


def test_measured_points_are_markers_and_the_printed_curve_is_dashed() -> None:
    drawn = plot(series("w", x=[1, 2, 3], y=[6, 10, 15], printed=[12, 20, 28]))
    assert drawn is not None
    marks = ElementTree.tostring(svg(drawn.src), encoding="unicode")
    assert marks.count("stroke-dasharray") >= 1
    alone = plot(series("w", x=[1, 2, 3], y=[6, 10, 15]))
    assert alone is not None
    assert "stroke-dasharray" not in ElementTree.tostring(svg(alone.src), encoding="unicode")
    assert "printed" not in words(alone.src)


def test_the_same_points_give_the_same_bytes() -> None:
    one = series("w", x=[3, 5, 7], y=[6, 10, 15], xlabel="$p$", log="y")
    first = plot(one)
    _plots._draw.cache_clear()
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
    tags = {e.tag.rpartition("}")[2] for e in svg(drawn.src).iter() if isinstance(e.tag, str)}
    assert tags <= {"svg", "defs", "style", "g", "path", "use", "text", "tspan", "clipPath", "rect"}


def test_many_points_are_thinned() -> None:
    many = Series("w", tuple(range(50_000)), tuple(range(50_000)))
    drawn = plot(many)
    assert drawn is not None
    assert len(drawn.src) < 150_000
    assert drawn.more == 50_000 - len(drawn.points)


def test_no_global_state_of_matplotlib_is_changed() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plot(series("other", x=[1, 2], y=[1, 3]))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
@pytest.mark.parametrize(
    "values",
    [(1e308, -1e308, 0), (1e200, 1e-200, 1), (5e-324, 1, 2), (2, 2, 2), (0, 0, 0), (1e-200, 0, 0)],
)
def test_wild_values_are_drawn_or_left_out_without_a_warning(values, log: str) -> None:
    drawn = plot(Series("w", (1, 2, 3), values, values[::-1], log=log))
    assert drawn is None or svg(drawn.src) is not None
    plot(Series("w", values, (1, 2, 3), log=log))


def test_ticks_tell_nearly_equal_values_apart() -> None:
    drawn = plot(series("w", x=[1, 2], y=[1, 1 + 2e-9]))
    assert drawn is not None
    assert "1.000000001" in words(drawn.src)
