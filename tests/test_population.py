"""The population loss against all p^3 triples, autograd, and exact values of cosine networks."""

import numpy as np
import pytest
import torch

from grokverify import Lab
from grokverify.fourier import addition_table, evaluate, half, weights
from grokverify.nets import quadratic
from grokverify.population import population_gradient, population_loss, unseen_loss

LAB = Lab()


def network(p, h, *batch, shift=0.0):
    W = LAB.normal("W", *batch, h, 2 * p) / h ** (1 / 3) + shift
    return W, LAB.normal("V", *batch, p, h) / h ** (1 / 3) + shift


def brute(W, V):
    p = len(V)
    r = torch.arange(p)
    a, b = r.repeat_interleave(p), r.repeat(p)
    target = p * (r == ((a + b) % p)[:, None]).to(V)
    return (quadratic(W, V, a, b) - target).square().mean()


@pytest.mark.parametrize(("p", "h"), [(2, 1), (3, 5), (6, 4), (7, 28), (13, 9)])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_loss_and_gradient_agree_with_all_triples(p, h, shift):
    W, V = (x.requires_grad_() for x in network(p, h, shift=shift))
    true = brute(W, V)
    slopes = torch.autograd.grad(true, (W, V))
    loss, found = population_gradient(W.detach(), V.detach())
    assert abs(loss - true) <= 1e-12 * true
    for mine, theirs in zip(found, slopes, strict=True):
        assert (mine - theirs).abs().max() <= 1e-12 * theirs.abs().max()


def test_autograd_and_batches():
    W, V = (x.requires_grad_() for x in network(5, 6, 3))
    loss = population_loss(W, V)
    assert loss.shape == (3,)
    dW, dV = torch.autograd.grad((loss * torch.tensor([1.0, 2.0, 3.0])).sum(), (W, V))
    for k in range(3):
        one, (eW, eV) = population_gradient(W[k].detach(), V[k].detach())
        torch.testing.assert_close(loss[k].detach(), one)
        torch.testing.assert_close(dW[k], (k + 1) * eW)
        torch.testing.assert_close(dV[k], (k + 1) * eV)


@pytest.mark.parametrize("p", [5, 6, 7])
def test_cosine_networks_have_their_exact_loss(p):
    whole = half(p)
    for net in (whole, whole[:-8]):  # without the eight neurons of one frequency
        W, V = (torch.from_numpy(x) for x in weights(net, p))
        exact = evaluate(net, p).mean_square(addition_table(p)) if net is whole else None
        loss, slopes = population_gradient(W, V)
        if exact is not None:
            assert exact == 0
            assert abs(loss) < 1e-12 * p
            assert max(float(x.abs().max()) for x in slopes) < 1e-12
        else:
            f = np.asarray(quadratic(W, V, *np.divmod(np.arange(p * p), p)))
            gap = f - addition_table(p).reshape(p * p, p)
            assert abs(float(loss) - (gap**2).mean()) < 1e-12 * p
            assert loss > 0.1


def test_the_zero_network_has_loss_p():
    assert float(population_loss(torch.zeros(4, 14), torch.zeros(7, 4))) == 7.0


def test_unseen_loss():
    assert unseen_loss(2.0, 0.0, 3, 9) == pytest.approx(2 * 27 / 18)
    with pytest.raises(ValueError, match="n=27 of the p\\^3=27 triples leaves nothing unseen"):
        unseen_loss(1.0, 0.0, 3, 27)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"W has shape \(4, 6\) and V \(5, 4\)"):
        population_loss(torch.zeros(4, 6), torch.zeros(5, 4))
