"""Settings of the experiments, their train sets and starts, and what a run leaves behind."""

from dataclasses import replace

import pytest
import torch

from grokverify import Lab
from grokverify.experiments import (
    chosen,
    classification,
    classify,
    default_start,
    fit_time,
    learn_time,
    regress,
    regression,
    shared,
)
from grokverify.kernels import tangent_gram
from grokverify.modular import triples
from grokverify.nets import quadratic

LAB = Lab()
SMALL = classification(5, n=15, runs=3, last=4)


def test_settings_are_those_of_the_appendix():
    s, r = classification(97), regression(47)
    assert (s.n, s.rate, s.sup, s.width) == (4096, 10.0, 1e-20, 388)
    assert (r.n, r.rate, r.sup, r.width) == (11568, 1.0, 1e-4, 188)


def test_starts_have_the_fan_in_of_pytorch():
    W, V = default_start(LAB, replace(SMALL, scale=2.0)).theta
    linear = torch.nn.Linear(10, 20, bias=False)
    assert W.dtype == V.dtype == torch.float32
    assert W.abs().max() <= 2 * 10**-0.5
    assert V.abs().max() <= 2 * 20**-0.5
    assert linear.weight.abs().max() <= 10**-0.5  # the bound that is copied
    assert W.abs().max() > 1.8 * 10**-0.5


def test_train_sets_are_nested_and_distinct():
    few, many = (chosen(LAB, replace(SMALL, n=n), 25) for n in (7, 15))
    assert torch.equal(many[:, :7], few)
    assert all(len(set(row.tolist())) == 15 for row in many)
    assert chosen(LAB, replace(SMALL, order="rows", n=4), 25)[2].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="n=25 of 25 examples leaves no train or no test set"):
        chosen(LAB, replace(SMALL, n=25), 25)


def test_a_run_is_a_function_of_streams_and_settings_only():
    run = classify(LAB, SMALL)
    assert classify(replace(LAB, trials=7, alpha=1e-9), SMALL) is run
    assert not torch.equal(classify(LAB.at("other"), SMALL)["train loss"], run["train loss"])
    assert shared(LAB.at("a"), "k") == shared(LAB.at("b"), "k")
    assert shared(LAB.at("a").at("confirm"), "k") != shared(LAB.at("a"), "k")


def gram(W, V, inputs):
    a, b, c = inputs
    row = torch.arange(len(a))
    return tangent_gram(lambda q: quadratic(q["W"], q["V"], a, b)[row, c], {"W": W, "V": V})


def test_kernel_change_is_that_of_the_tangent_kernel():
    s = regression(5, n=40, runs=2, last=2, rate=0.1, kernel=9)
    run = regress(LAB, s)
    data = triples(5, chosen(LAB, s, 125))
    inputs = tuple(x[0, :9] for x in (data.a, data.b, data.c))
    W, V = (x[0].double() for x in default_start(LAB, s).theta)
    before = gram(W, V, inputs)
    W, V = (x[0].double() for x in run.state.theta)
    after = gram(W, V, inputs)
    assert run["moved"][-1, 0] == pytest.approx(float((after - before).norm()), rel=1e-4)
    ratio = float((after - before).norm() / before.norm())
    assert run["relative"][-1, 0] == pytest.approx(ratio, rel=1e-4)


def test_unseen_loss_is_counted():
    s = regression(5, n=40, runs=2, last=2, rate=0.1)
    run, data = regress(LAB, s), triples(5, chosen(LAB, s, 125))
    W, V = (x[1].double() for x in run.state.theta)
    pairs = torch.arange(25)
    f = quadratic(W, V, pairs // 5, pairs % 5)
    gap = (f - 5.0 * torch.eye(5)[(pairs // 5 + pairs) % 5]).square().flatten()
    unseen = torch.ones(125, dtype=torch.bool)
    unseen[(data.a * 25 + data.b * 5 + data.c)[1]] = False
    assert run["unseen"][-1, 1] == pytest.approx(float(gap[unseen].mean()), rel=1e-5)
    assert run["train"][-1, 1] == pytest.approx(float(gap[~unseen].mean()), rel=1e-5)


def test_shuffled_labels_and_event_times():
    s = replace(SMALL, p=11, n=90, last=60)
    run, mixed = classify(LAB, s), classify(LAB, replace(s, labels="shuffled"))
    assert mixed["test"][-1].mean() < 0.4
    assert (fit_time(run, 0.5) < learn_time(run, 0.5)).all()


def test_shuffled_labels_are_fitted_and_the_truth_is_not():
    s = regression(5, n=60, runs=2, last=400, rate=0.1, labels="shuffled")
    run = regress(LAB, s)
    assert (run["train"][-1] < 0.1).all()
    assert (run["unseen"][-1] > 4).all()
    data = triples(5, chosen(LAB, s, 125))
    W, V = run.state.theta
    a, b, c = (x[0] for x in (data.a, data.b, data.c))
    out = quadratic(W[0], V[0], a, b)[torch.arange(60), c]
    assert (out > 2.5).sum() == data.target[0].sum() / 5  # as many labels of p as before
    assert ((out > 2.5) != (data.target[0] > 0)).any()  # at other inputs
