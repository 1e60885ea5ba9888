"""What follows from the outcomes of checks and controls: pure folds over plain data."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from grokverify._curves import Series
from grokverify._evidence import Grade, Measurement, Row, Truth
from grokverify._tally import Certificate as Certificate, Tally as Tally, power_told as power_told


class Verdict(enum.Enum):
    VERIFIED = "verified"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    SKIPPED = "skipped"


SEVERITIES = {  # of a statement that is false as printed
    "S0": "a headline result falls",
    "S1": "a lemma or a constant is false, and can be mended",
    "S2": "a step of a proof fails, and the statement stands",
    "S3": "a slip",
}
# How much of a quantifier was tried, weakest first. "drawn": the listed cases, with random data.
COVERAGES = ("asymptotic", "existential", "sampled", "drawn", "exhaustive", "universal")


@dataclass(frozen=True)
class Outcome:
    """What one check, or one control, came to.

    ``must`` is "" for a check, "fail" for a negative and "hold" for a positive control, and
    ``breaks`` names the check that a control belongs to. ``certificates`` are witnesses of exact
    and certified numbers, the shortest first, as far as a record has room; ``uncertified`` counts
    those left out.
    """

    check: str
    truth: Truth
    grade: Grade
    coverage: str
    cases: int
    risk: float
    breaks: str = ""
    must: str = ""
    tallies: tuple[Tally, ...] = ()
    constants: tuple[Measurement, ...] = ()
    rows: tuple[Row, ...] = ()
    series: tuple[Series, ...] = ()
    witness: dict[str, Any] | None = None
    failing: str = ""
    detail: str = ""
    error: str = ""
    skipped: str = ""
    clause: str = ""  # the part of the statement that the check bears on; the whole where empty
    covers_witness_of: tuple[str, ...] = ()
    seconds: float = 0.0
    certificates: tuple[Certificate, ...] = ()
    uncertified: int = 0

    @property
    def felled(self) -> tuple[str, ...]:
        """Names of the comparisons that failed in some case."""
        return tuple(t.name for t in self.tallies if t.failed)

    @property
    def witnessed(self) -> tuple[str, ...]:
        """Names of the comparisons with a certificate that an audit checks; others have numbers."""
        carried = {c.of for c in self.certificates if c.proof["kind"] != "digest"}
        return tuple(t.name for t in self.tallies if t.name in carried)

    @property
    def as_wanted(self) -> bool:
        return self.truth is (Truth.FAILS if self.must == "fail" else Truth.HOLDS)


@dataclass(frozen=True)
class Record:
    """All that is known about one claim after one run; plain data, one JSON line."""

    claim: str
    title: str
    statement: str
    source: dict[str, str]
    origin: str
    expect: Verdict
    verdict: Verdict
    reason: str
    checks: tuple[Outcome, ...]
    controls: tuple[Outcome, ...]
    lab: dict[str, Any]
    seconds: float
    hypotheses: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    sharpens: tuple[str, ...] = ()
    corrects: tuple[str, ...] = ()
    gap: str = ""
    severity: str = ""  # one of SEVERITIES, for a statement that is false as printed
    ref: str = ""
    source_sha256: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    schema: int = 1

    @property
    def as_expected(self) -> bool:
        return self.verdict is self.expect

    @property
    def strongest(self) -> Outcome | None:
        """The one check whose grade x coverage the badge shows; never the best of each.

        The best check of the whole statement; where all bear on a clause, the best one of the
        weakest clause. A refuted claim falls with any of its clauses.
        """

        def strength(o: Outcome) -> tuple[int, int]:
            return o.grade, COVERAGES.index(o.coverage)

        if self.verdict is Verdict.REFUTED:
            failed = [o for o in self.checks if o.truth is Truth.FAILS]
            return max(failed, key=strength, default=None)
        decided = [o for o in self.checks if o.truth is not Truth.UNDECIDED]
        clauses = {o.clause for o in decided}
        shown = {""} if "" in clauses else clauses
        best = [max((o for o in decided if o.clause == c), key=strength) for c in sorted(shown)]
        return min(best, key=strength, default=None) if decided else None

    @property
    def risk(self) -> float:
        """A bound on the chance that a random comparison behind this verdict is wrong."""
        return sum(o.risk for o in self.checks)

    def explain(self) -> str:
        """The verdict in a few lines of plain text."""
        best = self.strongest
        how = f" ({best.grade.name.lower()}, {best.coverage})" if best else ""
        lines = [f"{self.verdict.value}{how}: {self.claim}"]
        if not self.as_expected:
            lines.append(f"  expected {self.expect.value}")
        if self.reason:
            lines.append(f"  {self.reason}")
        for o in self.checks:
            lines.append(f"  {o.check}: {o.truth.value}, {o.coverage}, {o.cases} cases")
            lines += [f"    {m}" for m in o.constants]
            lines += [f"    {name}: with a certificate" for name in o.witnessed]
            lines += [f"    {t.name}: {power_told(t)}" for t in o.tallies if t.caught is not None]
        for o in self.controls:
            lines.append(f"  control {o.check}: {o.truth.value}{' (as wanted)' * o.as_wanted}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from grokverify.report import card

        return card(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """A terminal session of IPython shows the few lines of ``explain``, not every field."""
        printer.text(self.explain())


def judge(checks: Sequence[Outcome], controls: Sequence[Outcome]) -> tuple[Verdict, str]:
    """Fold the outcomes into a verdict and the reason for it."""
    for o in (*checks, *controls):
        if o.error:
            return Verdict.ERROR, f"{o.check}: {_last_line(o.error)}"
    failed = [o for o in checks if o.truth is Truth.FAILS]
    if failed:
        return _judge_refuted(failed, checks, controls)
    for o in (*checks, *controls):
        if o.skipped:
            return Verdict.SKIPPED, f"{o.check}: {o.skipped}"
    for o in checks:
        if o.truth is Truth.UNDECIDED:
            return Verdict.INCONCLUSIVE, f"{o.check}: {o.detail}"
    for o in checks:
        against = [c for c in controls if c.breaks == o.check and c.must == "fail"]
        if not against:
            return Verdict.INCONCLUSIVE, _TOOTHLESS_NONE.format(check=o.check)
        felled = {name for c in against for name in c.felled}
        for t in o.tallies:
            if t.name not in felled:
                return Verdict.INCONCLUSIVE, _TOOTHLESS_STANDS.format(check=o.check, name=t.name)
    wrong = [c for c in controls if not c.as_wanted]
    if wrong:
        return Verdict.INCONCLUSIVE, _misbehaved(wrong[0])
    return Verdict.VERIFIED, ""


def _judge_refuted(
    failed: Sequence[Outcome], checks: Sequence[Outcome], controls: Sequence[Outcome]
) -> tuple[Verdict, str]:
    worst = max(failed, key=lambda o: o.grade)
    why = f"{worst.check}: {worst.detail} at {_case(worst.witness)}"
    for o in checks:
        if o.truth is Truth.HOLDS and o.grade > worst.grade and worst.check in o.covers_witness_of:
            return Verdict.INCONCLUSIVE, (
                f"the checks disagree: {why}, while {o.check} holds there at a higher grade. "
                "One of the two is wrong: replay the witness."
            )
    for o in failed:
        backing = [c for c in controls if c.breaks == o.check and c.must == "hold"]
        if not any(t.name == o.failing for c in backing for t in c.tallies):
            return Verdict.INCONCLUSIVE, f"{why}. {_TOOTHLESS_POSITIVE.format(check=o.check)}"
    wrong = [c for c in controls if not c.as_wanted and c.breaks in {o.check for o in failed}]
    if wrong:
        return Verdict.INCONCLUSIVE, f"{why}. {_misbehaved(wrong[0])}"
    return Verdict.REFUTED, why


def amended(records: Iterable[Record]) -> dict[str, str]:
    """Refuted claims that a verified claim corrects: printed id -> corrected id.

    "Refuted as printed, corrected form verified" is a relation of two records, not a verdict; it
    counts only where the target is refuted and the correction verified.
    """
    records = list(records)
    refuted = {r.claim for r in records if r.verdict is Verdict.REFUTED}
    return {
        old: r.claim
        for r in records
        if r.verdict is Verdict.VERIFIED
        for old in r.corrects
        if old in refuted
    }


_TOOTHLESS_NONE = (
    "toothless: no negative control shows that {check!r} can fail. Add {check}.but(...) with one "
    "ingredient slightly wrong to the claim's controls."
)
_TOOTHLESS_STANDS = (
    "toothless: no negative control of {check!r} fells the comparison {name!r}. Add a control that "
    "breaks it, or yield it as a measurement without a bound."
)
_TOOTHLESS_POSITIVE = (
    "toothless: nothing shows that this comparison of {check!r} could hold, so the fault may lie "
    "in the check. Add {check}.but(ingredient=corrected).must_hold() to the claim's controls."
)


def _misbehaved(control: Outcome) -> str:
    wanted = "fail" if control.must == "fail" else "hold"
    return (
        f"toothless: the control {control.check!r} had to {wanted} but came out "
        f"{control.truth.value}. {control.detail}".rstrip()
    )


def _case(witness: dict[str, Any] | None) -> str:
    if not witness:
        return "the only case"
    return ", ".join(f"{k}={v}" for k, v in witness.items())


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "unknown error"
