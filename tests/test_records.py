"""Records on disk: round trip, seals, bad lines, atomic replacement, differences."""

import json
import math
import os
from dataclasses import replace
from fractions import Fraction

import pytest

from grokverify import (
    Claim,
    Grade,
    Lab,
    Measurement,
    Source,
    Verdict,
    check,
    exact,
    row,
    series,
    verify,
)
from grokverify.records import (
    BadRecord,
    append,
    diff,
    encode,
    from_json,
    outcome,
    read,
    to_json,
    write,
)


@check({"n": 3}, {"n": 4})
def cubes(lab, n, power=3):
    yield exact("cube", Fraction(n**power, 7)).beside(printed="n^3 / 7").equals(Fraction(n**3, 7))
    yield Measurement("one-sided", -math.inf, 2.5, Grade.CERTIFIED)
    yield exact("huge", 10**6000)
    yield row(n=n, half=Fraction(n, 2), law="x")


@pytest.fixture(scope="module")
def record():
    one = Claim(
        id="test/cubes",
        source=Source("A paper", "Theorem 1"),
        statement="s",
        checks=(cubes,),
        controls=(cubes.but(power=2),),
    )
    return verify(one, Lab(profile="smoke"))


def test_a_record_survives_json_with_every_kind_of_number(record):
    line = to_json(record)
    assert "\n" not in line
    assert "NaN" not in line
    assert "Infinity" not in line
    assert from_json(line) == record


def test_the_fields_that_others_rely_on(record):
    body = json.loads(to_json(record))
    assert body["claim"] == "test/cubes"
    assert body["verdict"] == "verified"
    assert body["schema"] == 1
    assert {"reason", "checks", "controls"} <= set(body)


@pytest.mark.fault(10)
def test_every_altered_byte_is_noticed(record):
    line = to_json(record)
    for k in range(0, len(line), 37):
        flipped = line[:k] + chr(ord(line[k]) ^ 1) + line[k + 1 :]
        with pytest.raises(BadRecord):
            from_json(flipped)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "truncated or damaged"),
        ("[]", "not a grokverify record"),
        ('{"claim": "x", "schema": 0}', "schema 0, this version reads 1; run the claim again"),
        ('{"claim": "x", "schema": 1}', "the seal does not match"),
    ],
)
def test_bad_lines_say_what_is_wrong(line, text):
    with pytest.raises(BadRecord, match=text):
        from_json(line)


def test_reading_skips_bad_lines_and_keeps_the_last_of_each_claim(tmp_path, record):
    path = tmp_path / "records.jsonl"
    later = replace(record, seconds=99.0)
    lines = [to_json(record), "garbage", to_json(record)[:-40], "", to_json(later)]
    path.write_text("\n".join(lines))
    found, problems = read(path)
    assert found == [later]
    assert len(problems) == 2
    assert "line 2" in problems[0]
    assert "It is ignored" in problems[1]


def test_a_failed_write_leaves_the_old_file(tmp_path, record, monkeypatch):
    path = tmp_path / "records.jsonl"
    write(path, [record])
    before = path.read_bytes()

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, [record, record])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["records.jsonl"]


def test_append_adds_a_line(tmp_path, record):
    path = tmp_path / "partial.jsonl"
    append(path, record)
    append(path, replace(record, claim="test/other"))
    found, problems = read(path)
    assert [r.claim for r in found] == ["test/cubes", "test/other"]
    assert not problems


def test_a_run_does_not_differ_from_itself(record):
    assert diff([record], [replace(record, seconds=5.0)]) == []


def test_a_flip_and_a_lost_claim_are_regressions_and_come_first(record):
    flipped = replace(record, verdict=Verdict.REFUTED)
    other = replace(record, claim="test/a-new-one")
    found = diff([record, replace(record, claim="test/gone")], [flipped, other])
    assert [(d.claim, d.what, d.regression, d.kind) for d in found] == [
        ("test/cubes", "verdict verified -> refuted", True, "new refutation"),
        ("test/gone", "removed", True, "removed"),
        ("test/a-new-one", "added", False, "added"),
    ]


def test_an_exact_constant_may_not_move(record):
    (o,) = record.checks
    moved = replace(o.constants[0], hi=o.constants[0].hi + Fraction(1, 1000))
    other = replace(record, checks=(replace(o, constants=(moved, *o.constants[1:])),))
    (found,) = diff([record], [other])
    assert "cubes: cube" in found.what
    assert not found.regression  # the enclosures still meet


def test_a_grid_survives_and_series_of_older_records_are_still_read(record):
    grid = series("g", x=[1, 2], y=[3, 3], heat=[1.5, math.inf], plot="p", stacked=True)
    whole = replace(record, checks=(replace(record.checks[0], series=(grid,)),))
    assert from_json(to_json(whole)) == whole
    older = encode(whole.checks[0])
    for name in ("plot", "heat", "stacked", "marks"):
        del older["series"][0][name]
    assert outcome(older).series == (replace(grid, heat=(), plot="", stacked=False),)
