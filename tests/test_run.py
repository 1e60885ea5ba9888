"""Finding claims, and running them on executors."""

import json
from concurrent.futures import Executor, Future

import pytest

from grokverify import Lab, Verdict, executors, find, run, verify_ref
from grokverify._ongoing import Ongoing
from grokverify._run import perform
from grokverify._verify import failed
from grokverify.records import to_json

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


MANY = """
from grokverify import Claim, Source, check, exact, series, stats

@check(*[dict(n=n) for n in range(9)])
def chances(lab, n, bound=0.9, crash=-1):
    if n == crash:
        import os
        os._exit(7)
    yield series("n", x=n, y=n)
    yield stats.decide("P", lambda at, k: at.uniform("u", k, low=0) < 0.2, lab=lab, at_most=bound)

@check(*[dict(n=n) for n in range(9)])
def fails(lab, n, top=5):
    yield exact("n", n).at_most(top)

def made(name, *checks, controls=()):
    return Claim(id=f"t/{name}", source=Source("P", "1"), statement="s", checks=checks,
                 controls=controls)

holds = made("holds", chances, controls=(chances.but(bound=0.1),))
false = made("false", chances, fails, controls=(chances.but(bound=0.1),
             fails.but(top=9).must_hold()))
bare = made("bare", fails)
"""


def timeless(record):
    body = json.loads(to_json(record))
    for part in (body, *body["checks"], *body["controls"]):
        part.pop("seconds")
    return {key: body[key] for key in body if key not in ("machine", "seal")}


@pytest.fixture
def many(tmp_path):
    file = tmp_path / "many.py"
    file.write_text(MANY)
    return list(find(str(file)))


def by_claim(records):
    return {r.claim: timeless(r) for r in records}


@pytest.mark.fault(16)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_claims_in_blocks_have_the_records_of_whole_ones(many, lab, workers):
    serial = by_claim(run(many, [lab], Now()))
    assert {k: v["verdict"] for k, v in serial.items()} == {
        "t/holds": "verified",
        "t/false": "refuted",
        "t/bare": "inconclusive",
    }
    parts = dict.fromkeys(many, 4 * workers)
    with executors.local(workers) as pool:
        assert by_claim(run(many, [lab], pool, at_once=workers, parts=parts)) == serial


def test_a_block_that_cannot_be_observed_fails_its_claim_and_no_other(many, lab):
    def task(job):
        if job.do == "observe" and job.ref.endswith("false") and job.more["unit"]["start"] == 3:
            raise RuntimeError("out of chalk")
        return perform(job)

    ids = {ref: f"t/{ref.rpartition(':')[2]}" for ref in many}
    parts = dict.fromkeys(many, 9)
    found = {
        r.claim: r for r in run(many, [lab], Now(), task=task, parts=parts, ids=ids, at_once=2)
    }
    assert found["t/false"].verdict is Verdict.ERROR
    assert "out of chalk" in found["t/false"].reason
    assert found["t/holds"].verdict is Verdict.VERIFIED


def test_a_block_that_comes_in_late_changes_nothing(many, lab):
    """The sixth case settles the check; the blocks after it are out already, and come back."""
    bare = many[2]
    (whole,) = run([bare], [lab], Now())
    one = Ongoing(bare, lab, "t/bare", 9)
    (plan,) = one.jobs
    one.jobs.clear()
    assert one.answer(plan, Now().submit(perform, plan)) is None
    blocks = list(one.jobs)
    one.jobs.clear()
    for job in blocks:
        assert one.answer(job, Now().submit(perform, job)) is None
    (last,) = one.jobs
    assert last.do == "fold"
    assert timeless(one.answer(last, Now().submit(perform, last))) == timeless(whole)
    assert one.answer(last, Now().submit(perform, last)) is None


def test_a_worker_that_its_executor_replaces_costs_nothing(many, lab):
    class KilledWorker(Exception):
        pass

    killed = []

    def task(job):
        if len(killed) < 4:
            killed.append(job)
            raise KilledWorker
        return perform(job)

    serial = by_claim(run(many, [lab], Now()))
    parts = dict.fromkeys(many, 3)
    assert by_claim(run(many, [lab], Now(), task=task, parts=parts, at_once=1)) == serial

    killed.clear()
    again = list(run(many[:1], [lab], Now(), task=lambda job: task(killed.clear() or job)))
    assert again[0].verdict is Verdict.ERROR
    assert "KilledWorker" in again[0].reason


def test_no_more_jobs_are_out_than_asked_for_and_starts_are_told(many, lab):
    out, most, told = [], [], []

    class Watched(Now):
        def submit(self, fn, /, *args, **kwargs):
            out.append(args)
            most.append(len(out))
            future = super().submit(fn, *args, **kwargs)
            out.pop()
            return future

    list(run(many, [lab], Watched(), at_once=1, started=lambda ref, lab: told.append(ref)))
    assert told == many
    assert max(most) == 1


def test_claims_of_a_group_follow_each_other(lab):
    refs, told = ["a1", "b1", "a2", "c1", "b2"], []
    started = lambda ref, lab: told.append(ref)  # noqa: E731
    answer = lambda job: to_json(failed(job.ref, lab, "none", ""))  # noqa: E731
    more = {"task": answer, "started": started, "groups": {ref: ref[0] for ref in refs}}
    seen = list(run(refs, [lab], Now(), at_once=1, **more))
    assert told == ["a1", "a2", "b1", "b2", "c1"]
    assert sorted(r.ref for r in seen) == sorted(refs)
    told.clear()
    list(run(refs, [lab], Now(), at_once=2, **more))
    assert told[:2] == ["a1", "b1"], "a group that somebody is at is left to them"
    assert sorted(told) == sorted(refs)
    told.clear()
    list(run(refs[:1] + refs[2:3], [lab], Now(), at_once=2, **more))
    assert told == ["a1", "a2"], "nobody is idle for the sake of it"


def test_verify_ref_is_verify(path):
    assert verify_ref(f"{path}:first", Lab(profile="smoke")).claim == "t/first"
