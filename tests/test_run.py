"""Finding claims, and running them on executors."""

from concurrent.futures import Executor, Future

import pytest

from grokverify import Lab, Verdict, find, run, verify_ref

GOOD = """
from grokverify import Claim, Source, check, exact

@check({"n": 1})
def one(lab, n, off=0):
    yield exact("n", n + off).equals(1)

first = Claim(id="t/first", source=Source("P", "1"), statement="s", checks=(one,),
              controls=(one.but(off=1),))
second = Claim(id="t/second", source=Source("P", "1"), statement="s", checks=(one,),
               controls=(one.but(off=2),))
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "claims.py"
    file.write_text(GOOD)
    return str(file)


class Now(Executor):
    def submit(self, fn, /, *args, **kwargs):
        done = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as e:
            done.set_exception(e)
        return done


def test_find_names_every_claim(path):
    assert list(find(path)) == [f"{path}:first", f"{path}:second"]
    assert list(find(f"{path}:second")) == [f"{path}:second"]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("no_such_module_here", "no module 'no_such_module_here' on the path"),
        ("no/such/file.py", "there is no file 'no/such/file.py'"),
        ("grokverify.stats", "holds no claim"),
    ],
)
def test_find_says_what_is_missing(place, text):
    with pytest.raises(LookupError, match=text):
        find(place)


def test_find_lists_the_claims_there_are(path):
    with pytest.raises(LookupError, match="no claim called 'third'. It has: first, second"):
        find(f"{path}:third")


def test_run_gives_a_record_a_claim(path, lab):
    done = list(run(list(find(path)), [lab], Now()))
    assert {r.claim: r.verdict for r in done} == {
        "t/first": Verdict.VERIFIED,
        "t/second": Verdict.VERIFIED,
    }
    assert done[0].ref.startswith(path)


def test_a_reference_that_fails_becomes_an_error_and_the_rest_runs(path, lab):
    done = list(run([f"{path}:gone", f"{path}:first"], [lab], Now()))
    assert sorted(r.verdict.value for r in done) == ["error", "verified"]


def test_verify_ref_is_verify(path):
    assert verify_ref(f"{path}:first", Lab(profile="smoke")).claim == "t/first"
