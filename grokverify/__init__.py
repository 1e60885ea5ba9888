"""Continuous integration for theory: a claim of a paper becomes an executable, falsifiable object.

Names are imported on first use (PEP 562), so that ``grokverify list`` and ``report`` need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokverify._claim import Check as Check, Claim as Claim, Source as Source, check as check
    from grokverify._curves import Series as Series, series as series
    from grokverify._evidence import (
        Comparison as Comparison,
        Grade as Grade,
        Measurement as Measurement,
        Row as Row,
        Truth as Truth,
        approx as approx,
        enclosed as enclosed,
        exact as exact,
        row as row,
    )
    from grokverify._lab import Lab as Lab
    from grokverify._run import find as find, run as run, verify_ref as verify_ref
    from grokverify._sweep import Skip as Skip
    from grokverify._verdict import Outcome as Outcome, Record as Record, Verdict as Verdict
    from grokverify._verify import replay as replay, verify as verify

__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys(("Check", "Claim", "Source", "check"), "_claim"),
    **dict.fromkeys(
        [
            "Comparison",
            "Grade",
            "Measurement",
            "Row",
            "Truth",
            "approx",
            "enclosed",
            "exact",
            "row",
        ],
        "_evidence",
    ),
    **dict.fromkeys(("Series", "series"), "_curves"),
    "Lab": "_lab",
    **dict.fromkeys(("find", "run", "verify_ref"), "_run"),
    **dict.fromkeys(("Outcome", "Record", "Verdict"), "_verdict"),
    **dict.fromkeys(("replay", "verify"), "_verify"),
    "Skip": "_sweep",
}
__all__ = sorted(_HOME)  # pyright: ignore


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"grokverify.{_HOME[name]}"), name)
    raise AttributeError(f"module 'grokverify' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
