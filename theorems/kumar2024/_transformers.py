"""Runs and measures shared by the claims on one-layer transformers that learn a + b mod p.

Cost: a step of one run is p^2 pairs of d (d + 2 m + p) products forward, thrice that in all: keys
and values belong to the 2 p + 1 tokens and are computed once, not for every pair, and only the
query at "=" is read. 0.3 ms at p = 17 or less.
"""

import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, one_hot, scaled_dot_product_attention

from grokverify import stats
from grokverify.delay import crossing, value_at
from grokverify.runs import log_times, train
from grokverify.training import State, adam

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# The network of Nanda et al. (2023): tokens a, b and "=" with a learnt place each, one block of
# attention with four heads, then ReLU units, both added to the stream; no normalisation; logits
# alpha W r at "=". Cross-entropy, weights normal / sqrt(in), W / sqrt(p), AdamW (0.9, 0.98) on all
# train pairs. A set is learnt when 19 of 20 train or 9 of 10 test pairs are right. Sizes, rate and
# share are ours: p = 113, d = 128, m = 512, rate 0.001 and three tenths of the pairs are theirs.
HEADS, RATE, FIT, LEARNT, FEW = 4, 3e-3, 0.05, 0.1, 5


def problem(lab, p, d, m, share, runs):
    """Weights of R networks, and which of all pairs (R, p^2) each is trained on."""

    def normal(name, *shape):
        return lab.normal(name, runs, *shape) / shape[-2] ** 0.5

    tokens, places = (lab.normal(name, runs, n, d) / d**0.5 for name, n in (("E", p + 1), ("P", 3)))
    square = [normal(name, d, d) for name in "QKVO"]
    zero = tokens.new_zeros
    up, down = (normal("up", d, m), zero(runs, 1, m)), (normal("down", m, d), zero(runs, 1, d))
    out = lab.normal("out", runs, d, p) / p**0.5
    order = lab.uniform("pairs", runs, p * p).argsort(-1).argsort(-1)
    return (tokens, places, *square, *up, *down, out), (order < round(share * p * p)).to(tokens)


def logits(theta):
    """W r at "=" for all pairs a p + b, (R, p^2, p)."""
    E, P, Q, K, V, O, up, u, down, w, out = theta
    p = E.shape[1] - 1
    a, b, c = E[:, :p] + P[:, :1], E[:, :p] + P[:, 1:2], E[:, p:] + P[:, 2:]

    def heads(x):
        return x.unflatten(-1, (HEADS, -1))

    q = heads(c @ Q) / (E.shape[-1] // HEADS) ** 0.5
    s = [(heads(x @ K) * q).sum(-1) for x in (a, b, c)]  # (R, tokens, heads)
    v = [heads(x @ V) for x in (a, b, c)]
    s = torch.broadcast_tensors(s[0][:, :, None], s[1][:, None], s[2][:, None])
    weight = torch.stack(s).softmax(0)[..., None]
    seen = weight[0] * v[0][:, :, None] + weight[1] * v[1][:, None] + weight[2] * v[2][:, None]
    r = c + seen.flatten(1, 2).flatten(2) @ O
    r = r + torch.relu(r @ up + u) @ down + w
    return r @ out


def truth(p, like):
    pair = torch.arange(p * p, device=like.device)
    return (pair // p + pair % p) % p


def losses(f, mask):
    """Cross-entropy on the train pairs of each run, (R,)."""
    c = truth(f.shape[-1], f).expand(len(f), -1)
    return (cross_entropy(f.mT, c, reduction="none") * mask).sum(-1) / mask.sum(-1)


def page(f, mask):
    """Train errors, test errors and train loss, (3, R)."""
    wrong = (f.argmax(-1) != truth(f.shape[-1], f)).to(f)
    return torch.stack(
        [*((wrong * m).sum(-1) / m.sum(-1) for m in (mask, 1 - mask)), losses(f, mask)]
    )


def slope(f, mask):
    """Of the train losses by the logits f."""
    y = one_hot(truth(f.shape[-1], f), f.shape[-1]).to(f)
    return (f.softmax(-1) - y) * (mask / mask.sum(-1, keepdim=True))[..., None]


@lru_cache(maxsize=16)
def curves(lab, p, d, m, share, runs, steps, alpha, decay, linear=False):
    """Times (n,), train errors, test errors and train losses (n, R): of the networks, or of their
    linearisations at the start."""
    theta, mask = problem(lab, p, d, m, share, runs)
    kept, times = [], log_times(steps, 24)
    some = 32 if p < 50 else 8  # at a time: at p = 113 the activations of a run take 0.4 GB
    for i in range(0, runs, some):
        start, on = tuple(x[i : i + some] for x in theta), mask[i : i + some]
        f0, back = torch.func.vjp(logits, start)

        def predict(now, start=start, f0=f0):
            if not linear:
                return alpha * logits(now)
            move = tuple(x - y for x, y in zip(now, start, strict=True))
            return alpha * (f0 + torch.func.jvp(logits, (start,), (move,))[1])

        def gradient(now, on=on, back=back, predict=predict):
            if linear:
                return back(alpha * slope(predict(now), on))[0]
            leaves = [x.detach().requires_grad_() for x in now]
            return torch.autograd.grad(losses(predict(leaves), on).sum(), leaves)

        def seen(s, on=on, predict=predict):
            return {"page": page(predict(s.theta), on).T}

        rule = adam(RATE, 0.9, 0.98, decay=decay)
        run = train(rule, gradient, State(start), times, seen)
        kept.append(run["page"].to(mask))
    return (run.t.to(mask), *torch.cat(kept, 1).movedim(-1, 0))


def plain(theta, words):
    """W r at "=" of one network for the given triples of tokens, every token of every triple."""
    E, P, Q, K, V, O, up, u, down, w, out = theta
    x = E[words] + P
    q, k, v = (
        (y @ M).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for y, M in ((x[:, 2:], Q), (x, K), (x, V))
    )
    with sdpa_kernel(SDPBackend.MATH):  # the only one with derivatives forward
        r = x[:, 2] + scaled_dot_product_attention(q, k, v).flatten(1) @ O
    return (r + torch.relu(r @ up + u) @ down + w) @ out


@lru_cache(maxsize=8)
def by_torch(lab, p, d, m, share, steps, alpha, decay, linear=False):
    """The train losses (n, few) of few runs, one after the other, by torch's attention, automatic
    differentiation and AdamW."""
    theta, mask = problem(lab, p, d, m, share, FEW)
    times, c, told = log_times(steps, 24), truth(p, mask), []
    pairs = torch.arange(p * p, device=mask.device)
    words = torch.stack([pairs // p, pairs % p, torch.full_like(pairs, p)], 1)
    for r in range(FEW):
        start, on = tuple(x[r] for x in theta), mask[r] > 0
        own = tuple(x.clone().requires_grad_() for x in start)
        rule = torch.optim.AdamW(own, lr=RATE, betas=(0.9, 0.98), weight_decay=decay)
        for t in range(steps + 1):
            if linear:
                move = tuple(x - y for x, y in zip(own, start, strict=True))
                f = sum(torch.func.jvp(lambda *q, on=on: plain(q, words[on]), start, move))
            else:
                f = plain(own, words[on])
            loss = cross_entropy(alpha * f, c[on])
            if t in times:
                told.append(loss.detach())
            rule.zero_grad()
            loss.backward()
            rule.step()
    return torch.stack(told).view(FEW, -1).T


def streams(lab):
    """The same networks and pairs for all claims of these figures, fresh ones to confirm."""
    shared = lab.shared(["kumar2024/figure-6-b", lab.path[3:]])
    return replace(shared, alpha=0.0, dtype="float32")


def learnt(run):
    """When the train and the test pairs are learnt, and the test accuracy at the first time."""
    t, fit, far, *_ = run
    when, late = crossing(t, fit, FIT), crossing(t, far, LEARNT)
    return when, late, 1 - value_at(t, far, when)


def typical(lab, kth, name, events):
    """P(event) over train pairs and starts is at least one half, at this claim's risk."""
    return stats.frequency(name, events, lab.share(kth)).at_least(0.5)


def late_error(run, times=4.0):
    """(R,) the test error from the fit to ``times`` that time, averaged over the log of time.

    It has no level at which the test pairs count as learnt, and does not fall where the fit alone
    comes later. Infinite where the train pairs are never learnt; blind to what comes afterwards.
    """
    t, _, far, _ = run
    when, _, _ = learnt(run)
    steps = torch.linspace(0, math.log(times), 9).exp().tolist()
    seen = [value_at(t, far, (when * k).clamp(max=float(t[-1]))) for k in steps]
    return torch.where(when.isfinite(), torch.stack(seen).mean(0), math.inf)


def log_loss_gap(lab, p, d, m, share, steps, alpha, decay, linear=False, slip=1.0):
    """Between the two codes, for few networks in double precision; slip is on torch's alpha."""
    size = (replace(streams(lab).at("few"), dtype="float64"), p, d, m, share)
    *_, mine = curves(*size, FEW, steps, alpha, decay, linear)
    torchs = by_torch(*size, steps, slip * alpha, decay, linear)
    return float((mine / torchs).log().abs().max())
