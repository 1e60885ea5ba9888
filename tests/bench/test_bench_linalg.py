"""Exact ranks and certified spectra at the sizes that claims may ask for.

Skipped by default; see test_bench_kernels.py for how it is run. One thread. Seconds of processor
time go to extra_info beside what one would do otherwise; nothing fails because of the time it took.
"""

import time

import numpy as np
import pytest
import torch
from paired import spread

from grokverify.linalg.exact import PRIME, kernel, rank_exact
from grokverify.linalg.modular import pivots
from grokverify.linalg.spectrum import eigenvalue_bounds


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def processor(task):
    start = time.process_time()
    result = task()
    return time.process_time() - start, result


def once(benchmark, task):
    spent, result = processor(lambda: benchmark.pedantic(task, rounds=1))
    benchmark.extra_info["processor seconds"] = spent
    return spent, result


def in_turns(ours, theirs):
    """What the peer gave, and how many times more processor time it took, five times in turns."""
    seen = [(processor(ours)[0], *processor(theirs)) for _ in range(5)]
    return [result for *_, result in seen], spread([other / own for own, other, _ in seen])


def low_rank(n, r):
    rng = np.random.default_rng(0)
    return rng.integers(-10, 11, (n, r)) @ rng.integers(-10, 11, (r, n))


def test_rank_of_2000_by_2000_integers(benchmark):
    A = np.random.default_rng(0).integers(-10, 11, (2000, 2000))
    _, rank = once(benchmark, lambda: rank_exact(A))
    assert rank == 2000


@pytest.mark.parametrize("r", [10, 100])
def test_rank_of_a_deficient_matrix_with_its_kernel(benchmark, r):
    A = low_rank(1000, r)
    _, rank = once(benchmark, lambda: rank_exact(A))
    assert rank == r


def test_elimination_in_blocks_beside_flint(benchmark):
    flint = pytest.importorskip("flint")
    A = np.random.default_rng(0).integers(0, PRIME, (1000, 1000))
    _, (rows, _) = once(benchmark, lambda: pivots(A, PRIME))
    matrix = A.ravel().tolist()  # outside the clock: flint is not to blame for Python's lists
    ranks, ratio = in_turns(
        lambda: pivots(A, PRIME), lambda: flint.nmod_mat(*A.shape, matrix, PRIME).rank()
    )
    assert {*ranks} == {len(rows)}
    benchmark.extra_info["peers"] = {"flint": ratio}


def test_kernel_beside_an_echelon_form(benchmark):
    flint = pytest.importorskip("flint")
    A = low_rank(300, 30)
    _, basis = once(benchmark, lambda: kernel(A))
    matrix = A.tolist()
    forms, ratio = in_turns(lambda: kernel(A), lambda: flint.fmpz_mat(matrix).rref())
    assert {basis.shape[1] + rank for _, _, rank in forms} == {300}
    benchmark.extra_info["peers"] = {"echelon form by flint": ratio}


def test_all_eigenvalues_of_1000_rows(benchmark):
    A = torch.as_tensor(np.random.default_rng(0).standard_normal((1000, 1000)))
    A = (A + A.mT) / 2
    spent, (low, high) = once(benchmark, lambda: eigenvalue_bounds(A))
    bare, values = processor(lambda: torch.linalg.eigvalsh(A))
    assert bool(((low <= values) & (values <= high)).all())
    benchmark.extra_info["widest"] = float((high - low).max())
    benchmark.extra_info["times the eigenvalues alone"] = spent / bare
