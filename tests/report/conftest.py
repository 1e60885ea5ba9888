"""Records made by hand, so that the report is tested without running a check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser

import pytest

from grokverify._curves import Series
from grokverify._evidence import Grade, Measurement, Row, Truth, exact
from grokverify._verdict import Outcome, Record, Tally, Verdict

_INLINE_MATH = ("mi", "mo", "mn", "mrow", "mtext", "msub", "msup", "mspace", "mfrac")
_VOID = {"meta", "link", "br", "img", "wbr"}


class Tree(HTMLParser):
    """The elements of a page, with every tag checked to be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag not in ("span", "code", "em", "a", "math", *_INLINE_MATH):
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"] and self._open[-1:] != ["script"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture
def parse() -> Callable[[str], Tree]:
    return Tree


def outcome(**changed: object) -> Outcome:
    base = Outcome(
        check="rank",
        truth=Truth.HOLDS,
        grade=Grade.EXACT,
        coverage="exhaustive",
        cases=3,
        risk=0.0,
        tallies=(Tally("rank", ">=", 5, 5, Grade.EXACT, held=3),),
        constants=(
            exact("rank", 7).beside(printed=Fraction(9, 2)),
            Measurement("level", 0.25, 0.5, Grade.STATISTICAL, unit="nats", printed="$4p$"),
        ),
        rows=tuple(Row((("p", p), ("width", 2 * p), ("note", "fine"))) for p in (3, 5, 7)),
        series=(Series("width", (3, 5, 7), (6, 10, 15), (7.5, 12.5, 17.5), "p", "width", "xy"),),
        seconds=0.5,
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def control(**changed: object) -> Outcome:
    base = outcome(
        check="rank but h=1",
        truth=Truth.FAILS,
        breaks="rank",
        must="fail",
        tallies=(Tally("rank", ">=", 5, 5, Grade.EXACT, held=1, failed=1),),
        witness={"p": 5},
        rows=(),
        series=(),
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def record(claim: str = "lab2024/rank", **changed: object) -> Record:
    base = Record(
        claim=claim,
        title="Full rank",
        statement=r"For $p \ge 3$ the kernel has $\operatorname{rank}(K) \ge \frac{p}{2}$.",
        source={"paper": "Lab et al., Ranks", "locator": "Theorem 1.2", "arxiv": "2401.00001"},
        origin="paper",
        expect=Verdict.VERIFIED,
        verdict=Verdict.VERIFIED,
        reason="",
        checks=(outcome(),),
        controls=(control(),),
        lab={"device": "cpu", "seed": 7, "profile": "quick", "path": ()},
        seconds=1.25,
        gap="Only three primes.",
        ref="theorems.lab:rank",
        machine={"commit": "abc123", "torch": "2.13"},
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def _samples() -> list[Record]:
    failing = outcome(
        truth=Truth.FAILS,
        witness={"p": 5, "why": "it's odd"},
        detail="rank = 7 fails to be equal to 8",
        tallies=(Tally("rank", "==", 8, 8, Grade.EXACT, held=1, failed=1),),
    )
    positive = control(check="rank but h=2", truth=Truth.HOLDS, must="hold", witness=None)
    return [
        record(uses=("lab2024/mended", "elsewhere/lemma"), assumes=("Sard's theorem",)),
        record(
            "lab2024/printed",
            title="The printed rank",
            verdict=Verdict.REFUTED,
            expect=Verdict.REFUTED,
            checks=(failing,),
            controls=(positive,),
        ),
        record(
            "lab2024/mended", title="The mended rank", origin="ours", corrects=("lab2024/printed",)
        ),
        record(
            "lab2024/open",
            title="Left open",
            verdict=Verdict.INCONCLUSIVE,
            reason="toothless: no control",
            checks=(outcome(truth=Truth.UNDECIDED, risk=1e-6, grade=Grade.STATISTICAL),),
            controls=(control(truth=Truth.HOLDS, tallies=(), witness=None, detail="it stood"),),
        ),
        record(
            "lab2024/broken",
            title="Broken",
            verdict=Verdict.ERROR,
            reason="rank: ValueError: no",
            checks=(outcome(truth=Truth.UNDECIDED, error="Traceback\nValueError: no <step>"),),
        ),
        record(
            "lab2024/absent",
            title="Skipped",
            verdict=Verdict.SKIPPED,
            checks=(outcome(truth=Truth.UNDECIDED, skipped="needs a GPU", series=(), rows=()),),
        ),
    ]


@pytest.fixture
def samples() -> list[Record]:
    return _samples()


@pytest.fixture
def make() -> Callable[..., Record]:
    return record


@pytest.fixture
def make_check() -> Callable[..., Outcome]:
    return outcome
