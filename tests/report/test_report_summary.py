"""Markdown, badge, CSV, schema and the page of a difference: complete, bounded, harmless."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree

import jsonschema
import pytest

from grokverify import records as files
from grokverify._evidence import Grade, Measurement
from grokverify._verdict import Verdict
from grokverify.report import badge, difference, endpoint, summary, table


def test_the_summary_counts_and_puts_surprises_first(samples) -> None:
    text = summary(samples)
    assert "✓ 2 verified, ✗ 1 refuted, ? 1 inconclusive, ! 1 error, – 1 skipped" in text
    assert text.index("### Not as expected") < text.index("### False as printed")
    assert "| – | Lab et al., Ranks, Theorem 1.2 | The printed rank | verified |" in text
    assert "| ! error | verified | lab2024/broken | rank: ValueError: no |" in text
    calm = summary(samples[:3])
    assert "Every claim came to the verdict that was expected of it." in calm
    assert summary([]).startswith("## grokverify\n\nNo claims.")
    assert summary(samples) == summary(samples[::-1])


def test_the_summary_fits_a_ci_step(make) -> None:
    long = "<b>| $x$ " * 5_000
    many = [make(f"l/{i}", title=long, verdict=Verdict.ERROR, reason=long) for i in range(300)]
    text = summary(many)
    assert len(text.encode()) < 2**20
    assert text.count("... and 250 more.") == 2
    assert "<b>" not in text


def test_the_badge_tells_the_counts_in_both_forms(samples) -> None:
    assert endpoint(samples[:3]) == {
        "schemaVersion": 1,
        "label": "claims",
        "message": "2 verified, 1 refuted",
        "color": "green",
    }
    assert endpoint(samples[:4])["message"] == "2 verified, 1 refuted, 1 unexpected"
    assert [endpoint(samples[:n])["color"] for n in (4, 6)] == ["orange", "red"]
    assert endpoint([])["message"] == "no claims"
    picture = ElementTree.fromstring(badge(samples[:3]))
    assert picture.get("aria-label") == "claims: 2 verified, 1 refuted"
    assert "http" not in badge(samples).replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_the_table_has_a_line_a_constant_and_keeps_exact_numbers(samples, make, make_check) -> None:
    rows = list(csv.DictReader(io.StringIO(table(samples))))
    assert len(rows) == sum(len(o.constants) for r in samples for o in r.checks)
    first = next(r for r in rows if r["claim"] == "lab2024/rank")
    assert (first["quantity"], first["lo"], first["relation"]) == ("rank", "7", ">=")
    assert (first["bound_lo"], first["held"], first["printed"]) == ("5", "3", "9/2")
    wild = make_check(
        constants=(
            Measurement("=1+1", Fraction(-7, 3), Fraction(-7, 3), Grade.EXACT, printed="@x"),
            Measurement("huge", 10**6000, 10**6000, Grade.EXACT),
        ),
    )
    evil, huge = csv.DictReader(io.StringIO(table([make(checks=(wild,))])))
    assert (evil["quantity"], evil["lo"], evil["printed"]) == ("'=1+1", "-7/3", "'@x")
    assert huge["lo"] == "≈ 10⁶⁰⁰⁰"


SCHEMA = files.schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one_and_records_obey_it(samples, make, make_check) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    wild = make_check(
        constants=(
            Measurement("open", -float("inf"), Fraction(1, 10**5000), Grade.CERTIFIED),
            Measurement("huge", 10**6000, 10**6000, Grade.EXACT, printed="n"),
        )
    )
    for r in [*samples, make(checks=(wild,), severity="S2")]:
        VALIDATOR.validate(json.loads(files.to_json(r)))


def test_the_schema_names_the_fields_of_the_records_and_no_others(make) -> None:
    written = json.loads(files.to_json(make()))
    (o,) = written["checks"]
    for name, body in (("tally", o["tallies"][0]), ("measurement", o["constants"][0])):
        assert set(body) == set(SCHEMA["$defs"][name]["properties"]), name
    assert set(o) == set(SCHEMA["$defs"]["outcome"]["properties"])
    assert set(o["series"][0]) == set(SCHEMA["$defs"]["series"]["properties"])
    assert set(written) == set(SCHEMA["properties"])
    assert SCHEMA["properties"]["schema"] == {"const": files.SCHEMA}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict", "true"),
        ("severity", "S9"),
        ("checks", [{}]),
        ("seal", "0"),
        ("schema", 2),
        ("more", 1),
        ("claim", None),
    ],
)
def test_the_schema_refuses_what_is_no_record(make, key: str, value: object) -> None:
    body = json.loads(files.to_json(make()))
    body[key] = value
    assert not VALIDATOR.is_valid(body)
    del body[key]
    assert VALIDATOR.is_valid(body) == (key in ("more", "severity"))


def test_new_refutations_lead_the_page_of_a_difference(make, make_check, parse) -> None:
    far = make_check(constants=(Measurement("level", 5, 6, Grade.STATISTICAL),))
    old = [make(f"l/{i}", title=f"T{i}") for i in range(5)]
    new = [
        replace(old[0], checks=(far,)),
        replace(old[1], assumes=("more",)),
        replace(old[2], verdict=Verdict.INCONCLUSIVE),
        replace(old[3], verdict=Verdict.REFUTED, expect=Verdict.VERIFIED),
        make("l/9", title="<script>x</script>"),
    ]
    tree = parse(difference(old, new))
    text = " ".join(tree.text.split())
    heads = ["New refutation: 1", "Verdict: 1", "Removed: 1", "Disjoint constant: 1"]
    heads += ["Assumptions: 1", "Added: 1"]
    assert [text.index(h) for h in heads] == sorted(text.index(h) for h in heads)
    assert "4 of 6 differences are regressions." in text
    assert "T0l/0 rank: level = [0.25, 0.5] nats -> level = [5, 6] ✗ yes" in text
    assert not tree.all("script")
    assert "Nothing: verdicts, constants and assumptions agree." in difference(old, old)
    assert [d.kind for d in files.diff(old, new)][:2] == ["new refutation", "verdict"]


def test_a_changed_statement_is_told(make) -> None:
    (found,) = files.diff([make()], [make(statement="another")])
    assert (found.kind, found.regression) == ("statement", False)
