"""Records turned into what the page shows: words, links and numbers, in a fixed order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grokverify._verdict import Outcome, Record, Verdict, amended
from grokverify.report import _text as say
from grokverify.report._checks import CheckView, check_view, strength
from grokverify.report._compare import Compared, compared

ICONS = {
    Verdict.VERIFIED: "✓",
    Verdict.REFUTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "!",
    Verdict.SKIPPED: "–",
}


@dataclass(frozen=True, slots=True)
class Link:
    """Another claim; ``href`` is empty where it is not on this page."""

    text: str
    href: str
    icon: str
    word: str


@dataclass(frozen=True, slots=True)
class ClaimView:
    record: Record
    id: str
    anchor: str
    title: str
    icon: str
    word: str
    paper: str
    locator: str
    arxiv: str
    ours: bool
    badge: str
    headline: str
    seconds: str
    risk: str
    grade: str
    slowness: float
    compared: tuple[Compared, ...]
    checks: tuple[CheckView, ...]
    relations: tuple[tuple[str, tuple[Link, ...]], ...]
    corrections: tuple[Link, ...]
    proposals: tuple[Link, ...]

    @property
    def short(self) -> str:
        """The paper as one cites it in a table: what stands before its title."""
        return self.paper.partition(", ")[0][:40]

    @property
    def amended(self) -> bool:
        return bool(self.corrections)


def latest(records: Iterable[Record]) -> list[Record]:
    """The last record of each claim, by paper and then in the order of the paper."""
    last = {r.claim: r for r in records}
    return sorted(last.values(), key=_place)


def _place(r: Record) -> tuple[Any, ...]:
    """Sections by number, appendices after them, our own claims after the printed ones."""
    locator = str(r.source.get("locator", ""))
    found = re.search(r"(?:\b([A-Z])[.]?)?(\d+(?:\.\d+)*)|\b([A-Z])\b", locator)
    letter = (found[1] or found[3] or "") if found else "~"
    numbers = tuple(int(n[:9]) for n in (found[2] or "0").split(".")) if found else ()
    return (r.source.get("paper", ""), r.origin != "paper", letter, numbers, locator, r.claim)


def claims(records: Sequence[Record], *, plots: bool = True) -> list[ClaimView]:
    """Views of records that ``latest`` has put in order."""
    by_id = {r.claim: r for r in records}
    fixed = amended(records)
    return [_claim(r, by_id, fixed, plots) for r in records]


def _claim(
    r: Record, by_id: Mapping[str, Record], fixed: Mapping[str, str], plots: bool
) -> ClaimView:
    best = strongest(r)
    correctors = [o for o in by_id.values() if r.claim in o.corrects]
    sound = [o for o in correctors if o.verdict is Verdict.VERIFIED and r.claim in fixed]
    arxiv = str(r.source.get("arxiv", ""))
    return ClaimView(
        record=r,
        id=say.clean(r.claim, 200),
        anchor=say.anchor(r.claim),
        title=say.clean(r.title or r.claim, 240),
        icon=ICONS[r.verdict],
        word=r.verdict.value,
        paper=say.clean(r.source.get("paper", ""), 300),
        locator=say.clean(r.source.get("locator", ""), 300),
        arxiv=arxiv if re.fullmatch(r"\d{4}\.\d{4,5}(v\d{1,2})?", arxiv) else "",
        ours=r.origin != "paper",
        badge=strength(best),
        headline=_headline(best),
        seconds=say.duration(r.seconds),
        risk=say.chance(r.risk),
        grade=best.grade.name.lower() if best else "none",
        slowness=r.seconds,
        compared=compared(r),
        checks=tuple(check_view(r, o, plots) for o in r.checks),
        relations=_relations(r, by_id),
        corrections=tuple(_link(o.claim, by_id) for o in sound),
        proposals=tuple(_link(o.claim, by_id) for o in correctors if o not in sound),
    )


def strongest(r: Record) -> Outcome | None:
    """The check behind the badge, or None where there is none that this version knows."""
    try:
        return r.strongest
    except ValueError:  # a coverage that this version does not know
        return None


def _relations(r: Record, by_id: Mapping[str, Record]) -> tuple[tuple[str, tuple[Link, ...]], ...]:
    def back(field: str) -> list[str]:
        return [o.claim for o in by_id.values() if r.claim in getattr(o, field)]

    found = (
        ("Uses", r.uses),
        ("Used by", back("uses")),
        ("Sharpens", r.sharpens),
        ("Sharpened by", back("sharpens")),
        ("Corrects", r.corrects),
        ("Corrected by", back("corrects")),
    )
    return tuple((word, tuple(_link(c, by_id) for c in ids)) for word, ids in found if ids)


def _link(claim: str, by_id: Mapping[str, Record]) -> Link:
    there = by_id.get(claim)
    if there is None:
        return Link(say.clean(claim, 200), "", "", "not in this run")
    title = say.clean(there.title or there.claim, 240)
    return Link(title, "#" + say.anchor(claim), ICONS[there.verdict], there.verdict.value)


def _headline(o: Outcome | None) -> str:
    """The constant that stands for a claim in tables: one that the paper prints, if any."""
    if o is None or not o.constants:
        return ""
    compared = {t.name for t in o.tallies}
    order = sorted(o.constants, key=lambda m: (m.printed is None, m.name not in compared))
    text = f"{say.clean(order[0].name, 60)}: {say.enclosure(order[0])}"
    unit = f" {say.clean(order[0].unit, 20)}" if order[0].unit else ""
    printed = order[0].printed
    return text + unit + (f" (printed {say.number(printed)[:60]})" if printed is not None else "")


def counts(records: Iterable[Record]) -> list[tuple[Verdict, int]]:
    """Every verdict with its number of records, none left out."""
    found = Counter(r.verdict for r in records)
    return [(v, found[v]) for v in Verdict]


def provenance(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What the records were made with; a value that differs between claims lists its counts."""
    facts: dict[str, Counter[str]] = {}
    for r in records:
        for part, skip in ((r.machine, ()), (r.lab, ("path",))):
            for k, v in part.items():
                if k not in skip and v not in (None, ""):
                    facts.setdefault(k, Counter())[say.clean(v, 200)] += 1
    told = [(say.clean(k.replace("_", " "), 60), _varied(c)) for k, c in facts.items()]
    schemas = Counter(str(r.schema) for r in records)
    told.append(("record schema", _varied(schemas)))
    told.append(("sum of the claims' durations", say.duration(sum(r.seconds for r in records))))
    return told


def _varied(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    listed = sorted(values.items(), key=lambda one: (-one[1], one[0]))[:8]
    return "; ".join(f"{value} ({n} claims)" for value, n in listed)
