"""Run one check or control over its domain, and collect what it saw."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from grokverify._adversary import attack
from grokverify._claim import Check
from grokverify._evidence import Comparison, Grade, Truth
from grokverify._lab import Lab
from grokverify._notes import Item, Notes
from grokverify._verdict import Outcome


class Skip(Exception):
    """Raise inside a check that needs a device or an effort which this run lacks."""


class _Refuted(Exception):
    """Ends a case at its first failing comparison; Hypothesis shrinks the case."""

    def __init__(self, case: dict[str, Any], comparison: Comparison) -> None:
        super().__init__(str(comparison))
        self.case, self.comparison = case, comparison


class _Settled(BaseException):
    """Ends a sweep at once, past Hypothesis: nothing more is to be learnt from it."""


def observe_case(check: Check, lab: Lab, case: dict[str, Any]) -> Iterator[Item]:
    """The items one case yields, each checked to be of a kind that a check may yield."""
    seen = check.observe(lab, **case)
    if not hasattr(seen, "__iter__"):
        raise TypeError(f"check {check.name!r} returned {type(seen).__name__}. {_HOW_TO_YIELD}")
    spent = 0.0
    for item in seen:
        if not isinstance(item, Item):
            raise TypeError(f"check {check.name!r} yielded {type(item).__name__}. {_HOW_TO_YIELD}")
        if isinstance(item, Comparison):
            spent += item.risk
            if spent > lab.alpha * (1 + 1e-9):
                raise ValueError(
                    f"check {check.name!r} spends risk {spent:.2g} in one case, over its budget "
                    f"{lab.alpha:.2g}. Give the k-th random comparison lab.share(k)."
                )
        yield item


_HOW_TO_YIELD = (
    "A check is a generator: it yields comparisons such as exact('rank', r).equals(n) or "
    "approx('defect', d).at_most(1e-9), measurements, row(...) and series(...)."
)


def sweep(check: Check, lab: Lab, *, standing: set[str] | None = None) -> Outcome:
    """Observe every case. ``standing``: comparisons that a negative control has yet to fell."""
    start, notes = time.perf_counter(), Notes()
    truth, witness, failing, detail = Truth.HOLDS, None, "", ""
    error = skipped = coverage = ""
    try:
        domain = check.cases(lab)
        coverage = check.coverage or _coverage(domain)
        if domain or not callable(check.domain):  # an empty list chosen by the lab is vacuous
            _drive(check, lab, domain, notes, standing)
    except _Refuted as e:
        truth, witness, failing, detail = Truth.FAILS, e.case, e.comparison.name, str(e.comparison)
    except _Settled:
        pass
    except Skip as e:
        truth, skipped = Truth.UNDECIDED, str(e)
    except Exception as e:
        if isinstance(e, Unsatisfiable | FailedHealthCheck):
            truth, detail = Truth.UNDECIDED, f"vacuous: {_first_line(e)}"
        else:
            truth, error = Truth.UNDECIDED, "".join(traceback.format_exception(e, limit=-3))
    if notes.first is not None:  # a negative control that failed somewhere
        witness, failing = notes.first[0], notes.first[1].name
        truth, detail = Truth.FAILS, str(notes.first[1])
    elif truth is Truth.HOLDS:
        truth, detail = _settle(check, notes)
        error = _repeats(check, notes, time.perf_counter() - start) if not check.must else ""
    return Outcome(
        check=check.name,
        truth=truth,
        grade=notes.grade if notes.tallies else Grade.EMPIRICAL,
        coverage=coverage or "sampled",
        cases=notes.cases + (witness is not None and check.must != "fail"),
        risk=notes.risk,
        breaks=check.breaks,
        clause=check.clause,
        must=check.must,
        tallies=tuple(notes.tallies.values()),
        constants=tuple(notes.hulls.values()),
        rows=tuple(notes.rows),
        series=tuple(notes.curves.values()),
        witness=witness,
        failing=failing,
        detail=detail,
        error=error,
        skipped=skipped,
        seconds=time.perf_counter() - start,
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


def _repeats(check: Check, notes: Notes, spent: float) -> str:
    """Observe the cheapest case once more: other numbers mean that it does not draw from the lab.

    Left out where that would add more than a fifth to the cost of a check that is not cheap.
    """
    if notes.cheapest is None or notes.cheapest[0] > max(0.2, spent / 5):
        return ""
    _, lab, case, numbers = notes.cheapest
    again = Notes()
    try:
        for item in observe_case(check, lab, case):
            again.take(item)
    except Exception as e:
        return f"not reproducible: at {case} the second observation raised {e!r}"
    if again.agrees(numbers):
        return ""
    return (
        f"not reproducible: two observations of {case} gave different numbers. Draw every random "
        "number from the lab, by name, and keep no state between observations."
    )


def case_lab(check: Check, lab: Lab, case: dict[str, Any], domain: Any) -> Lab:
    """The lab of one case: its own streams, and an equal part of the check's risk.

    Equal parts, fixed before anything runs: neither the order of the cases nor what else is run
    changes a number, so that a case replays and a sweep may be cut into blocks.
    """
    parts = lab.cases if isinstance(domain, Mapping) else max(1, len(domain))
    return replace(lab.at(case), alpha=lab.alpha / parts)


def _drive(check: Check, lab: Lab, domain: Any, notes: Notes, standing: set[str] | None) -> None:
    passed: set[str] = set()

    def observe(**case: Any) -> None:
        place = case_lab(check, lab, case, domain)
        if place.path[-1] in passed:
            return  # drawn again: the same streams would only give the same numbers
        if check.must == "fail":
            _observe_negative(check, place, case, notes, standing or set())
        else:
            start, before = time.perf_counter(), len(notes.numbers)
            _observe(check, place, case, notes)
            cost = time.perf_counter() - start
            if notes.cheapest is None or cost < notes.cheapest[0]:
                notes.cheapest = (cost, place, case, notes.numbers[before:])
        notes.cases += 1
        passed.add(place.path[-1])

    if isinstance(domain, Mapping):
        key = int(lab.generator("hypothesis").integers(2**63))
        attack(observe, domain, seed=key, cases=lab.cases, shrink=not check.must)
        return
    cases: tuple[dict[str, Any], ...] = domain or ({},)
    for case in cases:
        observe(**case)


def _observe(check: Check, lab: Lab, case: dict[str, Any], notes: Notes) -> None:
    for item in observe_case(check, lab, case):
        notes.take(item)
        if not isinstance(item, Comparison):
            continue
        if item.truth is Truth.UNDECIDED:
            notes.undecided.append(f"{item} at {case}")
        elif item.truth is Truth.FAILS:
            if item.grade is Grade.STATISTICAL:
                # Never shrunk: a smaller case is another random event. Confirmed on fresh streams.
                if _confirmed(check, lab.at("confirm"), case, item.name):
                    notes.first = (case, item)
                else:
                    notes.undecided.append(f"{item} at {case}, but not on fresh streams")
                raise _Settled
            raise _Refuted(case, item)


def _confirmed(check: Check, lab: Lab, case: dict[str, Any], name: str) -> bool:
    for item in observe_case(check, lab, case):
        if isinstance(item, Comparison) and item.name == name and item.truth is Truth.FAILS:
            return True
    return False


def _observe_negative(
    check: Check, lab: Lab, case: dict[str, Any], notes: Notes, standing: set[str]
) -> None:
    for item in observe_case(check, lab, case):
        notes.take(item)
        if isinstance(item, Comparison) and item.truth is Truth.FAILS:
            notes.first = notes.first or (case, item)
    felled = {name for name, t in notes.tallies.items() if t.failed}
    if felled and not standing - felled:
        notes.cases += 1
        raise _Settled


def _coverage(domain: Any) -> str:
    return "sampled" if isinstance(domain, Mapping) else "exhaustive" if domain else "universal"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
