"""Whether two records of one claim say the same: all but time, machine and last bits of floats."""

import math


def same(a, b, where=""):
    """Assert it of plain data, naming where they differ."""
    if isinstance(a, float) and isinstance(b, float):
        assert math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9), f"{where}: {a} {b}"
    elif isinstance(a, dict) and isinstance(b, dict):
        assert set(a) == set(b), where
        for key in a:
            if key not in ("seconds", "machine", "seal"):
                same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list) and isinstance(b, list):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{k}]")
    elif isinstance(a, str) and isinstance(b, str) and a != b:
        # A detail quotes an empirical number: the words must agree, the digits may not.
        strip = str.maketrans("", "", "0123456789.e+-")
        assert a.translate(strip) == b.translate(strip), f"{where}: {a!r} {b!r}"
    else:
        assert a == b, f"{where}: {a!r} {b!r}"
