"""Records in, text out: an offline HTML page, cards, summaries, tables and the trust statement.

All are pure functions of the records; none of them needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grokverify._verdict import Record


def render(records: Iterable[Record]) -> str:
    """One self-contained HTML page: no network, the same bytes for the same records.

    Args:
        records: in any order; of two records of one claim the later counts.
    """
    from grokverify.report._page import page

    return page(list(records))


def trust(records: Iterable[Record]) -> str:
    """Markdown on what is proved, exact, certified, statistical or empirical, and what is trusted.

    Args:
        records: in any order; of two records of one claim the later counts.
    """
    from grokverify.report._trust import statement

    return statement(list(records))


def summary(records: Iterable[Record]) -> str:
    """Markdown for a CI step summary: counts, surprises, errata and the first claims."""
    from grokverify.report._summary import markdown

    return markdown(list(records))


def badge(records: Iterable[Record]) -> str:
    """A static SVG picture of the counts."""
    from grokverify.report import _summary

    return _summary.badge(list(records))


def endpoint(records: Iterable[Record]) -> dict[str, Any]:
    """The badge as plain data, in the endpoint schema of shields.io."""
    from grokverify.report import _summary

    return _summary.endpoint(list(records))


def table(records: Iterable[Record]) -> str:
    """CSV with one line for every constant of every check."""
    from grokverify.report._summary import table_csv

    return table_csv(list(records))


def difference(old: Iterable[Record], new: Iterable[Record]) -> str:
    """One HTML page on what changed between two runs, new refutations first."""
    from grokverify.report import _page

    return _page.difference(list(old), list(new))


def timings(benchmarks: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A page on what pytest-benchmark measured, and the same as plain data.

    Args:
        benchmarks: the JSON of ``pytest --benchmark-json=FILE``.

    Raises:
        ValueError: it is something else.
    """
    from grokverify.report import _bench

    found = _bench.read(benchmarks)
    return _bench.page(found), _bench.plain(found)


def card(record: Record) -> str:
    """A compact HTML card of one record, for notebooks."""
    from grokverify.report._page import one_card

    return one_card(record)


def claim_card(claim: Any) -> str:
    """A compact HTML card of a claim that was not run yet, for notebooks."""
    from grokverify.report import _page

    return _page.claim_card(claim)
