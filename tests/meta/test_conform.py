"""Every claim that ships conforms, at the smoke profile."""

import pytest

from grokverify import Claim, Source, check, exact, find, ledger
from grokverify.testing import conform

COSTS = {ref: item.cost for item in ledger.read() for _, ref in item.claims}


@pytest.mark.parametrize(
    "ref",
    [
        pytest.param(ref, marks=[pytest.mark.slow] if cost == "minutes" else [])
        for ref, cost in sorted(COSTS.items())
    ],
)
def test_every_claim_conforms(ref):
    ((_, claim),) = find(ref).items()
    conform(claim)


def test_conform_notices_moved_global_state():
    import random

    @check()
    def careless(lab, x=0):
        random.random()
        yield exact("x", x).equals(0)

    one = Claim(
        id="t/careless",
        source=Source("P", "1"),
        statement="s",
        checks=(careless,),
        controls=(careless.but(x=1),),
    )
    with pytest.raises(AssertionError, match="changes global state: Python's generator"):
        conform(one)


def test_conform_notices_a_toothless_claim():
    @check()
    def fine(lab, x=0):
        yield exact("x", x).equals(0)

    one = Claim(id="t/toothless", source=Source("P", "1"), statement="s", checks=(fine,))
    with pytest.raises(AssertionError, match="no negative control shows"):
        conform(one)
