"""What single cases show, off the path to a verdict: a block of a sweep over sizes and seeds."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grokverify import records
from grokverify._claim import Claim, parameters
from grokverify._evidence import Comparison, Measurement, Row
from grokverify._lab import Lab
from grokverify._notes import Item
from grokverify._sweep import Skip, case_lab, observe_case
from grokverify._verify import named, place


def fitting(claim: Claim, grid: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The checks whose case is exactly the names of the grid, and the cases of all others.

    Raises:
        LookupError: no check fits.
    """
    wanted = set(grid)
    needs = {c.name: parameters(c.observe)[0] for c in claim.checks}
    fit = [name for name, needed in needs.items() if set(needed) == wanted]
    others = {name: needed for name, needed in needs.items() if name not in fit}
    if not fit:
        told = "; ".join(
            f"{name} by {', '.join(needed) if needed else 'nothing'}"
            for name, needed in needs.items()
        )
        raise LookupError(
            f"no check of {claim.id} is about {', '.join(sorted(wanted)) or 'no parameter'} alone. "
            f"Its cases are told apart: {told}. Give all the parameters of one check, and no other."
        )
    return fit, others


def measure(
    claim: Claim, lab: Lab, check: str, case: Mapping[str, Any], seeds: Sequence[int]
) -> dict[str, Any]:
    """One case of a check under several seeds of the lab, as JSON values.

    A case that the check lists has the streams and the numbers that it has in ``verify`` at the
    same seed. Nothing depends on the other seeds of the block.

    Returns:
        ``{"seen": [items, ...], "seconds": [...]}``, one entry a seed. Items are measurements, with
        ``relation``, ``bound`` and ``truth`` where they were compared; rows; and curves. A case
        that raises has the item ``{"error": ...}``, one that is skipped ``{"skipped": ...}``.
    """
    one, seen, spent = named(claim, check), [], []
    for seed in seeds:
        since = time.perf_counter()
        where = place(claim, replace(lab, seed=seed), one)
        here = case_lab(one, where, dict(case), one.cases(where))
        items: list[dict[str, Any]] = []
        try:
            items += (plain(item) for item in observe_case(one, here, dict(case)))
        except Skip as e:
            items.append({"skipped": str(e)})
        except Exception as e:
            items.append({"error": "".join(traceback.format_exception_only(e)).strip()})
        seen.append(items)
        spent.append(time.perf_counter() - since)
    return {"seen": seen, "seconds": spent}


def plain(item: Item) -> dict[str, Any]:
    """What a case yielded, as JSON values."""
    if isinstance(item, Row):
        return {"row": records.encode(item)}
    if not isinstance(item, Comparison | Measurement):
        return {"series": records.encode(item)}
    m = item.left if isinstance(item, Comparison) else item
    told: dict[str, Any] = {"name": m.name, "lo": m.lo, "hi": m.hi, "grade": m.grade}
    if isinstance(item, Comparison):
        bound = [item.right.lo, item.right.hi]
        told |= {"relation": item.relation, "bound": bound, "truth": item.truth}
    return dict(records.encode(told))
