"""What the notes of one check or control come to."""

from __future__ import annotations

from grokverify._claim import Check
from grokverify._evidence import Grade, Truth
from grokverify._notes import Notes
from grokverify._verdict import Outcome


def outcome(check: Check, notes: Notes) -> Outcome:
    """What all the notes of one check or control come to."""
    truth, detail, error = Truth.UNDECIDED, notes.detail, notes.error
    if notes.failing:
        truth = Truth.FAILS
    elif not (error or notes.skipped or detail):
        truth, detail = _settle(check, notes)
    if truth is not Truth.UNDECIDED and not check.must:  # of controls, fold() decides
        error = error or notes.unsteady
    return Outcome(
        check=check.name,
        truth=truth,
        grade=notes.grade if notes.tallies else Grade.EMPIRICAL,
        coverage=notes.coverage or "sampled",
        cases=notes.cases + (notes.witness is not None and check.must != "fail"),
        risk=float(notes.risk),
        breaks=check.breaks,
        clause=check.clause,
        must=check.must,
        tallies=notes.compared(),
        constants=notes.constants(),
        rows=tuple(notes.rows),
        series=tuple(notes.curves.values()),
        witness=notes.witness,
        failing=notes.failing,
        detail=detail,
        error=error,
        skipped=notes.skipped,
        seconds=notes.seconds,
        certificates=notes.certificates,
        uncertified=notes.certified - sum(c.count for c in notes.certificates),
    )


def _settle(check: Check, notes: Notes) -> tuple[Truth, str]:
    if not notes.tallies:
        return Truth.UNDECIDED, (
            "vacuous: nothing was compared. Yield at least one comparison in some case, and see "
            "that the domain is not empty."
        )
    if notes.undecided:
        more = len(notes.undecided) - 1
        return Truth.UNDECIDED, notes.undecided[0] + (f" (and {more} more)" if more else "")
    if check.names and check.names not in notes.hulls:
        return Truth.UNDECIDED, (
            f"a check of this kind must measure {check.names!r}, but nothing of that name was "
            "yielded."
        )
    return Truth.HOLDS, ""
