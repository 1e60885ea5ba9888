"""The graph: everything to the right of its sources, circles included; what rests on what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grokverify._verdict import Verdict
from grokverify.report import render
from grokverify.report._graph import HEIGHT, WIDTH, arrows, drawings, footing, resting


def placed(records):
    return {n.claim: n for d in drawings(records) for n in d.nodes}


@pytest.fixture
def chain(make):
    """a <- b <- d, a <- c <- d, and e alone."""
    uses = {"l/a": (), "l/b": ("l/a",), "l/c": ("l/a",), "l/d": ("l/b", "l/c"), "l/e": ()}
    return [make(name, title=name, uses=u) for name, u in uses.items()]


def test_a_claim_stands_right_of_what_it_uses_and_boxes_never_overlap(chain) -> None:
    where = placed(chain)
    assert set(where) == {"l/a", "l/b", "l/c", "l/d"}, "a claim without relations is left out"
    for old, new, _ in arrows(chain):
        assert where[old].x + WIDTH < where[new].x
    boxes = [(n.x, n.y) for n in where.values()]
    for x, y in boxes:
        assert sum(abs(x - u) < WIDTH and abs(y - v) < HEIGHT for u, v in boxes) == 1


def test_families_are_drawn_apart_and_the_largest_first(chain, make) -> None:
    more = [make("l/x", title="x"), make("l/y", title="y", corrects=("l/x",))]
    sizes = [len(d.nodes) for d in drawings([*more, *chain])]
    assert sizes == [4, 2]


def test_a_circle_ends(make) -> None:
    ring = [make(f"l/{i}", uses=(f"l/{(i + 1) % 5}", f"l/{i}")) for i in range(5)]
    assert len(placed(ring)) == 5
    assert footing(ring) == dict.fromkeys((f"l/{i}" for i in range(5)), True)
    assert resting(ring, "l/0") == ["l/1", "l/2", "l/3", "l/4"]


def test_the_footing_is_that_of_everything_below(chain) -> None:
    assert footing(chain) == {"l/a": None, "l/b": True, "l/c": True, "l/d": True, "l/e": None}
    fallen = [replace(chain[0], verdict=Verdict.REFUTED), *chain[1:]]
    assert footing(fallen)["l/d"] is False
    assert footing(chain[1:])["l/d"] is False, "a source that is not in the run is not verified"
    assert resting(chain, "l/a") == ["l/b", "l/c", "l/d"]
    assert resting(chain, "l/d") == []


def test_the_page_has_the_graph_with_links_and_its_twin_table(chain, parse) -> None:
    tree = parse(render([replace(chain[0], verdict=Verdict.REFUTED), *chain[1:]]))
    nodes = [a for a in tree.all("a") if "node" in a.get("class", "")]
    assert [n["href"] for n in nodes] == [f"#claim-l--{x}" for x in "abcd"]
    assert nodes[3]["aria-label"] == "l/d: verified, what it uses: ! not all verified"
    text = " ".join(tree.text.split())
    assert "l/d ✓ verified uses l/b ! not all verified" in text
    assert "l/b ✓ verified uses l/a ! not all verified" in text
    filled = [n["class"] for n in nodes]
    assert filled == ["node refuted sound", "node verified", "node verified", "node verified"]
    sound = [a["class"] for a in parse(render(chain)).all("a") if "node" in a.get("class", "")]
    assert sound == ["node verified sound"] * 4


def test_hundreds_of_claims_are_drawn(make) -> None:
    many = [make(f"l/{i}", uses=(f"l/{i // 2}", f"l/{i // 3}")) for i in range(300)]
    assert len(placed(many)) == 300
    assert all(len(n.lines) <= 2 for n in placed(many).values())
