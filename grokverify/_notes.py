"""What one block of cases has seen: hulls of constants, tallies of comparisons, rows, curves.

Notes form a monoid: joining them is associative, down to the last bit, because risks are summed as
fractions. A sweep may therefore be cut anywhere, and the parts observed in any place and order.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from grokverify import records
from grokverify._curves import Series, joined
from grokverify._evidence import Comparison, Grade, Measurement, Number, Row, Truth
from grokverify._lab import drawn
from grokverify._proved import as_text
from grokverify._tally import Certificate, Decision, Tally, shelve
from grokverify._verdict import COVERAGES, Outcome

ROWS = 200  # a record keeps this many table rows
DECISIONS = 3000  # characters of compared numbers, for each named comparison ...
CERTIFICATES = 16_000  # ... and of certificates, for each check or control
Item = Comparison | Measurement | Row | Series


@dataclass
class Notes:
    """What has been seen so far. ``ended``: nothing after this counts any more."""

    hulls: dict[str, Measurement] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    curves: dict[tuple[str, str], Series] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    grade: Grade = Grade.SYMBOLIC
    spent: dict[str, Fraction] = field(default_factory=dict)  # risk, by each comparison
    risks: dict[str, Fraction] = field(default_factory=dict)  # of each hull
    cases: int = 0
    witness: dict[str, Any] | None = None  # where a comparison failed first ...
    failing: str = ""  # ... which one ...
    detail: str = ""  # ... and how; or why nothing can be said
    error: str = ""
    skipped: str = ""
    unsteady: str = ""  # a second observation of one case gave other numbers
    coverage: str = ""
    ended: bool = False
    seconds: float = 0.0
    certificates: tuple[Certificate, ...] = ()
    certified: int = 0  # how many certificates were seen, kept or not
    cheapest: tuple[float, int] | None = None  # seconds and place in the list of the cheapest case

    @property
    def risk(self) -> Fraction:
        return sum(self.spent.values(), Fraction(0))

    @property
    def comparisons(self) -> int:
        return sum(t.held + t.failed + t.undecided for t in self.tallies.values())

    def take(self, item: Item) -> None:
        """Add one item that a case has yielded."""
        if isinstance(item, Row):
            if len(self.rows) < ROWS:
                self.rows.append(item)
        elif isinstance(item, Series):
            self.curves[item.key] = joined(self.curves.get(item.key), item)
        elif isinstance(item, Measurement):
            self._measure(item)
        else:
            self._measure(item.left)
            self._certify(item.right, item.name, "bound")
            self.tallies[item.name] = _tally(self.tallies.get(item.name), _once(item))
            self.grade = min(self.grade, item.grade)
            self.spent[item.name] = self.spent.get(item.name, Fraction(0)) + Fraction(item.risk)
            if drawn.get() and not item.risk:  # else the draws are trials, and the risk counts them
                self.coverage = weaker(self.coverage, "drawn")

    def _certify(self, m: Measurement, name: str, role: str) -> None:
        if m.proof is not None:
            proof = json.loads(json.dumps(m.proof()))  # as it is read back: lists, no tuples
            made = Certificate(name, role, (as_text(m.lo), as_text(m.hi)), proof)
            self.certificates = _shelved((*self.certificates, made))
            self.certified += 1

    def _measure(self, m: Measurement) -> None:
        self._certify(m, m.name, "measured")
        self.hulls[m.name] = _hull(self.hulls.get(m.name), m)
        self.risks[m.name] = self.risks.get(m.name, Fraction(0)) + Fraction(m.risk)

    def then(self, other: Notes) -> Notes:
        """These notes, and those of the cases that come after them in order."""
        if self.ended:
            return self
        hulls, tallies, curves = dict(self.hulls), dict(self.tallies), dict(self.curves)
        risks, spent = dict(self.risks), dict(self.spent)
        failed = self if self.failing else other  # a negative control goes on after its first
        for name, m in other.hulls.items():
            hulls[name] = _hull(hulls.get(name), m)
            risks[name] = risks.get(name, Fraction(0)) + other.risks[name]
        for name, t in other.tallies.items():
            tallies[name] = _tally(tallies.get(name), t)
            spent[name] = spent.get(name, Fraction(0)) + other.spent[name]
        for key, s in other.curves.items():
            curves[key] = joined(curves.get(key), s)
        return Notes(
            hulls=hulls,
            tallies=tallies,
            rows=[*self.rows, *other.rows][:ROWS],
            curves=curves,
            undecided=self.undecided + other.undecided,
            grade=min(self.grade, other.grade),
            spent=spent,
            risks=risks,
            cases=self.cases + other.cases,
            witness=failed.witness,
            failing=failed.failing,
            detail=failed.detail,
            error=other.error,
            skipped=other.skipped,
            unsteady=self.unsteady or other.unsteady,
            coverage=weaker(self.coverage, other.coverage),
            ended=other.ended,
            seconds=self.seconds + other.seconds,
            certificates=_shelved((*self.certificates, *other.certificates)),
            certified=self.certified + other.certified,
            cheapest=min(filter(None, (self.cheapest, other.cheapest)), default=None),
        )

    def compared(self) -> tuple[Tally, ...]:
        """The tallies, each with the summed risk of its comparisons."""
        return tuple(
            replace(t, risk=min(1.0, float(self.spent[name]))) for name, t in self.tallies.items()
        )

    def constants(self) -> tuple[Measurement, ...]:
        """The hulls, each with the summed risk of all that went into it."""
        return tuple(
            replace(m, risk=min(1.0, float(self.risks[name]))) for name, m in self.hulls.items()
        )


def to_plain(notes: Notes) -> dict[str, Any]:
    """Notes as JSON values, so that another process may have made them."""
    carrier = Outcome(
        check="",
        truth=Truth.UNDECIDED,
        grade=notes.grade,
        coverage=notes.coverage or "sampled",
        cases=notes.cases,
        risk=0.0,
        tallies=tuple(notes.tallies.values()),
        constants=tuple(notes.hulls.values()),
        rows=tuple(notes.rows),
        series=tuple(notes.curves.values()),
        witness=notes.witness,
        seconds=notes.seconds,
        certificates=notes.certificates,
    )
    texts = ["failing", "detail", "error", "skipped", "unsteady", "coverage", "undecided", "ended"]
    texts += ["certified"]
    spent, risks = (
        {name: [r.numerator, r.denominator] for name, r in some.items()}
        for some in (notes.spent, notes.risks)
    )
    return {
        "seen": records.encode(carrier),
        "spent": spent,
        "risks": risks,
        "cheapest": list(notes.cheapest) if notes.cheapest else None,
        **{name: getattr(notes, name) for name in texts},
    }


def from_plain(body: dict[str, Any]) -> Notes:
    """The inverse of ``to_plain``."""
    seen = records.outcome(body["seen"])
    kept = ("seen", "spent", "risks", "cheapest")
    rest = {k: v for k, v in body.items() if k not in kept}
    return Notes(
        hulls={m.name: m for m in seen.constants},
        tallies={t.name: t for t in seen.tallies},
        rows=list(seen.rows),
        curves={s.key: s for s in seen.series},
        grade=seen.grade,
        spent={name: Fraction(*r) for name, r in body["spent"].items()},
        risks={name: Fraction(*r) for name, r in body["risks"].items()},
        cases=seen.cases,
        witness=seen.witness,
        seconds=seen.seconds,
        certificates=seen.certificates,
        cheapest=(body["cheapest"][0], body["cheapest"][1]) if body["cheapest"] else None,
        **rest,
    )


def ends(item: Item) -> list[float]:
    """Both ends of the enclosure that an item measures; nothing for rows and series."""
    if isinstance(item, Row | Series):
        return []
    m = item.left if isinstance(item, Comparison) else item
    return [_as_float(m.lo), _as_float(m.hi)]


def agree(a: list[float], b: list[float]) -> bool:
    """Whether two observations gave the same numbers, up to the last bits of floats."""
    return len(a) == len(b) and all(
        math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9) for x, y in zip(a, b, strict=True)
    )


def weaker(*coverages: str) -> str:
    """The weakest of some coverages; an empty one says nothing."""
    return min(filter(None, coverages), key=COVERAGES.index, default="")


def _shelved(certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    return shelve(
        certificates,
        CERTIFICATES,
        lambda c: json.dumps([c.of, c.role, c.value, c.proof], sort_keys=True),
    )


def _as_float(x: Number) -> float:
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def _hull(old: Measurement | None, new: Measurement) -> Measurement:
    if old is None:
        return replace(new, proof=None, power=None)
    return replace(
        old,
        lo=min(old.lo, new.lo),
        hi=max(old.hi, new.hi),
        grade=min(old.grade, new.grade),
        printed=old.printed if old.printed == new.printed else None,
    )


def _once(c: Comparison) -> Tally:
    t, decided = c.truth, _decided((Decision(c.left.lo, c.left.hi, c.right.lo, c.right.hi),))
    return Tally(
        c.name,
        c.relation,
        c.right.lo,
        c.right.hi,
        c.grade,
        held=int(t is Truth.HOLDS),
        failed=int(t is Truth.FAILS),
        undecided=int(t is Truth.UNDECIDED),
        caught=c.caught,
        decided=decided,
        left_out=1 - len(decided),
    )


def _decided(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    return shelve(
        decisions,
        DECISIONS,
        lambda d: " ".join(map(as_text, (d.lo, d.hi, d.bound_lo, d.bound_hi))),
    )


def _tally(old: Tally | None, new: Tally) -> Tally:
    if old is None:
        return new
    if old.relation != new.relation:
        raise ValueError(
            f"two comparisons are called {new.name!r}, one with {old.relation} and one with "
            f"{new.relation}. A control that fells one of them would speak for both: give each a "
            "name of its own."
        )
    caught = [c for c in (old.caught, new.caught) if c is not None]
    worst = max if new.relation == "<=" else min
    decided = _decided((*old.decided, *new.decided))
    total = sum(t.held + t.failed + t.undecided for t in (old, new))
    return replace(
        old,
        bound_lo=min(old.bound_lo, new.bound_lo),
        bound_hi=max(old.bound_hi, new.bound_hi),
        grade=min(old.grade, new.grade),
        held=old.held + new.held,
        failed=old.failed + new.failed,
        undecided=old.undecided + new.undecided,
        caught=worst(caught) if caught else None,
        decided=decided,
        left_out=total - sum(d.count for d in decided),
    )
