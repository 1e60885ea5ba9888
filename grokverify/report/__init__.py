"""Records in, one offline HTML page out."""

from __future__ import annotations

from grokverify._verdict import Record


def card(record: Record) -> str:
    """A compact HTML card of one record, for notebooks."""
    from html import escape

    return f"<pre>{escape(record.explain())}</pre>"
