"""What the structure of the orbit saves: its spectrum at large p, and equality checked there.

Skipped by default, like the other benchmarks: pytest tests/bench -o addopts="". Ratios of one run;
the results must agree, but nothing here fails because of the time it took.
"""

import time

from paired import spread

from grokverify import Lab
from grokverify.orbits import moments_by_differences, pair_moments, spectrum, tail
from theorems.mohamadi2024.null_predictor_sharp import at_large_p, sharp


def seconds(task):
    start = time.perf_counter()
    result = task()
    return time.perf_counter() - start, result


def test_moments_of_pairs(benchmark):
    p, m, ratios = 13, 3, []
    for _ in range(3):
        own, found = seconds(lambda: moments_by_differences(p, m))
        other, true = seconds(lambda: pair_moments(p, m))
        assert found == true
        ratios.append(other / own)
    benchmark.extra_info["peers"] = {"pairs of pairs, p = 13": spread(ratios)}
    benchmark.pedantic(lambda: moments_by_differences(97, m), rounds=3, iterations=1)


def test_exact_bound_and_equality_at_large_p(benchmark):
    # No peer: Sigma at p = 97 has 97^6 = 8e11 entries.
    p, lab = 97, Lab()

    def whole():
        spaces = spectrum(moments_by_differences(p, 3), p)
        ends = [n for n in range(1, (p - 1) ** 3, 5000) if tail(spaces, n) / p != sharp(p, n)]
        return ends, list(at_large_p.observe(lab, p))

    wrong, seen = benchmark.pedantic(whole, rounds=3, iterations=1)
    assert not wrong
    assert all(c.truth.value == "holds" for c in seen if hasattr(c, "truth"))
