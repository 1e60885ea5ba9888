"""What is false as printed, how much falls with it; and what is neither proved nor refuted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grokverify._evidence import Grade, Truth
from grokverify._verdict import SEVERITIES, Outcome, Record, Verdict
from grokverify.report import _text as say
from grokverify.report._graph import resting
from grokverify.report._view import strongest

_WORDS = {"headline": "S0", "lemma": "S1", "constant": "S1", "step": "S2", "slip": "S3"}
_GRAVE = tuple(SEVERITIES.items())
_TOLD = re.compile(r"Severity: (\w+)(\.\s+)?")


@dataclass(frozen=True, slots=True)
class Fault:
    """Beside a refuted claim: how grave, what is wrong, how sure, and what rests on it."""

    severity: str
    meaning: str
    wrong: str
    symbol: bool  # one symbol of the text that was read decides
    sure: str
    rests: tuple[str, ...]


def severity(r: Record) -> str:
    """The declared severity, else the one that the claim's gap begins with, else ""."""
    if r.severity in SEVERITIES:
        return r.severity
    told = _TOLD.match(r.gap)
    return _WORDS.get(told[1], "") if told else ""


def fault(r: Record, records: Sequence[Record]) -> Fault:
    """What the errata say of one refuted claim."""
    grave = severity(r)
    failed = [o for o in r.checks if o.truth is Truth.FAILS]
    lines = "1 check fails" if len(failed) == 1 else f"{len(failed)} checks fail"
    best = max((o.grade for o in failed), default=Grade.EMPIRICAL).name.lower()
    backed = sum(c.must == "hold" and c.truth is Truth.HOLDS for c in r.controls)
    controls = "1 of its controls holds" if backed == 1 else f"{backed} of its controls hold"
    return Fault(
        severity=grave,
        meaning=SEVERITIES.get(grave, "not stated"),
        wrong=_wrong(r.gap),
        symbol="the text we read" in " ".join(r.gap.split()),
        sure=(
            f"{lines}, the best of grade {best}; with the corrected ingredient {controls}; "
            f"risk {say.chance(r.risk)}"
        ),
        rests=tuple(resting(records, r.claim)),
    )


def _wrong(gap: str) -> str:
    """The gap without "Severity: slip."; of "Severity: slip of a name" the slip stays."""
    told = _TOLD.match(gap)
    if not told:
        return gap
    return gap[told.end() :] if told[2] else told[1].capitalize() + gap[told.end(1) :]


def tally(faults: Sequence[Fault]) -> list[tuple[str, str, int]]:
    """Severity, its meaning and how many have it, the gravest first; none is left out."""
    found = [(key, meaning, sum(f.severity == key for f in faults)) for key, meaning in _GRAVE]
    bare = sum(f.severity not in SEVERITIES for f in faults)
    return found + ([("", "severity not stated", bare)] if bare else [])


@dataclass(frozen=True, slots=True)
class Question:
    """A claim that this run supports or leaves open without settling it."""

    claim: str
    evidence: str
    tried: str


def questions(records: Sequence[Record]) -> list[tuple[str, list[Question]]]:
    """Claims by the reason why they are open; the rule is computed, no claim declares it."""
    found: dict[str, list[Question]] = {
        "Conjectures and other statements of ours: measured here, proved by no check": [],
        "Statements of the papers: measured here, proved by no check": [],
        "Undecided in this run": [],
    }
    ours, papers, undecided = found.values()
    for r in records:
        best = strongest(r)
        if r.verdict is Verdict.INCONCLUSIVE:
            undecided.append(Question(r.claim, say.clean(r.reason, 600), _tried(r.checks)))
        elif r.verdict is Verdict.VERIFIED and best and best.grade <= Grade.STATISTICAL:
            into = ours if r.origin == "ours" else papers
            into.append(Question(r.claim, best.grade.name.lower(), _tried(r.checks)))
    return [(why, some) for why, some in found.items() if some]


def _tried(checks: Sequence[Outcome]) -> str:
    """The range of every driving size that was tried."""
    spans: dict[str, list[float]] = {}
    for s in (s for o in checks for s in o.series):
        spans.setdefault(say.clean(s.xlabel or "x", 60), []).extend(_finite(s.x))
        if s.heat:
            spans.setdefault(say.clean(s.ylabel or "y", 60), []).extend(_finite(s.y))
    told = [_span(name, values) for name, values in spans.items() if values]
    cases = sum(o.cases for o in checks)
    return "; ".join([*told[:6], "1 case" if cases == 1 else f"{cases} cases"])


def _finite(values: Sequence[Any]) -> list[float]:
    return [x for x in map(say.as_float, values) if x is not None]


def _span(name: str, values: list[float]) -> str:
    low, high = min(values), max(values)
    if low == high:
        return f"{name} = {say.number(low, 3)}"
    return f"{name} from {say.number(low, 3)} to {say.number(high, 3)}"
