"""When a loss comes down, how much later the test loss does, and how lazy the run was until then.

Operational definitions for learning curves. Times are numbers of steps, losses are in units of the
loss of the zero predictor. All functions take curves (n,) or (n, B) along one vector of times.
"""

from __future__ import annotations

import torch

HYSTERESIS = 1.5


def crossing(
    t: torch.Tensor, loss: torch.Tensor, level: float, *, hysteresis: float = HYSTERESIS
) -> torch.Tensor:
    """When the loss comes below ``level`` for good: (B,) times, infinite where it never does.

    The first recorded time with ``loss < level`` from which on ``loss < hysteresis level`` at every
    later record, interpolated on logarithmic axes with the record before.

    Blind to: whatever happens between two records or after the last one; a loss that falls and
    rises again by less than the hysteresis; how fast it falls. Not a statement about time for
    losses that start below the level (the answer is then the first record).

    Args:
        t: (n,) increasing times, the first may be 0.
        loss: (n,) or (n, B), infinite after a divergence.
        level: in the units of the loss, positive.

    Raises:
        ValueError: the shapes do not fit, a loss is NaN, or level or hysteresis make no sense.
    """
    if t.ndim != 1 or loss.shape[:1] != t.shape or len(t) < 2:
        raise ValueError(
            f"crossing() got times {tuple(t.shape)} and losses {tuple(loss.shape)}: give (n,) "
            "times, n at least 2, and (n,) or (n, B) losses."
        )
    if not (level > 0 and hysteresis >= 1):
        raise ValueError(f"crossing() needs level > 0 and hysteresis >= 1: {level}, {hysteresis}.")
    if bool(loss.isnan().any()):
        raise ValueError("crossing() met a NaN loss; mark a diverged run by infinity instead.")
    curves = loss.reshape(len(t), -1)
    stays = (curves < hysteresis * level).flip(0).cumprod(0).flip(0).bool()
    below = (curves < level) & stays
    first = below.to(torch.int8).argmax(0)
    before = (first - 1).clamp(min=0)
    column = torch.arange(curves.shape[1], device=t.device)
    high = curves[before, column].clamp(min=level)
    low = curves[first, column].clamp(min=torch.finfo(curves.dtype).tiny)
    share = torch.where(high > low, (high / level).log() / (high / low).log(), 1.0)
    share = share.nan_to_num(nan=1.0)  # from an infinite loss: the later record
    early = t[before].clamp(min=0.5)  # step 0 on a logarithmic axis
    late = torch.maximum(t[first], early)
    when = torch.where(first > 0, early * (late / early) ** share, t[0])
    when = torch.where(below.any(0), when, float("inf"))
    return when.reshape(loss.shape[1:])


def delay(
    t: torch.Tensor,
    train: torch.Tensor,
    test: torch.Tensor,
    level: float,
    *,
    hysteresis: float = HYSTERESIS,
) -> torch.Tensor:
    """``log10`` of the test crossing over the train crossing; infinite where either is missing.

    Infinity is a censored value, never "no delay": the loss did not come down within the records.

    Blind to: the unit of time (a delay of 100 steps after 10 and of 1000 after 100 are equal: see
    ``lag``); what the test loss does before it comes down (see ``overshoot``); a train loss that
    never reaches the level although the test loss does.
    """
    fit, learn = (crossing(t, curve, level, hysteresis=hysteresis) for curve in (train, test))
    missing = fit.isinf() | learn.isinf() | (fit <= 0)
    ratio = torch.where(missing, 1.0, learn) / torch.where(missing, 1.0, fit)
    return torch.where(missing, float("inf"), ratio.log10())


def lag(
    t: torch.Tensor,
    train: torch.Tensor,
    test: torch.Tensor,
    level: float,
    *,
    hysteresis: float = HYSTERESIS,
) -> torch.Tensor:
    """Steps between the train and the test crossing; infinite where either is missing.

    Blind to: the learning rate and the speed of the problem (it is proportional to the clock, where
    ``delay`` is not), and to the shape of either curve.
    """
    fit, learn = (crossing(t, curve, level, hysteresis=hysteresis) for curve in (train, test))
    missing = fit.isinf() | learn.isinf()
    return torch.where(missing, float("inf"), torch.where(missing, 0.0, learn - fit))


def overshoot(test: torch.Tensor) -> torch.Tensor:
    """Largest test loss over the first one, at least 1: (n,) or (n, B) to () or (B,).

    Blind to: when the peak comes, how long it lasts and whether the loss falls afterwards. Near 1
    it cannot tell a rise between two records from none. It saturates for lazy runs.
    """
    return test.amax(0) / test[0]


def value_at(t: torch.Tensor, curve: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
    """A curve (n, B) at the times (B,), linear in log time; its last value at time infinity.

    Blind to: structure between two records. Meant for laziness "at the fit time", for example
    ``value_at(run.t, run.apart, crossing(run.t, run.train, 0.2))``.
    """
    x = t.clamp(min=0.5).log()
    at = when.clamp(min=0.5, max=float(t[-1])).log()
    after = torch.searchsorted(x, at.contiguous()).clamp(1, len(t) - 1)
    column = torch.arange(curve.shape[1], device=t.device)
    w = ((at - x[after - 1]) / (x[after] - x[after - 1])).clamp(0, 1)
    value = curve[after - 1, column] * (1 - w) + curve[after, column] * w
    return value.nan_to_num(nan=float("inf"), posinf=float("inf"))
