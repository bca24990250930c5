"""Adam from many starts in PyTorch, as users of PyTorch invert generators: the peer of
`bench_recovery.py` and `bench_best.py`."""

import math

import torch


def lowest_of_restarts(objectives, starts, rate, steps, cosine=False):
    """The code of the least objective of each observation's restarts, (count, k), in f64.

    `starts`: (count, restarts, k). All runs are one batch. `objectives` takes codes, (count *
    restarts, k), and returns the objective of each. `cosine`: the step size falls from `rate` to 0
    by a half cosine."""
    count, restarts, length = starts.shape
    z = starts.reshape(-1, length).clone().requires_grad_()
    optimizer = torch.optim.Adam([z], rate)
    for step in range(steps):
        if cosine:
            optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad(set_to_none=True)
        objectives(z).sum().backward()
        optimizer.step()
    with torch.no_grad():
        best = objectives(z).reshape(count, restarts).argmin(1)
        kept = z.reshape(count, restarts, length)[torch.arange(count), best]
    return kept.double()
