"""Seconds, compilation included, until a solver is as good within cell types as the published recipe in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import pandas as pd

import cellot_sc as cs
from cellot_sc import ot
from cellot_sc.ot._solvers import paper

from . import _fits, _output, _problems
from ._quality import Judge

METRIC = "E/type"
type Trace = list[tuple[float, float]]
"""Seconds since the start, and the quality of the map that one would have had then."""


class _Enough(Exception):
    pass


def run(argv: Sequence[str]) -> int:
    """Measure for every seed, and write the table and a figure."""
    parser = _output.parser("time-to-quality", __doc__)
    _problems.add_arguments(parser, default=["kang"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=10_000, help="of the published recipe, and of ott's loop")
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 200, 300, 500, 750, 1000], help="budgets of icnn")
    parser.add_argument("--stock-seconds", type=float, default=300.0, help="after which ott's loop is extrapolated")
    parser.add_argument("--stock", nargs="*", default=[_fits.STOCK, _fits.STOCK_PLAIN])
    given = parser.parse_args(argv)
    cs.settings.verbosity = "warning"

    rows: list[dict[str, object]] = []
    traces: list[tuple[str, str, Trace]] = []
    for name in given.data:
        for seed in range(given.seeds):
            data, tasks = _problems.load(name, seed)
            for task in tasks:
                judge = Judge(task, n_boot=1, seed=seed)

                def quality(transport: _fits.Transport, task: Any = task, judge: Judge = judge) -> float:
                    return judge(transport.transport(task.source))[METRIC].estimate

                published = _paper(task.problem, seed, given.iterations, quality)
                target, whole = published[-1][1], published[-1][0]
                theirs = _first(published, target)
                rows.append(_row(data, task.name, seed, "paper", target, theirs, theirs, "", whole))
                ours = _budgets(task.problem, seed, given.steps, quality)
                reached = _first(ours, target)
                rows.append(_row(data, task.name, seed, "icnn", target, reached, theirs, "", ours[-1][0]))
                traces += [(data, "paper", published), (data, "icnn", ours)]
                for stock in given.stock:
                    trace, end, note = _stock(task.problem, seed, stock, given, quality)
                    reached_by_stock = _first(trace, target)
                    rows.append(_row(data, task.name, seed, stock, target, reached_by_stock, theirs, note, end))
                    rows[-1]["icnn is quicker by"] = _ratio(reached_by_stock or end, reached)
                    traces.append((data, stock, trace))
                print(pd.DataFrame(rows).tail(2 + len(given.stock)).to_string(), flush=True)
    notes = [
        f"The target is what paper has after {given.iterations:,} outer iterations, on test cells. A map is taken when "
        "validation cells have preferred it so far; icnn is fitted anew, and whole, for every budget of steps; ott's "
        "loop is looked at as it goes. 'Whole' is the time of all iterations, or of the default fit of icnn."
    ]
    _output.write("time_to_quality", given.out, {"Time to quality": pd.DataFrame(rows).fillna("")}, notes)
    if given.out is not None:
        _draw(traces, given.out / "time_to_quality.svg")
    return 0


def _row(
    data: str, task: str, seed: int, solver: str, target: float, seconds: float | None, paper: float | None, note: str,
    whole: float,
) -> dict[str, object]:  # fmt: skip
    return {
        "data": data,
        "task": task,
        "seed": seed,
        "solver": solver,
        f"target {METRIC}": target,
        "seconds to it": seconds if seconds is not None else "never",
        "paper's over this": _ratio(paper, seconds),
        "whole, seconds": whole,
        "note": note,
    }


def _ratio(a: float | None, b: float | None) -> str:
    return "" if a is None or b is None else f"{a / b:.1f}x"


def _first(trace: Trace, target: float) -> float | None:
    """Return the seconds at which a trace first reaches a target."""
    return next((seconds for seconds, quality in trace if quality <= target), None)


def _paper(problem: ot.Problem, seed: int, n_steps: int, quality: Callable[[_fits.Transport], float]) -> Trace:
    looks: list[tuple[float, float, Any]] = []
    jax.clear_caches()
    with _watched(lambda params, criterion: looks.append((time.perf_counter(), float(criterion), params))):
        start = time.perf_counter()
        ot.fit([problem], "paper", seed=seed, n_steps=n_steps)
        jax.effects_barrier()
    jax.clear_caches()
    trace: Trace = []
    best = np.inf
    config = paper.PaperConfig()
    zero = np.zeros(problem.n_dims, dtype=np.float32)
    # the first look is at the random networks, which are never taken
    for moment, criterion, params in looks[1:]:
        if criterion < best:
            best = criterion
            params = {name: np.asarray(value)[None] for name, value in params.items()}
            architecture = {"width": config.width, "depth": config.depth}
            now = quality(ot.PotentialMap("PaperICNN", architecture, params, zero, zero))
        trace.append((moment - start, now))
    return trace


@contextmanager
def _watched(record: Callable[[Any, Any], None]) -> Iterator[None]:
    """Hand the parameters over at every look at the validation cells."""
    criterion = paper.PaperConfig.criterion

    def watched(self: paper.PaperConfig, params: Any, clouds: Any) -> jax.Array:
        value = criterion(self, params, clouds)
        jax.debug.callback(record, params, value)
        return value

    with mock.patch.object(paper.PaperConfig, "criterion", watched):
        yield


def _budgets(
    problem: ot.Problem, seed: int, budgets: Sequence[int], quality: Callable[[_fits.Transport], float]
) -> Trace:
    trace: Trace = []
    for options in [*({"n_steps": n} for n in sorted(budgets)), {}]:
        [transport], seconds = _fits.timed([problem], "icnn", seed, **options)
        trace.append((seconds, quality(transport)))
    return trace


def _stock(
    problem: ot.Problem, seed: int, solver: str, given: Any, quality: Callable[[_fits.Transport], float]
) -> tuple[Trace, float, str]:
    """Return the trace of ott's loop, the seconds that all its steps take, and how these are known."""
    trace: Trace = []
    looking, steps, looked_at = 0.0, [], -np.inf
    jax.clear_caches()
    start = time.perf_counter()

    def look(step: int, transport: _fits.StockMap) -> None:
        nonlocal looking, looked_at
        now = time.perf_counter()
        spent = now - start - looking
        steps.append(spent)
        if spent - looked_at > 0.01 * given.stock_seconds:
            trace.append((spent, quality(transport)))
            looked_at = spent
        looking += time.perf_counter() - now
        if spent > given.stock_seconds:
            raise _Enough

    try:
        _fits.stock(problem, seed, n_steps=given.iterations, plain=solver == _fits.STOCK_PLAIN, callback=look)
    except _Enough:
        pass
    # the first steps compile
    per_step = float(np.median(np.diff(steps[2:])))
    end = steps[-1] + per_step * (given.iterations - len(steps))
    note = (
        "" if len(steps) == given.iterations else f"{len(steps)} of {given.iterations} steps made; whole extrapolated"
    )
    return trace, end, note


def _draw(traces: list[tuple[str, str, Trace]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(data for data, _, _ in traces))
    solvers = list(dict.fromkeys(solver for _, solver, _ in traces))
    figure, axes = plt.subplots(1, len(names), figsize=(5.5 * len(names), 4), squeeze=False, layout="constrained")
    for data, solver, trace in traces:
        axis = axes[0, names.index(data)]
        axis.plot(*zip(*trace, strict=True), marker=".", color=f"C{solvers.index(solver)}", label=solver, linewidth=1)
        axis.set(xscale="log", yscale="log", xlabel="seconds, compilation included", ylabel=METRIC, title=data)
    for axis in axes[0]:
        handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        axis.legend(handles.values(), handles.keys(), fontsize=8)
    _output.draw(figure, path)
    plt.close(figure)
