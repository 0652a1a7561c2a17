"""What the first result costs: import, compile, fit, predict, evaluate and report in new processes, beside others'."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd

from . import _output, _process

ROOT = Path(__file__).parents[1]
THIS = "this"
KINDS = {"first": "empty", "second": "kept", "without": "none"}
"""The processes of an analysis, and what code is kept in the cache that each finds."""
PHASES = {
    "import": "scanpy",
    "prepare": "product",
    "later imports": "scanpy",
    "trace + lower": "product",
    "compile": "product",
    "train": "product",
    "fit": "product",
    "predict": "product",
    "evaluate": "product",
    "report": "product",
}
"""What an analysis does, and the reference that its seconds are divided by."""
OTT = f"W2NeuralDual of ott, {_process.OTT_STEPS} steps"
REFERENCES = {
    "pass": "`python -c pass`",
    "scanpy": "`import scanpy`",
    "moscot": "`import moscot`",
    "product": f"one product of float32 matrices, {_process.PRODUCT:,} x {_process.PRODUCT:,}, compiled before",
    "ott": "`import ott.neural.methods.neuraldual`",
    "ott first": f"{OTT}: first fit, compilation included",
    "ott second": f"{OTT}: second fit in the same process",
}
COMMANDS = {
    "help": ("`cellot-sc --help`", "pass"),
    "column": ("`cellot-sc fit`, a mistyped column", "pass"),
    "demo first": ("`cellot-sc demo`, cache empty", "product"),
    "demo second": ("`cellot-sc demo`, cache kept", "product"),
}
"""Commands of the shell, and the reference that their seconds are divided by."""


class Source(NamedTuple):
    """A checkout that is measured, and where its processes keep compiled code."""

    name: str
    path: Path
    folder: Path

    def environment(self, cache: Path | None) -> dict[str, str]:
        """Return the environment of a process: without settings of jax's, with bytecode."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JAX_", "CELLOT_SC_")) and name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}
        }
        return kept | {
            "PYTHONPATH": str(self.path),
            "CELLOT_SC_COMPILATION_CACHE_DIR": str(cache or "none"),
            "CELLOT_SC_VERBOSITY": "warning",
            "CELLOT_SC_PROGRESS": "false",
            "MPLBACKEND": "Agg",
        }

    def run(self, *arguments: str, cache: Path | None = None, status: int = 0) -> tuple[str, float]:
        """Run Python, and return what it prints, and the seconds from its start to its end.

        Raises
        ------
        RuntimeError
            If it ends with another status.
        """
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, env=self.environment(cache)
        )
        seconds = time.perf_counter() - start
        print(f"{self.name}: {' '.join(arguments)} took {seconds:.1f} s", file=sys.stderr, flush=True)
        if done.returncode != status:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout, seconds

    def process(self, *arguments: str, cache: Path | None = None) -> dict[str, Any]:
        """Return what a process of :mod:`benchmarks._process` has measured."""
        printed, _ = self.run("-m", "benchmarks._process", *arguments, cache=cache)
        return json.loads(printed.splitlines()[-1])


def run(argv: Sequence[str]) -> int:
    """Measure, write the tables, and return 1 if processes of a checkout predict different cells."""
    parser = _output.parser("cold-start", __doc__)
    parser.add_argument("--n-cells", type=int, default=170_000, help=f"cells, of {_process.N_DIMS} dimensions")
    parser.add_argument("--repeat", type=int, default=1, help="times that all is run, in turn, for medians")
    parser.add_argument("--src", type=Path, help="the src folder of another checkout, measured in turn with this one")
    given = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        paths = {THIS: ROOT / "src"} | ({"baseline": given.src.resolve()} if given.src else {})
        sources = [Source(name, path, Path(folder) / name) for name, path in paths.items()]
        for source in sources:
            # fills the disk cache and writes bytecode
            source.run("-c", "import scanpy, moscot, ott.neural.methods.neuraldual")
            source.process("analysis", "1000")
        runs = [_measure(sources, given.n_cells, i) for i in range(given.repeat)]
    references = {name: statistics.median(run[THIS][name] for run in runs) for name in REFERENCES}
    digests = {source.name: {run[source.name][kind]["digest"] for run in runs for kind in KINDS} for source in sources}
    tables = {
        f"An analysis of {given.n_cells:,} x {_process.N_DIMS} cells": _analyses(sources, runs, references),
        "References": pd.DataFrame(
            [{"reference": name, "seconds": references[key]} for key, name in REFERENCES.items()]
        ),
        "The shell": _shell(sources, runs, references),
    }
    notes = [
        f"Medians of {given.repeat}. In brackets: `import`, later imports (of functions, until the fit is over) as "
        "multiples of `import scanpy`, commands of `python -c pass`, all else of the matrix product. `fit` is later "
        "imports, trace + lower, compile (or reading what is kept) and train. Compiled, read: functions, in all of the "
        "process. An own process for every row; bytecode is there.",
        *(
            f"Predicted cells of {name}: {'equal to the bit in all' if len(found) == 1 else 'NOT equal in'} "
            f"{len(KINDS) * given.repeat} processes ({', '.join(sorted(found))})."
            for name, found in digests.items()
        ),
    ]
    _output.write("cold-start", given.out, tables, notes)
    return int(any(len(found) > 1 for found in digests.values()))


def _measure(sources: Sequence[Source], n_cells: int, repetition: int) -> dict[str, dict[str, Any]]:
    """Return what every checkout took once, what is common to them with the first."""
    found: dict[str, dict[str, Any]] = {source.name: {} for source in sources}
    common, first = found[sources[0].name], sources[0]
    common["pass"] = first.run("-c", "pass")[1]
    for name in ("scanpy", "moscot"):
        common[name] = first.process("import", name)["import"]
    common |= first.process("product")
    ott = first.process("stock")
    common |= {"ott": ott["import"], "ott first": ott["first"], "ott second": ott["second"]}
    caches = {source.name: source.folder / f"cache {repetition}" for source in sources}
    # in turn, so that a busy spell of the machine hits all
    for kind, state in KINDS.items():
        for source in sources:
            cache = None if state == "none" else caches[source.name]
            found[source.name][kind] = source.process("analysis", str(n_cells), cache=cache)
    for source in sources:
        found[source.name] |= {"help": source.run("-m", "cellot_sc", "--help")[1], "column": _mistyped(source)}
    for name in ("first", "second"):
        for source in sources:
            folder = source.folder / f"demo {repetition} {name}"
            arguments = ("-m", "cellot_sc", "demo", "--output", str(folder))
            # a cache of its own: what the analysis has compiled is no help to the first
            cache = source.folder / f"cache of demo {repetition}"
            found[source.name][f"demo {name}"] = source.run(*arguments, cache=cache)[1]
    return found


def _mistyped(source: Source) -> float:
    """Return the seconds until a column is refused that is not there."""
    path = source.folder / "cells.h5ad"
    obs = pd.DataFrame({"perturbation": ["control", "drug"]}, index=["a", "b"])
    ad.AnnData(np.ones((2, 2), dtype=np.float32), obs).write_h5ad(path)
    typed = ("-m", "cellot_sc", "fit", str(path), str(source.folder / "out.h5ad"), "--perturbation-key", "pertubation")
    return source.run(*typed, status=2)[1]


def _analyses(
    sources: Sequence[Source], runs: Sequence[Mapping[str, Any]], references: Mapping[str, float]
) -> pd.DataFrame:
    rows = []
    for source in sources:
        for kind, state in KINDS.items():
            measured = [run[source.name][kind] for run in runs]
            row = {"checkout": source.name, "process": kind, "cache": state}
            for phase, reference in PHASES.items():
                row[phase] = _beside([one[phase] for one in measured], references[reference])
            rows.append(row | {"compiled, read": f"{measured[-1]['compiled']}, {measured[-1]['read']}"})
    return pd.DataFrame(rows)


def _shell(
    sources: Sequence[Source], runs: Sequence[Mapping[str, Any]], references: Mapping[str, float]
) -> pd.DataFrame:
    rows = []
    for command, (name, reference) in COMMANDS.items():
        row = {"command": name}
        for source in sources:
            row[source.name] = _beside([run[source.name][command] for run in runs], references[reference])
        rows.append(row)
    return pd.DataFrame(rows)


def _beside(seconds: Sequence[float], reference: float) -> str:
    """Return the median of seconds, and how many times the reference that is."""
    median = statistics.median(seconds)
    return f"{_output.number(median)} ({_output.number(median / reference)}x)"
