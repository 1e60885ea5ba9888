"""Executors for ``grokverify run --executor grokverify.executors:NAME``.

Each is a function of the number of workers that returns a ``concurrent.futures.Executor``. Whatever
the executor, every claim runs in a supervised child process of the worker that took it.
"""

from __future__ import annotations

import importlib
import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any


class _Serial(Executor):
    """Runs each task at once, in the thread that submits it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as e:
            done.set_exception(e)
        return done


def serial(workers: int) -> Executor:
    """One task after the other; the number of workers is ignored."""
    del workers
    return _Serial()


def local(workers: int) -> Executor:
    """The default: threads of this process, each with a child process of its own."""
    return ThreadPoolExecutor(workers)


def dask(workers: int) -> Executor:
    """A dask.distributed cluster inside this process: scheduler and workers are threads.

    The work is done in supervised children all the same, so that processes for the workers would
    only add messages. For a cluster that runs already, write a factory of your own around its
    ``Client``: ``return Client(address).get_executor(pure=False, retries=0)``.

    Raises:
        ImportError: dask.distributed is missing; install ``grokverify[dask]``.
    """
    return _cluster(workers, processes=False, dashboard_address=None)


def dask_processes(workers: int) -> Executor:
    """The same with a process for every worker and messages over loopback, as on several machines.

    Raises:
        ImportError: dask.distributed is missing; install ``grokverify[dask]``.
    """
    port = "127.0.0.1:0"  # any free one: several runs may share a machine
    return _cluster(workers, host="127.0.0.1", dashboard_address=port)


def _cluster(workers: int, **more: Any) -> Executor:
    try:
        settings: Any = importlib.import_module("dask.config")
        distributed: Any = importlib.import_module("distributed")
    except ImportError as e:
        raise ImportError(f"{e}; pip install 'grokverify[dask]'") from None
    # A lost worker is counted against the task that ran on it: no silent repeats by the scheduler,
    # the supervisor inside the task repeats what it may.
    # A worker that is slow to come back, on a loaded machine, is waited for and not given up.
    settings.set(
        {
            "distributed.scheduler.allowed-failures": 0,
            "distributed.deploy.lost-worker-timeout": "1 hour",
        }
    )
    cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, **more)
    client = distributed.Client(cluster)
    executor = client.get_executor(pure=False, retries=0)
    return _Closing(executor, client, cluster)


def made(named: str | None, workers: int, *, isolate: bool = True) -> Executor:
    """The executor of a command line.

    Args:
        named: "module:factory", or None for the default.
        workers: what the factory is called with.
        isolate: whether tasks run in supervised processes; the default is serial where not.

    Raises:
        ValueError: there is no such factory, or it makes something else.
    """
    if named:
        module, _, name = named.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)(workers)
        except (ImportError, AttributeError, ValueError, TypeError) as e:
            raise ValueError(
                f"--executor {named}: {e}. Give MODULE:FACTORY, where FACTORY(workers) returns a "
                "concurrent.futures.Executor."
            ) from None
        if not isinstance(found, Executor):
            raise ValueError(f"--executor {named} made a {type(found).__name__}.")
        return found
    if not isolate:
        return serial(1)
    if workers > 1:  # several processes on shared cores: one thread each
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    return local(workers)


class _Closing(Executor):
    """An executor that closes what it runs on."""

    def __init__(self, executor: Executor, *owned: Any) -> None:
        self._executor, self._owned = executor, owned

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del cancel_futures  # closing the cluster cancels what is left
        self._executor.shutdown(wait=wait)
        for thing in self._owned:
            thing.close()
