"""Numbers and foreign text as people read them: short, honest, and harmless."""

from __future__ import annotations

import decimal
import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from grokverify._evidence import Measurement
from grokverify._verdict import Outcome, Record

LIMIT = 4000  # characters of one foreign text that a page shows

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# Control, bidirectional, zero-width, surrogate and non-characters: shown by code, never obeyed.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_WIDE = decimal.Context(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def clean(text: object, limit: int = LIMIT) -> str:
    """Foreign text made safe to show (not yet escaped for HTML) and cut at ``limit`` characters."""
    whole = text if isinstance(text, str) else str(text)
    kept = _ANSI.sub("", whole[: 4 * limit]).replace("\r\n", "\n")
    kept = _UNSEEN.sub(lambda m: f"⟨U+{ord(m[0]):04X}⟩", kept)
    if len(kept) <= limit and len(whole) <= 4 * limit:
        return kept
    return f"{kept[:limit]} … (cut here; {len(whole)} characters in all)"


def anchor(claim: str) -> str:
    """An HTML id for a claim id, unique also where the id is malformed."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", claim.replace("/", "--"))[:120]
    if slug.replace("--", "/") == claim:
        return f"claim-{slug}"
    digest = hashlib.sha256(claim.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"claim-{slug[:60]}-{digest}"


def number(x: Any, digits: int = 6) -> str:
    """A number in a few digits; "≈" marks an exact number that is not shown in full."""
    if isinstance(x, str):
        return clean(x, 200)
    if isinstance(x, bool) or not isinstance(x, int | float | Fraction):
        return clean(x, 200)
    near = _decimal(x, digits, decimal.ROUND_HALF_EVEN)
    if isinstance(x, float):
        return near
    if x.denominator == 1 and abs(x.numerator).bit_length() <= 70:
        return _grouped(x.numerator)
    if x.denominator == 1 or max(abs(x.numerator), x.denominator).bit_length() > 40:
        return f"≈ {near}"
    relation = "=" if Fraction(f"{float(x):.{digits - 1}e}") == x else "≈"
    return f"{x.numerator}/{x.denominator} {relation} {near}".replace("-", "−")


def enclosure(m: Measurement) -> str:
    """``lo`` where the ends agree, else ``[lo, hi]`` rounded outwards."""
    if m.lo == m.hi:
        return number(m.lo)
    digits = _telling(m.lo, m.hi)
    low = _decimal(m.lo, digits, decimal.ROUND_FLOOR)
    return f"[{low}, {_decimal(m.hi, digits, decimal.ROUND_CEILING)}]"


def interval(lo: Any, hi: Any) -> str:
    """A bound: one number, or the range it takes over the cases."""
    return number(lo) if lo == hi else f"{number(lo)} … {number(hi)}"


def chance(risk: float) -> str:
    """A bound on a probability, rounded up."""
    return "none" if risk == 0 else "≤ " + _decimal(risk, 2, decimal.ROUND_CEILING)


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 0.095:
        return f"{seconds:.2f} s" if seconds >= 0.005 else "< 0.01 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


def case(witness: Mapping[str, Any] | None) -> str:
    """A case of a quantifier in one line."""
    if not witness:
        return "the only case"
    return clean(", ".join(f"{k} = {_value(v)}" for k, v in witness.items()), 400)


def _value(v: Any) -> str:
    plain = isinstance(v, int | float | Fraction | str) and not isinstance(v, bool)
    if plain:
        return number(v)
    if isinstance(v, list | tuple):
        return f"({', '.join(_value(one) for one in v[:40])}{', …' * (len(v) > 40)})"
    if isinstance(v, Mapping):
        return f"{{{', '.join(f'{k}: {_value(one)}' for k, one in list(v.items())[:40])}}}"
    return clean(v, 200)


def replay(record: Record, outcome: Outcome) -> str:
    """The shell line that observes a witness again; "" where the record cannot give one."""
    if not record.ref:
        return ""
    try:
        witness = json.dumps(outcome.witness or {}, default=str)
    except (TypeError, ValueError):  # not plain data, or a number with thousands of digits
        return ""
    words = ["grokverify", "replay", record.ref, "--check", outcome.check, "--case", witness]
    words += ["--seed", str(record.lab.get("seed", 0))]
    words += ["--profile", str(record.lab.get("profile", "quick"))]
    line = shlex.join(words)
    return line if line == clean(line) else ""


def as_float(x: Any) -> float | None:
    """A finite float, or None where there is none."""
    try:
        value = float(x)
    except (OverflowError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _grouped(x: int) -> str:
    text = f"{x:,}" if abs(x) >= 100_000 else str(x)
    return text.replace(",", "\u202f").replace("-", "−")


def _to_decimal(x: int | float | Fraction) -> Decimal:
    """Exact for a float and for an int of modest size; 60 digits otherwise."""
    if isinstance(x, float):
        return Decimal(x)
    if isinstance(x, Fraction):
        return _WIDE.divide(_to_decimal(x.numerator), _to_decimal(x.denominator))
    spare = abs(x).bit_length() - 4096
    if spare <= 0:
        return Decimal(x)
    return _WIDE.multiply(Decimal(x >> spare), _WIDE.power(Decimal(2), Decimal(spare)))


def _decimal(x: int | float | Fraction, digits: int, rounding: str) -> str:
    if x != x:
        return "NaN"
    if x in (math.inf, -math.inf):
        return "∞" if x > 0 else "−∞"
    if x == 0:
        return "0"
    context = _WIDE.copy()
    context.prec, context.rounding = digits, rounding
    rounded = context.plus(_to_decimal(x))
    exponent = rounded.adjusted()
    sign = "−" if rounded < 0 else ""
    # Written out, a whole number may not gain digits that were rounded away.
    if -5 < exponent < max(digits, 5):
        text = f"{abs(rounded):f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return sign + text
    mantissa = f"{abs(rounded).scaleb(-exponent, context):f}"
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    power = f"10{str(exponent).translate(_RAISED)}"
    return sign + (power if mantissa == "1" else f"{mantissa}×{power}")


def _telling(lo: Any, hi: Any) -> int:
    """Digits that tell the two ends apart, between 3 and 12."""
    a, b = as_float(lo), as_float(hi)
    if a is None or b is None or a == b:
        return 6
    size = max(abs(a), abs(b))
    width = (b - a) / size if size else 1.0
    return max(3, min(12, 3 - math.floor(math.log10(width)))) if width > 0 else 12
