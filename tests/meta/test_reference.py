"""The committed reference run is today's: same claims, same page, same verdicts and constants."""

from pathlib import Path

import pytest

from grokverify import Lab, ledger, records, verify_ref
from grokverify.report import render

HERE = Path(__file__).parents[2] / "reports" / "reference"
AGAIN = "If the change is meant, run `make reference` and commit what it writes."
FOUND, PROBLEMS = records.read(HERE / "records.jsonl")
SAMPLE = 40


def test_every_claim_of_the_ledger_is_in_the_reference_run_and_no_other():
    assert not PROBLEMS
    told = {r.claim: r.ref for r in FOUND}
    today = ledger.references(ledger.read())
    assert sorted(set(today) - set(told)) == [], f"claims without a record. {AGAIN}"
    assert told == today, AGAIN


def test_the_reference_run_is_smoke_from_seed_0_and_as_expected():
    assert {(r.lab["profile"], r.lab["seed"], r.lab["device"]) for r in FOUND} == {
        ("smoke", 0, "cpu")
    }
    assert [r.claim for r in FOUND if not r.as_expected] == []


def test_the_page_is_rendered_again_byte_for_byte():
    again = "Run `grokverify report reports/reference/records.jsonl` and look at the page."
    assert render(FOUND) == (HERE / "index.html").read_text(encoding="utf-8"), again


def compare(record):
    try:
        now = verify_ref(record.ref, Lab(profile="smoke"))
    except LookupError as e:
        pytest.fail(f"{e} {AGAIN}")
    assert now.verdict is record.verdict, f"{now.explain()}\n{AGAIN}"
    assert [(o.check, o.grade, o.coverage, o.truth) for o in now.checks] == [
        (o.check, o.grade, o.coverage, o.truth) for o in record.checks
    ], AGAIN
    changed = [d.what for d in records.diff([record], [now])]
    assert not changed, f"{changed}\n{AGAIN}"


CHEAPEST_FIRST = sorted(FOUND, key=lambda r: r.seconds)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(r, id=r.claim, marks=[] if k < SAMPLE else [pytest.mark.slow])
        for k, r in enumerate(CHEAPEST_FIRST)
    ],
)
def test_verdicts_and_constants_are_those_of_the_reference_run(record):
    compare(record)


def test_a_changed_verdict_or_constant_is_noticed():
    from dataclasses import replace
    from fractions import Fraction

    record = next(r for r in CHEAPEST_FIRST if r.checks[0].constants)
    (first, *rest) = record.checks
    (m, *others) = first.constants
    moved = replace(m, lo=m.lo + Fraction(1, 7), hi=m.hi + Fraction(1, 7))
    wrong = replace(first, constants=(moved, *others))
    with pytest.raises(AssertionError, match=m.name[:10].replace("(", ".").replace("|", ".")):
        compare(replace(record, checks=(wrong, *rest)))
    with pytest.raises(AssertionError, match="make reference"):
        compare(replace(record, verdict=record.expect.__class__.SKIPPED))
