"""The tables of docs/scaling.md are what its own claim computes from its own costs."""

import re
from pathlib import Path

from grokverify import Lab, Verdict, find, verify

PAGE = (Path(__file__).parents[2] / "docs/scaling.md").read_text()


def lines(*, columns):
    found = re.findall(r"^\| (\d.*) \|$", PAGE, flags=re.MULTILINE)
    split = [[float(cell) for cell in line.split(" | ")] for line in found]
    return [cells for cells in split if len(cells) == columns]


def test_the_tables_follow_from_the_costs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "scaling.py").write_text(code)
    ((_, claim),) = find(str(tmp_path / "scaling.py")).items()
    record = verify(claim, Lab(profile="smoke"))
    assert record.verdict is Verdict.VERIFIED
    rows = [dict(one.columns) for one in record.checks[0].rows]
    keys = ("seeds", "workers", "seconds", "busy")
    assert lines(columns=4) == [[row[key] for key in keys] for row in rows]
    costs = dict(lines(columns=2))
    assert costs == {float(p): s for p, s in eval(re.search(r"{.*}", code)[0]).items()}
