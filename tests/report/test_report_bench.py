"""The page of timings: ratios, targets, shares, exponents, and what did not run."""

import json
import math
import subprocess
import sys

import pytest

from grokverify.cli import main
from grokverify.report import timings
from grokverify.report._bench import read


def one(name="entk", seconds=1.0, place="test_bench_kernels.py", **info):
    sizes = info.pop("sizes", {})
    return {
        "name": f"test_{name}[some]",
        "fullname": f"tests/bench/{place}::test_{name}[some]",
        "params": sizes or None,
        "extra_info": info,
        "stats": {"median": seconds, "min": 0.9 * seconds, "max": 1.2 * seconds},
    }


def ratio(median, target=None):
    told = {"median": median, "least": 0.8 * median, "largest": 1.1 * median, "turns": 5}
    return told | ({} if target is None else {"target": target})


def bench(*benchmarks, **more):
    return {"benchmarks": list(benchmarks), "machine_info": {}, "commit_info": {}, **more}


def grown(**exponents):
    """A cost that is a product of powers, on a cross of sizes around p = 10, h = 20, n = 30."""
    middle = {"p": 10, "h": 20, "n": 30}
    found = []
    for name in middle:
        for factor in (1, 2, 4):
            sizes = middle | {name: factor * middle[name]}
            cost = 1e-3 * math.prod(sizes[k] ** e for k, e in exponents.items())
            found.append(one(seconds=cost, sizes=sizes))
    return found


def test_exponents_are_found_one_size_at_a_time():
    growths = {g.variable: g for g in read(bench(*grown(p=1, h=0.5, n=2))).growths}
    assert set(growths) == {"p", "h", "n"}
    for name, true in (("p", 1), ("h", 0.5), ("n", 2)):
        assert growths[name].exponent == pytest.approx(true)
        assert growths[name].points == 3
        assert growths[name].along == ()
        assert name not in growths[name].fixed


def test_local_slopes_tell_a_bend():
    bent = [one(seconds=1 + n**2 / 100, sizes={"n": n}) for n in (1, 10, 100)]
    (g,) = read(bench(*bent)).growths
    assert g.local[0] < g.exponent < g.local[1]
    assert g.local == pytest.approx((math.log10(2 / 1.01), math.log10(101 / 2)))


def test_sizes_that_grow_together_are_named():
    joint = [one(seconds=p**3, sizes={"p": p, "h": 4 * p, "n": 7}) for p in (5, 11, 23)]
    (g,) = read(bench(*joint)).growths
    assert g.exponent == pytest.approx(3)
    assert (g.variable, g.along, g.fixed) == ("p", ("h",), {"n": 7})


@pytest.mark.parametrize("sizes", [[{}], [{"p": 5}], [{"p": 5}, {"p": 5}], [{"name": "x"}]])
def test_one_size_has_no_exponent(sizes):
    assert read(bench(*(one(sizes=s) for s in sizes))).growths == ()


def test_peers_limits_and_targets_are_on_the_page(parse):
    page, summary = timings(
        bench(
            one(
                peers={
                    "torch.func": ratio(25, 20),
                    "two products": ratio(0.5),
                    "slow": ratio(3, 4),
                },
                limit={"name": "matrix products, float64", "share": ratio(0.61)},
                machine={"threads": 1, "load": "0.3 on 2 cores"},
                widest=1.5e-12,
            )
        )
    )
    text = parse(page).text
    assert "1 of 2 ratios reach their target" in text
    assert "25× (20 to 27.5)" in text
    assert "target 4 not reached" in text
    assert "61 % (48.8 to 67.1) of matrix products, float64" in text
    assert "widest: 1.5×10⁻¹²" in text
    assert "0.3 on 2 cores" in text
    peers = summary["timings"][0]["peers"]
    assert [p["reached"] for p in peers] == [True, None, False]
    json.dumps(summary)


def test_what_did_not_run_is_listed(parse):
    missing = {"neural-tangents": "not installed; see docs/benchmarks.md"}
    skipped = [{"name": "tests/bench/test_bench_gpu.py::test_step", "reason": "no CUDA device"}]
    text = parse(timings(bench(one(missing=missing), skipped=skipped))[0]).text
    assert "What did not run" in text
    assert text.count("neural-tangents: not installed") == 2
    assert "no CUDA device" in text


def test_foreign_text_is_escaped(parse):
    bad = "<script>alert(1)</script>\x1b[31m"
    page, _ = timings(bench(one(peers={bad: ratio(2)}, missing={bad: bad}, note=bad)))
    assert "<script>" not in page
    assert "\x1b" not in page
    parse(page)


def test_other_files_of_pytest_benchmark_give_times(parse):
    text = parse(timings(bench(one(), one(name="other", seconds=2e-5)))[0]).text
    assert "No ratio here has a target." in text
    assert "20 µs" in text


@pytest.mark.parametrize("body", [{}, {"benchmarks": [{}]}, {"benchmarks": 3}, []])
def test_something_else_is_refused(body):
    with pytest.raises(ValueError, match="no JSON of pytest-benchmark .* --benchmark-json=FILE"):
        timings(body)


def test_the_command_writes_a_page_and_a_summary_without_torch(tmp_path):
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(bench(one())))
    code = f"from grokverify.cli import main; import sys; main(['bench', {str(file)!r}, '--out', "
    code += f"{str(tmp_path / 'out')!r}]); assert not {{'torch', 'numpy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "<h1>" in (tmp_path / "out/index.html").read_text()
    assert json.loads((tmp_path / "out/summary.json").read_text())["timings"]


@pytest.mark.parametrize(("text", "told"), [(None, "run make bench first"), ("[]", "no JSON of")])
def test_the_command_says_what_is_wrong(tmp_path, capsys, text, told):
    if text is not None:
        (tmp_path / "bench.json").write_text(text)
    assert main(["bench", str(tmp_path / "bench.json"), "--out", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
