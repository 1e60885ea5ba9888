"""How two runs differ: verdicts, constants, assumptions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from grokverify._evidence import Grade, Measurement
from grokverify._verdict import Record, Verdict

KINDS = (  # of differences, the most important first
    "new refutation",
    "verdict",
    "removed",
    "disjoint constant",
    "constant",
    "assumptions",
    "statement",
    "added",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which two runs differ; ``regression`` makes ``grokverify diff`` exit with 1."""

    claim: str
    what: str
    regression: bool
    kind: str


def diff(old: Iterable[Record], new: Iterable[Record]) -> list[Difference]:
    """What changed between two runs: regressions first, then in the order of ``KINDS``.

    Exact and symbolic constants must agree exactly, statistical ones must agree for equal seed
    and effort or overlap, empirical ones up to 1e-6 relative and 1e-9 absolute.
    """
    before, after = ({r.claim: r for r in run} for run in (old, new))
    found = []
    for claim in sorted(set(before) | set(after)):
        a, b = before.get(claim), after.get(claim)
        if a is None or b is None:
            kind = "added" if a is None else "removed"
            found.append(Difference(claim, kind, b is None, kind))
            continue
        if a.verdict is not b.verdict:
            what = f"verdict {a.verdict.value} -> {b.verdict.value}"
            kind = "new refutation" if b.verdict is Verdict.REFUTED else "verdict"
            found.append(Difference(claim, what, not b.as_expected, kind))
        if (a.hypotheses, a.assumes) != (b.hypotheses, b.assumes):
            what = "its hypotheses or assumptions changed"
            found.append(Difference(claim, what, False, "assumptions"))
        if a.statement != b.statement:
            found.append(Difference(claim, "its statement changed", False, "statement"))
        for what, hard in _constants(a, b):
            kind = "disjoint constant" if hard else "constant"
            found.append(Difference(claim, what, hard, kind))
    return sorted(found, key=lambda d: (not d.regression, KINDS.index(d.kind), d.claim, d.what))


def _constants(a: Record, b: Record) -> Iterable[tuple[str, bool]]:
    theirs = {(o.check, m.name): m for o in b.checks for m in o.constants}
    for o in a.checks:
        for m in o.constants:
            n = theirs.get((o.check, m.name))
            if n is not None and _apart(m, n):
                yield f"{o.check}: {m} -> {n}", m.hi < n.lo or n.hi < m.lo


def _apart(m: Measurement, n: Measurement) -> bool:
    if m.grade is Grade.EMPIRICAL or n.grade is Grade.EMPIRICAL:
        pairs = ((float(m.lo), float(n.lo)), (float(m.hi), float(n.hi)))
        return not all(math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9) for x, y in pairs)
    if m.grade in (Grade.STATISTICAL, Grade.CERTIFIED):
        return bool(m.hi < n.lo or n.hi < m.lo)
    return (m.lo, m.hi) != (n.lo, n.hi)
