"""A second opinion on finished records, by the standard library alone and with code of its own.

It reads the sealed lines, decides every recorded comparison again, follows the verdict from the
outcomes, bounds the risk, and checks the certificates. ``python audit.py records.jsonl`` will do.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

GRADES = ("empirical", "statistical", "certified", "exact", "symbolic")
BUDGET = 3e-6  # risk that one claim may spend, in both directions together
RISK = "billionths of risk spent"


class Bad(Exception):
    """What is wrong with a record, in words."""


def want(fine: Any, why: str) -> None:
    if not fine:
        raise Bad(why)


def audit(path: str | Path) -> tuple[Counter[str], list[str]]:
    """Check every record of a file: how much was checked, and what is wrong, a line each."""
    seen, wrong = Counter[str](), []
    *lines, rest = Path(path).read_bytes().split(b"\n")
    for number, raw in enumerate([*lines, *([rest] if rest else [])], start=1):
        try:
            want(number <= len(lines), "the file does not end with a line: cut off or altered")
            check_record(opened(raw), seen)
        except Exception as e:
            told = e if isinstance(e, Bad) else f"malformed ({type(e).__name__}: {e})"
            wrong.append(f"line {number}: {told}")
    if seen[RISK] > 1_000_000:
        wrong.append("the claims together spend more than the 1e-3 of a run")
    return seen, wrong


def opened(raw: bytes) -> Any:
    """The content of a line, if nothing in it was altered since it was sealed."""
    body = json.loads(raw)
    same = json.dumps(body, allow_nan=False).encode() == raw
    want(same and isinstance(body, dict), "not in the form that is written: the line was altered")
    seal, text = body.pop("seal", None), json.dumps(body, sort_keys=True)
    want(seal == hashlib.sha256(text.encode()).hexdigest(), "the seal does not match: altered")
    want(body["schema"] == 1, f"schema {body['schema']!r}, but this audit reads 1")
    return body


def check_record(r: dict[str, Any], seen: Counter[str]) -> None:
    seen["records"] += 1
    alpha = r["lab"]["alpha"]
    want(0 < alpha <= BUDGET * (1 + 1e-9), f"{r['claim']} has risk {alpha} to spend, over {BUDGET}")
    share = {o["check"]: alpha / (k * (k + 1)) for k, o in enumerate(r["checks"], start=1)}
    for o in (*r["checks"], *r["controls"]):
        try:
            spent, mine = o["risk"], share[o["breaks"] or o["check"]] * (1 + 1e-9)
            want(0 <= spent <= mine, f"it spends risk {spent:.3g}, more than its share {mine:.3g}")
            seen[RISK] += 0 if o["must"] else math.ceil(spent * 1e9)
            check_outcome(o, seen)
        except Bad as e:
            raise Bad(f"{r['claim']}, {o['check']}: {e}") from None
    parts = {o["must"] for o in r["checks"]}, {o["must"] for o in r["controls"]}
    want(parts[0] == {""} and parts[1] <= {"fail", "hold"}, "a control stands among the checks")
    follows = verdict(r["checks"], r["controls"])
    want(r["verdict"] == follows, f"{r['claim']} says {r['verdict']}, but {follows} follows")


def check_outcome(o: dict[str, Any], seen: Counter[str]) -> None:
    tallies = {t["name"]: t for t in o["tallies"]}
    want(len(tallies) == len(o["tallies"]), "two tallies have one name")
    hulls = {m["name"]: both([m["lo"], m["hi"]]) for m in o["constants"]}
    bounds = {t["name"]: both([t["bound_lo"], t["bound_hi"]]) for t in o["tallies"]}
    whole = {name for name, t in tallies.items() if check_tally(t, hulls[name], seen)}
    grade = min((t["grade"] for t in o["tallies"]), key=GRADES.index, default="empirical")
    want(o["grade"] == grade, f"it is graded {o['grade']}, but its weakest comparison {grade}")
    risky = any(t["grade"] == "statistical" for t in o["tallies"])
    want(o["risk"] > 0 or not risky, "a statistical comparison without risk")
    check_truth(o, tallies)
    carried = Counter[bool]()
    for c in o.get("certificates", ()):
        ends = parsed(c["value"][0]), parsed(c["value"][1])
        kind = proved(c["proof"], *ends)
        seen[f"certificates: {kind or 'not carried, only a digest'}"] += 1
        carried[bool(kind)] += 1
        low, high = (bounds if c["role"] == "bound" else hulls)[c["of"]]
        fine = low <= ends[0] <= ends[1] <= high
        if c["role"] == "measured" and c["of"] in whole:
            fine = ends in [both(left) for _, left, _ in tallies[c["of"]]["decided"]]
        want(fine, f"no {c['of']!r} is {c['value']}, which its certificate proves")
    seen["certificates: not carried, no room"] += o.get("uncertified", 0)
    if GRADES.index(o["grade"]) > 1:
        seen[f"{o['grade']} outcomes"] += 1
        seen[f"{o['grade']} outcomes with all their numbers"] += len(whole) == len(tallies)
        seen[f"{o['grade']} outcomes with a certificate"] += carried[True] > 0


def check_tally(t: dict[str, Any], hull: tuple[Any, Any], seen: Counter[str]) -> bool:
    """Decide its comparisons again; whether all their numbers are there."""
    told = {"holds": t["held"], "fails": t["failed"], "undecided": t["undecided"]}
    again, (low, high), where = Counter[str](), both([t["bound_lo"], t["bound_hi"]]), t["name"]
    want(all(type(n) is int and n >= 0 for n in told.values()), f"{where!r} has a strange count")
    for times, left, right in t.get("decided", ()):
        (a, b), (c, d) = both(left), both(right)
        want(times > 0 and a <= b and c <= d, f"{where!r} has an empty enclosure or count")
        inside = hull[0] <= a and b <= hull[1] and low <= c and d <= high
        want(inside, f"{where!r} has numbers outside of those measured")
        plain = a == b and not isinstance(left, float)
        want(plain or GRADES.index(t["grade"]) < 3, f"{where!r} is {t['grade']}, but has {left!r}")
        again[decide(t["relation"], a, b, c, d)] += times
    total, carried = sum(told.values()), again.total()
    for word, n in told.items():
        fits = again[word] <= n and (carried < total or again[word] == n)
        want(fits, f"{where!r} {word} {n} times, but {again[word]} times by its numbers")
    seen["comparisons decided again"] += carried
    seen["comparisons not carried"] += total - carried
    return bool(carried == total)


def decide(relation: str, a: Any, b: Any, c: Any, d: Any) -> str:  # [a, b] relation [c, d]
    if relation == "==":
        return "holds" if a == b == c == d else "fails" if b < c or a > d else "undecided"
    if relation == "<=":  # turned round: -[a, b] >= -[c, d]
        a, b, c, d = -b, -a, -d, -c
    want(relation in ("<=", ">="), f"unknown relation {relation!r}")
    return "holds" if a >= d else "fails" if b < c else "undecided"


def check_truth(o: dict[str, Any], tallies: dict[str, Any]) -> None:
    failed = {t["name"] for t in tallies.values() if t["failed"]}
    unclear = any(t["undecided"] for t in tallies.values()) and o["must"] != "fail"
    want(o["truth"] in ("holds", "fails", "undecided"), f"unknown truth {o['truth']!r}")
    if o["truth"] == "fails":
        fine = o["witness"] is not None and o["failing"] in failed
        want(fine, "it fails without a witness or without a failed comparison")
    elif o["truth"] == "holds":
        fine = bool(tallies) and o["cases"] > 0 and not failed and not unclear
        want(fine, "it is said to hold, against its comparisons or without any")
    elif not (o["error"] or o["skipped"]):
        # A statistical failure that fresh streams did not confirm leaves a check undecided.
        soft = o["must"] != "fail" and all(tallies[n]["grade"] == "statistical" for n in failed)
        want(not failed or soft, "it is said to be undecided, but a comparison failed")
        want(o["detail"], "it is undecided without a reason")


def verdict(checks: list[Any], controls: list[Any]) -> str:
    """The fold from outcomes to a verdict, from its description."""
    failed = [o for o in checks if o["truth"] == "fails"]
    astray = {o["breaks"] for o in controls if o["truth"] != f"{o['must']}s"}
    if any(o["error"] for o in (*checks, *controls)):
        return "error"
    if failed:
        top = max(GRADES.index(o["grade"]) for o in failed)
        worst = next(o["check"] for o in failed if GRADES.index(o["grade"]) == top)
        above = [o for o in checks if o["truth"] == "holds" and GRADES.index(o["grade"]) > top]
        if any(worst in o["covers_witness_of"] for o in above):
            return "inconclusive"
        backed = {o["breaks"] for o in controls if o["must"] == "hold"} - astray
        return "refuted" if {o["check"] for o in failed} <= backed else "inconclusive"
    if any(o["skipped"] for o in (*checks, *controls)):
        return "skipped"
    for o in checks:
        against = [c for c in controls if c["breaks"] == o["check"] and c["must"] == "fail"]
        felled = {t["name"] for c in against for t in c["tallies"] if t["failed"]}
        stands = [t["name"] for t in o["tallies"] if t["name"] not in felled]
        if o["truth"] != "holds" or not against or stands:
            return "inconclusive"
    return "inconclusive" if astray else "verified"


def number(x: Any) -> Any:
    if isinstance(x, dict):
        ((kind, inner),) = x.items()
        if kind == "fraction":
            return Fraction(number(inner[0]), number(inner[1]))
        return int(inner, 16) if kind == "hex" else float(inner)
    return x


def both(x: Any) -> tuple[Any, Any]:
    return (number(x[0]), number(x[1])) if isinstance(x, list) else (number(x), number(x))


def parsed(text: str) -> Any:
    """A number of a certificate; finite floats become the fractions that they are."""
    if "." in text or "inf" in text:
        return float(text) if "inf" in text else Fraction(float.fromhex(text))
    top, _, bottom = text.partition("/")
    return Fraction(int(top, 16), int(bottom or "1", 16))


def matrix(rows: Any) -> list[Any]:
    return [[parsed(word) for word in row.split()] for row in rows]


def proved(proof: dict[str, Any], lo: Any, hi: Any) -> str:
    """The kind of a certificate that proves this enclosure; empty if none was carried."""
    kind, A, fine = str(proof["kind"]), matrix(proof.get("matrix", ())), False
    if kind == "digest":
        return ""
    if kind == "sum":
        fine = lo == hi == proof["plus"] + sum(k * n for k, n, _ in proof["terms"])
        kind *= all(proved(inner, n, n) for _, n, inner in proof["terms"])
    elif kind in ("rank", "rank mod"):
        fine = lo == hi and rank_holds(A, int(lo), proof)
    elif kind == "inertia":
        which = ("negative", "zero", "positive").index(proof["which"]) - 1
        fine = lo == hi == signs(A).count(which)
    elif kind == "eigenvalue":  # the k-th, of every matrix within the spread of A
        k, spread = proof["index"], parsed(proof["spread"])
        below = 0 if lo == -math.inf else signs(A, lo + spread).count(-1)
        fine = spread >= 0 and below <= k < len(A) - signs(A, hi - spread).count(1)
    elif kind == "identity":
        fine = (lo == hi == 0) == vanishes(proof["entries"])
    want(fine, f"a certificate of kind {kind!r} that does not prove [{lo}, {hi}]")
    return kind


def rank_holds(A: list[Any], r: int, proof: dict[str, Any]) -> bool:
    """Rank r modulo the prime is at most the rank; kernel vectors bound it from the other side."""
    q = proof["prime"]
    if any(q % d == 0 for d in range(2, math.isqrt(q) + 1)) or rank_mod(A, q) != r:
        return False
    if proof["kind"] == "rank mod" or r == min(len(A), len(A[0])):
        return True
    null = matrix(proof["kernel"])
    zero = all(sum(x * y for x, y in zip(a, v, strict=True)) == 0 for a in A for v in null)
    return zero and rank_mod(null, q) == len(A[0]) - r


def rank_mod(A: list[Any], q: int) -> int:
    rows, r = [[int(x) % q if x.denominator == 1 else 1 // 0 for x in row] for row in A], 0
    for j in range(len(rows[0])):
        rows[r:] = sorted(rows[r:], key=lambda row: row[j] == 0)
        if r == len(rows) or rows[r][j] == 0:
            continue
        inverse = pow(rows[r][j], -1, q)
        for i in range(r + 1, len(rows)):
            c = rows[i][j] * inverse % q
            rows[i] = [(x - c * y) % q for x, y in zip(rows[i], rows[r], strict=True)]
        r += 1
    return r


def signs(A: list[Any], shift: Any = 0) -> list[int]:
    """Signs of the eigenvalues of A - shift, by exact congruences (Sylvester's law of inertia)."""
    want([list(a) for a in zip(*A, strict=True)] == A, "a matrix that is not symmetric")
    A, found = [[x - shift * (i == j) for j, x in enumerate(a)] for i, a in enumerate(A)], []
    while any(x for row in A for x in row):
        k = next((k for k, row in enumerate(A) if row[k]), None)
        if k is None:  # add a row and its column to another, so that a pivot appears
            k, j = next((i, j) for i, row in enumerate(A) for j, x in enumerate(row) if x)
            A[k] = [x + y for x, y in zip(A[k], A[j], strict=True)]
            A = [[x + row[j] * (c == k) for c, x in enumerate(row)] for row in A]
        top, p = A[k], A[k][k]
        found.append(1 if p > 0 else -1)
        rest = [(row, row[k] / p) for i, row in enumerate(A) if i != k]
        left = [c for c in range(len(top)) if c != k]
        A = [[row[c] - f * top[c] for c in left] for row, f in rest]
    return found + [0] * len(A)


def vanishes(entries: list[str]) -> bool:
    """Whether rational functions of v0, v1, ... and I are zero, at two random points."""
    prime = 2**64 - 59  # modulo which there is a square root of -1, to put for I
    for text in entries:
        fine = re.fullmatch(r"[vI\d+*/() -]+", text) and not re.search(r"\*\*\(?-?\d{3}", text)
        want(fine, f"{text[:60]!r} is no rational function of v0, v1, ... and I")
        code, draw = re.sub(r"(?<![v\d])\d+", r"Q(\g<0>)", text), random.Random(text)
        for root in (pow(2, prime // 4, prime), -pow(2, prime // 4, prime)):
            point = {name: Fraction(draw.getrandbits(61)) for name in re.findall(r"v\d+", text)}
            value = eval(code, {"__builtins__": {}, "Q": Fraction, "I": Fraction(root), **point})
            top = value.numerator  # of a float, an error: no root is rational
            if top % prime if "I" in text else top:
                return False
    return True


def main(path: str) -> int:
    seen, wrong = audit(path)
    told = [f"{n:>8} {what}" for what, n in sorted(seen.items())]
    print(*told, *(f"REJECTED {line}" for line in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
