"""Applies a function to several items: in this process, or by the workers that joblib has been told of."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import logging
import os
import pickle
import platform
import threading
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any

import numpy as np

from . import _processes
from ._processes import Laid
from ._settings import logger, settings

SENT_ONCE = 1024
"""Bytes from which an array is sent apart from the items that hold it, once for all of them."""
LOST = {
    *("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker", "CancelledError", "FutureCancelledError"),
    *("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError"),
}
"""What engines raise where a worker is no more: by name, as none of them need be installed."""
SENT_SETTINGS = ("verbosity", "compilation_cache_dir", "device")

type Caller = tuple[tuple[str, int], dict[str, Any]]
"""The process that asks, and its settings."""


def are_used(n_items: int) -> bool:
    """Return whether so many items are given to workers: whether there are several of either."""
    if n_items < 2:
        return False
    import joblib

    return joblib.effective_n_jobs(None) > 1


class Made[Item](Sequence[Item]):
    """Items that are made one by one, when they are given out.

    Parameters
    ----------
    make
        Returns the item of a number, the same ever again.
    n
        How many there are.
    """

    def __init__(self, make: Callable[[int], Item], n: int) -> None:
        self.make, self.n = make, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: Any) -> Any:
        """Return an item."""
        return self.make(range(self.n)[i])


def mapped[Item, Result](
    function: Callable[[Item], Result], items: Sequence[Item], *, what: str = "items"
) -> Iterator[tuple[int, Result]]:
    """Yield what a function makes of each item, with the position of the item, as soon as it is there.

    With ``joblib.parallel_config`` around it (``"loky"``, ``"dask"``, ``"ray"``) items are given to workers, one at a
    time. Items are pickled, except that an array which several of them hold is sent once. What the function logs is
    logged here, and what it raises is raised here. Items of workers that died are given to others, as long as any item
    gets done.

    Parameters
    ----------
    function
        What is applied. Its results do not depend on which process it runs in.
    items
        To what.
    what
        What they are called where workers die.

    Raises
    ------
    RuntimeError
        If workers die again and again.

    Examples
    --------
    >>> from cellot_sc._workers import mapped
    >>> dict(mapped(len, ["a", "bc"]))
    {0: 1, 1: 2}
    """
    if not are_used(len(items)):
        for i in range(len(items)):
            yield i, function(items[i])
        return
    left = list(range(len(items)))
    while left:
        before = len(left)
        try:
            with contextlib.closing(_results(function, items, left[:])) as results:
                for i, result, told in results:
                    for level, message in told:
                        logger.log(level, "%s", message)
                    left.remove(i)
                    yield i, result
        except Exception as error:
            if type(error).__name__ not in LOST:
                raise
            if len(left) == before:
                raise RuntimeError(
                    f"workers died over {len(left)} of {len(items)} {what} ({type(error).__name__}), most often for "
                    "lack of memory: take fewer workers (n_jobs), or give each more memory."
                ) from error
            logger.warning(
                "a worker died: %d of %d %s are done, the others are given out again",
                *(len(items) - len(left), len(items), what),
            )


def _results(function: Callable[..., Any], items: Sequence[Any], left: Sequence[int]) -> Generator[Any]:
    """Yield what :func:`_done` returns of each item, in the order in which they are done.

    What is done is kept, whatever happens to those before it.
    """
    import joblib

    backend, n_jobs = joblib.parallel.get_active_backend()
    here = (_process(), {name: getattr(settings, name) for name in SENT_SETTINGS})
    do = functools.partial(_done, here, function)
    client = getattr(backend, "client", None)
    if client is not None:
        return _by_dask(client, do, items, left)
    # ray's is one of a kind derived from these
    if type(backend) in {joblib.parallel.BACKENDS.get(name) for name in ("loky", "multiprocessing")}:
        n_processes = joblib.effective_n_jobs(n_jobs)
        return _by_processes(n_processes, backend._prepare_worker_env(n_processes), do, items, left)
    return _by_joblib(do, items, left)


def _by_joblib(do: Callable[..., Any], items: Sequence[Any], left: Sequence[int]) -> Generator[Any]:
    import joblib

    parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1)
    results = parallel(joblib.delayed(do)(i, *_packed(items[i])) for i in left)
    try:
        for result in results:  # noqa: UP028
            yield result
    finally:
        # where the caller has failed, the others are of no use
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.close()


def _by_processes(
    n_processes: int, environment: dict[str, str], do: Callable[..., Any], items: Sequence[Any], left: Sequence[int]
) -> Generator[Any]:
    """Do what joblib's own engines for processes would, of which the one waits forever where a worker dies.

    The other one replaces workers that have grown, and waits forever where warnings are errors.
    """
    with _processes.lent(n_processes, environment) as (executor, sent):
        yield from _by_executor(executor, sent, lambda: n_processes, do, items, left)


def _by_dask(client: Any, do: Callable[..., Any], items: Sequence[Any], left: Sequence[int]) -> Generator[Any]:
    """Do what joblib's own engine for dask would, which waits forever where workers die again and again.

    Arrays are results of tasks: dask makes them again where they are lost with a worker, which it does not do with what
    was scattered.
    """
    executor = client.get_executor(pure=False)
    try:
        yield from _by_executor(
            executor,
            lambda array: client.submit(_same, array, pure=False),
            lambda: sum(client.ncores().values()),
            *(do, items, left),
        )
    finally:
        executor.shutdown(wait=False)


def _by_executor(
    executor: Executor,
    sent: Callable[[np.ndarray], Any],
    n_workers: Callable[[], int],
    do: Callable[..., Any],
    items: Sequence[Any],
    left: Sequence[int],
) -> Generator[Any]:
    """Yield results of items that are submitted one by one.

    Parameters
    ----------
    executor
        To whom.
    sent
        Returns what is submitted in place of an array: called once for each.
    n_workers
        Returns how many workers there are now.
    do, items, left
        What is done, and to which of the items.
    """
    # as long as there is the array
    there: dict[int, tuple[weakref.ref[np.ndarray], Any]] = {}
    waiting = iter(left)
    # what is sent is there until it was used
    running: dict[Future[Any], Any] = {}

    def submit(i: int) -> None:
        packed, *arrays = _packed(items[i])
        for array in arrays:
            if id(array) not in there:
                gone = functools.partial(_forget, there, id(array))
                there[id(array)] = weakref.ref(array, gone), sent(array)
        running[executor.submit(do, i, packed, *(there[id(array)][1] for array in arrays))] = arrays

    # as many as keep all workers busy: no more lies about
    while True:
        n_free = 2 * n_workers() - len(running)
        for i in itertools.islice(waiting, max(n_free, 0 if running else 1)):
            submit(i)
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            del running[future]
        # what was done before a worker died is kept
        for future in sorted(done, key=_has_failed):
            yield future.result()


def _forget(there: dict[int, Any], number: int, _: object) -> None:
    there.pop(number, None)


def _has_failed(future: Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _done(there: Caller, function: Callable[..., Any], i: int, packed: bytes, *arrays: np.ndarray | Laid) -> Any:
    """Apply a function in a worker; return the position of the item, the result, and what was logged."""
    name, given = there
    if name == _process():
        return i, function(_unpacked(packed, arrays)), []
    # jax has as many threads as there, lest it rounds otherwise: NPROC in the environment says how many
    for setting, value in (given | {"progress": False}).items():
        if getattr(settings, setting) != value:
            setattr(settings, setting, value)
    # for good: who works for others shows nothing
    logger.handlers = [_LISTENER]
    _LISTENER.told.lines = []
    try:
        return i, function(_unpacked(packed, arrays)), _LISTENER.told.lines
    except Exception as error:  # noqa: BLE001
        raise _sendable(error) from None


def _sendable(error: Exception) -> Exception:
    """Return an error that comes back from another process: what cannot be made again there would look like a death."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _Listener(logging.Handler):
    """Keeps what is logged, as levels and texts, in place of showing it."""

    def __init__(self) -> None:
        super().__init__()
        # workers of one process are threads
        self.told = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record of a thread that works for another process."""
        if hasattr(self.told, "lines"):
            self.told.lines.append((record.levelno, record.getMessage()))


_LISTENER = _Listener()


def _process() -> tuple[str, int]:
    """Return what tells this process from those of all machines."""
    return platform.node(), os.getpid()


def _packed(given: Any) -> tuple[Any, ...]:
    """Return bytes that something is rebuilt from, and the arrays in it.

    Engines see that they have sent an array before where it is an argument by itself. What is defined in a script or a
    notebook is sent as it is.
    """
    # that of cloudpickle, wherever joblib has it
    from joblib.externals.loky.backend.reduction import get_loky_pickler

    arrays: list[np.ndarray] = []
    places: dict[int, int] = {}

    class Packer(get_loky_pickler()):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> int | None:
            if type(value) is not np.ndarray or value.dtype.hasobject or value.nbytes < SENT_ONCE:
                return None
            if id(value) not in places:
                places[id(value)] = len(arrays)
                arrays.append(value)
            return places[id(value)]

    file = io.BytesIO()
    Packer(file, protocol=pickle.HIGHEST_PROTOCOL).dump(given)
    return file.getvalue(), *arrays


def _unpacked(packed: bytes, arrays: Sequence[np.ndarray | Laid]) -> Any:
    # arrays in a file are some of a kind of their own
    plain = [np.asarray(array.read() if isinstance(array, Laid) else array) for array in arrays]

    class Unpacker(pickle.Unpickler):
        def persistent_load(self, place: int) -> np.ndarray:
            return plain[place]

    return Unpacker(io.BytesIO(packed)).load()
