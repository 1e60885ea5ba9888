"""Run one check or control over its domain, and collect what it saw."""

from __future__ import annotations

import copy
import math
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from grokverify._adversary import attack
from grokverify._claim import Check
from grokverify._evidence import Comparison, Grade, Truth
from grokverify._lab import Lab, drawn
from grokverify._notes import Item, Notes, agree, ends, weaker
from grokverify._plan import CHEAP, Unit
from grokverify._settings import restored, settings
from grokverify.memory import is_out_of_memory, release


class Skip(Exception):
    """Raise inside a check that needs a device or an effort which this run lacks."""


class _Refuted(Exception):
    """Ends a case at its first failing comparison; Hypothesis shrinks the case."""

    def __init__(self, case: dict[str, Any], lab: Lab, comparison: Comparison) -> None:
        super().__init__(str(comparison))
        self.case, self.lab, self.comparison = case, lab, comparison


class _Settled(BaseException):
    """Ends a sweep at once, past Hypothesis: nothing more is to be learnt from it."""


def observe_case(check: Check, lab: Lab, case: dict[str, Any]) -> Iterator[Item]:
    """The items one case yields, each checked to be of a kind that a check may yield."""
    seen = check.observe(lab, **copied(case))
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


def copied(case: dict[str, Any]) -> dict[str, Any]:
    """The case anew, so that a check that changes what it is given changes no later observation."""
    try:
        return copy.deepcopy(case)
    except Exception:  # what cannot be copied, a module or an open file, is shared
        return dict(case)


_NO_ROOM = (
    "(Out of memory: put the heavy step into grokverify.memory.in_batches, which goes on with "
    "smaller batches, or make the case smaller at this profile.)"
)
_HOW_TO_YIELD = (
    "A check is a generator: it yields comparisons such as exact('rank', r).equals(n) or "
    "approx('defect', d).at_most(1e-9), measurements, row(...) and series(...)."
)


def sweep(check: Check, lab: Lab, unit: Unit, own: Check | None = None) -> Notes:
    """Observe the cases of a unit in order.

    Ends at the first failing case; a negative control, at the first case by which it has felled
    every comparison that the unit says is standing. ``own`` is the check that it breaks.
    """
    since, notes, full = time.perf_counter(), Notes(), False
    observed, outer, before = _Observed(check, lab, unit, notes, own), drawn.get(), settings()
    try:
        drawn.set(False)
        domain = check.cases(lab)
        notes.coverage = weaker(check.reach(domain), "drawn" if drawn.get() else "")
        # An empty list chosen by the lab is vacuous.
        if domain or not callable(check.domain):
            observed.drive(domain)
            if own and check.must == "hold" and time.perf_counter() - since <= CHEAP:
                notes.unsteady = _holds_now(own, lab, unit, domain, check)
    except _Refuted as e:
        notes.ended, notes.witness = True, e.case
        notes.failing, notes.detail = e.comparison.name, str(e.comparison)
        if not check.must:
            notes.unsteady = _not_again(check, e)
    except _Settled:
        notes.ended = True
    except Skip as e:
        notes.ended, notes.skipped = True, str(e)
    except (Unsatisfiable, FailedHealthCheck) as e:
        notes.ended = True
        if not notes.failing:
            notes.detail = f"vacuous: {_first_line(e)}"
    except Exception as e:
        notes.ended = True
        notes.error = "".join(traceback.format_exception(e, limit=-3))
        full = is_out_of_memory(e)
    if full:  # the exception is gone, and with it the frames that held the tensors
        release()
        notes.error = f"{notes.error.rstrip()} {_NO_ROOM}\n"
    if not notes.ended and not check.must and (unit.whole or unit.again):
        observed.again(math.inf if unit.again else max(CHEAP, (time.perf_counter() - since) / 5))
    if moved := restored(before):
        notes.error = notes.error or (
            f"{check.name!r} changed {' and '.join(moved)}, on which other checks depend. It was "
            "set back. Pass dtypes and the like explicitly, or restore what you change."
        )
    notes.seconds = time.perf_counter() - since
    drawn.set(outer)
    return notes


def case_lab(check: Check, lab: Lab, case: dict[str, Any], domain: Any) -> Lab:
    """The lab of one case: its own streams, and an equal part of the check's risk.

    Equal parts, fixed before anything runs: neither the order of the cases nor what else is run
    changes a number, so that a case replays and a sweep may be cut into blocks.
    """
    parts = lab.cases if isinstance(domain, Mapping) else max(1, len(domain))
    return replace(lab.at(case), alpha=lab.alpha / parts)


class _Observed:
    """The cases of one unit, as they are observed."""

    def __init__(self, check: Check, lab: Lab, unit: Unit, notes: Notes, own: Check | None) -> None:
        self.check, self.lab, self.unit, self.notes, self.own = check, lab, unit, notes, own
        self._domain: Any = ()
        self._passed: set[str] = set()
        self._cheapest: tuple[float, Lab, dict[str, Any], list[float]] | None = None

    def drive(self, domain: Any) -> None:
        """Observe the sampled cases, or the listed ones that are the unit's."""
        self._domain = domain
        if isinstance(domain, Mapping):
            key = int(self.lab.generator("hypothesis").integers(2**63))
            shrink = not self.check.must
            attack(self._take, domain, seed=key, cases=self.lab.cases, shrink=shrink)
            return
        cases: tuple[dict[str, Any], ...] = domain or ({},)
        # Told apart before the cut, so that no block observes what another one has.
        listed: dict[str, dict[str, Any]] = {}
        for case in cases:
            if listed.setdefault(self.lab.at(case).path[-1], case) != case:
                raise ValueError(
                    f"check {self.check.name!r} lists two cases that read alike, {case}. Cases are "
                    "told apart by their JSON text: use numbers, strings and lists."
                )
        for index, case in list(enumerate(listed.values()))[self.unit.start : self.unit.stop]:
            since = time.perf_counter()
            self._take(**case)
            cost = time.perf_counter() - since
            self.notes.cheapest = min(self.notes.cheapest or (cost, index), (cost, index))

    def _take(self, **case: Any) -> None:
        place = case_lab(self.check, self.lab, case, self._domain)
        if place.path[-1] in self._passed:
            return  # drawn again: the same streams would only give the same numbers
        since, before = time.perf_counter(), self.notes.comparisons
        drawn.set(False)
        if self.check.must == "fail":
            self._negative(place, case, since)
        else:
            numbers = _observe(self.check, place, case, self.notes)
            cost = time.perf_counter() - since
            if self._cheapest is None or cost < self._cheapest[0]:
                self._cheapest = (cost, place, case, numbers)
        # A case in which nothing was compared is no evidence, and is not counted as such.
        self.notes.cases += self.notes.comparisons > before
        self._passed.add(place.path[-1])

    def _negative(self, place: Lab, case: dict[str, Any], since: float) -> None:
        """Observe a case of a negative control, and where that fells something the check itself.

        The check held there before. If it does not now, then it was no ingredient that made the
        difference, but something that an observation left behind.
        """
        before = {name for name, t in self.notes.tallies.items() if t.failed}
        standing = set(self.unit.standing)
        _observe_negative(self.check, place, case, self.notes)
        felled = {name for name, t in self.notes.tallies.items() if t.failed}
        cheap = time.perf_counter() - since <= CHEAP
        if self.own is not None and not self.notes.unsteady and felled - before and cheap:
            for name in sorted(felled - before):
                if _confirmed(self.own, place, case, name):
                    self.notes.unsteady = (
                        f"not reproducible: after {self.check.name!r} the check itself fails, "
                        f"{name!r} at {case}. Keep no state between observations."
                    )
        if felled and not standing - felled:
            self.notes.cases += 1
            raise _Settled

    def again(self, most: float) -> None:
        """Observe the cheapest case once more: the numbers of a check repeat, or it is unseeded.

        Left out where it takes more than ``most`` seconds.
        """
        if self._cheapest is None or self._cheapest[0] > most:
            return
        _, place, case, numbers = self._cheapest
        try:
            second = [x for item in observe_case(self.check, place, case) for x in ends(item)]
        except Exception as e:
            self.notes.unsteady = f"not reproducible: at {case} the second observation raised {e!r}"
            return
        if not agree(second, numbers):
            self.notes.unsteady = (
                f"not reproducible: two observations of {case} gave different numbers. Draw every "
                "random number from the lab, by name, and keep no state between observations."
            )


def _observe(check: Check, lab: Lab, case: dict[str, Any], notes: Notes) -> list[float]:
    """Take what one case yields, and return its numbers."""
    numbers: list[float] = []
    for item in observe_case(check, lab, case):
        notes.take(item)
        numbers += ends(item)
        if not isinstance(item, Comparison):
            continue
        if item.truth is Truth.UNDECIDED:
            notes.undecided.append(f"{item} at {case}")
        elif item.truth is Truth.FAILS:
            if item.grade is not Grade.STATISTICAL:
                raise _Refuted(case, lab, item)
            # Never shrunk: a smaller case is another random event. Confirmed on fresh streams.
            if _confirmed(check, lab.at("confirm"), case, item.name):
                notes.witness, notes.failing, notes.detail = case, item.name, str(item)
            else:
                notes.undecided.append(f"{item} at {case}, but not on fresh streams")
            raise _Settled
    return numbers


def _not_again(check: Check, e: _Refuted) -> str:
    """Why a failure counts for nothing: observed once more, the case does not fail."""
    try:
        if _confirmed(check, e.lab, e.case, e.comparison.name):
            return ""
        what = "did not fail"
    except Exception as error:
        what = f"raised {error!r}"
    return (
        f"not reproducible: {e.comparison} at {e.case}, but a second observation {what}. Draw "
        "every random number from the lab, by name, and keep no state between observations."
    )


def _holds_now(own: Check, lab: Lab, unit: Unit, domain: Any, control: Check) -> str:
    """Why a positive control that held counts for nothing: the check itself no longer fails."""
    if not unit.whole:
        return ""  # what it failed at may be in another block
    try:
        _Observed(replace(own, must="hold"), lab, unit, Notes(), None).drive(domain)
    except (_Refuted, _Settled, Exception):
        return ""
    return (
        f"not reproducible: after {control.name!r} the check itself fails no longer. Keep no state "
        "between observations."
    )


def _confirmed(check: Check, lab: Lab, case: dict[str, Any], name: str) -> bool:
    for item in observe_case(check, lab, case):
        if isinstance(item, Comparison) and item.name == name and item.truth is Truth.FAILS:
            return True
    return False


def _observe_negative(check: Check, lab: Lab, case: dict[str, Any], notes: Notes) -> None:
    for item in observe_case(check, lab, case):
        notes.take(item)
        if isinstance(item, Comparison) and item.truth is Truth.FAILS and not notes.failing:
            notes.witness, notes.failing, notes.detail = case, item.name, str(item)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
