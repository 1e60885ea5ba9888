"""Records as JSON lines: written atomically, sealed, read with care, compared."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from grokverify._curves import Series
from grokverify._difference import KINDS as KINDS, Difference as Difference, diff as diff
from grokverify._evidence import Grade, Measurement, Row, Truth
from grokverify._tally import Certificate, Decision, Tally
from grokverify._verdict import COVERAGES, Outcome, Record, Verdict

SCHEMA = 1
_CLOSES = '{"closes": '


def schema() -> dict[str, Any]:
    """The published JSON schema of one line of a records file."""
    text = Path(__file__).with_name("records.schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


class BadRecord(ValueError):
    """A line that is not a record of this schema, or not the one that was written."""


def to_json(record: Record) -> str:
    """One line of strict JSON, sealed with the SHA-256 of its content."""
    body = encode(record)
    body["seal"] = _seal(body)
    return json.dumps(body, allow_nan=False, ensure_ascii=True)


def from_json(line: str) -> Record:
    """The inverse of ``to_json``.

    Raises:
        BadRecord: the line is truncated, foreign, of another schema, or was altered.
    """
    try:
        body = json.loads(line)
    except ValueError as e:
        raise BadRecord(f"not JSON ({e}); the line is truncated or damaged") from None
    if not isinstance(body, dict) or "claim" not in body:
        raise BadRecord("not a grokverify record: it has no 'claim'")
    if body.get("schema") != SCHEMA:
        raise BadRecord(
            f"schema {body.get('schema')!r}, this version reads {SCHEMA}; run the claim again"
        )
    if body.pop("seal", None) != _seal(body):
        raise BadRecord("the seal does not match: the line was altered after it was written")
    try:
        return _record(body)
    except (KeyError, TypeError, ValueError) as e:
        raise BadRecord(f"a field is missing or malformed ({type(e).__name__}: {e})") from None


def write(path: str | Path, records: Iterable[Record], *, closed: bool = True) -> None:
    """Replace the file by these records, or leave it untouched.

    Args:
        closed: end with a line that counts the records and hashes their lines, so that none can
            go missing; False where more will be appended.

    Raises:
        OSError: the folder cannot be written or the disk is full; the old file is still there.
    """
    lines = [to_json(r) for r in records]
    ending = [_closing(lines)] if closed else []
    write_text(path, "".join(line + "\n" for line in lines + ending))


def _closing(lines: Sequence[str]) -> str:
    told = [len(lines), hashlib.sha256("".join(lines).encode()).hexdigest()]
    body: dict[str, Any] = {"closes": told, "schema": SCHEMA}
    return json.dumps({**body, "seal": _seal(body)})


def write_text(path: str | Path, text: str) -> None:
    """Replace a text file in one step: a reader sees the old file or the new one, never a part.

    Raises:
        OSError: the folder cannot be written or the disk is full; the old file is still there.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def append(path: str | Path, record: Record) -> None:
    """Add one record to a file that other processes may add to, and see it on the disk."""
    line = (to_json(record) + "\n").encode()
    with open(path, "ab", buffering=0) as file:  # one write: lines of two processes do not mix
        while line:
            line = line[file.write(line) :]
        os.fsync(file.fileno())


def read(path: str | Path) -> tuple[list[Record], list[str]]:
    """The readable records of a file, the last one of each claim, and what was wrong elsewhere.

    What is wrong: a line that is no record, or lines that the closing one does not count.

    Raises:
        OSError: there is no such file, or it may not be read.
    """
    found: dict[str, Record] = {}
    problems = []
    text = Path(path).read_bytes().decode("utf-8", errors="replace")
    before: list[str] = []  # the lines that a closing line counts
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(_CLOSES):
            if line != _closing(before):
                problems.append(
                    f"{path}, line {number}: it counts other lines than the {len(before)} before "
                    "it. Some are missing, altered or added: run the claims again."
                )
        elif line.strip():
            before.append(line)
            try:
                record = from_json(line)
            except BadRecord as e:
                problems.append(f"{path}, line {number}: {e}. It is ignored.")
            else:
                found[record.claim] = record
    return list(found.values()), problems


def encode(value: Any) -> Any:
    """A record, or a part of one, as strict JSON values."""
    if isinstance(value, Grade):
        return value.name.lower()
    if isinstance(value, Truth | Verdict):
        return value.value
    if isinstance(value, Row):
        return {k: encode(v) for k, v in value.columns}
    if isinstance(value, Fraction):
        return {"fraction": [encode(value.numerator), encode(value.denominator)]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, int) and abs(value) >= 1 << 4096:
        return {"hex": hex(value)}  # beyond what Python turns into decimal digits by default
    if isinstance(value, Decision):  # many, and short: no names
        ends = (value.lo, value.hi), (value.bound_lo, value.bound_hi)
        return [value.count, *(encode(a) if a == b else [encode(a), encode(b)] for a, b in ends)]
    if hasattr(value, "__dataclass_fields__"):
        never = ("proof", "power") if isinstance(value, Measurement) else ()
        kept = (f for f in fields(value) if f.name not in never)
        return {f.name: encode(getattr(value, f.name)) for f in kept}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [encode(v) for v in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, inner),) = value.items()
        if kind == "fraction":
            return Fraction(_number(inner[0]), _number(inner[1]))
        return int(inner, 16) if kind == "hex" else float(inner)
    return value


def _plain(value: Any) -> Any:
    """Undo the number encoding anywhere inside plain data (a witness, say)."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in ("fraction", "hex", "float"):
            return _number(value)
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _record(body: dict[str, Any]) -> Record:
    lists = ("hypotheses", "assumes", "uses", "sharpens", "corrects")
    body = {**body, **{k: tuple(body[k]) for k in lists}}
    body["lab"] = {**body["lab"], "path": tuple(body["lab"]["path"])}
    body["expect"], body["verdict"] = Verdict(body["expect"]), Verdict(body["verdict"])
    for key in ("checks", "controls"):
        body[key] = tuple(outcome(o) for o in body[key])
    return Record(**body)


def outcome(body: dict[str, Any]) -> Outcome:
    """The inverse of ``encode`` for an outcome."""
    if body["coverage"] not in COVERAGES:
        raise ValueError(f"coverage {body['coverage']!r} is none of {COVERAGES}")
    body = {**body, "truth": Truth(body["truth"]), "grade": _grade(body["grade"])}
    body["covers_witness_of"] = tuple(body["covers_witness_of"])
    body["witness"] = _plain(body["witness"])
    body["certificates"] = tuple(
        Certificate(**{**c, "value": tuple(c["value"])}) for c in body.get("certificates", ())
    )
    body["tallies"] = tuple(_tally(t) for t in body["tallies"])
    body["constants"] = tuple(
        Measurement(**{**m, **_numbers(m, "lo", "hi", "printed"), "grade": _grade(m["grade"])})
        for m in body["constants"]
    )
    body["rows"] = tuple(
        Row(tuple((k, _number(v)) for k, v in row.items())) for row in body["rows"]
    )
    body["series"] = tuple(
        Series(
            **{**s, **{k: tuple(map(_number, s.get(k, ()))) for k in ("x", "y", "printed", "heat")}}
            | {"marks": tuple((k, _number(x)) for k, x in s.get("marks", ()))}
        )
        for s in body["series"]
    )
    return Outcome(**body)


def _tally(body: dict[str, Any]) -> Tally:
    body = {**body, **_numbers(body, "bound_lo", "bound_hi"), "grade": _grade(body["grade"])}
    decided = []
    for count, *ends in body.get("decided", ()):
        (lo, hi), (low, high) = (e if isinstance(e, list) else (e, e) for e in ends)
        decided.append(Decision(_number(lo), _number(hi), _number(low), _number(high), count))
    caught = _number(body.get("caught"))
    return Tally(**{**body, "decided": tuple(decided), "caught": caught})


def _numbers(body: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {k: _number(body[k]) for k in keys}


def _grade(name: str) -> Grade:
    return Grade[name.upper()]


def _seal(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
