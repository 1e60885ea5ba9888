"""A run in other formats: a Markdown summary, a badge, and a table of every constant."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from html import escape
from typing import Any

from grokverify._verdict import Outcome, Record, Verdict
from grokverify.report import _text as say
from grokverify.report._errata import severity
from grokverify.report._trust import cell, table
from grokverify.report._view import ICONS, claims, counts, latest

ROWS = 50  # rows of each table of a summary; a CI step summary holds a mebibyte
_COLOURS = {"green": "#2e7d46", "orange": "#a35b00", "red": "#b3262e", "grey": "#63686f"}


def markdown(records: Sequence[Record]) -> str:
    """What a step summary of continuous integration shows: counts, surprises, errata."""
    ordered = latest(records)
    views = claims(ordered, plots=False)
    surprises = [v for v in views if not v.record.as_expected]
    wrong = [v for v in views if v.record.verdict is Verdict.REFUTED and not v.ours]
    told = ", ".join(f"{ICONS[v]} {n} {v.value}" for v, n in counts(ordered) if n)
    risk = say.chance(sum(r.risk for r in ordered))
    lines = ["## grokverify", "", f"{told or 'No claims.'}", "", f"Total risk: {risk}.", ""]
    if surprises:
        rows = [
            (f"{v.icon} {v.word}", v.record.expect.value, cell(v.id), cell(v.record.reason))
            for v in surprises
        ]
        lines += ["### Not as expected", ""]
        lines += _first(("verdict", "expected", "claim", "reason"), rows)
    elif ordered:
        lines += ["Every claim came to the verdict that was expected of it.", ""]
    if wrong:
        rows = [
            (severity(v.record) or "–", cell(f"{v.paper}, {v.locator}"), cell(v.title), _mended(v))
            for v in sorted(wrong, key=lambda v: severity(v.record) or "S9")
        ]
        lines += ["### False as printed", ""]
        lines += _first(("severity", "printed at", "statement", "corrected form"), rows)
    every = [
        (f"{v.icon} {v.word}", cell(v.title), cell(v.badge), cell(v.headline), v.seconds)
        for v in sorted(views, key=lambda v: v.record.as_expected)
    ]
    lines += ["### Claims", ""]
    lines += _first(("verdict", "claim", "evidence", "constant", "time"), every)
    return "\n".join(lines).rstrip() + "\n"


def _mended(view: Any) -> str:
    return "verified" if view.corrections else "proposed" if view.proposals else "none in this run"


def _first(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rest = len(rows) - ROWS
    return table(head, rows[:ROWS]) + ([f"... and {rest} more.", ""] if rest > 0 else [])


def endpoint(records: Sequence[Record]) -> dict[str, Any]:
    """The badge as shields.io reads it from an address (``schemaVersion`` 1)."""
    ordered = latest(records)
    surprises = sum(not r.as_expected for r in ordered)
    found = dict(counts(ordered))
    message = f"{found[Verdict.VERIFIED]} verified, {found[Verdict.REFUTED]} refuted"
    colour = "green"
    if surprises:
        message, colour = f"{message}, {surprises} unexpected", "orange"
    if found[Verdict.ERROR]:
        colour = "red"
    if not ordered:
        message, colour = "no claims", "grey"
    return {"schemaVersion": 1, "label": "claims", "message": message, "color": colour}


def badge(records: Sequence[Record]) -> str:
    """The same badge as a picture, for pages that load nothing from elsewhere."""
    told = endpoint(records)
    label, message, colour = told["label"], told["message"], _COLOURS[told["color"]]
    left, right = (round(6.6 * len(text)) + 12 for text in (label, message))
    words, body = f"{label}: {message}", right - 3
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{escape(words)}"><title>{escape(words)}</title>'
        f'<rect width="{left + right}" height="20" rx="3" fill="#444"/>'
        f'<path fill="{colour}" d="M{left} 0h{body}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{body}z"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        f'text-anchor="middle"><text x="{left / 2}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(message)}</text></g></svg>\n'
    )


_HEAD = (
    *("claim", "paper", "locator", "origin", "verdict", "expected", "check", "quantity", "lo"),
    *("hi", "unit", "grade", "relation", "bound_lo", "bound_hi", "held", "failed", "undecided"),
    *("printed", "risk"),
)


def table_csv(records: Sequence[Record]) -> str:
    """Every constant of every check, one a line; exact numbers stay exact ("7/3")."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(_HEAD)
    for r in latest(records):
        for o in r.checks:
            for line in _constants(r, o):
                write([_cell(v) for v in line])
    return out.getvalue()


def _constants(r: Record, o: Outcome) -> Iterable[tuple[Any, ...]]:
    tallies = {t.name: t for t in o.tallies}
    where = (r.claim, r.source.get("paper", ""), r.source.get("locator", ""), r.origin)
    verdicts = (r.verdict.value, r.expect.value)
    for m in o.constants:
        t = tallies.get(m.name)
        bound = (t.relation, t.bound_lo, t.bound_hi, t.held, t.failed, t.undecided) if t else ()
        yield (
            *(*where, *verdicts, o.check, m.name, m.lo, m.hi, m.unit, m.grade.name.lower()),
            *(bound or ("",) * 6),
            *(m.printed, m.risk),
        )


def _cell(value: Any) -> str:
    """Numbers in full where that is short; text so that no spreadsheet takes it for a formula."""
    if value is None:
        return ""
    if isinstance(value, int | Fraction) and max(value.numerator, value.denominator) >> 4096:
        return say.number(value)
    if isinstance(value, int | float | Fraction):
        return str(value)
    text = say.clean(value, 2000)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
