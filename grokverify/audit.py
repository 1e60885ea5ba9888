"""A second opinion on finished records, by the standard library alone and with code of its own.

It reads the sealed lines, decides every recorded comparison again, follows the verdict from the
outcomes, bounds the risk, and has the certificates checked by ``_witness``. Where neither torch nor
anything else is installed, ``python -m grokverify.audit records.jsonl`` does the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter
from fractions import Fraction as Q
from pathlib import Path
from typing import Any

from grokverify._witness import Bad, parsed, proved, want

GRADES = ("empirical", "statistical", "certified", "exact", "symbolic")
BUDGET = 3e-6  # risk that one claim may spend, in both directions together
RISK = "billionths of risk spent"


def audit(path: str | Path) -> tuple[Counter[str], list[str]]:
    """Check every record of a file: how much was checked, and what is wrong, a line each."""
    seen = Counter[str]()
    claims, wrong = set[str](), list[str]()
    *lines, rest = Path(path).read_bytes().split(b"\n")
    for number, raw in enumerate([*lines, *([rest] if rest else [])], start=1):
        try:
            want(number <= len(lines), "the file does not end with a line: cut off or altered")
            r = opened(raw)
            if number == len(lines):
                before = [number - 1, hashlib.sha256(b"".join(lines[:-1])).hexdigest()]
                want(r.get("closes") == before, "it counts other lines than those before it")
            else:
                want(r["claim"] not in claims, f"a second record of {r['claim']}")
                claims.add(r["claim"])
                check_record(r, seen)
        except Exception as e:
            told = str(e) if isinstance(e, Bad) else f"malformed ({type(e).__name__}: {e})"
            wrong.append(f"line {number}: {told}")
    if seen[RISK] > 1_000_000:
        wrong.append("the claims together spend more than the 1e-3 of a run")
    return seen, wrong if lines else ["the file is empty"]


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
    carried = Counter[str]()
    for c in o.get("certificates", ()):
        ends = parsed(c["value"][0]), parsed(c["value"][1])
        kind = proved(c["proof"], *ends)
        seen[f"certificates: {kind or 'not carried, only a digest'}"] += 1
        carried[c["of"]] += c["count"] if kind and c["role"] == "measured" else 0
        low, high = (bounds if c["role"] == "bound" else hulls)[c["of"]]
        fine = low <= ends[0] <= ends[1] <= high
        if c["role"] == "measured" and c["of"] in whole:
            fine = ends in [both(left) for _, left, _ in tallies[c["of"]]["decided"]]
        want(fine, f"no {c['of']!r} is {c['value']}, which its certificate proves")
    seen["certificates: not carried, no room"] += o.get("uncertified", 0)
    if GRADES.index(o["grade"]) > 1:
        each = all(carried[n] >= sum(outcomes(t).values()) for n, t in tallies.items())
        some = "a witness of some" if carried.total() else "compared numbers alone"
        seen[f"{o['grade']} outcomes by {'a witness of each comparison' if each else some}"] += 1


def outcomes(t: dict[str, Any]) -> dict[str, int]:
    return {"holds": t["held"], "fails": t["failed"], "undecided": t["undecided"]}


def check_tally(t: dict[str, Any], hull: tuple[Any, Any], seen: Counter[str]) -> bool:
    """Decide its comparisons again; whether all their numbers are there."""
    told, again, where = outcomes(t), Counter[str](), t["name"]
    low, high = both([t["bound_lo"], t["bound_hi"]])
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
    want(total == carried + t["left_out"], f"{where!r} has {total} comparisons, {carried} carried")
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
    compared = sum(sum(outcomes(t).values()) for t in tallies.values())
    want(o["cases"] <= compared, f"{o['cases']} cases, but {compared} comparisons")
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
        holding = [(o["breaks"], o["tallies"]) for o in controls if o["must"] == "hold"]
        backed = {(name, t["name"]) for name, ts in holding if name not in astray for t in ts}
        wanted = {(o["check"], o["failing"]) for o in failed}
        return "refuted" if wanted <= backed else "inconclusive"
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
            return Q(number(inner[0]), number(inner[1]))
        return int(inner, 16) if kind == "hex" else float(inner)
    return x


def both(x: Any) -> tuple[Any, Any]:
    return (number(x[0]), number(x[1])) if isinstance(x, list) else (number(x), number(x))


def main(path: str) -> int:
    seen, wrong = audit(path)
    told = [f"{n:>8} {what}" for what, n in sorted(seen.items())]
    print(*told, *(f"REJECTED {line}" for line in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
