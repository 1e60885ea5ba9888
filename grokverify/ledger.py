"""The ledger: every numbered statement of a paper, with its claims or the reason why none.

``list`` and ``show`` read only these files, one a paper; they import neither torch nor a claim.
"""

from __future__ import annotations

import importlib.util
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Item:
    """A numbered statement of a paper, or one of our own.

    ``claims`` holds claim ids mapped to references "module:name"; ``unchecked`` says why where
    there is none. ``cost`` is "instant", "seconds", "minutes" or "gpu".
    """

    id: str
    paper: str
    locator: str
    statement: str
    cost: str
    origin: str
    claims: tuple[tuple[str, str], ...]
    unchecked: str = ""


def read(path: str | Path | None = None) -> list[Item]:
    """The items of a ledger file, by default of all those that ship with the theorems.

    Raises:
        LookupError: no ledger is installed.
        ValueError: a file is malformed, two items of a paper share an id, or an item has neither
            a claim nor a reason.
    """
    items = [item for where in ([Path(path)] if path else shipped()) for item in _items(where)]
    seen: dict[tuple[str, str], Item] = {}
    for item in items:
        if seen.setdefault((item.paper, item.id), item) is not item:
            raise ValueError(
                f"the ledger has two items {item.id!r} of {item.paper}; one would hide the other. "
                "Give each its own id."
            )
    return items


def _items(where: Path) -> list[Item]:
    try:
        raw = tomllib.loads(where.read_text(encoding="utf-8"))["item"]
        items = [
            Item(
                id=row["id"],
                paper=row["paper"],
                locator=row["locator"],
                statement=row["statement"],
                cost=row["cost"],
                origin=row.get("origin", "paper"),
                claims=tuple(sorted(row.get("claims", {}).items())),
                unchecked=row.get("unchecked", ""),
            )
            for row in raw
        ]
    except (KeyError, TypeError, AttributeError, tomllib.TOMLDecodeError) as e:
        raise ValueError(f"{where} is no ledger: {type(e).__name__} {e}.") from None
    for item in items:
        if bool(item.claims) == bool(item.unchecked):
            raise ValueError(
                f"{where}: item {item.id!r} needs claims or a reason in 'unchecked', and not both."
            )
    return items


def shipped() -> list[Path]:
    """The ledgers of the ``theorems`` package, one a paper, found without importing it.

    Raises:
        LookupError: the package is not installed or has no ledger.
    """
    spec = importlib.util.find_spec("theorems")
    folders = (spec.submodule_search_locations or []) if spec else []
    found = sorted(path for folder in folders for path in Path(folder).glob("*/ledger.toml"))
    if found:
        return found
    raise LookupError(
        "no theorems/*/ledger.toml is on the path. Run in a checkout, or name a module or a file."
    )


def references(items: list[Item]) -> dict[str, str]:
    """Claim id -> "module:name" of every claim in the ledger, in the ledger's order.

    Raises:
        ValueError: two claims share an id.
    """
    known: dict[str, str] = {}
    for claim, ref in (pair for item in items for pair in item.claims):
        if known.setdefault(claim, ref) != ref:
            raise ValueError(
                f"the ledger lists the claim id {claim!r} for {known[claim]} and for {ref}. Ids "
                "name records and random streams: give each claim its own."
            )
    return known


def meanings(items: list[Item]) -> dict[str, list[str]]:
    """What a word on the command line stands for: an id of a claim, an id of an item, or a paper.

    Each maps to references "module:name"; an item without a claim to an empty list.
    """
    found: dict[str, list[str]] = {}
    for item in items:
        for word in {item.id, item.paper}:
            found.setdefault(word, []).extend(ref for _, ref in item.claims)
    for claim, ref in references(items).items():
        found.setdefault(claim, [ref])
    return {word: list(dict.fromkeys(refs)) for word, refs in found.items()}
