"""Closed gradients on gathered rows against autograd on one-hot inputs; scores against counting."""

import pytest
import torch

from grokverify import Lab, modular
from grokverify.modular import (
    TrainSet,
    all_outputs,
    classification_scores,
    cross_entropy_gradient,
    outputs,
    square_gradient,
    stored,
    sums,
    triples,
)

LAB = Lab()
P, H, R = 7, 10, 5


def theta(*batch):
    return stored(LAB.normal("W", *batch, H, 2 * P)), LAB.normal("V", *batch, P, H)


def one_hot_outputs(W, V, data):
    eye = torch.eye(P, dtype=W.dtype)
    x = torch.cat([eye[data.a], eye[data.b]], -1)
    return (x @ W.mT).square() @ V.mT


def reference(kind, W, V, data):
    W, V = W.clone().requires_grad_(), V.clone().requires_grad_()
    f = one_hot_outputs(W, V, data)
    if kind == "classification":
        loss = torch.nn.functional.cross_entropy(f, data.c)
    else:
        y = P * ((data.a + data.b) % P == data.c).to(f)
        loss = (f.gather(-1, data.c[:, None])[:, 0] - y).square().mean()
    return torch.autograd.grad(loss, (W, V))


CASES = [
    ("classification", cross_entropy_gradient, sums, P**2, 31),
    ("regression", square_gradient, triples, P**3, 90),
]


@pytest.mark.parametrize(("kind", "make", "of", "N", "n"), CASES)
@pytest.mark.parametrize("share", [0.2, 1])  # of the examples that fit one block
def test_gradient_of_one_run(monkeypatch, share, kind, make, of, N, n):
    monkeypatch.setattr(modular, "_CACHE", int(share * n * H * 8))
    data = of(P, LAB.subset("x", N, n))
    W, V = theta()
    for _ in range(2):  # the second call works in memory that the first has used
        found = make(data)((W, V))
        for mine, true in zip(found, reference(kind, W, V, data), strict=True):
            torch.testing.assert_close(mine, true, rtol=1e-12, atol=1e-12)
        W, V = W * 0.9, V * 1.1


@pytest.mark.parametrize(("kind", "make", "of", "N", "n"), CASES)
@pytest.mark.parametrize("most", [0.3, 1, 2, R])  # runs of a group; with 2 the last has one run
def test_gradient_of_many_runs(monkeypatch, most, kind, make, of, N, n):
    monkeypatch.setattr(modular, "_CACHE", int(most * n * H * 8))
    chosen = torch.stack([LAB.subset(f"x{r}", N, n) for r in range(R)])
    data = of(P, chosen)
    W, V = theta(R)
    gradient = make(data)
    first = gradient((W, V))
    again = gradient((W, V))
    for r in range(R):
        one = of(P, chosen[r])
        for mine, same, true in zip(first, again, reference(kind, W[r], V[r], one), strict=True):
            torch.testing.assert_close(mine[r], true, rtol=1e-12, atol=1e-12)
            assert torch.equal(mine, same)


def test_groups_are_of_nearly_one_size(monkeypatch):
    sizes = []
    monkeypatch.setattr(modular, "_CACHE", 7)  # seven runs of one byte would fit
    plain = lambda theta: theta  # noqa: E731
    data = sums(P, torch.zeros(16, 1, dtype=torch.int64))
    modular._by_groups(data, lambda part, n, room: sizes.append(len(part.a)) or plain, None)(
        (torch.zeros(16, 1, 2, dtype=torch.int8), torch.zeros(16, 1, 1))
    )
    assert sizes == [6, 6, 4]


def test_outputs_are_those_of_one_hot_inputs():
    data = sums(P, torch.arange(P * P))
    W, V = theta()
    torch.testing.assert_close(outputs(W, V, data), one_hot_outputs(W, V, data))
    torch.testing.assert_close(all_outputs(W, V), one_hot_outputs(W, V, data))
    many = all_outputs(*theta(3))
    torch.testing.assert_close(many[1], all_outputs(*(x[1] for x in theta(3))))


def test_triples_and_sums_are_numbered():
    data = triples(3, torch.tensor([0, 5, 26]))
    assert (data.a.tolist(), data.b.tolist(), data.c.tolist()) == ([0, 0, 2], [0, 1, 2], [0, 2, 2])
    assert sums(3, torch.tensor([8])).c.tolist() == [1]


def test_scores_count():
    p, chosen = 3, torch.tensor([[0, 4, 7]])
    data = sums(p, chosen)
    pairs = torch.arange(9)
    truth = (pairs // 3 + pairs % 3) % 3
    logits = 50.0 * torch.eye(3)[truth][None]
    logits[0, 4] = 50.0 * torch.eye(3)[(truth[4] + 1) % 3]
    logits[0, 1:3] = 0.0  # argmax 0 is wrong for both
    scores = classification_scores(logits, data)
    assert scores.train_accuracy.tolist() == pytest.approx([2 / 3])
    assert scores.test_accuracy.tolist() == pytest.approx([4 / 6])
    assert scores.train_loss.tolist() == pytest.approx([50 / 3])
    assert scores.test_loss.tolist() == pytest.approx([2 * 1.0986122886681098 / 6])
    wrong = TrainSet(p, data.a, data.b, (data.c + 1) % 3)
    assert classification_scores(logits, wrong).train_accuracy.tolist() == pytest.approx([1 / 3])


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"one shape, \(n,\) or \(R, n\); got \(2,\), \(3,\)"):
        TrainSet(5, torch.zeros(2), torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match=r"b must have entries in 0..p-1 = 0..4"):
        TrainSet(5, torch.tensor([1]), torch.tensor([5]), torch.tensor([1]))
    everything = sums(3, torch.arange(9))
    with pytest.raises(ValueError, match="all p\\^2 = 9 pairs are in the train set"):
        classification_scores(torch.zeros(9, 3), everything)
