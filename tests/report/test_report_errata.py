"""Errata and open questions: severity, what is wrong, what rests on it, and the range tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grokverify._evidence import Grade, Truth
from grokverify._verdict import Verdict
from grokverify.report import render
from grokverify.report._compare import compared
from grokverify.report._errata import fault, questions, severity


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("gap", "declared", "grave", "wrong"),
    [
        ("Severity: slip. A sign.", "", "S3", "A sign."),
        ("Severity: constant. A factor 2.", "S0", "S0", "A factor 2."),
        ("Severity: slip of a name. The rest.", "", "S3", "Slip of a name. The rest."),
        ("Severity: step, as read.", "", "S2", "Step, as read."),
        ("Severity: enormous. Oh.", "", "", "Oh."),
        ("Nothing said.", "", "", "Nothing said."),
        ("", "S1", "S1", ""),
    ],
)
def test_severity_is_declared_or_read_from_the_gap(make, gap, declared, grave, wrong) -> None:
    r = make(gap=gap, severity=declared)
    assert severity(r) == grave
    assert fault(r, [r]).wrong == wrong


def test_the_page_says_how_grave_how_sure_and_what_rests_on_it(samples, make, parse) -> None:
    printed = replace(samples[1], gap="Severity: slip. One sign in\nthe text we read.")
    above = make("lab2024/above", title="Built on it", uses=("lab2024/printed",))
    text = plain(parse(render([printed, *samples[2:], above])).text)
    assert "S3 † Lab et al. Theorem 1.2 The printed rank ✓ verified" in text
    assert "Severity S3: a slip. † One symbol of the text that we read decides" in text
    assert "What is wrong One sign in the text we read." in text
    assert (
        "How sure 1 check fails, the best of grade exact; with the corrected ingredient 1 of"
        in text
    )
    assert "Rests on it ✓ Built on it (verified)" in text
    alone = plain(parse(render([replace(printed, gap="Severity: lemma. False.")])).text)
    assert "Severity S1: a lemma or a constant is false, and can be mended" in alone
    assert "†" not in alone
    assert "Rests on it No claim of this run" in alone


def test_the_smallest_counterexample_is_shown(samples, make_check, parse) -> None:
    witnesses = ({}, {"p": 7, "width": 12}, {"p": 2})
    failing = [
        make_check(check=f"c{i}", truth=Truth.FAILS, witness=w) for i, w in enumerate(witnesses)
    ]
    text = plain(parse(render([replace(samples[1], checks=tuple(failing))])).text)
    errata = text[text.index("Errata Statements") : text.index("All claims Every")]
    assert "Counterexample p = 2" in errata
    assert "--check c2" in errata
    assert "p = 7" not in errata
    only = plain(parse(render([replace(samples[1], checks=(failing[0],))])).text)
    assert "Counterexample the only case" in only


def test_the_gravest_comes_first(samples, parse) -> None:
    told = {"S3": "Slip", "S0": "Headline", "": "Unsaid", "S2": "Step"}
    wrong = [
        replace(samples[1], claim=f"l/{i}", title=t, severity=s, gap="")
        for i, (s, t) in enumerate(told.items())
    ]
    tree = parse(render(wrong))
    ids = [a["id"] for a in tree.all("article")]
    assert ids == [f"erratum-claim-l--{i}" for i in (1, 3, 0, 2)]
    assert "not stated" in tree.text


def test_open_questions_are_computed_from_the_evidence(make, make_check, samples) -> None:
    soft = make_check(grade=Grade.STATISTICAL, cases=2)
    clause = make_check(check="algebra", grade=Grade.SYMBOLIC, clause="a part")
    ours = make("l/ours", origin="ours", checks=(soft, clause))
    theirs = make("l/theirs", checks=(replace(soft, grade=Grade.EMPIRICAL),))
    proved = make("l/proved", checks=(soft, make_check(check="proof")))
    false = make("l/false", verdict=Verdict.REFUTED, checks=(replace(soft, truth=Truth.FAILS),))
    found = dict(questions([ours, theirs, proved, false, samples[3]]))
    assert [[q.claim for q in some] for some in found.values()] == [
        ["l/ours"],
        ["l/theirs"],
        ["lab2024/open"],
    ]
    (mine,) = next(iter(found.values()))
    assert (mine.evidence, mine.tried) == ("statistical", "p from 3 to 7; 5 cases")
    assert questions([proved]) == []
    assert 'id="open"' not in render([proved])
    assert "p from 3 to 7" in render([ours])


def test_printed_stands_beside_exact_and_measured(make, make_check, parse) -> None:
    text = plain(parse(render([make()])).text)
    assert "Quantity Printed Exact Measured rank 9/2 = 4.5 7 – level" in text
    assert "level 4p – [0.25, 0.5] nats" in text
    assert "width, at p = 7 17.5 15 –" in text, "the end of the curve"
    bare = make(checks=(make_check(constants=(), series=()),))
    assert compared(bare) == ()
    assert "Printed, exact and measured" not in render([bare])


def test_the_first_lines_say_what_fails_how_strongly_and_what_it_rests_on(
    samples, make, parse
) -> None:
    printed = replace(samples[1], severity="S1")
    weak = outcome_of(samples[0], Grade.STATISTICAL)
    text = plain(parse(render([samples[0], printed, samples[2], weak])).text)
    assert "1 statement of the papers is false as printed: no S0 (a headline result falls)" in text
    assert "; 1 S1 (a lemma or a constant is false" in text
    assert "For 1 of them a corrected form is verified." in text
    assert "3 verdicts rest on symbolic, exact or certified evidence, 1 on statistical or" in text
    assert "2 verified claims take cited theorems as given" in text
    none = plain(parse(render([make()])).text)
    assert "What does not hold" not in none
    assert "No verified claims take" in none
    assert "No verdict here rests on chance." in none


def outcome_of(record, grade):
    checks = tuple(replace(o, grade=grade) for o in record.checks)
    return replace(record, claim="lab2024/weak", checks=checks)
