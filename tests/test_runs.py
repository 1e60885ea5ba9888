"""Records on a log scale, resuming to the same bits, and errors that name step and run."""

import pytest
import torch

from grokverify import Lab
from grokverify.modular import cross_entropy_gradient, stored, sums
from grokverify.runs import Record, joined, load, log_times, save, train
from grokverify.training import (
    Diverged,
    State,
    adam,
    gradient_descent,
    momentum,
    normalised_descent,
    penalised,
    sup_norm,
    trajectory,
)

LAB = Lab(dtype="float32")
P, H, R = 5, 8, 3
DATA = sums(P, torch.stack([LAB.subset(f"x{r}", P * P, 15) for r in range(R)]))
START = State((stored(LAB.normal("W", R, H, 2 * P)), LAB.normal("V", R, P, H)))


def norms(state):
    return {"norm": sup_norm(state.theta, runs=1), "t": torch.full((R,), float(state.t))}


@pytest.mark.parametrize("update", [gradient_descent(0.1), momentum(0.1), adam(0.01, decay=0.1)])
def test_a_resumed_run_has_the_same_bits(tmp_path, update):
    gradient, times = penalised(cross_entropy_gradient(DATA), sup=1e-3, runs=1), log_times(40, 6)
    whole = train(update, gradient, START, times, norms)
    half = train(update, gradient, START, [t for t in times if t <= 10], norms)
    save(half.state, tmp_path / "state.pt")
    rest = train(update, gradient, load(tmp_path / "state.pt"), times, norms)
    assert not list(tmp_path.glob("*.part"))
    for one, other in zip(whole.state.theta, rest.state.theta, strict=True):
        assert torch.equal(one, other)
    both = joined(half, rest)
    assert torch.equal(both.t, whole.t)
    assert torch.equal(both["norm"], whole["norm"])
    assert both["t"][:, 0].tolist() == list(times)


def test_records_are_those_of_the_plain_trajectory():
    gradient = cross_entropy_gradient(DATA)
    run = train(gradient_descent(0.1), gradient, START, (0, 3, 7), norms)
    plain = trajectory(gradient_descent(0.1), gradient, START, 7)
    for k, t in enumerate((0, 3, 7)):
        assert torch.equal(run["norm"][k], sup_norm(plain[t].theta, runs=1))
    with pytest.raises(KeyError, match="'loss' was not observed; there are \\['norm', 't'\\]"):
        run["loss"]


def test_rates_of_their_own_and_normalised_steps():
    rates = torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    for rule in (
        lambda r, k: gradient_descent(r),
        lambda r, k: normalised_descent(r, runs=k),
        lambda r, k: adam(r),
    ):
        penalty = penalised(cross_entropy_gradient(DATA), l2=0.1, sup=0.2, runs=1)
        many = train(rule(rates, 1), penalty, START, (0, 3), norms).state
        for r in range(R):
            own = sums(P, (DATA.a * P + DATA.b)[r])
            one = State(tuple(x[r] for x in START.theta))
            alone = penalised(cross_entropy_gradient(own), l2=0.1, sup=0.2)
            for _ in range(3):
                one = rule(float(rates[r]), 0)(one, alone(one.theta))
            for x, y in zip(many.theta, one.theta, strict=True):
                torch.testing.assert_close(x[r], y, rtol=1e-4, atol=1e-5)


def test_divergence_names_step_and_run():
    rates = torch.tensor([0.1, 1e30, 0.1])[:, None, None]
    with pytest.raises(Diverged, match=r"step 2 made parameter 0 of run 1 .* NaN or infinite"):
        train(gradient_descent(rates), cross_entropy_gradient(DATA), START, (0, 20), norms)


def test_a_vanishing_gradient_cannot_be_normalised():
    flat = State(tuple(torch.zeros_like(x) for x in START.theta))
    gradient = cross_entropy_gradient(DATA)
    with pytest.raises(Diverged, match="step 1 .* A normalised rule is 0/0 where the gradient"):
        train(normalised_descent(1.0, runs=1), gradient, flat, (0, 1), norms)


def test_until_stops_early():
    run = train(
        gradient_descent(0.1),
        cross_entropy_gradient(DATA),
        START,
        log_times(100),
        norms,
        until=lambda seen: bool((seen["t"] >= 5).all()),
    )
    assert run.state.t == run.t[-1] == 5


def test_log_times():
    assert log_times(1) == (0, 1)
    times = log_times(1000, 3)
    assert times == (0, 1, 2, 5, 10, 22, 46, 100, 215, 464, 1000)
    with pytest.raises(ValueError, match="needs last >= 1 and per_decade >= 1: 0, 12"):
        log_times(0)


def test_errors():
    with pytest.raises(ValueError, match="times from 3 to 1 and a state after 0 steps"):
        train(gradient_descent(0.1), cross_entropy_gradient(DATA), START, (3, 1), norms)
    record = Record(START, torch.tensor([0.0, 4.0]), {"a": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"records \['a'\] up to step 4 and \['b'\] from step 4"):
        joined(record, Record(START, torch.tensor([4.0]), {"b": torch.zeros(1)}))


def test_a_foreign_file_is_refused(tmp_path):
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="is no state written by grokverify.runs.save"):
        load(tmp_path / "other.pt")
