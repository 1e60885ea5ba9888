"""Numbers round honestly; foreign text is harmless."""

from __future__ import annotations

import json
import math
import shlex
from fractions import Fraction

import pytest

from grokverify._evidence import Grade, Measurement
from grokverify.report import _text as say

_PLAIN = str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")


def back(text: str) -> Fraction:
    """Read a shown decimal number again."""
    mantissa, _, power = text.translate(_PLAIN).replace("\u202f", "").partition("×10")
    if not power and mantissa.startswith("10") and text.startswith("10") and "⁻" in text:
        mantissa, power = "1", mantissa[2:]
    return Fraction(mantissa) * Fraction(10) ** int(power or 0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-5, "−5"),
        (2**70 - 1, "1\u202f180\u202f591\u202f620\u202f717\u202f411\u202f303\u202f423"),
        (10**30, "≈ 10³⁰"),
        (7 * 10**5000, "≈ 7×10⁵⁰⁰⁰"),
        (-(10**6000), "≈ −10⁶⁰⁰⁰"),
        (Fraction(7, 3), "7/3 ≈ 2.33333"),
        (Fraction(-1, 2), "−1/2 = −0.5"),
        (Fraction(1, 10**5000), "≈ 10⁻⁵⁰⁰⁰"),
        (Fraction(10**5000 + 1, 10**5000), "≈ 1"),
        (0.1, "0.1"),
        (1e-9, "10⁻⁹"),
        (2.5e-7, "2.5×10⁻⁷"),
        (123456.7, "123457"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
        ("4p", "4p"),
        (None, "None"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_numbers_of_every_kind_are_shown(value: object, shown: str) -> None:
    assert say.number(value) == shown


@pytest.mark.parametrize("width", [1e-12, 3e-7, 1e-3, 0.4])
@pytest.mark.parametrize("middle", [math.pi, -math.e, 1e-7 / 3, 12345.678])
def test_an_enclosure_is_rounded_outwards(middle: float, width: float) -> None:
    m = Measurement("m", middle - width, middle + width, Grade.CERTIFIED)
    low, high = say.enclosure(m).strip("[]").split(", ")
    assert back(low) <= Fraction(m.lo) < Fraction(m.hi) <= back(high)
    fair = 2 * (Fraction(m.hi) - Fraction(m.lo)) + abs(Fraction(middle)) / 10**10
    assert back(high) - back(low) <= fair


def test_one_sided_and_point_enclosures() -> None:
    assert say.enclosure(Measurement("m", -math.inf, 3, Grade.CERTIFIED)) == "[−∞, 3]"
    assert say.enclosure(Measurement("m", 3, 3, Grade.EXACT)) == "3"


def test_a_risk_is_rounded_up() -> None:
    assert say.chance(0) == "none"
    assert say.chance(1.01e-6) == "≤ 1.1×10⁻⁶"


def test_durations() -> None:
    shown = [say.duration(s) for s in (0.001, 0.05, 7.25, 125, 3700, math.inf)]
    assert shown == ["< 0.01 s", "0.05 s", "7.2 s", "2 min 5 s", "1 h 2 min", "unknown"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\x00b\x1b", "a⟨U+0000⟩b⟨U+001B⟩"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("half \ud800 pair", "half ⟨U+D800⟩ pair"),
        ("line\nline\ttab", "line\nline\ttab"),
        ("Ωλ≤", "Ωλ≤"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert say.clean(text) == shown


def test_long_text_is_cut_and_says_so() -> None:
    cut = say.clean("x" * 1_000_000)
    assert len(cut) < 4100
    assert cut.endswith("… (cut here; 1000000 characters in all)")
    assert say.clean("y" * 4000) == "y" * 4000


def test_anchors_tell_apart_what_only_looks_alike() -> None:
    ids = ["a/b", "a--b", "A/b", "a b", "a/b<script>", "x" * 200, "x" * 201, "é", "ê", ""]
    anchors = [say.anchor(i) for i in ids]
    assert len(set(anchors)) == len(ids)
    assert all(a.isascii() and not set(a) & set(" <>\"'&") for a in anchors)
    assert say.anchor("lab2024/rank") == "claim-lab2024--rank"


def test_the_replay_line_survives_the_shell(make, make_check) -> None:
    witness = {"p": 5, "why": "it's $(odd)"}
    line = say.replay(make(), make_check(check="rank; rm 'x'", witness=witness))
    words = shlex.split(line)
    assert words[:3] == ["grokverify", "replay", "theorems.lab:rank"]
    told = dict(zip(words[3::2], words[4::2], strict=True))
    assert told["--check"] == "rank; rm 'x'"
    assert json.loads(told["--case"]) == witness
    assert (told["--seed"], told["--profile"]) == ("7", "quick")


def test_no_replay_line_where_it_could_not_be_copied(make, make_check) -> None:
    assert say.replay(make(ref=""), make_check(witness={"p": 1})) == ""
    assert say.replay(make(), make_check(witness={"p": 10**5000})) == ""
    assert say.replay(make(), make_check(check="a\x1b[31mb")) == ""
    assert say.replay(make(), make_check(witness={"p": "x" * 9000})) == ""


def test_cases_are_told_in_one_line() -> None:
    assert say.case(None) == say.case({}) == "the only case"
    told = say.case({"p": 5, "x": Fraction(1, 3), "c": [1, -1], "d": {"k": 2}})
    assert told == "p = 5, x = 1/3 ≈ 0.333333, c = (1, −1), d = {k: 2}"
