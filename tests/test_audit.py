"""The audit accepts what was recorded, and rejects every forgery that was thought of."""

import ast
import hashlib
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch

import grokverify.audit
from grokverify import Claim, Lab, Source, check, exact, stats, verify
from grokverify.audit import audit
from grokverify.cli import main
from grokverify.linalg.certified import least_eigenvalue
from grokverify.linalg.exact import rank_exact, rank_mod_prime
from grokverify.linalg.rational import inertia
from grokverify.records import from_json, to_json
from grokverify.symbolic import residue


@check(dict(n=3), dict(n=5))
def matrices(lab, n, drop=0):
    A = np.arange(n * n).reshape(n, n)  # rank 2
    yield exact("rank", rank_exact(A) - drop).equals(2)
    yield exact("rank", rank_exact(A.T[:2]) - drop).equals(2)
    yield exact("kernel dimension", n - rank_exact(A) + drop).equals(n - 2)
    yield exact("rank modulo 2", rank_mod_prime(A, q=2) - drop).at_least(2)
    yield exact("negative", inertia(A + A.T)[0] + drop).equals(1)
    yield exact("zero", inertia(np.eye(n)[::-1] * Fraction(1, 3))[1] + drop).equals(0)
    K = torch.eye(n, dtype=torch.float64) + 0.1
    yield least_eigenvalue("floor", K, radius=1e-9).at_least(0.99 + drop)
    yield exact("cube", Fraction(n**3, 7) + drop).at_most(Fraction(n**3, 7))


@check()
def identity(lab, power=2):
    a, b = sp.symbols("a b")
    turn = (a + sp.I * b) ** 2 - (a**2 - b**2 + 2 * sp.I * a * b)
    yield residue("square", (a + b) ** power - a**2 - 2 * a * b - b**2).equals(0)
    yield residue("turn", turn + (power - 2) * b).equals(0)
    yield residue("both", sp.Matrix([1 / (1 + a) - (1 + b) / (1 + a) / (1 + b), power - 2])).equals(
        0
    )


@check(dict(p=0.1))
def seldom(lab, p, bound=0.2):
    yield stats.decide(
        "rate", lambda lab, n: lab.uniform("u", n, low=0.0) < p, lab=lab, at_most=bound
    )


@pytest.fixture(scope="module")
def line():
    claim = Claim(
        id="test/certificates",
        source=Source("A paper", "Theorem 1"),
        statement="s",
        checks=(matrices, identity, seldom),
        controls=(matrices.but(drop=1), identity.but(power=3), seldom.but(bound=0.05)),
    )
    record = verify(claim, Lab(profile="smoke"))
    assert record.verdict.value == "verified", record.explain()
    assert from_json(to_json(record)) == record
    return to_json(record)


def audited(tmp_path, *lines):
    path = tmp_path / "records.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    return audit(path)


def sealed(body):
    body.pop("seal", None)
    text = json.dumps(body, sort_keys=True)
    return json.dumps({**body, "seal": hashlib.sha256(text.encode()).hexdigest()})


def test_every_kind_of_certificate_is_checked(line, tmp_path):
    seen, wrong = audited(tmp_path, line)
    assert wrong == []
    kinds = ("rank", "rank mod", "sum", "inertia", "eigenvalue", "identity")
    assert all(seen[f"certificates: {kind}"] for kind in kinds), seen
    assert seen["comparisons not carried"] == seen["certificates: not carried, only a digest"] == 0
    assert seen["exact outcomes with a certificate"] == seen["exact outcomes"]
    assert seen["symbolic outcomes with a certificate"] == 2
    assert 0 < seen["billionths of risk spent"] <= 3000


def test_many_claims_may_not_spend_more_than_a_run(line, tmp_path):
    def spend(body):
        body["checks"][0].update(body["checks"][2], risk=1.4e-6)
        body["controls"] = [{**body["controls"][2], "breaks": "seldom"}]
        del body["checks"][1:]

    line = altered(line, spend)
    assert audited(tmp_path, *[line] * 700)[1] == []
    _, wrong = audited(tmp_path, *[line] * 720)
    assert wrong == ["the claims together spend more than the 1e-3 of a run"]


def certificates(body, kind):
    for o in (*body["checks"], *body["controls"]):
        for c in o["certificates"]:
            if c["proof"]["kind"] == kind:
                yield o, c


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
    "an unequal identity": ("identity", lambda c: c["proof"].update(entries=["v0 + I - 1"])),
}


def bent(rows):
    *before, last = rows[0].split()
    rows[0] = " ".join([*before, "0x1.8p+1" if "." in last else f"{int(last, 16) + 1:x}"])


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
    forge(found[0 if kind == "identity" else -1])
    _, wrong = audited(tmp_path, sealed(body))
    assert len(wrong) == 1
    told = ("does not prove", "not symmetric")
    assert any(text in wrong[0] for text in told), wrong
    assert "line 1: test/certificates, " in wrong[0]


def test_a_true_certificate_of_another_number_is_rejected(line, tmp_path):
    body = json.loads(line)
    (_, c), *_ = certificates(body, "rank")
    c["proof"] = {"kind": "rank", "prime": 7, "matrix": ["1"]}
    c["value"] = ["1", "1"]
    _, wrong = audited(tmp_path, sealed(body))
    assert "no 'rank' is ['1', '1'], which its certificate proves" in wrong[0]


def altered(line, change):
    body = json.loads(line)
    change(body)
    return sealed(body)


CHANGES = {
    "refuted, but verified follows": lambda b: b.update(verdict="refuted"),
    "verified, but inconclusive follows": lambda b: b["controls"].pop(),
    "verified, but error follows": lambda b: b["controls"][0].update(error="ValueError"),
    "'rank' holds 3 times, but 4 times by its numbers": lambda b: b["checks"][0]["tallies"][
        0
    ].update(held=3),
    "has numbers outside of those measured": lambda b: b["checks"][0]["tallies"][0]["decided"][
        0
    ].__setitem__(1, 9),
    "'square' is symbolic, but has": lambda b: b["checks"][1]["tallies"][0]["decided"][
        0
    ].__setitem__(1, 0.0),
    "said to hold, against its comparisons": lambda b: b["controls"][0].update(truth="holds"),
    "said to be undecided, but a comparison failed": lambda b: b["controls"][0].update(
        truth="undecided"
    ),
    "malformed (ValueError: zip()": lambda b: next(
        c for _, c in certificates(b, "rank") if len(c["proof"]["matrix"]) > 1
    )["proof"]["matrix"].__setitem__(0, "1"),
    "undecided without a reason": lambda b: b["checks"][0].update(truth="undecided"),
    "fails without a witness": lambda b: b["controls"][0].update(witness=None),
    "graded symbolic, but its weakest comparison certified": lambda b: b["checks"][0].update(
        grade="symbolic"
    ),
    "spends risk 1e-06, more than its share": lambda b: b["checks"][2].update(risk=1e-6),
    "a statistical comparison without risk": lambda b: b["checks"][2].update(risk=0.0),
    "has risk 0.01 to spend, over 3e-06": lambda b: b["lab"].update(alpha=0.01),
    "a control stands among the checks": lambda b: b["checks"][0].update(must="hold"),
    "schema 7, but this audit reads 1": lambda b: b.update(schema=7),
    "two tallies have one name": lambda b: b["checks"][0]["tallies"].append(
        b["checks"][0]["tallies"][0]
    ),
    "malformed (KeyError": lambda b: b["checks"][0].pop("tallies"),
    "'rank' has an empty enclosure or count": lambda b: b["checks"][0]["tallies"][0]["decided"][
        0
    ].__setitem__(0, -1),
    "'rank' has a strange count": lambda b: b["checks"][0]["tallies"][0].update(failed=-1),
    "unknown truth 'maybe'": lambda b: b["checks"][0].update(truth="maybe"),
}


@pytest.mark.parametrize("text", CHANGES)
def test_what_does_not_follow_is_rejected_although_it_is_sealed(line, tmp_path, text):
    _, wrong = audited(tmp_path, altered(line, CHANGES[text]))
    assert len(wrong) == 1
    assert text in wrong[0]


def test_a_hundred_altered_bytes_are_all_rejected(line, tmp_path):
    rng = np.random.default_rng(2024)
    path = tmp_path / "records.jsonl"
    whole = (line + "\n").encode()
    path.write_bytes(whole)
    assert audit(path)[1] == []
    for _ in range(100):
        at, by = rng.integers(len(whole)), rng.integers(1, 256)
        bad = bytearray(whole)
        bad[at] ^= by
        path.write_bytes(bad)
        assert audit(path)[1], (at, by, whole[at - 20 : at + 20])


@pytest.mark.parametrize(
    ("old", "new"), [(": 0.1", ": .1"), ('": ', '":\t'), ("test/", "t\\u0065st/"), ("\n", "\n\n")]
)
def test_the_same_content_in_another_form_is_rejected(line, tmp_path, old, new):
    path = tmp_path / "records.jsonl"
    path.write_text((line + "\n").replace(old, new, 1))
    assert len(audit(path)[1]) == 1


def test_a_cut_file_is_rejected(line, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(line)
    assert "does not end with a line: cut off or altered" in audit(path)[1][0]
    path.write_text(line + "\n" + line[:50])
    assert len(audit(path)[1]) == 1


def test_the_command(line, tmp_path, capsys):
    path = tmp_path / "records.jsonl"
    path.write_text(line + "\n")
    assert main(["audit", str(path)]) == 0
    assert "1 records" in capsys.readouterr().out
    path.write_text(altered(line, CHANGES["refuted, but verified follows"]) + "\n")
    assert main(["audit", str(path)]) == 1
    assert "REJECTED line 1: test/certificates says refuted" in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "none.jsonl")]) == 2
    assert "cannot be read (No such file or directory); run the" in capsys.readouterr().err


def test_the_reference_run_follows_from_its_numbers():
    seen, wrong = audit(Path(__file__).parents[1] / "reports/reference/records.jsonl")
    assert wrong == []
    assert seen["records"] > 100


def test_the_checker_stands_alone(line, tmp_path):
    source = Path(grokverify.audit.__file__)
    assert len(source.read_text().splitlines()) < 300
    for node in ast.walk(ast.parse(source.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), names
    path = tmp_path / "records.jsonl"
    path.write_text(line + "\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", source, path], capture_output=True, text=True, check=True
    )
    assert "1 records" in done.stdout


def test_the_command_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from grokverify.cli import main; main(['audit', '/nowhere']);"
        "heavy = {'torch', 'numpy', 'sympy', 'scipy', 'theorems', 'hypothesis'};"
        "sys.exit(1 if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0


def test_too_large_a_witness_leaves_a_digest(tmp_path):
    A = np.random.default_rng(0).integers(0, 10**6, (60, 60))
    told = rank_exact(A).proof()
    assert told["kind"] == "digest"
    assert told["shapes"] == {"matrix": [60, 60]}
    assert told["why"] == "3600 numbers, more than a record carries"
    assert len(told["sha256"]) == 64
    assert rank_exact(np.ones((400, 400), dtype=int)).proof()["sha256"] == ""
    assert rank_exact(np.zeros((0, 3), dtype=int)).proof()["why"] == "an empty matrix"
