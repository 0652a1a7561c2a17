"""Processes of this machine that work for this one, kept from one call to the next: they take seconds to start."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

IDLE = 300
"""Seconds after which a process that has nothing to do ends."""
LAID_DOWN = 2**20
"""Bytes from which an array is in a file that all processes read, in place of being sent to each."""

_NUMBERS = itertools.count()

_resting: dict[tuple[int, int, tuple[tuple[str, str], ...]], Any] = {}
"""The processes that wait for the next call: by who asked for them, how many they are, and their environment."""


class Laid(NamedTuple):
    """An array in a file."""

    path: str

    def read(self) -> np.ndarray:
        """Return the array, of which what is used is read, once for all processes."""
        return np.load(self.path, mmap_mode="r")


@contextlib.contextmanager
def lent(n_processes: int, environment: Mapping[str, str]) -> Iterator[tuple[Executor, Callable[[np.ndarray], Any]]]:
    """Give processes to work with, and a function that says what is sent to them in place of an array.

    They are those of loky, which send what is defined in a script or a notebook, and import neither. If anything is
    raised, they are ended, whatever they do.

    Parameters
    ----------
    n_processes
        How many.
    environment
        What of the environment is another one there.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    key = (os.getpid(), n_processes, tuple(sorted(environment.items())))
    executor = _resting.pop(key, None)
    if executor is None:
        started = {"timeout": IDLE, "env": dict(environment), "initializer": _begin, "initargs": (os.getpid(),)}
        executor = ProcessPoolExecutor(n_processes, **started)
    # other temporary folders, such as one in memory, are named as for joblib
    where = os.environ.get("JOBLIB_TEMP_FOLDER")
    with tempfile.TemporaryDirectory(prefix="cellot_sc-", dir=where, ignore_cleanup_errors=True) as folder:
        try:
            yield executor, lambda array: _laid(array, Path(folder))
        except BaseException:
            _end(executor)
            raise
    for other in [other for other in _resting if other[0] == key[0]]:
        _resting.pop(other).shutdown(wait=False)
    _resting[key] = executor


def _end(executor: Any) -> None:
    """End processes, whatever they do."""
    # a thread of loky fails over items that it has not given out yet
    for _ in range(100):
        if executor._work_ids.empty():
            break
        time.sleep(0.01)
    executor.shutdown(kill_workers=True)


def _laid(array: np.ndarray, folder: Path) -> np.ndarray | Laid:
    """Return a large array as one in a file, as long as there is the array; where there is no room for it, as it is."""
    if array.nbytes < LAID_DOWN:
        return array
    path = folder / f"{next(_NUMBERS)}.npy"
    try:
        np.save(path, array)
    except OSError:
        _remove(path)
        return array
    weakref.finalize(array, _remove, path)
    return Laid(str(path))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _begin(parent: int) -> None:
    """Prepare a process: it ends with the one that it works for, and not because it has grown.

    loky ends one that has grown by 300 MB, which compiled code takes, with a warning. Where warnings are errors, that
    ends the thread that gives out the items, and all wait forever.
    """
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Wait until there is another parent, and end."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
