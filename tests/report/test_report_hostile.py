"""Hostile text, and too much of it: the page shows it as text, cut, and stays small."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from fractions import Fraction

import pytest

from grokverify._curves import Series
from grokverify._evidence import Grade, Measurement, Row, Truth
from grokverify._verdict import Tally, Verdict
from grokverify.report import card, render

HOSTILE = "<script>alert(1)</script>\"' onload=x ]]> --> \x1b[31mred\x1b[0m \u202egnp.exe {{ 7*7 }}"


def _poisoned(make, make_check, text: str):
    """A record with the same hostile text in every place that holds text."""
    bad = make_check(
        check=text,
        coverage=text,
        tallies=(Tally(text, text, 1, 2, Grade.EXACT, held=1),),
        constants=(Measurement(text, 1, 2, Grade.EXACT, unit=text, printed=text),),
        rows=(Row(((text, text), ("n", 10**5000))),),
        series=(
            Series(text, (1, 2), (3, 4), (5, 6), text, text),
            *(Series(text + k, (1, 2), (3, 4), (5, 6), text, text, plot=text) for k in "ab"),
            Series(text + "c", (1, 2), (3, 4), (), text, text, beside=text, heat=(1, math.inf)),
        ),
        truth=Truth.FAILS,
        witness={text: text, "big": 10**5000},
        failing=text,
        detail=text,
        error=text,
        skipped=text,
    )
    poor = replace(bad, must="fail", breaks=text)
    given = {f.name: text for f in fields(make()) if f.name in ("title", "reason", "gap", "ref")}
    return make(
        claim=text,
        statement=f"{text} $\\text{{{text}}}$ $\\href{{javascript:alert(1)}}{{x}}$",
        source={"paper": text, "locator": text, "arxiv": text},
        origin=text,
        checks=(bad,),
        controls=(poor,),
        lab={"seed": text, "profile": text, text: text},
        machine={text: text},
        **dict.fromkeys(("hypotheses", "assumes", "uses", "sharpens", "corrects"), (text,)),
        **given,
    )


@pytest.mark.parametrize("text", [HOSTILE, "$\\text{<img src=x onerror=alert(1)>}$", "\ud800\x00"])
@pytest.mark.parametrize("verdict", list(Verdict))
def test_hostile_text_stays_text(make, make_check, parse, text: str, verdict: Verdict) -> None:
    bad = replace(_poisoned(make, make_check, text), verdict=verdict)
    shown = card(bad)
    for html in (render([bad]), shown):
        tree = parse(html)
        assert len(tree.all("script")) == (html is not shown)
        assert not [a for a in tree.all("img") if not a["src"].startswith("data:")]
        assert not [k for _, a in tree.elements for k in a if k.startswith("on")]
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", html)
        assert "49" not in tree.text.replace("U+", "") or "{{ 7*7 }}" in tree.text
        html.encode("utf-8")


def test_a_megabyte_of_text_is_cut(make, make_check, parse) -> None:
    page = render([_poisoned(make, make_check, "<b>" * 350_000)])
    assert len(page) < 500_000
    assert "characters in all)" in parse(page).text


def test_three_hundred_claims_and_hostile_text_make_a_page_below_ten_megabytes(
    make, make_check
) -> None:
    x = tuple(range(1, 81))
    curves = (Series("w", x, tuple(v * v for v in x), x, "n", "y", "xy"),)
    rows = tuple(Row((("p", p), ("width", 2 * p))) for p in range(40))
    real = tuple(make_check(check=f"c{k}", series=curves, rows=rows) for k in range(3))
    many = [make(f"l/{i}", uses=(f"l/{i // 2}",), checks=real) for i in range(300)]
    many.append(_poisoned(make, make_check, HOSTILE * (100_000 // len(HOSTILE))))
    assert len(render(many).encode()) < 10_000_000


def test_numbers_of_any_size_are_shown(make, make_check, parse) -> None:
    huge = 10**5000 + 7
    wild = make_check(
        constants=(
            Measurement("huge", huge, huge, Grade.EXACT),
            Measurement("tiny", Fraction(1, huge), Fraction(1, huge), Grade.EXACT),
            Measurement("open", -float("inf"), float("inf"), Grade.CERTIFIED),
        ),
        tallies=(
            Tally("huge", ">=", 1.5, 1.5, Grade.EXACT, held=1),
            Tally("open", "<=", float("inf"), float("inf"), Grade.CERTIFIED, undecided=1),
        ),
    )
    text = parse(render([make(checks=(wild,))])).text
    assert "≈ 10⁵⁰⁰⁰" in text
    assert "≈ 10⁻⁵⁰⁰⁰" in text
    assert "[−∞, ∞]" in text
