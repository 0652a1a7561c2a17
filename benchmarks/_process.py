"""One Python process of a user, or one that others are compared with: what it does, timed, as JSON.

``python -m benchmarks._process analysis N_CELLS``: nothing may be imported here before it is timed.
"""

from __future__ import annotations

import builtins
import json
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

N_DIMS = 24
PRODUCT = 4096
"""Rows and columns of the matrices of which the product is timed."""
OTT_STEPS = 5
OTT_CELLS = 1000

type Seconds = dict[str, Any]
"""Seconds by what was done, with a digest of what came out or numbers of functions."""


class Stopwatch:
    """Seconds by what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__[T](self, what: str, function: Callable[[], T]) -> T:
        """Run a function, and keep its seconds."""
        start = time.perf_counter()
        out = function()
        self.seconds[what] = time.perf_counter() - start
        return out


class Imports:
    """Seconds that are spent in import statements from now on: the outermost ones of those within each other."""

    def __init__(self) -> None:
        self.seconds, self._depth, self._real = 0.0, 0, builtins.__import__
        builtins.__import__ = self._import

    def _import(self, *given: Any, **options: Any) -> Any:
        self._depth += 1
        start = time.perf_counter()
        try:
            return self._real(*given, **options)
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.seconds += time.perf_counter() - start


class Compiling:
    """When jax traces, lowers and compiles from now on, and how many functions it compiles or reads from a cache."""

    def __init__(self) -> None:
        from jax import monitoring

        self._spells: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        self.n_compiled = self.n_read = 0
        monitoring.register_event_duration_secs_listener(self._ends)
        monitoring.register_event_listener(self._happens)

    def _ends(self, event: str, duration_secs: float, **_: object) -> None:
        if event.startswith("/jax/core/compile/"):
            compiles = event.endswith("backend_compile_duration")
            self.n_compiled += compiles
            now = time.perf_counter()
            self._spells[compiles].append((now - duration_secs, now))

    def _happens(self, event: str, **_: object) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            self.n_read += 1
            self.n_compiled -= 1

    def seconds(self) -> tuple[float, float]:
        """Return the seconds of tracing and lowering, and of compiling or reading, none of them counted twice."""
        compiles = _covered(self._spells[True])
        return _covered([*self._spells[True], *self._spells[False]]) - compiles, compiles


def _covered(spells: list[tuple[float, float]]) -> float:
    """Return how long at least one spell lasts, given when each begins and ends."""
    covered, until = 0.0, float("-inf")
    for begin, end in sorted(spells):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered


def analysis(n_cells: str) -> Seconds:
    """Do what a user does with cells of two conditions, from the import to the report."""
    timed = Stopwatch()
    timed("import", lambda: __import__("cellot_sc.tl"))
    later = Imports()
    jax_does = Compiling()

    import cellot_sc as cs

    data = _cells(int(n_cells))
    timed("prepare", lambda: (cs.pp.split(data), cs.pp.represent(data, n_components=N_DIMS)))
    timed("fit", lambda: cs.tl.cellot(data, use_rep="X_cellot"))
    prepares, compiles = jax_does.seconds()
    fit = {"later imports": later.seconds, "trace + lower": prepares, "compile": compiles}
    predicted = timed("predict", lambda: cs.tl.predict(data))
    timed("evaluate", lambda: cs.tl.evaluate(data))
    with TemporaryDirectory() as folder:
        timed("report", lambda: _report(data, Path(folder) / "report.html"))
    digest = blake2b(predicted.obsm["X_cellot"].tobytes(), digest_size=8).hexdigest()
    counts = {"compiled": jax_does.n_compiled, "read": jax_does.n_read}
    return {**timed.seconds, **fit, "train": timed.seconds["fit"] - sum(fit.values()), **counts, "digest": digest}


def _report(data: Any, path: Path) -> None:
    from cellot_sc import _report

    _report.compose(data).write(path, title="Cold start")


def _clouds(n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cells that go one way or the other by the side that they are on, which no affine map does."""
    import numpy as np

    rng = np.random.default_rng(0)
    # as in principal components, the first dimensions hold most of the variance
    spread = 3 * np.arange(1, N_DIMS + 1, dtype=np.float32) ** -0.5
    x, y = (rng.standard_normal((n_cells, N_DIMS), dtype=np.float32) * spread for _ in range(2))
    y[:, 0] += np.where(y[:, 0] > 0, 6, -6)
    return x, y


def _cells(n_cells: int) -> Any:
    import anndata as ad
    import numpy as np
    import pandas as pd

    x = np.concatenate(_clouds(n_cells // 2))
    obs = pd.DataFrame(
        {"perturbation": np.repeat(["control", "drug"], n_cells // 2)}, index=np.arange(len(x)).astype(str)
    )
    return ad.AnnData(x, obs)


def imported(module: str) -> Seconds:
    """Import a module."""
    timed = Stopwatch()
    timed("import", lambda: __import__(module))
    return timed.seconds


def product() -> Seconds:
    """Multiply two matrices, compiled before: the median of five times."""
    import statistics

    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((PRODUCT, PRODUCT), jnp.float32)
    multiply = jax.jit(lambda a: a @ a)
    multiply(matrix).block_until_ready()
    timed = Stopwatch()
    for i in range(5):
        timed(str(i), lambda: multiply(matrix).block_until_ready())
    return {"product": statistics.median(timed.seconds.values())}


def stock() -> Seconds:
    """Fit with ott's own solver and its own defaults but for a few steps, twice."""
    timed = Stopwatch()
    timed("import", lambda: __import__("ott.neural.methods.neuraldual"))

    from cellot_sc import ot

    from . import _fits

    problem = ot.Problem(*_clouds(OTT_CELLS))
    for name in ("first", "second"):
        timed(name, lambda: _fits.stock(problem, 0, n_steps=OTT_STEPS))
    return timed.seconds


if __name__ == "__main__":
    KINDS: dict[str, Callable[..., Seconds]] = {
        "analysis": analysis,
        "import": imported,
        "product": product,
        "stock": stock,
    }
    print(json.dumps(KINDS[sys.argv[1]](*sys.argv[2:])))
