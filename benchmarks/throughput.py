"""Cells transported per second, and the peak of memory of a fit on many cells."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cellot_sc import ot
from cellot_sc.ot._solvers.icnn import ICNNConfig

from . import _loop, _output

CHILD = """
import json, re, resource, sys, time
from pathlib import Path
from cellot_sc import ot
from benchmarks import _loop

n_cells, n_dims, solver = json.loads(sys.argv[1])
# half of the cells are untreated, half treated
problem = _loop.split_effect(n_cells // 2, n_dims)
array = problem.source.nbytes + problem.target.nbytes
start = time.perf_counter()
fit = ot.fit([problem], solver)[0]
if Path("/proc/self/status").is_file():
    # getrusage on Linux counts the peak of the parent process too
    peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([array, peak, time.perf_counter() - start, fit.map.kind]))
"""
FEW = 10_000
"""Cells of the fit that tells what libraries and compilation take."""


def _whole_ensemble(transport: ot.TransportMap) -> ot.TransportMap:
    """Return a map of as many networks as a fit has members, which is the slowest that the default can return."""
    if not isinstance(transport, ot.PotentialMap):
        return transport
    n_members = len(ICNNConfig().penalties)
    params = {name: np.repeat(value[:1], n_members, axis=0) for name, value in transport.params.items()}
    options = transport.options
    return ot.PotentialMap(transport.network, options, params, transport.source_mean, transport.target_mean)


def _child(n_cells: int, n_dims: int, solver: str) -> tuple[int, int, float, str]:
    """Return the bytes of the cells, the peak of memory, the seconds of the fit, and the kind of its map."""
    command = [sys.executable, "-c", CHILD, json.dumps([n_cells, n_dims, solver])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    array, peak, spent, kind = json.loads(done.stdout.splitlines()[-1])
    return array, peak, spent, kind


def run(argv: Sequence[str]) -> int:
    """Measure, and write the tables."""
    parser = _output.parser("throughput", __doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--dims", type=int, default=50)
    parser.add_argument("--solver", default="icnn")
    parser.add_argument("--repetitions", type=int, default=3, help="of which the quickest counts")
    given = parser.parse_args(argv)

    transport = ot.fit([_loop.split_effect(2000, given.dims)], given.solver)[0].map
    cells = np.random.default_rng(0).standard_normal((given.cells, given.dims), dtype=np.float32)
    rows = []
    for map_ in (transport, _whole_ensemble(transport)):
        map_.transport(cells)
        seconds = []
        for _ in range(given.repetitions):
            start = time.perf_counter()
            map_.transport(cells)
            seconds.append(time.perf_counter() - start)
        size = {"cells": given.cells, "dimensions": given.dims, "networks in the map": getattr(map_, "n_networks", 0)}
        rows.append(size | {"cells/s": given.cells / min(seconds)})
    rates = pd.DataFrame(rows)

    _, few, _, _ = _child(FEW, given.dims, given.solver)
    array, peak, spent, kind = _child(given.cells, given.dims, given.solver)
    memory = pd.DataFrame(
        [
            {
                "cells": given.cells,
                "dimensions": given.dims,
                "map": kind,
                "fit, s": spent,
                "array, MB": array / 1e6,
                f"peak with {FEW:,} cells, MB": few / 1e6,
                "peak, MB": peak / 1e6,
                "difference, in arrays": (peak - few) / array,
            }
        ]
    )
    notes = [
        f"Each fit in a process of its own. That of {FEW:,} cells tells what libraries and compilation take. The "
        "array of the cells is part of the difference."
    ]
    _output.write("throughput", given.out, {"Transport": rates, "Memory of a fit": memory}, notes)
    return 0
