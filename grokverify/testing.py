"""``conform(claim)``: what a good claim owes, as one line in anybody's test suite."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from grokverify._claim import Claim
from grokverify._lab import Lab
from grokverify._settings import settings
from grokverify._verdict import Record
from grokverify._verify import replay, verify
from grokverify.records import diff, from_json, to_json


def conform(claim: Claim, lab: Lab | None = None) -> Record:
    """Verify a claim twice and assert what every claim owes.

    It comes to its expected verdict; the record survives JSON; the same seed gives the same record
    up to time and the last bits of floats; no global state moves; a witness replays.

    Args:
        claim: the claim.
        lab: where; the smoke profile on the CPU by default.

    Returns:
        The first record.

    Raises:
        AssertionError: one of these fails; the message names it.
    """
    where = lab or Lab(profile="smoke")
    before = _global_state()
    record = verify(claim, where)
    moved = [key for key, value in _global_state().items() if value != before[key]]
    assert not moved, f"{claim.id} changes global state: {', '.join(moved)}. Draw from the lab."
    assert record.as_expected, f"{claim.id} is not as expected.\n{record.explain()}"
    assert from_json(to_json(record)) == record, f"{claim.id}: the record changes through JSON."
    again = verify(claim, where)
    changed = [d.what for d in diff([record], [again])]
    assert not changed, f"{claim.id}: the same seed gave another record: {changed}."
    for o in (*record.checks, *record.controls):
        if o.witness is not None:
            seen = replay(claim, where, o.check, o.witness)
            names = [c.name for c in seen if c.truth.value == "fails"]
            assert o.failing in names, f"{claim.id}: the witness of {o.check!r} does not replay."
    return record


def _global_state() -> dict[str, Any]:
    return {
        **settings(),
        "torch's generator": torch.random.get_rng_state().numpy().tobytes(),
        "numpy's generator": repr(np.random.get_state()),  # noqa: NPY002
        "Python's generator": random.getstate(),
    }
