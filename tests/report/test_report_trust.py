"""The trust statement: generated counts, and Markdown that foreign text cannot break."""

from __future__ import annotations

from dataclasses import replace

from grokverify._verdict import Verdict
from grokverify.report import trust


def rows(text: str, heading: str) -> list[list[str]]:
    part = text.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_counts_come_from_the_records(samples) -> None:
    text = trust(samples)
    assert rows(text, "## Verdicts") == [
        ["✓ verified", "2"],
        ["✗ refuted", "1"],
        ["? inconclusive", "1"],
        ["! error", "1"],
        ["– skipped", "1"],
    ]
    evidence = {row[0]: row[1:] for row in rows(text, "## Evidence")}
    assert evidence["exact"] == ["0", "3", "0", "0", "0", "0"]
    assert evidence["statistical"] == ["0"] * 6


def test_each_decided_claim_stands_under_its_grade(samples) -> None:
    text = trust(samples)
    assert [row[1] for row in rows(text, "### Exact")] == [
        "The printed rank",
        "Full rank",
        "The mended rank",  # ours stand after the printed ones
    ]
    assert "No claim of this run." in text.split("### Symbolic")[1].split("###")[0]
    assert [row[1] for row in rows(text, "## Not decided")] == ["Skipped", "Broken", "Left open"]
    assert rows(text, "## Cited and not checked") == [["Full rank", "Sard's theorem"]]


def test_what_is_trusted_and_the_risk_are_named(samples) -> None:
    text = trust(samples)
    for part in ("PyTorch and its BLAS", "Hypothesis", "sympy", "python-flint", "grokverify"):
        assert part in text
    assert "Total risk of this run: ≤ 10⁻⁶." in text
    assert ["commit", "abc123"] in rows(text, "## Provenance")


def test_foreign_text_cannot_break_a_table(samples) -> None:
    bad = replace(
        samples[0],
        title="a | b\n# c <img src=x> [l](javascript:x) `code` $x^2$",
        verdict=Verdict.VERIFIED,
    )
    ((_, title, *_),) = rows(trust([bad]), "### Exact")
    assert title == (r"a \| b \# c &lt;img src=x&gt; \[l\](javascript:x) \`code\` $x^2$")


def test_no_records_and_determinism(samples) -> None:
    assert trust(samples) == trust(samples[::-1])
    assert "| ✓ verified | 0 |" in trust([])
