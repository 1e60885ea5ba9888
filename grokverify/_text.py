"""Records as lines of plain text, for terminals."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from grokverify._evidence import Measurement, Truth, show
from grokverify._verdict import Outcome, Record, Verdict

ICONS = {
    Verdict.VERIFIED: "✓",
    Verdict.REFUTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "!",
    Verdict.SKIPPED: "–",
}
_COLOURS = {
    Verdict.VERIFIED: "32",
    Verdict.REFUTED: "35",
    Verdict.INCONCLUSIVE: "33",
    Verdict.ERROR: "31",
    Verdict.SKIPPED: "36",
}
# Escape sequences, control characters and bidirectional overrides from outside stay text.
_UNSAFE = re.compile(
    "\x1b\\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def safe(text: str, limit: int = 2000) -> str:
    """Text from outside, without control characters and of bounded length."""
    clean = _UNSAFE.sub("�", text)
    return clean if len(clean) <= limit else f"{clean[:limit]}... ({len(text)} characters)"


def line(record: Record, *, colour: bool = False) -> str:
    """One record on one line."""
    best = record.strongest
    how = f"{best.grade.name.lower()} x {best.coverage}" if best else ""
    word = f"{ICONS[record.verdict]} {record.verdict.value:<12}"
    if colour:
        word = f"\x1b[{_COLOURS[record.verdict]}m{word}\x1b[0m"
    note = "" if record.as_expected else f"  expected {record.expect.value}"
    return f"{word} {how:<24} {record.seconds:7.2f} s  {safe(record.claim, 90)}{note}"


def card(record: Record, width: int = 92) -> str:
    """One record as a small card: verdict, source, statement, constants, witness and gap."""
    best = record.strongest
    how = f" · {best.grade.name.lower()} × {best.coverage}" if best else ""
    head = f"{ICONS[record.verdict]} {record.verdict.value}{how} · {record.seconds:.2f} s"
    if not record.as_expected:
        head += f" · expected {record.expect.value}"
    where = ", ".join(filter(None, (record.source.get("paper"), record.source.get("locator"))))
    parts = [record.title, where, record.statement, *(_constants(best) if best else ())]
    if best and best.witness is not None and best.truth is Truth.FAILS:
        told = ", ".join(f"{k} = {v}" for k, v in best.witness.items()) or "the only case"
        parts.append(f"counterexample: {told}")
    if record.reason and not record.as_expected:
        parts.append(record.reason)
    if record.gap:
        parts.append(f"not covered: {record.gap}")
    lines = [f"┌ {head}"]
    for part in parts:
        wrapped = textwrap.wrap(safe(part, 600), width - 2) or [""]
        lines += [f"│ {one}" for one in wrapped]
    return "\n".join([*lines, f"└ {safe(record.claim, 120)}"])


def _constants(o: Outcome, most: int = 6) -> list[str]:
    told = []
    for m in o.constants[:most]:
        printed = f"   (printed {show_printed(m)})" if m.printed is not None else ""
        told.append(f"{m}{printed}")
    rest = len(o.constants) - most
    return [*told, f"and {rest} more constants"] if rest > 0 else told


def show_printed(m: Measurement) -> str:
    """The paper's number or formula."""
    return m.printed if isinstance(m.printed, str) else show(m.printed or 0)


def table(records: Sequence[Record], *, colour: bool = False) -> Iterable[str]:
    """A line a record, with the reason under every surprise."""
    for record in records:
        yield line(record, colour=colour)
        if not record.as_expected:
            yield f"    {safe(record.reason or 'no reason was given')}"


def counts(records: Sequence[Record]) -> str:
    """How many of each verdict, how many as expected, and the summed risk."""
    by = Counter(r.verdict for r in records)
    told = ", ".join(f"{by[v]} {v.value}" for v in Verdict if by[v]) or "no claims"
    fine = sum(r.as_expected for r in records)
    risk = sum(r.risk for r in records)
    return f"{told}; {fine} of {len(records)} as expected; summed risk {risk:.2g}"


def durations(records: Sequence[Record], n: int) -> Iterable[str]:
    """The n slowest claims, and under each its slowest checks and controls."""
    slowest = sorted(records, key=lambda r: -r.seconds)[:n]
    yield f"slowest {len(slowest)} of {len(records)} claims, in seconds of work:"
    for record in slowest:
        yield f"{record.seconds:8.2f}  {safe(record.claim, 90)}"
        parts = sorted((*record.checks, *record.controls), key=lambda o: -o.seconds)
        for o in parts[:3]:
            kind = "control" if o.must else "check"
            yield f"{o.seconds:12.2f}  {kind} {safe(o.check, 80)}, {o.cases} cases"
