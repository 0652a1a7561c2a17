"""Many perturbations in one call against one call for each: seconds, and whether the maps agree."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

import cellot_sc as cs
from cellot_sc import ot

from . import _fits, _output, _problems


def run(argv: Sequence[str]) -> int:
    """Measure, and write the table."""
    parser = _output.parser("batch", __doc__)
    _problems.add_arguments(parser, default=["perturbench"])
    parser.add_argument("--solver", default="icnn")
    parser.add_argument("--match", default="k562", help="of the tasks, those whose names begin so")
    parser.add_argument("--seed", type=int, default=0)
    _fits.add_option(parser)
    given = parser.parse_args(argv)
    cs.settings.verbosity = "warning"
    options = _fits.options(given.option).get(given.solver, {})

    rows = []
    for name in given.data:
        data, tasks = _problems.load(name, given.seed)
        tasks = [task for task in tasks if task.name.startswith(given.match)]
        problems = [task.problem for task in tasks]
        together, seconds = _fits.timed(problems, given.solver, given.seed, **options)
        [first], one = _fits.timed(problems[:1], given.solver, given.seed, **options)
        # the compiled code of the first serves the next ones, as it would for a user
        start = time.perf_counter()
        alone = [_fits.fit([problem], given.solver, given.seed, **options)[0] for problem in problems[1:]]
        rest = time.perf_counter() - start
        apart = [
            np.linalg.norm(a.transport(task.source) - b.transport(task.source), axis=1).max()
            / np.linalg.norm(task.source - task.source.mean(0), axis=1).mean()
            for task, a, b in zip(tasks, together, [first, *alone], strict=True)
        ]
        affine = sum(isinstance(transport, ot.AffineMap) for transport in together)
        rows.append(
            {
                "data": data,
                "problems": len(tasks),
                "left affine": affine,
                "one call, s": seconds,
                "one by one, s": one + rest,
                "share": f"{seconds / (one + rest):.0%}",
                "the first alone, s": one,
                "median disagreement": float(np.median(apart)),
                "largest disagreement": float(np.max(apart)),
            }
        )
    notes = [
        f"Solver {given.solver}; compilation included once on either side. Disagreement: the largest distance between "
        "two predictions of one test cell, in units of the mean distance of cells from their mean."
    ]
    _output.write("batch", given.out, {"Many perturbations at once": pd.DataFrame(rows)}, notes)
    return 0
