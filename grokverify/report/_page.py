"""The page and the notebook card: views poured into templates that escape everything."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grokverify._evidence import Grade
from grokverify._verdict import SEVERITIES, Record, Verdict
from grokverify.records import KINDS, diff
from grokverify.report import _text as say
from grokverify.report._checks import CheckView
from grokverify.report._errata import Fault, fault, questions, tally
from grokverify.report._graph import HEIGHT, WIDTH, Drawing, arrows, drawings, footing
from grokverify.report._mathml import prose
from grokverify.report._view import ICONS, ClaimView, claims, counts, latest, provenance

_HERE = Path(__file__).parent
_MEANING = {
    Grade.SYMBOLIC: "an identity, by computer algebra",
    Grade.EXACT: "integers, rationals, finite fields",
    Grade.CERTIFIED: "every rounding error bounded",
    Grade.STATISTICAL: "a confidence set over random draws",
    Grade.EMPIRICAL: "a tolerance that somebody chose",
}
_FACTS = ("commit", "profile", "seed", "device")  # of the provenance, also at the top


@lru_cache(maxsize=1)
def environment() -> Environment:
    env = Environment(
        autoescape=True,
        loader=FileSystemLoader(_HERE),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    env.globals.update(node_width=WIDTH, node_height=HEIGHT)
    env.filters["prose"] = prose
    env.filters["clean"] = say.clean
    return env


def page(records: list[Record]) -> str:
    """The whole page."""
    ordered = latest(records)
    views = claims(ordered)
    facts = provenance(ordered)
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    papers = [(paper, list(group)) for paper, group in groupby(views, lambda v: v.paper)]
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            claims=views,
            papers=papers,
            view={v.record.claim: v for v in views},
            per_paper=[(paper, _counted(group), _risk(group)) for paper, group in papers],
            per_grade=_grades(views),
            graphs=_graphs(papers),
            related=arrows(ordered),
            footing=footing(ordered),
            severities=SEVERITIES,
            questions=questions(ordered),
            arxiv={v.paper: v.arxiv for v in views if v.arxiv},
            counts=[(v.value, ICONS[v], n) for v, n in counts(ordered)],
            errata=(errata := _errata(views)),
            grave=tally([f for _, f, _ in errata]),
            ours_refuted=sum(v.ours and v.word == "refuted" for v in views),
            strong=_decided(views, Grade.CERTIFIED, Grade.SYMBOLIC),
            weak=_decided(views, Grade.EMPIRICAL, Grade.STATISTICAL),
            given=[v for v in views if v.word == "verified" and v.record.assumes],
            surprises=[v for v in views if not v.record.as_expected],
            risk=say.chance(sum(r.risk for r in ordered)),
            total=say.duration(sum(r.seconds for r in ordered)),
            facts=facts,
            brief=[(k, v) for k, v in facts if k in _FACTS],
            style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
            script=Markup(f"<script>{script}</script>"),  # of the package: nothing foreign in it
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _errata(views: list[ClaimView]) -> list[tuple[ClaimView, Fault, CheckView | None]]:
    """False statements of the papers, the gravest first, each with its smallest counterexample."""
    records = [v.record for v in views]
    wrong = [v for v in views if v.record.verdict is Verdict.REFUTED and not v.ours]
    told = [(v, fault(v.record, records), _smallest(v)) for v in wrong]
    return sorted(told, key=lambda one: one[1].severity or "S9")


def _smallest(view: ClaimView) -> CheckView | None:
    """The check that fails at the shortest case; one without a case ("the only one") comes last."""
    failing = [k for k in view.checks if k.witness]
    return min(failing, key=lambda k: (not k.outcome.witness, len(k.witness)), default=None)


def _graphs(papers: list[tuple[str, list[ClaimView]]]) -> list[tuple[str, list[Drawing]]]:
    """A paper's families of claims; relations across papers are in the table beside them."""
    drawn = [(paper, drawings([v.record for v in group])) for paper, group in papers]
    return [(paper, some) for paper, some in drawn if some]


def _counted(group: list[ClaimView]) -> list[tuple[str, int]]:
    return [(v.value, n) for v, n in counts([c.record for c in group])]


def _risk(group: list[ClaimView]) -> str:
    return say.chance(sum(c.record.risk for c in group))


def _decided(views: list[ClaimView], low: Grade, high: Grade) -> int:
    """How many decided claims rest on evidence between two grades, by their strongest check."""
    names = {g.name.lower() for g in Grade if low <= g <= high}
    return sum(v.grade in names for v in views if v.word in ("verified", "refuted"))


def _grades(views: list[ClaimView]) -> list[tuple[str, str, int, int]]:
    """Each grade with its meaning, and how many verified and refuted claims rest on it."""
    found = []
    for grade in sorted(Grade, reverse=True):
        words = [v.word for v in views if v.grade == grade.name.lower()]
        counted = words.count("verified"), words.count("refuted")
        found.append((grade.name.lower(), _MEANING[grade], *counted))
    return found


def difference(old: list[Record], new: list[Record]) -> str:
    """What changed between two runs, as a page."""
    titles = {r.claim: r.title or r.claim for r in (*old, *new)}
    found = diff(old, new)
    groups = [(k, [(d, titles[d.claim]) for d in found if d.kind == k]) for k in KINDS]
    return (
        environment()
        .get_template("diff.html.j2")
        .render(
            old=_told(old),
            new=_told(new),
            groups=[(kind, some) for kind, some in groups if some],
            total=len(found),
            regressions=sum(d.regression for d in found),
            style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        )
    )


def _told(records: list[Record]) -> str:
    """A run in one line."""
    facts = dict(provenance(latest(records)))
    brief = ", ".join(f"{k} {facts[k]}" for k in _FACTS if k in facts)
    return f"{len(records)} claims" + (f"; {brief}" if brief else "")


def one_card(record: Record) -> str:
    """A card for notebooks; it brings its own few styles and follows the notebook's colours."""
    (view,) = claims([record])
    plots = [p for k in view.checks for p in k.plots][:2]
    return environment().get_template("card.html.j2").render(c=view, plots=plots)


def claim_card(claim: Any) -> str:
    """A card of a claim that nobody has run yet: what is stated and what would refute it."""
    return environment().get_template("claim_card.html.j2").render(c=claim)
