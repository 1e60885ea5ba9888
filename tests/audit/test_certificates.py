"""Certificates in a record: every kind is checked, and every forgery is rejected."""

import json

import numpy as np
import pytest
from lines import altered, audited, certificates, sealed

from grokverify.linalg.exact import rank_exact


def test_every_kind_of_certificate_is_checked(line, tmp_path):
    seen, wrong = audited(tmp_path, line)
    assert wrong == []
    kinds = ("rank", "rank mod", "sum", "inertia", "eigenvalue", "identity")
    kinds += ("differ", "worked", "formula", "supremum", "margin")
    assert all(seen[f"certificates: {kind}"] for kind in kinds), seen
    assert seen["comparisons not carried"] == seen["certificates: not carried, only a digest"] == 0
    told = {word: n for word, n in seen.items() if "outcomes" in word}
    # Of the matrices, one comparison has no certificate: the third power.
    assert told == {
        "certified outcomes by a witness of some": 2,
        "certified outcomes by a witness of each comparison": 4,
        "symbolic outcomes by a witness of each comparison": 2,
    }
    assert 0 < seen["billionths of risk spent"] <= 3000


FORGERIES = {
    "a rank with another matrix": ("rank", lambda c: c["proof"].update(matrix=["1 0", "0 0"])),
    "a rank modulo no prime": ("rank", lambda c: c["proof"].update(prime=15)),
    "a kernel vector that is none": ("rank", lambda c: bent(c["proof"]["kernel"])),
    "a kernel of equal vectors": (
        "rank",
        lambda c: c["proof"].update(kernel=c["proof"]["kernel"][:1] * 3),
    ),
    "a rank modulo a prime of another matrix": (
        "rank mod",
        lambda c: c["proof"].update(matrix=["1 0 1", "0 1 0", "1 1 0"]),
    ),
    "a sum with another constant": ("sum", lambda c: c["proof"].update(plus=77)),
    "a sum of something unproved": ("sum", lambda c: nudged(c["proof"]["terms"][0])),
    "signs of another matrix": ("sum", lambda c: swapped(c["proof"]["terms"][0][2])),
    "an eigenvalue above the floor": ("eigenvalue", lambda c: c["proof"].update(spread="0x1.0p+0")),
    "an eigenvalue of another index": ("eigenvalue", lambda c: c["proof"].update(index=2)),
    "an asymmetric matrix": ("eigenvalue", lambda c: bent(c["proof"]["matrix"])),
    "an identity that is none": ("identity", lambda c: c["proof"].update(entries=["v0 - v1"])),
    "arrays with another entry": ("differ", lambda c: bent(c["proof"]["other"])),
    "work on another number": ("worked", lambda c: bent(c["proof"]["matrix"])),
    "work without its last step": ("worked", lambda c: cut(c["proof"])),
    "work with another operation": ("worked", lambda c: turned_over(c["proof"])),
    "an empty interval": ("formula", lambda c: turned_round(c["proof"]["at"])),
    "another formula": ("formula", lambda c: c["proof"].update(text="exp(v0)")),
    "a formula at another place": ("formula", lambda c: moved(c["proof"]["at"])),
    "a power in a formula": ("formula", lambda c: c["proof"].update(text="2**20000")),
    "a supremum without its middle": ("supremum", lambda c: without_middle(c["proof"])),
    "a supremum that is not reached": ("supremum", lambda c: c["proof"].update(best="0x1.0p-20")),
    "a supremum reached outside": ("supremum", lambda c: c["proof"].update(best="0x1.8p+1")),
    "a supremum of points in disorder": ("supremum", lambda c: disordered(c["proof"])),
    "a margin of other data": ("margin", lambda c: bent(c["proof"]["matrix"])),
    "a margin with a negative multiplier": ("margin", lambda c: negated(c["proof"])),
    "a margin in another norm": ("margin", lambda c: other_norm(c["proof"])),
    "an unequal identity": ("identity", lambda c: c["proof"].update(entries=["v0 + I - 1"])),
}


def bent(rows):
    *before, last = rows[0].split()
    rows[0] = " ".join([*before, "0x1.8p+1" if "." in last else f"{int(last, 16) + 1:x}"])


def cut(proof):
    proof["steps"] = proof["steps"].rpartition(" ")[0]


def turned_over(proof):
    before, _, last = proof["steps"].rpartition(" ")
    proof["steps"] = f"{before} {'*' if last[0] == '/' else '/'}{last[1:]}"


def turned_round(at):
    at |= {name: ["0x1.8p+1", "0x1.0p+0"] for name in at}


def moved(at):
    at |= {name: ["0x1.8p+1", "0x1.8p+1"] for name in at}


def without_middle(proof):
    points = proof["points"].split()
    proof["points"] = " ".join([*points[:2], points[-1]])  # one box is still as it was


def disordered(proof):
    proof["points"] = " ".join(proof["points"].split()[::-1])


def negated(proof):
    rest = proof["multipliers"].split()[1:]
    proof["multipliers"] = " ".join(["-0x1.0p+0", *rest])


def other_norm(proof):
    proof["norm"] = "inf" if proof["norm"] == "1" else "1"


def nudged(term):
    term[1] += 1


def swapped(inner):
    if inner["kind"] == "inertia":
        inner["which"] = "positive" if inner["which"] != "positive" else "zero"
    else:
        inner["matrix"] = ["0"]


@pytest.mark.parametrize("what", FORGERIES)
def test_forged_certificates_are_rejected(line, tmp_path, what):
    kind, forge = FORGERIES[what]
    body = json.loads(line)
    found = [c for _, c in certificates(body, kind) if kind != "rank" or "kernel" in c["proof"]]
    if kind == "worked":  # of what differs, most numbers may be others
        found = [c for c in found if (c["of"], c["role"]) == ("fifth", "measured")]
    forge(found[0 if kind == "identity" else -1])
    _, wrong = audited(tmp_path, sealed(body))
    assert len(wrong) == 1
    told = ("does not prove", "not symmetric", "a huge power", "an empty interval")
    assert any(text in wrong[0] for text in told), wrong
    assert "line 1: test/certificates, " in wrong[0]


def test_a_true_certificate_of_another_number_is_rejected(line, tmp_path):
    body = json.loads(line)
    (_, c), *_ = certificates(body, "rank")
    c["proof"] = {"kind": "rank", "prime": 7, "matrix": ["1"]}
    c["value"] = ["1", "1"]
    _, wrong = audited(tmp_path, sealed(body))
    assert "no 'rank' is ['1', '1'], which its certificate proves" in wrong[0]


def test_too_large_a_witness_leaves_a_digest(tmp_path):
    A = np.random.default_rng(0).integers(0, 10**6, (60, 60))
    told = rank_exact(A).proof()
    assert told["kind"] == "digest"
    assert told["shapes"] == {"matrix": [60, 60]}
    assert told["why"] == "3600 numbers, more than a record carries"
    assert len(told["sha256"]) == 64
    assert rank_exact(np.ones((400, 400), dtype=int)).proof()["sha256"] == ""
    assert rank_exact(np.zeros((0, 3), dtype=int)).proof()["why"] == "an empty matrix"


def test_a_witness_of_one_case_does_not_speak_for_the_others(line, tmp_path):
    def without_a_case(body):
        (o,) = (o for o in body["checks"] if o["check"] == "margins")
        o["uncertified"] = 1
        del o["certificates"][0]

    before, _ = audited(tmp_path, line)
    seen, wrong = audited(tmp_path, altered(line, without_a_case))
    assert wrong == []
    for word, more in (("each comparison", -1), ("some", 1)):
        told = f"certified outcomes by a witness of {word}"
        assert seen[told] == before[told] + more
