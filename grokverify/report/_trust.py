"""TRUST.md: what the verdicts rest on, and what has to be believed for them to be right."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grokverify._evidence import Grade
from grokverify._verdict import COVERAGES, Record, Verdict
from grokverify.report import _text as say
from grokverify.report._view import ICONS, claims, counts, latest, provenance, strongest

_MEANING = {
    Grade.SYMBOLIC: "An identity in symbols. Trusted: sympy's algebra.",
    Grade.EXACT: "Integers, rationals or finite fields; no rounding anywhere.",
    Grade.CERTIFIED: "An enclosure with every rounding error bounded, in IEEE arithmetic or balls.",
    Grade.STATISTICAL: "A confidence set over independent draws; wrong with the stated risk.",
    Grade.EMPIRICAL: "A floating-point number within a tolerance that somebody chose.",
}
_TRUSTED = (
    ("the statement", "that the formal check says what the sentence beside it says: read both"),
    ("grokverify", "comparisons, quantifiers, controls and the fold of outcomes into a verdict"),
    ("the checks", "the code of each claim; its controls show only that it can fail and can hold"),
    ("Python", "integers and rationals of any size"),
    ("PyTorch and its BLAS", "floating-point tensors and automatic differentiation"),
    ("numpy", "the counter-based Philox generator behind every random draw"),
    ("scipy", "special functions and quantiles behind confidence sets"),
    ("sympy", "simplification to zero, behind every symbolic grade"),
    ("python-flint", "ball arithmetic and exact linear algebra, where a check uses it"),
    (
        "Hypothesis",
        "that sampled cases are drawn from the stated domain; no probability rests on it",
    ),
    ("the processor", "IEEE 754 arithmetic, with TF32 and flushing of denormals as recorded below"),
)
_EVIDENCE = (
    "Each decided claim (verified or refuted) counts once, by its strongest check. Grade says how "
    "a number is known, coverage how much of the quantifier was tried: drawn stands for the listed "
    "cases with random data in them."
)
_RISK = (
    "It bounds the chance that a random comparison behind any verdict is wrong, and is a sum over "
    "claims of fixed budgets, so that leaving claims out changes no verdict."
)


def statement(records: Sequence[Record]) -> str:
    """The whole document."""
    ordered = latest(records)
    lines = [
        "# What these verdicts rest on",
        "",
        "Generated from the records of one run; edit nothing here by hand.",
        "",
        "## Verdicts",
        "",
        *table(
            ("verdict", "claims"), [(f"{ICONS[v]} {v.value}", str(n)) for v, n in counts(ordered)]
        ),
        "## Evidence",
        "",
        _EVIDENCE,
        "",
        *_matrix(ordered),
    ]
    for grade in sorted(Grade, reverse=True):
        lines += _section(ordered, grade)
    lines += _open(ordered)
    lines += _given(ordered)
    lines += [
        "## What is trusted",
        "",
        *table(("part", "trusted for"), [(cell(a), cell(b)) for a, b in _TRUSTED]),
        "## Risk",
        "",
        f"Total risk of this run: {say.chance(sum(r.risk for r in ordered))}. {_RISK}",
        "",
        "## Provenance",
        "",
        *table(("fact", "value"), [(cell(k), cell(v)) for k, v in provenance(ordered)]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _decided(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if r.verdict in (Verdict.VERIFIED, Verdict.REFUTED)]


def _matrix(records: Sequence[Record]) -> list[str]:
    columns = tuple(reversed(COVERAGES))
    rows = []
    for grade in sorted(Grade, reverse=True):
        best = [strongest(r) for r in _decided(records)]
        here = [o for o in best if o is not None and o.grade is grade]
        cells = [str(sum(o.coverage == c for o in here)) for c in columns]
        rows.append((grade.name.lower(), *cells))
    return table(("grade", *columns), rows)


def _section(records: Sequence[Record], grade: Grade) -> list[str]:
    views = [
        v
        for v in claims(_decided(records), plots=False)
        if v.badge.startswith(grade.name.lower() + " ")
    ]
    lines = [f"### {grade.name.capitalize()}", "", _MEANING[grade], ""]
    if not views:
        return [*lines, "No claim of this run.", ""]
    rows = [
        (
            f"{v.icon} {v.word}",
            cell(v.title),
            cell(f"{v.paper}, {v.locator}" + (" (ours)" if v.ours else "")),
            cell(v.badge),
            v.risk,
            cell(say.clean(v.record.gap, 300)),
        )
        for v in views
    ]
    return lines + table(("verdict", "claim", "source", "evidence", "risk", "not covered"), rows)


def _open(records: Sequence[Record]) -> list[str]:
    rest = [v for v in claims(records, plots=False) if v.record not in _decided(records)]
    if not rest:
        return []
    rows = [
        (f"{v.icon} {v.word}", cell(v.title), cell(say.clean(v.record.reason, 300))) for v in rest
    ]
    return ["## Not decided", "", *table(("verdict", "claim", "reason"), rows)]


def _given(records: Sequence[Record]) -> list[str]:
    rows = [(cell(r.title or r.claim), cell(a)) for r in records for a in r.assumes]
    if not rows:
        return []
    return ["## Cited and not checked", "", *table(("claim", "taken as given"), rows)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, as lines."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def cell(text: str) -> str:
    """Foreign text inside a Markdown table: no markup of its own, except $...$ formulas."""
    flat = " ".join(say.clean(text, 400).split())
    parts = re.split(r"((?<!\\)\$[^$`|<>&]+\$)", flat)
    for i in range(0, len(parts), 2):
        part = parts[i].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        parts[i] = re.sub(r"([\\`*_\[\]|~$#!])", r"\\\1", part)
    return "".join(parts)
