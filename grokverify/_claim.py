"""What is claimed, and what could refute it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from grokverify._verdict import SEVERITIES, Verdict

if TYPE_CHECKING:
    from grokverify._lab import Lab

_ID = re.compile(r"[a-z0-9]+([-._][a-z0-9]+)*(/[a-z0-9]+([-._][a-z0-9]+)*)*")


@dataclass(frozen=True)
class Check:
    """One line of evidence: ``observe(lab, **case)`` for every case of the quantifier ``domain``.

    Parameters of ``observe`` without a default are the case; parameters with a default are the
    *ingredients* that a control may change. Made by ``check``; changed by ``but``.
    """

    observe: Callable[..., Any]
    domain: Any
    name: str
    breaks: str = ""
    must: str = ""
    coverage: str = ""
    clause: str = ""  # the part of the statement it bears on, where that is not the whole
    names: str = ""  # the constant or residual that an existential or asymptotic check reports
    ingredients: Mapping[str, Any] = field(default_factory=dict)

    def but(self, **changed: Any) -> Check:
        """A negative control: the same check with some ingredients changed, which must fail.

        It runs on the same cases and the same random streams.

        Raises:
            TypeError: nothing is changed, or a key is not an ingredient of the check.
        """
        _, ingredients = parameters(self.observe)
        unknown = sorted(set(changed) - set(ingredients))
        if unknown or not changed:
            raise TypeError(
                f"{self.name}.but({', '.join(unknown)}) names no ingredient of the check. Its "
                f"ingredients, parameters with a default, are: {', '.join(ingredients) or 'none'}."
            )
        told = ", ".join(f"{k}={_short(v)}" for k, v in changed.items())
        return replace(
            self,
            observe=partial(self.observe, **changed),
            name=f"{self.name} but {told}",
            breaks=self.breaks or self.name,
            must="fail",
            ingredients={**self.ingredients, **changed},
        )

    def must_hold(self) -> Check:
        """Turn a control into a positive one: with this ingredient the check has to hold.

        Raises:
            TypeError: called on a check that is not a control.
        """
        if not self.breaks:
            raise TypeError(f"{self.name}.must_hold() needs a control: use .but(...).must_hold().")
        return replace(self, must="hold")

    def part(self, clause: str) -> Check:
        """Mark a check that bears on one clause of the statement only.

        It never speaks for the whole claim: the badge shows a check of the whole statement or,
        where there is none, the weakest clause.

        Raises:
            ValueError: the clause is empty.
        """
        self._told("part", clause)
        return replace(self, clause=clause)

    def asymptotic(self, residual: str) -> Check:
        """Mark a limit: the check must yield a measurement named ``residual``."""
        self._told("asymptotic", residual)
        return replace(self, coverage="asymptotic", names=residual)

    def existential(self, constant: str) -> Check:
        """Mark a "there is a C": the check must yield a measurement named ``constant``."""
        self._told("existential", constant)
        return replace(self, coverage="existential", names=constant)

    def _told(self, what: str, text: str) -> None:
        if not text.strip():
            raise ValueError(
                f"{self.name}.{what}({text!r}) names nothing. Name the clause of the statement, "
                "or the measurement, that it is about."
            )

    def cases(self, lab: Lab) -> Mapping[str, Any] | tuple[dict[str, Any], ...]:
        """The quantifier at this lab: strategies to sample, or a tuple of cases to exhaust."""
        domain = self.domain(lab) if callable(self.domain) else self.domain
        return domain if isinstance(domain, Mapping) else tuple(domain)

    def reach(self, domain: Any) -> str:
        """The coverage of these cases, as far as it is seen before they are observed."""
        kind = "sampled" if isinstance(domain, Mapping) else "exhaustive" if domain else "universal"
        return self.coverage or kind


def check(*cases: Any, **domain: Any) -> Callable[[Callable[..., Any]], Check]:
    """Make a check of a generator function ``observe(lab, **case)`` that yields comparisons.

    ``@check(n=st.integers(1, 9))`` samples strategies, ``@check(dict(n=1), dict(n=2))`` exhausts a
    list of cases, ``@check()`` states something universal, and ``@check(lambda lab: [...])`` lets
    the lab choose the cases (or the mapping of strategies), usually with ``lab.pick``. What draws
    from the lab is neither exhaustive nor universal: its coverage is recorded as "drawn".

    Raises:
        TypeError: cases and strategies are mixed, or the function's parameters do not fit.
    """
    if cases and domain:
        raise TypeError("check() takes either cases or strategies, not both; write two checks.")
    chosen = cases[0] if len(cases) == 1 and callable(cases[0]) else (domain or cases)

    def decorate(observe: Callable[..., Any]) -> Check:
        needed, _ = parameters(observe)
        keys = list(chosen) if isinstance(chosen, Mapping) else None
        if isinstance(chosen, tuple):
            keys = sorted({k for case in chosen for k in case})
        if keys is not None and set(keys) != set(needed):
            raise TypeError(
                f"check {observe.__name__!r} quantifies over {sorted(keys)} but observes "
                f"{sorted(needed)}. Each must have the other; ingredients need a default."
            )
        return Check(observe, chosen, observe.__name__)

    return decorate


@dataclass(frozen=True)
class Source:
    """Where a statement is printed."""

    paper: str
    locator: str
    arxiv: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement. Split a compound theorem into several claims, linked by ``uses``.

    Args:
        id: "paper/name", lower case.
        source: where it is printed (or what it belongs to, for a claim of our own).
        statement: LaTeX in our own words, with the paper's letters.
        title: a few words for tables; the id where empty.
        checks: independent lines of evidence for the whole statement.
        controls: ``check.but(...)`` for every check (and ``.must_hold()`` for refuted ones).
        hypotheses: what the statement assumes, in words.
        assumes: cited theorems that nobody checks here; the verdict is "given" them.
        origin: "paper" or "ours".
        uses, sharpens, corrects: ids of other claims.
        gap: one honest sentence on what the checks do not cover.
        severity: of a false statement: "S0" a headline result falls, "S1" a lemma or a constant,
            "S2" a step of a proof, "S3" a slip.
        expect: the verdict this claim has to come to, or a mapping from profile to verdict.

    Raises:
        ValueError: a malformed id, an unknown origin or severity, no check, a foreign control or
            two equal names.
    """

    id: str
    source: Source
    statement: str
    checks: tuple[Check, ...]
    title: str = ""
    controls: tuple[Check, ...] = ()
    hypotheses: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    origin: str = "paper"
    uses: tuple[str, ...] = ()
    sharpens: tuple[str, ...] = ()
    corrects: tuple[str, ...] = ()
    gap: str = ""
    severity: str = ""
    expect: Verdict | Mapping[str, Verdict] = Verdict.VERIFIED

    def __post_init__(self) -> None:
        if len(self.id) > 120 or not _ID.fullmatch(self.id):
            raise ValueError(
                f"the claim id {_short(self.id)} is malformed. Use lower-case words joined by "
                "hyphens, with the paper in front, like 'mohamadi2024/entk-full-rank'."
            )
        if self.origin not in ("paper", "ours"):
            raise ValueError(f"{self.id}: origin is {self.origin!r}; choose 'paper' or 'ours'.")
        if self.severity not in ("", *SEVERITIES):
            told = "; ".join(f"{key!r} {text}" for key, text in SEVERITIES.items())
            raise ValueError(f"{self.id}: severity is {self.severity!r}; choose of {told}.")
        if not self.checks:
            raise ValueError(f"{self.id} has no check, so nothing could refute it. Add one.")
        for key in ("checks", "controls", "hypotheses", "assumes", "uses", "sharpens", "corrects"):
            if not isinstance(getattr(self, key), tuple):
                raise ValueError(f"{self.id}: {key} must be a tuple; mind the comma in (x,).")
        names = [c.name for c in (*self.checks, *self.controls)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"{self.id} has two checks or controls called {_short(twice[0])}.")
        for c in self.checks:
            if c.must:
                raise ValueError(
                    f"{self.id}: {_short(c.name)} is a control among the checks. It belongs into "
                    "'controls', beside the check that it changes."
                )
        for c in self.controls:
            if c.breaks not in {own.name for own in self.checks}:
                raise ValueError(
                    f"{self.id}: {_short(c.name)} is not a control of one of its checks; "
                    "make it with check.but(...)."
                )

    def _repr_html_(self) -> str:
        from grokverify.report import claim_card

        return claim_card(self)

    def expected(self, profile: str) -> Verdict:
        if isinstance(self.expect, Verdict):
            return self.expect
        return self.expect.get(profile, Verdict.VERIFIED)


def parameters(observe: Callable[..., Any]) -> tuple[list[str], dict[str, Any]]:
    """The case parameters of an observation and its ingredients with their defaults."""
    plain = observe.func if isinstance(observe, partial) else observe
    listed = list(inspect.signature(plain).parameters.values())
    if not listed or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in listed):
        raise TypeError(
            f"check {getattr(plain, '__name__', plain)!r} must look like observe(lab, case..., "
            "ingredient=default): lab first, and no *args or **kwargs."
        )
    rest = listed[1:]
    needed = [p.name for p in rest if p.default is p.empty]
    return needed, {p.name: p.default for p in rest if p.default is not p.empty}


def _short(value: Any) -> str:
    named = getattr(value, "__name__", None)
    text = named if isinstance(named, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
