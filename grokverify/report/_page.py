"""The page and the notebook card: views poured into templates that escape everything."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grokverify._verdict import Record, Verdict
from grokverify.report import _text as say
from grokverify.report._mathml import prose
from grokverify.report._view import ICONS, claims, counts, latest, provenance

_HERE = Path(__file__).parent
_FACTS = ("commit", "profile", "seed", "device")  # of the provenance, also at the top


@lru_cache(maxsize=1)
def _environment() -> Environment:
    env = Environment(
        autoescape=True,
        loader=FileSystemLoader(_HERE),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    env.filters["prose"] = prose
    env.filters["clean"] = say.clean
    return env


def page(records: list[Record]) -> str:
    """The whole page."""
    ordered = latest(records)
    views = claims(ordered)
    facts = provenance(ordered)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            claims=views,
            papers=[(paper, list(group)) for paper, group in groupby(views, lambda v: v.paper)],
            arxiv={v.paper: v.arxiv for v in views if v.arxiv},
            counts=[(v.value, ICONS[v], n) for v, n in counts(ordered)],
            errata=[v for v in views if v.record.verdict is Verdict.REFUTED and not v.ours],
            surprises=[v for v in views if not v.record.as_expected],
            risk=say.chance(sum(r.risk for r in ordered)),
            total=say.duration(sum(r.seconds for r in ordered)),
            facts=facts,
            brief=[(k, v) for k, v in facts if k in _FACTS],
            style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        )
    )


def one_card(record: Record) -> str:
    """A card for notebooks; it brings its own few styles and follows the notebook's colours."""
    (view,) = claims([record], plots=False)
    return _environment().get_template("card.html.j2").render(c=view)
