"""The one execution path: ``verify(claim, lab) -> Record``."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from grokverify._claim import Check, Claim
from grokverify._evidence import Comparison, Grade, Truth
from grokverify._lab import Lab
from grokverify._machine import describe
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
    start = time.perf_counter()
    with warnings.catch_warnings():
        # A front end that turns warnings into errors may not turn a verdict with them.
        warnings.simplefilter("default")
        checks, controls = _observe_all(claim, lab.at(claim.id))
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
        seconds=time.perf_counter() - start,
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


def _observe_all(claim: Claim, here: Lab) -> tuple[list[Outcome], list[Outcome]]:
    checks: list[Outcome] = []
    controls: list[Outcome] = []
    for k, check in enumerate(claim.checks, start=1):
        place = replace(here.at(check.name), alpha=here.share(k))
        checks.append(sweep(check, place))
        standing = {t.name for t in checks[-1].tallies}
        for control in claim.controls:
            if control.breaks == check.name:
                controls.append(sweep(control, place, standing=standing))
                standing -= set(controls[-1].felled)
    checks = [
        replace(o, covers_witness_of=_covered(c, o, checks, here))
        for c, o in zip(claim.checks, checks, strict=True)
    ]
    return checks, controls


def failed(ref: str, lab: Lab, why: str, trace: str) -> Record:
    """The record of a claim that could not even be loaded, or whose process was lost."""
    outcome = Outcome(
        "load", Truth.UNDECIDED, Grade.EMPIRICAL, "universal", cases=0, risk=0.0, error=trace or why
    )
    return Record(
        claim=ref,
        title=ref,
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


def replay(claim: Claim, lab: Lab, check: str, case: Mapping[str, Any]) -> list[Comparison]:
    """Observe one case of one check or control again, on the streams it had in ``verify``.

    Returns:
        Every comparison of the case, in order, the failing ones included.

    Raises:
        LookupError: the claim has no check or control of that name.
    """
    for k, parent in enumerate(claim.checks, start=1):
        mine = (parent, *(c for c in claim.controls if c.breaks == parent.name))
        for one in mine:
            if one.name == check:
                place = replace(lab.at(claim.id).at(parent.name), alpha=lab.share(k))
                here = case_lab(one, place, dict(case), one.cases(place))
                seen = observe_case(one, here, dict(case))
                return [item for item in seen if isinstance(item, Comparison)]
    names = ", ".join(repr(c.name) for c in (*claim.checks, *claim.controls))
    raise LookupError(f"{claim.id} has no check called {check!r}. It has: {names}.")


def source_hash(claim: Claim) -> str:
    """SHA-256 over the files in which the claim's checks are written."""
    digest = hashlib.sha256()
    files = set()
    for check in claim.checks:
        plain = check.observe.func if isinstance(check.observe, partial) else check.observe
        files.add(plain.__code__.co_filename)
    for name in sorted(files):
        path = Path(name)
        digest.update(path.read_bytes() if path.is_file() else name.encode())
    return digest.hexdigest()


def _covered(check: Check, own: Outcome, outcomes: list[Outcome], lab: Lab) -> tuple[str, ...]:
    """The failed checks whose witness lies inside this check's domain."""
    if own.truth is not Truth.HOLDS:
        return ()
    domain = check.cases(lab)
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
