"""How the seconds of a fit grow with cells, dimensions, width and number of perturbations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cellot_sc import ot

from . import _fits, _loop, _output

START = {"cells": 10_000, "dims": 50, "width": 64, "perturbations": 1}
SWEEPS = {
    "cells": (1_000, 10_000, 100_000, 1_000_000),
    "dims": (5, 20, 50, 100, 200),
    "width": (16, 32, 64, 128),
    "perturbations": (1, 2, 4, 8, 16),
}


def run(argv: Sequence[str]) -> int:
    """Measure one sweep after the other, all else at its start, and write the table and a figure."""
    parser = _output.parser("scaling", __doc__)
    parser.add_argument("--solver", default="icnn")
    for what, value in START.items():
        parser.add_argument(f"--{what}", type=int, default=value, help="in the sweeps of the others")
    parser.add_argument("--sweep", nargs="+", default=list(SWEEPS), choices=list(SWEEPS))
    parser.add_argument("--largest", type=int, default=1_000_000, help="cells of either cloud at most")
    _fits.add_option(parser)
    given = parser.parse_args(argv)
    options = _fits.options(given.option).get(given.solver, {})

    rows = []
    for what in given.sweep:
        for value in SWEEPS[what]:
            size = {name: getattr(given, name) for name in START} | {what: value}
            if size["cells"] > given.largest:
                continue
            first = _loop.split_effect(size["cells"], size["dims"])
            # they share the control cells
            others = [_loop.split_effect(size["cells"], size["dims"], seed=i) for i in range(1, size["perturbations"])]
            problems = [
                first,
                *(ot.Problem(first.source, other.target, first.source_valid, other.target_valid) for other in others),
            ]
            width = {} if what != "width" and size["width"] == START["width"] else {"width": size["width"]}
            maps, seconds = _fits.timed(problems, given.solver, 0, **options, **width)
            steps = sum(not isinstance(transport, ot.AffineMap) for transport in maps)
            rows.append({"sweep": what, **size, "networks fitted for": steps, "seconds": seconds})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    notes = [
        f"Solver {given.solver}, compilation included. As many treated cells per perturbation as control cells. "
        "Early stopping makes the number of steps vary."
    ]
    _output.write("scaling", given.out, {"Seconds of a fit": table}, notes)
    if given.out is not None:
        _draw(table, given.out / "scaling.svg")
    return 0


def _draw(table: pd.DataFrame, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sweeps = list(table["sweep"].unique())
    figure, axes = plt.subplots(
        1, len(sweeps), figsize=(3.2 * len(sweeps), 3), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, sweep in zip(axes[0], sweeps, strict=True):
        part = table[table["sweep"] == sweep]
        axis.plot(part[sweep], part["seconds"], marker="o")
        axis.set(xscale="log", xlabel=sweep)
        axis.set_xticks(part[sweep], [_output.number(value) for value in part[sweep]], fontsize=8)
        axis.minorticks_off()
    axes[0, 0].set(ylabel="seconds, compilation included", ylim=(0, None))
    _output.draw(figure, path)
    plt.close(figure)
