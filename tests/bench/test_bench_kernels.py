"""What the structure of the kernels saves, beside what one would do without it.

Skipped by default. Run on a quiet machine:

    pytest tests/bench -o addopts="" --benchmark-json=kernels.json

Ours and its peer take turns in one process on one thread, so that a busy machine slows both. The
ratios (how many times longer the peer takes: median, least, largest over the turns) go to
extra_info; the results must agree, but nothing here fails because of the time it took.
"""

import pytest
import torch
from paired import beside, libraries, one_thread as one_thread

from grokverify import Lab
from grokverify.kernels import (
    block_regression,
    entk,
    entk_classification,
    entk_limit,
    entk_positive,
    inputs,
    jacobian,
    most_frequent,
    tangent_gram,
)
from grokverify.linalg.exact import PRIME, rank_mod_prime

LAB = Lab()


def close(found, true):
    return float((found - true).abs().max()) <= 1e-12 * float(true.abs().max())


def gram_by_torch(W, V, x):
    """The empirical NTK as torch.func's own documentation builds it: Jacobians, contracted."""
    p = V.shape[0]
    eye = torch.eye(p, dtype=W.dtype)
    one_hot = torch.cat([eye[x[0]], eye[x[1]]], dim=1)

    def g(params, pair, third):
        W, V = params
        return third @ (V @ (W @ pair).square())

    slopes = torch.func.vmap(torch.func.grad(g), (None, 0, 0))((W, V), one_hot, eye[x[2]])
    return sum(slope.flatten(1) @ slope.flatten(1).T for slope in slopes)


def blocks_by_torch(W, V, a, b):
    eye = torch.eye(V.shape[0], dtype=W.dtype)
    one_hot = torch.cat([eye[a], eye[b]], dim=1)

    def f(params, pair):
        W, V = params
        return V @ (W @ pair).square()

    slopes = torch.func.vmap(torch.func.jacrev(f), (None, 0))((W, V), one_hot)
    parts = [slope.flatten(2) for slope in slopes]
    return sum(torch.einsum("Naf,Mbf->NMab", part, part) for part in parts)


def network(p, h):
    return LAB.normal("W", h, 2 * p), LAB.normal("V", p, h)


@pytest.mark.parametrize(("p", "h", "n"), [(23, 256, 1500), (47, 256, 3000)])
def test_regression_kernel(benchmark, tmp_path, p, h, n):
    W, V = network(p, h)
    x = inputs(p, LAB.subset("x", p**3, n))
    a, b, c = x
    z = (W[:, a] + W[:, p + b]).T.contiguous()
    v = V[c] * z

    arrays = dict(zip("WVabc", (t.numpy() for t in (W, V, *x)), strict=True))
    names = ("neural-tangents", "nngeometry") if n < 2000 else ()
    others, missing = libraries(names, arrays, tmp_path)
    targets = {"contraction": 20.0, **({"neural-tangents": 40.0} if others else {})}

    found, results = beside(
        benchmark,
        lambda: entk(W, V, x),
        rounds=3 if n > 2000 else 5,
        targets=targets if n < 2000 else None,
        missing=missing,
        products=3 * n * n * h / p,
        contraction=lambda: gram_by_torch(W, V, x),
        two_products=lambda: (z @ z.T, v @ v.T),
        **others,
    )
    assert close(found, results["contraction"])
    for other in others.values():
        assert close(found, other.result())


def gram_by_products(W, V, x):
    """NTK-vector products: a pullback of every unit vector, pushed forward again."""
    eye = torch.eye(V.shape[0], dtype=W.dtype)
    one_hot = torch.cat([eye[x[0]], eye[x[1]]], dim=1)

    def g(params):
        W, V = params
        return (((one_hot @ W.mT).square() @ V.mT) * eye[x[2]]).sum(1)

    _, pull = torch.func.vjp(g, (W, V))

    def column(unit):
        return torch.func.jvp(g, ((W, V),), pull(unit))[1]

    return torch.func.vmap(column, chunk_size=16)(torch.eye(len(x[0]), dtype=W.dtype))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, in its forward mode
def test_small_regression_kernel(benchmark):
    p, h, n = 23, 256, 200
    W, V = network(p, h)
    x = inputs(p, LAB.subset("x", p**3, n))
    found, results = beside(
        benchmark,
        lambda: entk(W, V, x),
        rounds=5,
        contraction=lambda: gram_by_torch(W, V, x),
        vector_products=lambda: gram_by_products(W, V, x),
        jacrev=lambda: tangent_gram(
            lambda q: ((q["W"][:, x[0]] + q["W"][:, p + x[1]]).square() * q["V"][x[2]].mT).sum(0),
            {"W": W, "V": V},
        ),
    )
    for other in results.values():
        assert close(found, other)


def test_classification_kernel(benchmark):
    p, h, n = 23, 256, 100
    W, V = network(p, h)
    a, b, _ = inputs(p, p * LAB.subset("x", p**2, n))
    found, results = beside(
        benchmark,
        lambda: entk_classification(W, V, (a, b)),
        rounds=5,
        contraction=lambda: blocks_by_torch(W, V, a, b),
    )
    assert close(found, results["contraction"])


def test_positive_definite(benchmark):
    p = 23
    n = int(2 * p**2.25)
    x = inputs(p, LAB.subset("x", p**3, n))
    h = most_frequent(x[2])
    W, V = LAB.uniform("W", h, 2 * p), torch.zeros(p, h, dtype=torch.float64)
    found, results = beside(
        benchmark,
        lambda: entk_positive(W, x),
        rounds=3,
        eigvalsh=lambda: torch.linalg.eigvalsh(entk(W, V, x))[0],
        cholesky=lambda: torch.linalg.cholesky_ex(entk(W, V, x)).info,
    )
    assert found
    assert float(results["eigvalsh"]) > 0


def test_positive_definite_at_paper_size(benchmark):
    p = 97
    n = int(2 * p**2.25)
    x = inputs(p, LAB.subset("x", p**3, n))
    W = LAB.uniform("W", most_frequent(x[2]), 2 * p)
    benchmark.extra_info["generic"] = f"no peer: a matrix of {8 * n * n / 1e9:.0f} GB"
    assert benchmark.pedantic(lambda: entk_positive(W, x), rounds=3, iterations=1)


def test_limit_regression(benchmark):
    p = 23
    n = int(2 * p**2.25)
    x, query = inputs(p, LAB.subset("x", p**3, n)), inputs(p, LAB.subset("query", p**3, 1000))
    y = LAB.normal("y", n)
    found, results = beside(
        benchmark,
        lambda: block_regression(entk_limit, x, y, query),
        rounds=5,
        solve=lambda: entk_limit(query, x) @ torch.linalg.solve(entk_limit(x), y),
    )
    torch.testing.assert_close(found, results["solve"], rtol=1e-9, atol=1e-9)


def test_exact_rank(benchmark):
    # Beside a rank in floating point, which is fast and proves nothing.
    p = 23
    n = 2 * p * p
    h = -(-n // (3 * p - 2))
    x = inputs(p, LAB.subset("x", p**3, n))
    w, v = LAB.integers("W", 0, PRIME, h, 2 * p), LAB.integers("V", 0, PRIME, p, h)
    W, V = network(p, h)
    found, results = beside(
        benchmark,
        lambda: rank_mod_prime(jacobian(w, v, x, modulus=PRIME)),
        rounds=3,
        matrix_rank=lambda: torch.linalg.matrix_rank(entk(W, V, x), hermitian=True),
    )
    benchmark.extra_info["rank by eigenvalues"] = int(results["matrix_rank"])
    assert found == n
