"""The ledger and the claims are in bijection; links between claims point at claims."""

import re
from collections import Counter
from pathlib import Path

import pytest

from grokverify import Verdict, find, ledger

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def claims():
    found = {}
    for path in sorted((ROOT / "theorems").rglob("*.py")):
        if path.name != "__init__.py" and not path.name.startswith("_"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found.update(find(module))
    return found


def test_every_claim_has_a_row_and_every_row_its_claim(claims):
    rows = ledger.references(ledger.read())
    # A claim that another file imports is found under both names; its own file counts.
    mine = {c.id: ref for ref, c in claims.items() if ref in rows.values()}
    assert rows == mine
    assert {c.id for c in claims.values()} == set(rows)


def test_item_ids_are_unique_and_papers_match():
    items = ledger.read()
    assert not [name for name, n in Counter(i.id for i in items).items() if n > 1]
    for item in items:
        assert item.id.startswith(f"{item.paper}/"), item.id
        assert item.cost in ("instant", "seconds", "minutes", "gpu"), item.id
        assert item.origin in ("paper", "ours"), item.id


def test_links_point_at_claims(claims):
    ids = {c.id for c in claims.values()}
    for claim in claims.values():
        for other in (*claim.uses, *claim.sharpens, *claim.corrects):
            assert other in ids, f"{claim.id} refers to {other}"


def test_printed_forms_that_are_refuted_have_a_correction(claims):
    corrected = {old for c in claims.values() for old in c.corrects}
    refuted = {c.id for c in claims.values() if c.expected("quick") is Verdict.REFUTED}
    assert corrected <= refuted
    for claim in claims.values():
        if claim.id in refuted - corrected:  # a wrong name, say, with nothing to put in its place
            assert "slip of a name" in claim.gap, f"{claim.id} is refuted and nothing corrects it"


def test_every_claim_says_what_it_does_not_cover(claims):
    for claim in claims.values():
        assert claim.gap, f"{claim.id} has no gap"
        assert claim.statement
        assert claim.source.locator
        assert len(claim.checks) >= 2 or claim.origin == "ours", f"{claim.id} has one line only"


WORDS = {"headline": "S0", "lemma": "S1", "constant": "S1", "step": "S2", "slip": "S3"}


def test_every_false_statement_says_how_much_falls_with_it(claims):
    for claim in claims.values():
        told = re.match(r"Severity: (\w+)", claim.gap)
        if claim.expected("quick") is Verdict.REFUTED:
            assert claim.severity or told, f"{claim.id} is refuted: give its severity"
        if claim.severity and told:
            assert WORDS[told[1]] == claim.severity, f"{claim.id}: {told[0]}, {claim.severity}"


def test_a_paper_has_one_name(claims):
    """The report counts by it."""
    names = {}
    for claim in claims.values():
        if claim.source.arxiv:
            names.setdefault(claim.source.arxiv, set()).add(claim.source.paper)
    assert {number: found for number, found in names.items() if len(found) > 1} == {}
