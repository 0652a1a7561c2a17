"""Keeps what jax has compiled for this package, so that the next process need not compile it again."""

from __future__ import annotations

import functools
import hashlib
import platform
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile

from filelock import FileLock

from ._settings import logger, settings

MAX_BYTES = 2**28
"""The cache grows to this size; beyond, what was used longest ago makes room."""
SETTINGS: dict[str, object] = {
    "jax_compilation_cache_max_size": MAX_BYTES,
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    # all sizes, which is not what 0 stands for
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
"""How jax keeps code while functions of this package are compiled."""

ONLY_READ: dict[str, object] = {
    # without a bound on the size, jax needs no lock
    "jax_compilation_cache_max_size": -1,
    # nothing takes that long
    "jax_persistent_cache_min_compile_time_secs": 1e9,
}
"""How jax reads code that it cannot keep."""
LOCK = ".lockfile"
"""By which jax sees to it that one process at a time writes to a folder."""
MAX_AGE = 30 * 24 * 3600
"""Seconds for which a folder of another machine is left where it is."""

_lock = threading.Lock()
_inside = 0
"""How many calls are within :func:`kept` at the moment."""
_had: dict[str, object] = {}
"""The settings that jax had before the first of them."""


@contextmanager
def kept() -> Iterator[None]:
    """Let jax read and write compiled code in the folder that the settings name while something runs.

    Nothing is done where jax is not even imported, as by maps in closed form, and nothing is changed where the user has
    given jax a folder, or told it to keep nothing. Afterwards, jax has the settings that it had, so that functions of
    others are not written there, except those that are compiled in the meantime. Code of another machine, or another
    version of what compiles, is in another folder.
    """
    global _inside
    with _lock:
        # also within another call, which may have been there before jax
        if not _had:
            _enter()
        _inside += 1
    try:
        # where nothing is kept here, the warnings of others are left to them
        with warnings.catch_warnings() if _had else nullcontext():
            # a cache that cannot be read or written costs time, not a warning: what is known of it is logged
            if _had:
                warnings.filterwarnings("ignore", message="(?s).*persistent compilation cache")
            yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _leave()


def keeps[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Run a function within :func:`kept`."""

    @functools.wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        with kept():
            return function(*args, **kwargs)

    return within


def _enter() -> None:
    if "jax" not in sys.modules:
        return

    import jax
    from jax.experimental.compilation_cache import compilation_cache

    if settings.compilation_cache_dir is None or not jax.config.jax_enable_compilation_cache:
        return
    # a folder that the user has set is the user's choice
    if jax.config.jax_compilation_cache_dir is not None:
        return
    folder = settings.compilation_cache_dir / _machine()
    given = {"jax_compilation_cache_dir": str(folder), **SETTINGS}
    if not _is_writable(folder):
        if not folder.is_dir():
            return
        given |= ONLY_READ
    for name, value in given.items():
        _had[name] = getattr(jax.config, name)
        jax.config.update(name, value)
    # jax decides once whether it keeps code, and where
    compilation_cache.reset_cache()


def _leave() -> None:
    if not _had:
        return

    import jax
    from jax.experimental.compilation_cache import compilation_cache

    for name, value in _had.items():
        jax.config.update(name, value)
    _had.clear()
    compilation_cache.reset_cache()


@functools.cache
def _machine() -> str:
    """Return a name for this kind of machine and what compiles on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    # not on every system
    except OSError:
        cpu = [platform.processor()]
    name = "\n".join([platform.system(), platform.machine(), *cpu, *map(version, ("jax", "jaxlib"))])
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


@functools.cache
def _is_writable(folder: Path) -> bool:
    """Return whether code can be kept in a folder, which is made; if not, a line in the log says so, once.

    What other machines, or earlier versions, have not used for long is removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(2**20))
            file.flush()
        # jax waits ten seconds for it, at every function
        with FileLock(folder / LOCK, timeout=2):
            folder.touch()
        for other in folder.parent.iterdir():
            if time.time() - other.stat().st_mtime > MAX_AGE and (other / LOCK).is_file():
                shutil.rmtree(other)
    # of a lock that another process holds, too
    except (OSError, NotImplementedError) as error:
        logger.info(
            "compiled code is not kept: %s. Set cs.settings.compilation_cache_dir (CELLOT_SC_COMPILATION_CACHE_DIR) to "
            "another folder, or to None",
            error,
        )
        return False
    return True
