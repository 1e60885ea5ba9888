"""The ledger file format."""

import pytest

from grokverify import ledger

ROW = """
[[item]]
id = "p/lemma-1"
paper = "p"
locator = "Lemma 1"
statement = "one"
cost = "instant"
"""
OTHER = ROW.replace("lemma-1", "lemma-2")


def test_items_have_claims_or_a_reason(tmp_path):
    path = tmp_path / "ledger.toml"
    path.write_text(ROW + 'claims = {"p/one" = "m:one"}\n' + OTHER + 'unchecked = "a definition"\n')
    a, b = ledger.read(path)
    assert a.claims == (("p/one", "m:one"),)
    assert b.unchecked == "a definition"
    assert ledger.references([a, b]) == {"p/one": "m:one"}


@pytest.mark.parametrize("extra", ["", 'claims = {"p/one" = "m:one"}\nunchecked = "both"\n'])
def test_neither_or_both_is_refused(tmp_path, extra):
    path = tmp_path / "ledger.toml"
    path.write_text(ROW + extra)
    with pytest.raises(ValueError, match="'p/lemma-1' needs claims or a reason"):
        ledger.read(path)


def test_a_malformed_file_is_named(tmp_path):
    path = tmp_path / "ledger.toml"
    path.write_text("[[item]]\nid = 3\n")
    with pytest.raises(ValueError, match="ledger.toml is no ledger: KeyError 'paper'"):
        ledger.read(path)


def test_two_claims_of_one_id_are_named(tmp_path):
    path = tmp_path / "ledger.toml"
    again = ROW.replace("lemma-1", "lemma-2")
    path.write_text(
        ROW + 'claims = {"p/one" = "m:one"}\n' + again + 'claims = {"p/one" = "m:two"}\n'
    )
    with pytest.raises(ValueError, match="'p/one' for m:one and for m:two"):
        ledger.references(ledger.read(path))


def test_a_word_means_a_claim_an_item_or_a_paper(tmp_path):
    path = tmp_path / "ledger.toml"
    both = ROW + 'claims = {"p/one" = "m:one", "p/two" = "m:two"}\n'
    path.write_text(both + ROW.replace("lemma-1", "lemma-2") + 'unchecked = "a definition"\n')
    assert ledger.meanings(ledger.read(path)) == {
        "p": ["m:one", "m:two"],
        "p/lemma-1": ["m:one", "m:two"],
        "p/lemma-2": [],
        "p/one": ["m:one"],
        "p/two": ["m:two"],
    }
