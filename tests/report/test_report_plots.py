"""Plots are SVG pictures with words beside them, the same bytes for the same points."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from grokverify._curves import Series, series
from grokverify.report import _plots


def plot(*group: Series):
    return _plots.plot(group)


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
    drawn = plot(series("w", x=[0, 1, 2], y=[1, 1, 0], log="xy"))
    assert drawn is not None
    assert drawn.note == "2 of 3 points, at zero, are on no logarithmic axis"
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


def group(**changed):
    shared = {"x": [1, 10, 100], "plot": "Widths", "xlabel": "n", "log": "xy"} | changed
    return [series(name, y=y, **shared) for name, y in (("exact", [1, 2, 4]), ("ours", [2, 4, 8]))]


def test_series_of_one_plot_share_a_picture_a_legend_and_a_table() -> None:
    alone = series("else", x=1, y=1)
    drawn, other = _plots.plots([*group(), alone])
    assert (drawn.name, other.name) == ("Widths", "else")
    assert drawn.alt == (
        "Plot of 2 curves against n. exact, 3 points: from 1 at 1 to 4 at 100; lowest 1, highest 4."
        " ours, 3 points: from 2 at 1 to 8 at 100; lowest 2, highest 8."
    )
    assert [*svg(drawn.svg).itertext()][:2] == ["exact", "ours"]
    assert drawn.head == ("n", "exact", "ours")
    assert drawn.points[1] == ("10", "2", "4")


def test_curves_differ_in_their_markers_and_not_only_in_their_colours() -> None:
    (drawn,) = _plots.plots([series(f"{k}", x=[1, 2], y=[k, k], plot="all") for k in range(6)])
    dots = [e for e in svg(drawn.svg).iter("path") if "h0" in e.get("d", "")]
    round_, square = (sum(e.get("stroke-linecap") == c for e in dots) for c in ("round", "square"))
    assert (round_, square) == (2, 2), "each in the legend and on its curve"
    filled = [e.get("fill") for e in svg(drawn.svg).iter("path") if e.get("fill")]
    assert len({*filled}) == 2, "triangle and diamond"


def test_each_curve_may_have_its_own_dashed_one() -> None:
    (one,) = _plots.plots(group(printed=[3, 3, 3]))
    assert [*svg(one.svg).itertext()][:3] == ["exact", "ours", "printed"]
    dashed = [e.get("stroke") for e in svg(one.svg).iter("path") if e.get("stroke-dasharray")]
    assert dashed[0] == "currentColor", "the legend speaks of both"
    assert len({*dashed}) == 3
    assert one.head == ("n", "exact", "printed: exact", "ours", "printed: ours")


def test_curves_with_other_points_are_listed_one_after_the_other() -> None:
    (drawn,) = _plots.plots([*group(), series("few", x=[5], y=[5], plot="Widths")])
    assert drawn.head == ("curve", "n", "measured")
    assert drawn.points[-1] == ("few", "5", "5")


def heights(picture: str, colour: str) -> list[float]:
    (line,) = [e for e in svg(picture).iter("path") if e.get("stroke") == colour][1:]
    return [float(place.split()[1]) for place in line.attrib["d"][1:].split("L")]


def test_stacked_bands_stand_on_each_other_and_words_tell_their_own_sizes() -> None:
    low, high = ([1.0, 2.0], [3.0, 1.0])
    parts = [
        series(name, x=[1, 2], y=y, plot="loss", stacked=True)
        for name, y in (("a", low), ("b", high))
    ]
    total = series("total", x=[1, 2], y=[4, 3], plot="loss")
    (drawn,) = _plots.plots([*parts, total])
    assert heights(drawn.svg, _plots.svg.COLOURS[1]) == heights(drawn.svg, _plots.svg.COLOURS[2])
    assert "b, 2 points: from 3 at 1 to 1 at 2" in drawn.alt
    (alone,) = _plots.plots([parts[0], series("b", x=[7, 8], y=high, plot="loss", stacked=True)])
    assert "fill-opacity" in alone.svg


def test_a_legend_goes_on_below_where_it_is_full() -> None:
    (drawn,) = _plots.plots([series("w" * 40 + str(k), x=1, y=k, plot="all") for k in range(8)])
    frame = svg(drawn.svg).attrib["viewBox"].split()
    assert float(frame[3]) > 380
    assert len([*svg(drawn.svg).iter("g")]) >= 8


def test_long_curves_share_the_points_of_a_picture() -> None:
    x = list(range(3000))
    (drawn,) = _plots.plots([series(f"{k}", x=x, y=x, plot="all") for k in range(5)])
    assert len(drawn.svg) < 16_000


GRID = dict(x=[1, 1, 2, 2], y=[5, 6, 5, 6], xlabel="alpha", ylabel="epsilon")


def test_a_grid_is_cells_with_their_values_and_censored_ones_are_hatched() -> None:
    drawn = plot(series("delay", heat=[1, 10, 100, math.inf], beside="not within the run", **GRID))
    assert drawn is not None
    assert drawn.alt == (
        "Grid of delay over alpha and epsilon, 4 cells. Lowest 1 at alpha 1, epsilon 5; "
        "highest 100 at alpha 2, epsilon 5. 1 of the cells: not within the run."
    )
    text = words(drawn.svg)
    assert "not within the run" in text
    assert "100" in text
    assert drawn.head == ("epsilon \\ alpha", "1", "2")
    assert drawn.points == (("6", "10", "∞"), ("5", "1", "100"))
    fills = [e.get("fill") for e in svg(drawn.svg).iter("path") if e.get("fill")]
    assert len({*fills[-3:]}) == 3
    assert plot(series("delay", heat=[1, 2, 3, 4], **GRID)).svg.count('opacity=".65"') == 0


@pytest.mark.parametrize(
    "values", [(1, 1, 1, 1), (0, -1, 5, 1e308), (math.inf,) * 4, (1e-300, 1e300, -1e308, 0)]
)
def test_wild_grids_are_drawn(values) -> None:
    drawn = plot(series("<b>$", heat=values, **GRID))
    assert drawn is not None
    assert {e.tag for e in svg(drawn.svg).iter()} == {"svg", "path", "text"}


def test_numbers_in_cells_stand_out_from_them() -> None:
    from grokverify.report import _heat

    scale = _heat._Scale([0.0, 1.0])
    for k in range(101):
        ground = _heat.luminance(scale.rgb(k / 100))
        ink = 1.0 if scale.ink(k / 100) == "#fff" else 0.0
        high, low = max(ground, ink) + 0.05, min(ground, ink) + 0.05
        assert high / low >= 4.5


@pytest.mark.parametrize("paper", ["#fdfcf9", "#17181a"])
def test_every_curve_stands_out_on_both_papers(paper: str) -> None:
    from grokverify.report import _heat

    def light(colour: str) -> float:
        return _heat.luminance([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) + 0.05

    for colour in _plots.svg.COLOURS:
        high, low = sorted((light(colour), light(paper)), reverse=True)
        assert high / low >= 3.0, colour


def test_a_grid_needs_a_value_for_every_place() -> None:
    with pytest.raises(ValueError, match=r"has 2 x, 2 y and 0 printed and 1 heat values"):
        series("w", x=[1, 2], y=[1, 2], heat=[1])
    with pytest.raises(ValueError, match="contains NaN"):
        series("w", x=[1], y=[1], heat=[math.nan])
