"""The one execution path: ``verify(claim, lab) -> Record``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from grokverify._claim import Check, Claim
from grokverify._evidence import Comparison, Grade, Truth
from grokverify._lab import Lab
from grokverify._machine import describe
from grokverify._notes import Notes
from grokverify._outcome import outcome
from grokverify._plan import Course, Plan, Unit
from grokverify._sources import source_hash as source_hash
from grokverify._sweep import case_lab, observe_case, sweep
from grokverify._verdict import Outcome, Record, Verdict, judge


def verify(claim: Claim, lab: Lab, *, ref: str = "") -> Record:
    """Run every check and control of a claim and fold them into a record.

    Never raises for what happens inside a check: an exception there becomes the verdict ERROR.

    Args:
        claim: what to verify.
        lab: where and how hard; the random streams are rooted in its seed and the claim's id.
        ref: "module:name" or "file.py:name", kept in the record so that it can be replayed.
    """
    course = Course(plan(claim, lab))
    while units := course.ready():
        for unit in units:
            course.put(unit, observe(claim, lab, unit))
    return fold(claim, lab, course.seen(), ref=ref)


def plan(claim: Claim, lab: Lab, parts: int = 1) -> Plan:
    """The units of a claim: every check and positive control, listed cases cut into ``parts``."""
    blocks: list[Unit] = []
    for one in (*claim.checks, *claim.controls):
        if one.must != "fail":
            blocks += [Unit(one.name, a, b) for a, b in _cuts(one, place(claim, lab, one), parts)]
    chains = tuple(
        (
            own.name,
            tuple(c.name for c in claim.controls if c.breaks == own.name and c.must == "fail"),
        )
        for own in claim.checks
    )
    return Plan(tuple(blocks), chains)


def observe(claim: Claim, lab: Lab, unit: Unit) -> Notes:
    """What the cases of one unit show. Depends on nothing that another unit has done."""
    check = named(claim, unit.name)
    with warnings.catch_warnings():
        # A front end that turns warnings into errors may not turn a verdict with them.
        warnings.simplefilter("default")
        own = named(claim, check.breaks) if check.must else None
        return sweep(check, place(claim, lab, check), unit, own)


def fold(claim: Claim, lab: Lab, seen: Mapping[str, Notes], *, ref: str = "") -> Record:
    """The record that follows from the notes of every check and control, by name."""
    checks = [outcome(c, seen[c.name]) for c in claim.checks]
    # What a control left behind matters where the check came out as the control should not.
    telling = {(o.check, {"holds": "fail", "fails": "hold"}.get(o.truth.value)) for o in checks}
    controls = [
        replace(o, error=o.error or seen[c.name].unsteady * ((c.breaks, c.must) in telling))
        for c in _in_order(claim)
        for o in [outcome(c, seen[c.name])]
    ]
    checks = [
        replace(o, covers_witness_of=_covered(c.cases(place(claim, lab, c)), o, checks))
        if o.truth is Truth.HOLDS
        else o
        for c, o in zip(claim.checks, checks, strict=True)
    ]
    verdict, reason = judge(checks, controls)
    return Record(
        claim=claim.id,
        title=claim.title or claim.id,
        statement=claim.statement,
        source=asdict(claim.source),
        origin=claim.origin,
        expect=claim.expected(lab.profile),
        verdict=verdict,
        reason=reason,
        checks=tuple(checks),
        controls=tuple(controls),
        lab=asdict(lab),
        seconds=sum(o.seconds for o in (*checks, *controls)),
        hypotheses=claim.hypotheses,
        assumes=claim.assumes,
        uses=claim.uses,
        sharpens=claim.sharpens,
        corrects=claim.corrects,
        gap=claim.gap,
        severity=claim.severity,
        ref=ref,
        source_sha256=source_hash(claim),
        machine=describe(lab.device),
    )


def place(claim: Claim, lab: Lab, check: Check) -> Lab:
    """The lab of a check: its streams and its risk. A control has those of its check."""
    names = [own.name for own in claim.checks]
    k = names.index(check.breaks or check.name)
    return replace(lab.at(claim.id).at(names[k]), alpha=lab.share(k + 1))


def named(claim: Claim, name: str) -> Check:
    """The check or control of that name.

    Raises:
        LookupError: there is none; the message lists those there are.
    """
    for check in (*claim.checks, *claim.controls):
        if check.name == name:
            return check
    names = ", ".join(repr(c.name) for c in (*claim.checks, *claim.controls))
    raise LookupError(f"{claim.id} has no check called {name!r}. It has: {names}.")


def _in_order(claim: Claim) -> list[Check]:
    """The controls, those of the first check first."""
    return [c for own in claim.checks for c in claim.controls if c.breaks == own.name]


def _cuts(check: Check, lab: Lab, parts: int) -> list[tuple[int, int | None]]:
    """Where to cut the listed cases of a check; one piece where they are sampled, or too few."""
    try:
        domain = check.cases(lab)
    except Exception:
        return [(0, None)]  # the unit itself will say so
    n = 1 if isinstance(domain, Mapping) else len(domain)
    parts = max(1, min(parts, n))
    ends = [n * k // parts for k in range(1, parts)]
    return list(zip([0, *ends], [*ends, None], strict=True))


def failed(ref: str, lab: Lab, why: str, trace: str, *, claim: str = "") -> Record:
    """The record of a claim that could not even be loaded, or whose process was lost.

    Args:
        claim: its id, where that is known; else the reference stands for it.
    """
    outcome = Outcome(
        "load", Truth.UNDECIDED, Grade.EMPIRICAL, "universal", cases=0, risk=0.0, error=trace or why
    )
    return Record(
        claim=claim or ref,
        title=claim or ref,
        statement="",
        source={"paper": "", "locator": "", "arxiv": ""},
        origin="ours",
        expect=Verdict.VERIFIED,
        verdict=Verdict.ERROR,
        reason=why,
        checks=(outcome,),
        controls=(),
        lab=asdict(lab),
        seconds=0.0,
        ref=ref,
        machine=describe(lab.device),
    )


STARTED = (
    "started, but no verdict followed: the run ended, or its process died, while this claim was "
    "under way. Run it again, with --resume for instance."
)


def started(ref: str, lab: Lab, *, claim: str = "") -> Record:
    """The record written ahead of a claim: an error, unless its own record comes after it."""
    return failed(ref, lab, STARTED, "", claim=claim)


def replay(claim: Claim, lab: Lab, check: str, case: Mapping[str, Any]) -> list[Comparison]:
    """Observe one case of one check or control again, on the streams it had in ``verify``.

    Returns:
        Every comparison of the case, in order, the failing ones included.

    Raises:
        LookupError: the claim has no check or control of that name.
    """
    one = named(claim, check)
    where = place(claim, lab, one)
    here = case_lab(one, where, dict(case), one.cases(where))
    return [item for item in observe_case(one, here, dict(case)) if isinstance(item, Comparison)]


def _covered(domain: Any, own: Outcome, outcomes: list[Outcome]) -> tuple[str, ...]:
    """The failed checks whose witness lies inside this check's domain."""
    inside = []
    for other in outcomes:
        if other.truth is Truth.FAILS and other.check != own.check:
            witness = other.witness or {}
            if isinstance(domain, Mapping):  # membership of a strategy cannot be decided: assume it
                hit = set(domain) == set(witness)
            else:
                hit = not domain or any(_agree(case, witness) for case in domain)
            if hit:
                inside.append(other.check)
    return tuple(inside)


def _agree(case: Mapping[str, Any], witness: Mapping[str, Any]) -> bool:
    both = set(case) & set(witness)
    return bool(both) and all(case[k] == witness[k] for k in both)
