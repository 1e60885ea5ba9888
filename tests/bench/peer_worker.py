"""An eNTK Gram matrix by another library, in that library's own environment.

Started by paired.py as ``PYTHON peer_worker.py LIBRARY ARRAYS.npz``. It reads W (h, 2p), V (p, h)
and the inputs a, b, c, says "ready", computes the Gram matrix for every line "go" that it reads and
answers "done", and on "save FILE" writes the last one down. One thread.
"""

import os
import sys
import types

import numpy as np


def one_hot(index, p):
    return np.eye(p)[index]


def neural_tangents(W, V, a, b, c):
    """neural-tangents 0.6.5, compiled: the faster of two of its implementations at these sizes.

    Its third one, by structured derivatives, asks jax 0.4.30 for names that this no longer has.
    """
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    # The optional part for TensorFlow is left out.
    sys.modules["neural_tangents.experimental"] = types.ModuleType("experimental")
    import jax
    import neural_tangents as nt

    jax.config.update("jax_enable_x64", True)
    p = len(V)
    x = np.concatenate([one_hot(a, p), one_hot(b, p), one_hot(c, p)], axis=1)

    def f(params, x):
        W, V = params
        logits = ((x[:, : 2 * p] @ W.T) ** 2) @ V.T
        return (logits * x[:, 2 * p :]).sum(1, keepdims=True)

    def made(name):
        how = getattr(nt.NtkImplementation, name)
        kernel = nt.empirical_ntk_fn(f, trace_axes=(-1,), vmap_axes=0, implementation=how)
        compiled = jax.jit(lambda x: kernel(x, None, (W, V)))
        return lambda: np.asarray(compiled(x).block_until_ready())

    return fastest([made(name) for name in ("JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS")])


def nngeometry(W, V, a, b, c):
    """nngeometry 0.4: its Gram matrix of the function with the wanted output picked out."""
    import torch
    from nngeometry.gram import GramMatrix
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    p = len(V)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(2 * p, len(W), bias=False, dtype=torch.float64)
            self.second = torch.nn.Linear(len(W), p, bias=False, dtype=torch.float64)
            with torch.no_grad():
                self.first.weight.copy_(torch.as_tensor(W))
                self.second.weight.copy_(torch.as_tensor(V))

        def forward(self, x):
            return self.second(self.first(x).square())

    net = Net()
    pair = torch.as_tensor(np.concatenate([one_hot(a, p), one_hot(b, p)], axis=1))
    data = TensorDataset(pair, torch.as_tensor(one_hot(c, p)))
    loader = DataLoader(data, batch_size=len(a))

    def picked(x, third):
        return (net(x) * third).sum(1, keepdim=True)

    def gram():
        n = len(a)
        return GramMatrix(net, loader, function=picked).to_torch().reshape(n, n).numpy()

    return gram


def fastest(tasks):
    import time

    def cost(task):
        task()
        since = time.perf_counter()
        task()
        return time.perf_counter() - since

    return min(tasks, key=cost)


def main():
    library, arrays = sys.argv[1:]
    held = np.load(arrays)
    made = {"neural-tangents": neural_tangents, "nngeometry": nngeometry}[library]
    task = made(*(held[name] for name in ("W", "V", "a", "b", "c")))
    found = task()
    print("ready", flush=True)
    for line in sys.stdin:
        word, _, file = line.strip().partition(" ")
        if word == "go":
            found = task()
        elif word == "save":
            np.save(file, found)
        print("done", flush=True)


main()
