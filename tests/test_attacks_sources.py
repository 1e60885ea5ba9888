"""Ways to a verdict that was not earned by the sources that it is said to rest on."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from grokverify import (
    find,
    ledger,
    records,
)
from grokverify._sources import source_hash
from grokverify.cli import main

CLAIMS = """
from grokverify import *
from helper import BOUND
@check()
def holds(lab, x=1):
    yield exact("x", x).at_most(BOUND)
one = Claim(id="t/one", source=Source("p", "l"), statement="s", checks=(holds,),
            controls=(holds.but(x=9),))
"""


STAGED = CLAIMS.replace("check()", "check(dict(runs=4))").replace(
    "def holds(lab,", "def holds(lab, runs,"
)
STAGED = STAGED.replace("def holds", "@stats.interim(2)\ndef holds").replace(
    "from helper", "from grokverify import stats\nfrom helper"
)


@pytest.mark.parametrize("text", [CLAIMS, STAGED], ids=["plain", "staged"])
def test_a_record_is_stale_once_a_helper_changes(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("helper.py").write_text("from deeper import BOUND\n")
    Path("deeper.py").write_text("BOUND = 2\n")
    Path("claims.py").write_text(text)
    words = ["run", "claims.py", "--workers", "1", "--no-isolate", "--profile", "smoke"]
    words += ["--out", "out"]
    try:
        assert main(words) == 0
        ((_, claim),) = find("claims.py").items()
        before = source_hash(claim)
        assert main([*words, "--resume"]) == 0
        assert "resuming: 1 of 1 records are still good" in capsys.readouterr().out
        Path("deeper.py").write_text("BOUND = 3  # another\n")
        assert source_hash(claim) != before
        assert main([*words, "--resume"]) == 0
        assert "resuming" not in capsys.readouterr().out
    finally:
        for name in ("helper", "deeper"):
            sys.modules.pop(name, None)


def test_the_hash_of_the_sources_knows_statement_and_controls():
    ((_, claim),) = find("theorems.mohamadi2024.setup:homogeneous").items()
    hashes = {
        source_hash(c)
        for c in (
            claim,
            replace(claim, statement="another"),
            replace(claim, controls=claim.controls[:-1]),
        )
    }
    assert len(hashes) == 3


def test_two_items_of_one_id_are_refused(tmp_path):
    item = (
        '[[item]]\nid = "same"\npaper = "p"\nlocator = "l"\nstatement = "s"\ncost = "instant"\n'
        'unchecked = "why"\n'
    )
    path = tmp_path / "ledger.toml"
    path.write_text(item * 2)
    with pytest.raises(ValueError, match="two items 'same' of p; one would hide the other"):
        ledger.read(path)


def test_a_claim_whose_id_is_not_the_listed_one_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("helper.py").write_text("BOUND = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("claims.py").write_text(CLAIMS)
    listed = [
        ledger.Item("a", "p", "l", "s", "instant", "paper", (("t/one", "claims.py:one"),)),
        ledger.Item("b", "p", "l", "s", "instant", "paper", (("t/two", "claims.py:one"),)),
    ]
    monkeypatch.setattr(ledger, "read", lambda path=None: listed[1:])
    try:
        code = main(["run", "--workers", "1", "--no-isolate", "--profile", "smoke", "--out", "out"])
    finally:
        sys.modules.pop("helper", None)
    assert code == 4
    (record,), _ = records.read("out/records.jsonl")
    assert record.claim == "t/two"
    assert "the ledger calls claims.py:one 't/two', but its claim has the id 't/one'" in (
        record.reason
    )
