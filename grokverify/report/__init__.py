"""Records in, text out: one offline HTML page, a card for notebooks, and the trust statement.

All three are pure functions of the records; none of them needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from grokverify._verdict import Record


def render(records: Iterable[Record]) -> str:
    """One self-contained HTML page: no script, no network, the same bytes for the same records.

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


def card(record: Record) -> str:
    """A compact HTML card of one record, for notebooks."""
    from grokverify.report._page import one_card

    return one_card(record)
