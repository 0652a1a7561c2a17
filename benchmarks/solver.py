"""All solvers in turn on the same cells: how far transported test cells are from observed ones, and the seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import cellot_sc as cs
from cellot_sc import ot

from . import _fits, _output, _problems
from ._quality import METRICS, Judge, Quality, interval, less

OBSERVED = "observed"
"""The treated train cells in the place of transported ones: the ceiling."""

LONG, TIMES = "neural_dual", 10
"""A solver that takes hours with its defaults, and how many times the seconds of the default it is given."""

type Scores = dict[tuple[str, str, str], dict[str, list[Quality]]]
"""By solver, task and metric (the last as the key of the inner dictionary), a quality for every seed."""


def run(argv: Sequence[str]) -> int:
    """Fit and judge, and write a table for every data set, the verdicts on the default, every task, and a figure."""
    parser = _output.parser("solver", __doc__)
    _problems.add_arguments(parser, default=list(_problems.SETS))
    parser.add_argument(
        "--solvers", nargs="+", default=list(ot.SOLVERS), help=f"any of these, {_fits.STOCK} and {_fits.STOCK_PLAIN}"
    )
    parser.add_argument("--default", default="icnn", help="the solver that the others are compared with")
    parser.add_argument("--seeds", type=int, default=3, help="splits, each with fits of its own")
    parser.add_argument("--boot", type=int, default=200, help="resamples of the test cells")
    _fits.add_option(parser)
    given = parser.parse_args(argv)
    cs.settings.verbosity = "warning"
    options = _fits.options(given.option)

    tables: dict[str, pd.DataFrame] = {}
    verdicts, rows, points = [], [], []
    steps: list[str] = []
    for name in given.data:
        scores: dict[str, dict[str, dict[str, list[Quality]]]] = {}
        seconds: dict[str, list[float]] = {solver: [] for solver in given.solvers}
        for seed in range(given.seeds):
            data, tasks = _problems.load(name, seed)
            judges = [Judge(task, n_boot=given.boot, seed=seed) for task in tasks]
            for solver in given.solvers:
                problems, given_options = [task.problem for task in tasks], options.get(solver, {})
                if solver == LONG and seconds.get(given.default):
                    budget = TIMES * seconds[given.default][-1]
                    maps, spent, made = _fits.within(problems, solver, seed, budget, **given_options)
                    steps.append(f"{data}, seed {seed}: {made}")
                else:
                    maps, spent = _fits.timed(problems, solver, seed, **given_options)
                seconds[solver].append(spent)
                for task, judge, transport in zip(tasks, judges, maps, strict=True):
                    _add(scores, solver, task.name, judge(transport.transport(task.source)))
                print(f"{data}, seed {seed}: {solver} took {spent:.1f} s", flush=True)
            for task, judge in zip(tasks, judges, strict=True):
                _add(scores, OBSERVED, task.name, judge.observed())
        title = f"{data}: {len(tasks)} problem{'s' * (len(tasks) > 1)} x {given.seeds} seeds"
        tables[title] = _table(scores, seconds, given.default)
        verdicts += _verdicts(data, scores, given.default)
        rows += [
            {"data": data, "task": task, "solver": solver, "seed": seed, "metric": metric, "value": quality.estimate}
            for solver, of_tasks in scores.items()
            for task, metrics in of_tasks.items()
            for metric, qualities in metrics.items()
            for seed, quality in enumerate(qualities)
        ]
        points.append((data, scores, seconds))
    if verdicts:
        tables["The default against the best of the others"] = pd.DataFrame(verdicts)
    notes = [
        "Seconds are those of one call for all problems of a data set, compilation included, as the mean over seeds. "
        "Intervals are central 95 % of resampled seeds and test cells; differences are between maps of the same cells."
    ]
    if steps:
        notes.append(f"{LONG} was given {TIMES} times the seconds of the default. {'; '.join(steps)}.")
    if options:
        notes.append(f"Options: {', '.join(given.option)}.")
    _output.write("solver", given.out, tables, notes)
    if given.out is not None:
        pd.DataFrame(rows).to_csv(given.out / "solver.csv", index=False)
        _draw(points, given.out / "solver.svg")
    return 0


def _add(
    scores: dict[str, dict[str, dict[str, list[Quality]]]], solver: str, task: str, found: dict[str, Quality]
) -> None:
    for metric, quality in found.items():
        scores.setdefault(solver, {}).setdefault(task, {}).setdefault(metric, []).append(quality)


def _pooled(of_tasks: dict[str, dict[str, list[Quality]]], metric: str) -> list[list[Quality]]:
    return [metrics[metric] for metrics in of_tasks.values() if metric in metrics]


def _difference(a: list[list[Quality]], b: list[list[Quality]]) -> list[list[Quality]]:
    return [[less(p, q) for p, q in zip(of_a, of_b, strict=True)] for of_a, of_b in zip(a, b, strict=True)]


def _table(
    scores: dict[str, dict[str, dict[str, list[Quality]]]], seconds: dict[str, list[float]], default: str
) -> pd.DataFrame:
    rows = []
    for solver, of_tasks in scores.items():
        spent = seconds.get(solver)
        row = {"map": solver, "seconds": sum(spent) / len(spent) if spent else float("nan")}
        for metric in METRICS:
            if not (qualities := _pooled(of_tasks, metric)):
                continue
            row[metric] = _with_interval(interval(qualities))
            if default in scores and solver not in (default, OBSERVED):
                difference = _difference(_pooled(scores[default], metric), qualities)
                row[f"{metric}: {default} less this"] = _with_interval(interval(difference))
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _verdicts(
    data: str, scores: dict[str, dict[str, dict[str, list[Quality]]]], default: str
) -> list[dict[str, object]]:
    """Return, for every metric, the difference to the best other solver, and on how many problems the default loses."""
    if default not in scores:
        return []
    others = [solver for solver in scores if solver not in (default, OBSERVED)]
    verdicts: list[dict[str, object]] = []
    for metric in METRICS:
        ours = _pooled(scores[default], metric)
        if not ours or not others:
            continue
        best = min(others, key=lambda solver: interval(_pooled(scores[solver], metric))[0])
        estimate = interval(_difference(ours, _pooled(scores[best], metric)))
        lost = 0
        for i, task in enumerate(task for task, metrics in scores[default].items() if metric in metrics):
            rivals = {solver: scores[solver][task][metric] for solver in others}
            rival = min(rivals.values(), key=lambda qualities: interval([qualities])[0])
            lost += interval(_difference([ours[i]], [rival]))[1] > 0
        verdicts.append(
            {
                "data": data,
                "metric": metric,
                "best of the others": best,
                f"{default} less it": _with_interval(estimate),
                "verdict": "better" if estimate[2] < 0 else "worse" if estimate[1] > 0 else "no worse",
                "problems it loses": f"{lost} of {len(ours)}",
            }
        )
    return verdicts


def _with_interval(estimate: tuple[float, float, float]) -> str:
    middle, low, high = (f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}" for value in estimate)
    return f"{middle} ({low} to {high})"


def _draw(
    points: list[tuple[str, dict[str, dict[str, dict[str, list[Quality]]]], dict[str, list[float]]]], path: Path
) -> None:
    """Draw quality against seconds: E/type where there are types, else E."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(points), figsize=(4.5 * len(points), 4), squeeze=False, layout="constrained")
    for axis, (data, scores, seconds) in zip(axes[0], points, strict=True):
        typed = any("E/type" in metrics for metrics in scores[OBSERVED].values())
        metric = "E/type" if typed else "E"
        for solver, spent in seconds.items():
            middle, low, high = interval(_pooled(scores[solver], metric))
            time = sum(spent) / len(spent)
            axis.errorbar(time, middle, yerr=[[middle - low], [high - middle]], fmt="o", capsize=3)
            axis.annotate(solver, (time, middle), xytext=(5, 5), textcoords="offset points", fontsize=8)
        axis.axhline(interval(_pooled(scores[OBSERVED], metric))[0], color="0.6", linestyle="--", linewidth=1)
        axis.set(xscale="log", yscale="symlog", xlabel="seconds, compilation included", ylabel=metric, title=data)
    _output.draw(figure, path)
    plt.close(figure)
