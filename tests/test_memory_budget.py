"""A budget of next to nothing changes no result: every kernel that chunks, and whole claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grokverify import Lab, modular, verify_ref
from grokverify.completion import observe
from grokverify.experiments import classification, classify, regress, regression
from grokverify.flows import committee, relu
from grokverify.flows.factors import factor_flow
from grokverify.flows.linearised import kernel_regression_loss
from grokverify.kernels import entk_singular, inputs
from grokverify.memory import chunks
from grokverify.modular import cross_entropy_gradient, square_gradient, sums, triples
from grokverify.population import population_gradient, population_loss

LAB = Lab(memory=2 * 10**9)
LITTLE = replace(LAB, memory=1000)


def close(a, b, tol=1e-12):
    torch.testing.assert_close(a, b, rtol=tol, atol=tol)


def lengths(*given, **named):
    return [s.stop - s.start for s in chunks(*given, **named)]


def test_chunks_have_one_length_and_at_least_one_item():
    assert lengths(10, 8, 24) == [3, 3, 3, 1]
    assert lengths(10, 8, 1) == [1] * 10
    assert lengths(10, 8, 10**6) == [10]
    assert lengths(10, 8, 10**6, most=4) == [4, 4, 2]
    assert lengths(5, 10**9, None) == [2, 2, 1]  # 2 GB
    assert lengths(0, 8, 24) == []


@pytest.mark.parametrize("batch", [(), (3,)])
def test_population_loss(batch):
    W, V = LAB.normal("W", *batch, 20, 10), LAB.normal("V", *batch, 5, 20)
    for memory in (1, 20_000):  # one row of the Gram matrices at a time, or some
        loss, slopes = population_gradient(W, V, memory=memory)
        whole, true = population_gradient(W, V)
        close(loss, whole)
        for mine, theirs in zip(slopes, true, strict=True):
            close(mine, theirs, 1e-11)
    W.requires_grad_()
    population_loss(W, V, memory=1).sum().backward()
    close(W.grad, true[0], 1e-11)


@pytest.mark.parametrize(
    ("make", "of", "N"), [(cross_entropy_gradient, sums, 25), (square_gradient, triples, 125)]
)
def test_gradients_of_many_runs(monkeypatch, make, of, N):
    W, V = LAB.normal("W", 5, 12, 10), LAB.normal("V", 5, 5, 12)
    data = of(5, torch.stack([LAB.subset(f"x{r}", N, 15) for r in range(5)]))
    sizes = []
    of_runs = modular.TrainSet.of
    monkeypatch.setattr(
        modular.TrainSet, "of", lambda d, runs: sizes.append(len(d.a[runs])) or of_runs(d, runs)
    )
    for mine, theirs in zip(make(data, memory=1)((W, V)), make(data)((W, V)), strict=True):
        close(mine, theirs)
    assert sizes == [1, 1, 1, 1, 1, 5]


def test_experiments():
    for run, s in (
        (classify, classification(5, n=15, runs=3, last=4, kernel=5)),
        (regress, regression(5, n=60, runs=3, last=4, rate=0.1, kernel=5, labels="shuffled")),
    ):
        few, whole = run(LITTLE, s), run(LAB, s)
        assert few is not whole
        for name in whole.seen:
            close(few[name], whole[name], 1e-5)  # float32, 4 steps


def test_committee():
    given = dict(D=4, P=9, N=7, alpha=0.6, eps=0.4)
    few, whole = (committee.sample(lab, 6, **given) for lab in (LITTLE, LAB))
    close(kernel_regression_loss(few), kernel_regression_loss(whole))
    few, whole = (committee.descend(x, 0.2, 300, records=20) for x in (few, whole))
    for name in ("train", "variance", "misalignment", "power", "moved", "twin_test", "apart"):
        close(getattr(few, name), getattr(whole, name), 1e-9)


def test_flow_of_relu_nets():
    runs = []
    for lab in (LITTLE, LAB):
        A, B, W2 = (lab.normal(name, 5, 6) for name in "ABC")
        data = relu.Sums(5, torch.arange(0, 25, 2), memory=lab.memory)
        runs.append(relu.decayed(data, relu.he_start(A, B, W2), 1e-2, 0.5))
    (few, whole) = (torch.tensor([(r.train, r.log_loss, r.norm) for r in x.readings]) for x in runs)
    close(few, whole, 1e-9)


def test_singular_kernels():
    W, V, x = LAB.normal("W", 6, 2, 6), LAB.normal("V", 3, 2), inputs(3, np.arange(0, 27, 4))
    assert torch.equal(entk_singular(W, V, x, memory=1), entk_singular(W, V, x))


def test_the_jacobian_of_the_factors_against_differences(monkeypatch):
    """It is filled in place, in its blocks."""
    problem = observe(
        np.arange(9.0).reshape(3, 3) + np.arange(9.0).reshape(3, 3).T, [(0, 1), (2, 2)]
    )
    asked = {}

    def solve(velocity, span, start, *, jac, t_eval, **_):
        raise RuntimeError(asked.update(f=velocity, J=jac, x=start) or "asked")

    monkeypatch.setattr("grokverify.flows.factors.solve_ivp", solve)
    U, V = (LAB.normal(name, 3, 3).numpy() for name in "UV")
    with pytest.raises(RuntimeError, match="asked"):
        factor_flow(problem, U, V, 0.7, [1.0])
    f, x, h = asked["f"], asked["x"], 1e-6
    moved = [(f(0, x + h * e) - f(0, x - h * e)) / (2 * h) for e in np.eye(len(x))]
    np.testing.assert_allclose(asked["J"](0, x), np.stack(moved, 1), atol=1e-6)


@pytest.mark.parametrize(
    "ref",
    [
        "theorems.mohamadi2024.figures_classification:tiny_penalty",
        "theorems.kumar2024.closed_dynamics:closed_dynamics",
    ],
)
def test_a_claim_comes_to_the_same_verdict(ref):
    few, whole = (verify_ref(ref, replace(lab, profile="smoke")) for lab in (LITTLE, LAB))
    assert few.lab["memory"] == 1000
    assert (few.verdict, few.reason) == (whole.verdict, whole.reason)
    assert [o.truth for o in (*few.checks, *few.controls)] == [
        o.truth for o in (*whole.checks, *whole.controls)
    ]
