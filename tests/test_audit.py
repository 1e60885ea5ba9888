"""The audit accepts what was recorded, and rejects every forgery that was thought of."""

import ast
import decimal
import hashlib
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

import grokverify.audit
from grokverify import Claim, Lab, Source, _witness, check, exact, records, stats, verify
from grokverify.audit import audit
from grokverify.cli import main
from grokverify.enclosure import measured, supremum
from grokverify.groups import differing
from grokverify.linalg.certified import least_eigenvalue
from grokverify.linalg.exact import rank_exact, rank_mod_prime
from grokverify.linalg.rational import inertia
from grokverify.margins import margin_enclosure, max_margin
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
    halves = (A * Fraction(1, 2),)
    yield exact("differing", differing(halves, (halves[0] + (A == 1) * drop,))).equals(0)
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


x, y = sp.symbols("x y")
BELL = sp.exp(-(x**2)) * sp.cosh(x / 3) + sp.erfc(y) - sp.sqrt(2) ** sp.Rational(1, 3) / sp.pi


@check(dict(t=0.25), dict(t=3))
def formulas(lab, t, less=0):
    yield measured("value", BELL, {x: t, y: (0.5, 0.75)}).at_least(-1 + 9 * less)
    yield measured("bound", sp.log(t + 1)).at_most(measured("larger", sp.log(t + 2 - 3 * less)))
    hump = supremum("hump", x * (y - x), x, (0, 3), {y: 2}, gap=0.1)
    yield hump.at_most(Fraction(5, 4) - less)
    sine = (sp.exp(x**2) - 1, "Taylor")
    yield supremum("near 0", (sp.exp(x**2) - 1) / x, x, (0, 1), near=sine, gap=0.1).at_most(
        2 - less
    )


@check(dict(norm=1), dict(norm=2), dict(norm=float("inf")))
def margins(lab, norm, less=0):
    X = [[2.0, 1.0], [1.0, 3.0], [-0.5, 2.0]]
    told = margin_enclosure("gamma*", X, max_margin(X, norm))
    yield told.at_least(0.5 + 9 * less)


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
        checks=(matrices, identity, seldom, formulas, margins),
        controls=(
            matrices.but(drop=1),
            identity.but(power=3),
            seldom.but(bound=0.05),
            formulas.but(less=Fraction(1, 2)),
            margins.but(less=1),
        ),
    )
    record = verify(claim, Lab(profile="smoke"))
    assert record.verdict.value == "verified", record.explain()
    assert from_json(to_json(record)) == record
    return to_json(record)


def closed(*lines):
    """A file of these lines, as it is written: the last one counts and hashes the others."""
    told = [len(lines), hashlib.sha256("".join(lines).encode()).hexdigest()]
    return "".join(line + "\n" for line in (*lines, sealed({"closes": told, "schema": 1})))


def audited(tmp_path, *lines):
    path = tmp_path / "records.jsonl"
    path.write_text(closed(*lines))
    return audit(path)


def sealed(body):
    body.pop("seal", None)
    text = json.dumps(body, sort_keys=True)
    return json.dumps({**body, "seal": hashlib.sha256(text.encode()).hexdigest()})


def test_every_kind_of_certificate_is_checked(line, tmp_path):
    seen, wrong = audited(tmp_path, line)
    assert wrong == []
    kinds = ("rank", "rank mod", "sum", "inertia", "eigenvalue", "identity")
    kinds += ("differ", "formula", "supremum", "margin")
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


def test_many_claims_may_not_spend_more_than_a_run(line, tmp_path):
    def spend(body, k):
        body["checks"][0].update(body["checks"][2], risk=1.4e-6)
        body["controls"] = [{**body["controls"][2], "breaks": "seldom"}]
        body["claim"] += f"-{k}"
        del body["checks"][1:]

    lines = [altered(line, lambda body, k=k: spend(body, k)) for k in range(720)]
    assert audited(tmp_path, *lines[:700])[1] == []
    _, wrong = audited(tmp_path, *lines)
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
    "arrays with another entry": ("differ", lambda c: bent(c["proof"]["other"])),
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
    ].update(held=3, failed=1),
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
    "9 comparisons, 4 carried": lambda b: b["checks"][0]["tallies"][0].update(held=9),
    "8 cases, but": lambda b: b["checks"][2].update(cases=8),
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
    whole = closed(line).encode()
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
    path.write_text(closed(line).replace(old, new, 1))
    assert audit(path)[1]


def test_a_cut_file_is_rejected(line, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(closed(line)[:-1])
    assert "does not end with a line: cut off or altered" in audit(path)[1][-1]
    path.write_text(closed(line)[:-50])
    assert "does not end with a line: cut off or altered" in audit(path)[1][-1]
    path.write_text("")
    assert audit(path)[1] == ["the file is empty"]


def test_a_lost_an_added_and_a_doubled_line_are_rejected(line, tmp_path):
    path = tmp_path / "records.jsonl"
    other = altered(line, lambda body: body.update(claim="test/other"))
    whole = closed(line, other)
    path.write_text(whole)
    assert audit(path)[1] == []
    first, second, last = whole.splitlines(keepends=True)
    third = altered(line, lambda body: body.update(claim="test/third")) + "\n"
    changed = {
        "lost": first + last,
        "exchanged": second + first + last,
        "added": first + second + third + last,
    }
    for text in changed.values():
        path.write_text(text)
        assert "counts other lines than those before it" in audit(path)[1][0]
    path.write_text(first + second)
    assert "counts other lines than those before it" in audit(path)[1][0]
    path.write_text(closed(line, line))
    assert audit(path)[1] == ["line 2: a second record of test/certificates"]
    path.write_text(whole + whole)
    assert audit(path)[1]


def test_a_file_is_written_closed_and_read_with_the_same_care(line, tmp_path):
    path = tmp_path / "records.jsonl"
    record = from_json(line)
    records.write(path, [record])
    assert audit(path)[1] == []
    assert records.read(path) == ([record], [])
    path.write_text(closed(line, altered(line, lambda b: b.update(claim="test/other"))))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    (kept,), (problem,) = records.read(path)
    assert kept.claim == "test/other"
    assert "line 2: it counts other lines than the 1 before it" in problem
    records.write(path, [record], closed=False)
    records.append(path, record)
    assert records.read(path) == ([record], [])


def test_the_command(line, tmp_path, capsys):
    path = tmp_path / "records.jsonl"
    path.write_text(closed(line))
    assert main(["audit", str(path)]) == 0
    assert "1 records" in capsys.readouterr().out
    path.write_text(closed(altered(line, CHANGES["refuted, but verified follows"])))
    assert main(["audit", str(path)]) == 1
    assert "REJECTED line 1: test/certificates says refuted" in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "none.jsonl")]) == 2
    assert "cannot be read (No such file or directory); run the" in capsys.readouterr().err


def test_the_reference_run_follows_from_its_numbers():
    seen, wrong = audit(Path(__file__).parents[1] / "reports/reference/records.jsonl")
    assert wrong == []
    assert seen["records"] > 100


def test_the_checker_stands_alone(line, tmp_path):
    """Two files of less than 300 lines: one checks certificates, and the other the records."""
    for module in (grokverify.audit, _witness):
        source = Path(module.__file__).read_text()
        assert len(source.splitlines()) < 300
        for node in ast.walk(ast.parse(source)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            alone = sys.stdlib_module_names | {"grokverify._witness"}
            assert all(name in alone or name.split(".")[0] in alone for name in names), names
    path = tmp_path / "records.jsonl"
    path.write_text(closed(line))
    root = Path(grokverify.__file__).parents[1]
    alone = [sys.executable, "-S", "-m", "grokverify.audit", path]  # -S: nothing is installed
    done = subprocess.run(alone, capture_output=True, text=True, check=True, cwd=root)
    assert "1 records" in done.stdout


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "erfc", "cosh", "sinh"])
def test_functions_of_the_checker_enclose_those_of_mpmath(name):
    with mpmath.workprec(600):
        long = 99 + Fraction(1, 3) + Fraction(1, 10**150)  # the decimals beyond may not be lost
        for x in (0, 1, Fraction(1, 3), long, 2.5, Fraction(299, 100), 3, 5, 11.99, 12, 40, -1, -5):
            if x <= 0 and name in ("log", "sqrt"):
                continue
            x = Fraction(x)
            true = getattr(mpmath, name)(mpmath.mpf(x.numerator) / x.denominator)
            told = _witness.RULES[name](_witness.spanned(x))
            low, high = mpmath.mpf(str(told.lo)), mpmath.mpf(str(told.hi))
            assert low <= true <= high
            assert high - low <= abs(true) * mpmath.mpf(10) ** -40
        pi = _witness.PI
        assert mpmath.mpf(str(pi.lo)) < mpmath.pi < mpmath.mpf(str(pi.hi))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("v0**2", 0, 4),
        ("v0**3", -1, 8),
        ("v0 - v0", -3, 3),
        ("2 - v0/4", Fraction(3, 2), Fraction(9, 4)),
        ("(v0 + 2)**(-1)", Fraction(1, 4), 1),
        ("(v0 + 2)**(1/2)", 1, 2),
        ("4**(-3/2)", Fraction(1, 8), Fraction(1, 8)),
        ("Max(v0, 1) + Min(v0, 0)", 0, 2),
        ("-v0*v0", -4, 2),
        ("exp(0) + log(1)", 1, 1),
    ],
)
def test_interval_arithmetic_of_the_checker(text, low, high):
    names = {"v0": _witness.spanned(Fraction(-1), Fraction(2))}
    told = _witness.value(_witness.read(text), names)
    assert (told.lo, told.hi) == (decimal.Decimal(float(low)), decimal.Decimal(float(high)))


@pytest.mark.parametrize(("text", "true"), [("1/3", Fraction(1, 3)), ("-2/7", Fraction(-2, 7))])
def test_what_no_decimal_equals_lies_strictly_between_the_ends(text, true):
    told = _witness.value(_witness.read(text), {})
    assert Fraction(told.lo) < true < Fraction(told.hi)


def test_a_negative_multiplier_bounds_no_margin():
    X, w, a = [[Fraction(1)], [Fraction(3, 2)]], [Fraction(1)], [Fraction(2), Fraction(-1)]
    for norm in ("1", "2", "inf"):  # the margin is 1; the multipliers would bound it by 1/2
        assert not _witness.duality(X, w, a, norm, 0, Fraction(1, 2))
        assert _witness.duality(X, w, [Fraction(1), Fraction(0)], norm, 1, 1)
        assert not _witness.duality(X, w, [Fraction(1), Fraction(0)], norm, Fraction(11, 10), 2)


@pytest.mark.parametrize("text", ["1/v0", "log(v0)", "v0.real", "__import__('os')", "[1]", "'a'"])
def test_what_is_no_formula_is_refused(text):
    names = {"v0": _witness.spanned(Fraction(-1), Fraction(2))}
    with pytest.raises(Exception, match="."):
        _witness.value(_witness.read(text), names)


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
