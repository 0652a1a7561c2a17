"""Many small perturbations in one process, and by one and two workers, each held to one thread."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import pandas as pd

from . import _output

CHILD = """
import hashlib, json, resource, sys, time
import joblib
import numpy as np
from cellot_sc import ot
import cellot_sc as cs
from cellot_sc.tl._fit import blocks

n_problems, n_cells, n_dims, n_workers, solver, options = json.loads(sys.argv[1])
cs.settings.verbosity = "warning"
spread = (3 * np.arange(1, n_dims + 1) ** -0.5).astype(np.float32)


def cloud(seed, side):
    cells = np.random.default_rng([seed, side]).normal(size=(n_cells, n_dims)).astype(np.float32) * spread
    if side:
        # what no affine map does, for every second one, as on real screens many do nothing
        cells[:, 0] += np.where(cells[:, 0] > 0, 6, -6) * (seed % 2)
    return cells


source = cloud(0, 0)
half = 4 * n_cells // 5
train, valid = source[:half], source[half:]
problems = [
    ot.Problem(train, (target := cloud(i, 1))[:half], valid, target[half:]) for i in range(n_problems)
]
solver = ot.SOLVERS[solver]
config = solver.config(**options)
targets = [str(i) for i in range(n_problems)]


def fit(some):
    return blocks.fit(solver, targets[: len(some)], some, config, 0)


with joblib.parallel_config("loky", n_jobs=n_workers):
    # code is compiled, and workers are started, before: two blocks, one for each
    fit(problems[: 2 * blocks.SIZE])
    start = time.perf_counter()
    fits = fit(problems)
    seconds = time.perf_counter() - start
code = hashlib.blake2b(b"".join(one.map.transport(source).tobytes() for one in fits), digest_size=8)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([seconds, peak, code.hexdigest()]))
"""
ONE_THREAD = dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def _child(n_problems: int, given: argparse.Namespace, n_workers: int, folder: str) -> tuple[float, float, str]:
    """Return the seconds of a fit, the peak of memory of its process in GB, and what is known of its maps."""
    options = {} if given.steps is None else {"n_steps": given.steps}
    asked = [n_problems, given.cells, given.dims, n_workers, given.solver, options]
    command = [sys.executable, "-c", CHILD, json.dumps(asked)]
    environment = os.environ | ONE_THREAD | {"CELLOT_SC_COMPILATION_CACHE_DIR": folder}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, peak, code = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak, code


def run(argv: Sequence[str]) -> int:
    """Measure, and write the tables."""
    parser = _output.parser("workers", __doc__)
    parser.add_argument("--shared", type=int, default=48, help="perturbations that workers share")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--alone", type=int, nargs="*", default=[50, 200, 1000], help="those of one process")
    parser.add_argument("--cells", type=int, default=400, help="cells of every condition")
    parser.add_argument("--dims", type=int, default=30)
    parser.add_argument("--solver", default="icnn")
    parser.add_argument("--steps", type=int, help="of the solver, those of its defaults without")
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        # in turns: a machine that slows down is as slow for all
        made = [{n: _child(given.shared, given, n, folder) for n in given.workers} for _ in range(given.repeats)]
        best = {n: min(turn[n] for turn in made) for n in given.workers}
        one = best[given.workers[0]][0] * given.workers[0]
        shared = [
            {
                "workers": n,
                "perturbations": given.shared,
                "s": seconds,
                "efficiency": f"{one / (n * seconds):.0%}",
                "same maps": all(turn[n][2] == made[0][given.workers[0]][2] for turn in made),
            }
            for n, (seconds, _, _) in best.items()
        ]
        alone = []
        for n in given.alone:
            seconds, peak, _ = _child(n, given, 1, folder)
            alone.append({"perturbations": n, "s": seconds, "s each": seconds / n, "peak, GB": peak})
    notes = [
        f"Solver {given.solver}, {given.cells} cells of every condition in {given.dims} dimensions; half of the "
        "perturbations do what no affine map does. Every process is held to one thread, code is compiled and workers "
        "are started before."
    ]
    tables = {"Workers": pd.DataFrame(shared)} | ({"One process": pd.DataFrame(alone)} if alone else {})
    _output.write("workers", given.out, tables, notes)
    return 0
