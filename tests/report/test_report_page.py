"""The page: complete, safe, offline, and the same for the same records."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from grokverify import records as files, report
from grokverify._verdict import Verdict
from grokverify.report import card, render


def plain(text: str) -> str:
    return " ".join(text.split())


def test_every_claim_has_a_section_and_a_row(samples, parse) -> None:
    tree = parse(render(samples))
    ids = [a["id"] for _, a in tree.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for r in samples:
        assert f"claim-{r.claim.replace('/', '--')}" in ids
    assert {"overview", "errata", "open", "graph", "all", "reading", "provenance"} <= set(ids)


def test_all_links_lead_somewhere(samples, parse) -> None:
    tree = parse(render(samples))
    ids = {a["id"] for _, a in tree.elements if "id" in a}
    hrefs = [a["href"] for a in tree.all("a")]
    assert len(hrefs) > 10
    for href in hrefs:
        assert href[1:] in ids if href.startswith("#") else href.startswith("https://arxiv.org/")


def test_verdicts_are_counted_and_shown_with_icon_and_word(samples, parse) -> None:
    page = render(samples)
    text = plain(parse(page).text)
    for count, word in ((2, "✓ verified"), (1, "✗ refuted"), (1, "? inconclusive"), (1, "! error")):
        assert f"{count} {word}" in text
    assert "1 – skipped" in text
    assert "3 claims came out otherwise than expected:" in text
    assert "came out otherwise" not in render(samples[:3])


def test_a_refuted_claim_shows_its_witness_and_its_correction(samples, parse) -> None:
    text = plain(parse(render(samples)).text)
    assert "refuted as printed ✓ corrected form verified" in text
    assert "Counterexample p = 5, why = it's odd" in text
    assert "rank = 7 fails to be equal to 8" in text
    assert 'grokverify replay theorems.lab:rank --check rank --case \'{"p": 5, ' in text
    assert "--seed 7 --profile quick" in text
    assert "rank but h=2 hold (positive) ✓ holds, as it must" in text


def test_a_correction_counts_only_where_it_is_verified(samples, parse) -> None:
    mended = replace(samples[2], verdict=Verdict.INCONCLUSIVE)
    text = plain(parse(render([samples[1], mended])).text)
    assert "corrected form verified" not in text
    assert "Proposed correction The mended rank (inconclusive)" in text
    other = replace(samples[2], claim="lab2024/other", title="The other rank")
    text = plain(parse(render([samples[1], mended, other])).text)
    assert "corrected form verified" in text
    assert "Proposed correction The mended rank (inconclusive)" in text
    assert "Proposed correction The other rank" not in text
    undecided = replace(samples[1], verdict=Verdict.INCONCLUSIVE)
    assert "corrected form verified" not in render([undecided, samples[2]])
    alone = plain(parse(render([samples[1]])).text)
    assert "Not a claim of this run; the check holds with rank but h=2." in alone


def test_constants_stand_beside_the_printed_numbers(samples, parse) -> None:
    text = plain(parse(render(samples[:1])).text)
    assert "Quantity Measured Must be Cases Slack Printed Grade" in text
    assert "rank 7 ≥ 5 3 held 2 9/2 = 4.5 exact" in text
    assert "level [0.25, 0.5] nats 4p statistical" in text
    assert "rank but h=1 fail (negative) ✓ fails, as it must rank p = 5" in text
    assert "3 rows of measurements" in text
    assert "exact × exhaustive" in text
    assert "given 1 cited result" in text
    assert "Verified given Sard's theorem" in text


def test_a_control_that_misbehaves_is_marked(samples, parse) -> None:
    text = plain(parse(render(samples)).text)
    assert "! holds, which is wrong" in text
    assert "it stood" in text


def test_relations_are_shown_from_both_ends(samples, parse) -> None:
    text = plain(parse(render(samples)).text)
    assert "Uses ✓ The mended rank (verified); elsewhere/lemma (not in this run)" in text
    assert "Used by ✓ Full rank (verified)" in text
    assert "Corrects ✗ The printed rank (refuted)" in text
    assert "Corrected by ✓ The mended rank (verified)" in text


def test_pictures_have_words_with_numbers(samples, parse) -> None:
    pictures = [a for a in parse(render(samples)).all("svg") if "plot" in a["class"]]
    assert pictures
    for picture in pictures:
        assert picture["role"] == "img"
        assert "from 6 at 3 to 15 at 7" in picture["aria-label"]


def test_nothing_is_loaded_and_nothing_runs(samples, parse) -> None:
    page = render(samples)
    tree = parse(page)
    policy = [a["content"] for a in tree.all("meta") if a.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy[0], "the one script, and no other, may run"
    assert script == (Path(report.__file__).parent / "page.js").read_text()
    assert not tree.all("iframe") + tree.all("object") + tree.all("form")
    for tag, attributes in tree.elements:
        assert not [k for k in attributes if k.startswith("on")], tag
        assert "style" not in attributes
        for key in ("src", "srcset", "data", "poster", "background"):
            assert attributes.get(key, "data:").startswith("data:")
        if tag == "link":
            assert attributes["href"].startswith("data:")
    assert "url(" not in page
    assert "@import" not in page


def test_tables_are_accessible(samples, parse) -> None:
    page = render(samples)
    tree = parse(page)
    assert page.count("<table") == page.count("<caption")
    assert all(a.get("scope") for a in tree.all("th"))
    assert len(tree.all("h1")) == 1
    assert all(a.get("aria-label") for _, a in tree.elements if a.get("role") == "group")
    assert tree.all("html") == [{"lang": "en"}]


def test_no_records_give_a_page_too(parse) -> None:
    assert "0 claims" in plain(parse(render([])).text)


def test_the_later_record_of_a_claim_counts_and_order_does_not(samples) -> None:
    first = replace(samples[0], verdict=Verdict.ERROR)
    assert render([first, *samples]) == render(samples)
    assert render(samples[::-1]) == render(samples)


def test_claims_stand_in_the_order_of_the_paper(make, parse) -> None:
    places = ["Theorem B.1", "Theorem 10", "Lemma 9.2", "Lemma 9.10", "Section 2"]
    claims = [
        make(f"l/{i}", title=p, source={"paper": "P", "locator": p}) for i, p in enumerate(places)
    ]
    nav = parse(render(claims)).text.split("Verification report", 2)[1]
    order = sorted(places, key=nav.index)
    assert order == ["Section 2", "Lemma 9.2", "Lemma 9.10", "Theorem 10", "Theorem B.1"]


_RENDER = (
    "import sys, hashlib; from grokverify.records import read; from grokverify.report import "
    "render; page = render(read(sys.argv[1])[0]); assert 'torch' not in sys.modules; "
    "print(hashlib.sha256(page.encode()).hexdigest())"
)


def test_two_processes_render_the_same_bytes_without_torch(samples, tmp_path) -> None:
    path = tmp_path / "records.jsonl"
    files.write(path, samples)
    digests = set()
    for seed in ("0", "1"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        args = [sys.executable, "-c", _RENDER, str(path)]
        digests.add(subprocess.run(args, env=env, capture_output=True, check=True).stdout)
    assert len(digests) == 1


def test_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, grokverify.report; "
        "assert not {'torch', 'numpy', 'jinja2', 'latex2mathml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_card_is_small_and_complete(samples, parse) -> None:
    tree = parse(card(samples[1]))
    text = plain(tree.text)
    assert "✗ refuted" in text
    assert "counterexample p = 5" in text
    assert "Not covered: Only three primes." in text
    assert not tree.all("img")
    assert samples[0]._repr_html_() == card(samples[0])


def test_a_card_shows_the_plots_and_a_claim_has_a_card_before_it_runs(samples, parse) -> None:
    from grokverify import Claim, Source, check, exact

    tree = parse(card(samples[0]))
    assert [a["role"] for a in tree.all("svg")] == ["img"]

    @check(dict(n=1), dict(n=2))
    def small(lab, n, top=3):
        yield exact("n", n).at_most(top)

    one = Claim(
        id="t/small",
        source=Source("A paper", "Lemma 1 <script>"),
        title="Small numbers",
        statement="$n < 4$",
        hypotheses=("$n$ is listed",),
        checks=(small.part("the bound"),),
        controls=(small.but(top=1), small.but(top=2).must_hold()),
        gap="Two cases.",
    )
    tree = parse(one._repr_html_())
    text = plain(tree.text)
    assert "Small numbers · A paper, Lemma 1 <script>" in text
    assert "Check small (on the bound): fails with top=1; holds with top=2" in text
    assert "Not covered: Two cases. Not run yet: verify(claim, Lab()) · t/small" in text
    assert not tree.all("script")
