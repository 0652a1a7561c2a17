"""Time courses: cells of a time that was left out, fates beside those of clones, and fates that are known."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anndata as ad
import jax
import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.preprocessing import StandardScaler

import cellot_sc as cs
from cellot_sc import ot
from cellot_sc.tl._courses import clones, fate, moscot, time_course

from . import _courses, _output, _problems
from ._quality import Quality, interval, less

DEFAULT = "icnn"
SOLVERS = (DEFAULT, "gaussian", "mean_shift", "entropic")
VALID = 0.1
"""Share of the cells of the times learnt from by which fits are selected."""
DAYS = (1, 2, 3)
"""The times of the embryoid bodies that are left out in turn: those that have one before and one after."""
FATES = ["Baso", "Mast", "Monocyte", "Neutrophil"]
"""The cell types with at least 30 cells on the last day of the haematopoiesis, but for the undifferentiated."""
STRAIGHT, BOTH = ", straight from the time before", ", from both sides"
OUT_OF_STEP = ", out of step as chosen"
PLAN = " plan, pairs of cells"
MOSCOT = "moscot"

type Scores = dict[str, dict[str, list[list[Quality]]]]
"""By way of moving cells and metric, for every time a quality per seed."""


def run(argv: Sequence[str]) -> int:
    """Fit, judge and write the tables."""
    parser = _output.parser("trajectory", __doc__)
    parser.add_argument("--data", nargs="+", default=list(PARTS), choices=list(PARTS), help="all by default")
    models = [*SOLVERS, MOSCOT]
    parser.add_argument(
        "--models", nargs="+", default=models, choices=models, help="of embryoid bodies; all by default"
    )
    parser.add_argument("--seeds", type=int, default=3, help="splits, or simulations, each with fits of its own")
    parser.add_argument("--boot", type=int, default=20, help="resamples of cells; 25 times as many of clones")
    given = parser.parse_args(argv)
    if DEFAULT not in given.models:
        parser.error(f"--models has to name {DEFAULT}, which the others are compared with")
    cs.settings.verbosity = "error"
    cs.settings.progress = False
    tables: dict[str, pd.DataFrame] = {}
    notes = []
    for name in given.data:
        found, note = PARTS[name](given)
        tables |= found
        notes.append(note)
    _output.write("trajectory", given.out, tables, notes)
    return 0


def embryoid(given: argparse.Namespace) -> tuple[dict[str, pd.DataFrame], str]:
    """Leave each middle time out, and compare cells moved to it with its own."""
    adata = ad.read_h5ad(_problems._folder() / "eb_pca5.h5ad")
    records = [[_record(adata, day, seed, given) for seed in range(given.seeds)] for day in DAYS]
    scores: Scores = {}
    for name in records[0][0]["scores"]:
        # plans are not fitted anew for every seed
        of_name = [[record["scores"][name] for record in of_day if name in record["scores"]] for of_day in records]
        scores[name] = {
            metric: [[Quality(r[metric][0], np.array(r[metric][1:])) for r in of_day] for of_day in of_name]
            for metric in _courses.METRICS
        }
    flat = [record for of_day in records for record in of_day]
    many, seconds = ({name: _known(flat, key, name) for name in scores} for key in ("many", "seconds"))
    tables = {
        f"Embryoid bodies, one of days 1, 2, 3 left out, {given.seeds} seeds": _means(scores, many, seconds),
        "Embryoid bodies: W1 by day left out": _by_day(scores, "W1"),
        "Embryoid bodies: E by day left out": _by_day(scores, "E"),
    }
    return tables, EMBRYOID_NOTE


def _known(records: list[dict[str, Any]], key: str, name: str) -> float:
    """Return the mean over the records that have it."""
    values = [record[key][name] for record in records if name in record[key]]
    return float(np.mean(values)) if values else float("nan")


def _record(adata: AnnData, day: int, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured with a day left out; taken from the folder of results if it is there already."""
    # a record of some models is none of all
    models = "" if set(given.models) >= {*SOLVERS, MOSCOT} else f"_{'_'.join(sorted(given.models))}"
    file = None if given.out is None else given.out / f"trajectory_eb{models}_day_{day}_seed_{seed}.json"
    if file is not None and file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    cells, scaling = _without(adata, day, seed)
    observed = np.asarray(adata.X)[(adata.obs["time"] == day).to_numpy()]
    judge = _courses.Judge(observed, n_boot=given.boot, seed=seed)
    record: dict[str, Any] = {"scores": {}, "many": {}, "seconds": {}}

    def keep(name: str, found: dict[str, Quality]) -> None:
        record["scores"][name] = {metric: [q.estimate, *q.resamples.tolist()] for metric, q in found.items()}

    start = time.perf_counter()
    for name, moved in _ways(cells, day, seed, given.models):
        took = time.perf_counter() - start
        if name.endswith((STRAIGHT, PLAN, OUT_OF_STEP)) and not name.startswith(f"entropic{PLAN}"):
            record["seconds"][name] = took
        back = scaling.inverse_transform(moved)
        keep(name, judge(back))
        if seed == 0:
            record["many"][name] = _courses.wasserstein1(back, observed, MANY, np.random.default_rng(0))
        print(f"embryoid bodies, day {day}, seed {seed}: {name}, {took:.1f} s", flush=True)
        start = time.perf_counter()
    keep(HALVES, judge.halves())
    jax.clear_caches()
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record), encoding="utf-8")
    return record


HALVES = "observed, halves"
SPACE = "X_scaled"
MANY = 2000
"""Cells that are assigned to each other for comparison with what was published, which was done with all."""
EMBRYOID_NOTE = (
    "Embryoid bodies: 16,819 cells in five principal components, published, made of all cells, each scaled to variance "
    "1. Maps are fitted in the same, scaled to variance 1 over the train cells of the times learnt from, and moved "
    "cells are scaled back: all distances are in the published components. W1: exact Wasserstein-1 distance, of "
    f"Euclidean distances, by optimal assignment of {_courses.N_CELLS:,} random cells of either cloud; of fewer cells "
    f"it is larger, of {MANY:,} it is given for one seed, as near to published values as can be had. E: energy "
    "distance, of all cells. 'mixture': as many cells of the time before as of that after. 'straight': cells of the "
    "time before, half the way along the map to the time after, fitted between these two. 'from both sides': what "
    "interpolate does by default, also cells of the time after, and along a curve through all times. 'out of step as "
    "chosen': each cell at a time of its own; how far these lie apart is chosen on the other times between the first "
    "and the last, left out in turn. 'pairs of cells': a cell of the time after is drawn for each from the plan, and "
    "the middle taken; moscot has its defaults and, as it selects nothing, the validation cells too. The entropic "
    "solver and moscot: one seed. Intervals: central 95 % over resampled seeds and cells; those of W1 by samples of "
    "half as many cells, which vary by the root of two more. Seconds: compilation included, of a course of three "
    "intervals; of the choice, of two maps over longer ones; of the entropic solver and moscot, of one."
)


def _without(adata: AnnData, day: int, seed: int) -> tuple[AnnData, StandardScaler]:
    """Return the cells of all other days, in a space that those of this one had no part in, and that space."""
    kept = (adata.obs["time"] != day).to_numpy()
    x = np.asarray(adata.X)[kept]
    cells = AnnData(obs=adata.obs.loc[kept, ["time"]].copy())
    cs.pp.split(cells, "time", control="0", test_fraction=0, valid_fraction=VALID, seed=seed)
    scaling = StandardScaler().fit(x[(cells.obs["split"] == "train").to_numpy()])
    cells.obsm[SPACE] = scaling.transform(x).astype(np.float32)
    return cells, scaling


def _ways(cells: AnnData, day: int, seed: int, models: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield cells moved to a time in every way, with the name of it."""
    x, days = cells.obsm[SPACE], cells.obs["time"].to_numpy()
    before, after = x[days == day - 1], x[days == day + 1]
    rng = np.random.default_rng(seed)
    yield "time before, as it is", before
    yield "time after, as it is", after
    yield "mixture of both, as they are", _courses.mixture(before, after, 0.5, rng)
    for solver in (DEFAULT, "gaussian", "mean_shift"):
        if solver not in models:
            continue
        cs.tl.trajectory(cells, use_rep=SPACE, solver=solver, seed=seed)
        yield solver + STRAIGHT, cs.tl.interpolate(cells, day, source=day - 1, path="linear").obsm[SPACE]
        if solver == DEFAULT:
            yield solver + BOTH, cs.tl.interpolate(cells, day).obsm[SPACE]
            chosen = cs.tl.interpolate(cells, day, out_of_step="chosen", seed=seed)
            yield solver + BOTH + OUT_OF_STEP, chosen.obsm[SPACE]
    if seed > 0:
        return
    rng = np.random.default_rng(seed)
    if "entropic" in models:
        cs.tl.trajectory(cells, order=[day - 1, day + 1], use_rep=SPACE, solver="entropic", seed=seed)
        yield f"entropic{STRAIGHT}", cs.tl.interpolate(cells, day, source=day - 1).obsm[SPACE]
        [step] = time_course.load(cells, "trajectory").steps
        assert isinstance(step, ot.EntropicMap)
        yield f"entropic{PLAN}", (before + _courses.partners(before, step, rng)) / 2
    if MOSCOT in models:
        plan = np.asarray(moscot.solve(before, after).transport_matrix)
        yield f"{MOSCOT}{PLAN}", (before + _courses.coupled(plan, after, rng)) / 2


def _means(scores: Scores, many: dict[str, float], seconds: dict[str, float]) -> pd.DataFrame:
    rows = []
    for name in scores:
        row: dict[str, Any] = {"cells": name}
        reference = DEFAULT + STRAIGHT
        for metric in _courses.METRICS:
            row[metric] = _text(interval(scores[name][metric]))
            less_this = f"{metric}: {DEFAULT} less this"
            row[less_this] = ""
            if name not in (HALVES, reference):
                pairs = zip(scores[reference][metric], scores[name][metric], strict=True)
                differences = [[less(a, b) for a, b in zip(*of_day, strict=False)] for of_day in pairs]
                row[less_this] = _text(interval(differences))
        row[f"W1 of {MANY:,} cells"] = many[name]
        row["seconds"] = seconds[name]
        rows.append(row)
    return pd.DataFrame(rows)


def _by_day(scores: Scores, metric: str) -> pd.DataFrame:
    rows = [
        {"cells": name}
        | {f"day {day}": _text(interval([of_day])) for day, of_day in zip(DAYS, metrics[metric], strict=True)}
        for name, metrics in scores.items()
    ]
    return pd.DataFrame(rows)


def haematopoiesis(given: argparse.Namespace) -> tuple[dict[str, pd.DataFrame], str]:
    """Compare predicted fates with those of the same clones."""
    adata = ad.read_h5ad(_problems._folder() / "larry_cospar_781.h5ad")
    adata.X = adata.X.log1p()
    found = []
    for seed in range(given.seeds):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cs.pp.split(adata, "time", control="2", test_fraction=0, valid_fraction=VALID, seed=seed)
            cs.pp.represent(adata, n_components=20)
            for solver in (DEFAULT, "entropic"):
                start = time.perf_counter()
                cs.tl.trajectory(adata, solver=solver, seed=seed)
                print(f"haematopoiesis, seed {seed}: {solver} took {time.perf_counter() - start:.1f} s", flush=True)
                cs.tl.fate(adata, fates=FATES)
                baselines = clones.BASELINES if solver == DEFAULT else ()
                found.append(
                    cs.tl.clonal_agreement(adata, baselines=baselines, n_boot=25 * given.boot).assign(seed=seed)
                )
    table = pd.concat(found)
    tables = {}
    for source in table["source"].unique():
        of_source = table[table["source"] == source]
        size = of_source.iloc[0]
        when = "all early cells" if source == "all" else f"cells of day {source}"
        title = f"Haematopoiesis, {when}: {size['n_cells']} cells of {size['n_clones']} clones, {given.seeds} seeds"
        tables[title] = _agreement(of_source[of_source["fate"] == "all"])
        if source == "4":
            by_fate = of_source[(of_source["fate"] != "all") & (of_source["metric"] == "auroc")]
            tables["Haematopoiesis, cells of day 4: AUROC by fate"] = _agreement(by_fate, columns="fate")
    return tables, HAEMATOPOIESIS_NOTE


HAEMATOPOIESIS_NOTE = (
    "Haematopoiesis: 781 cells of days 2, 4 and 6 (34, 316, 431) with 339 clones, log1p, 20 principal components of "
    "train cells. Fates: labels of day 6 with at least 30 cells. No model sees a clone; moscot, with its defaults, has "
    "the validation cells as well. Intervals: central 95 % over resampled clones, their ends averaged over seeds, as "
    "values are."
)


def _agreement(table: pd.DataFrame, *, columns: str = "metric") -> pd.DataFrame:
    means = table.groupby(["model", columns], sort=False)[["value", "ci_low", "ci_high"]].mean()
    text = pd.Series([_text(row) for row in means.to_numpy()], index=means.index)
    wide = text.unstack(columns)
    return wide.loc[list(dict.fromkeys(table["model"])), list(dict.fromkeys(table[columns]))].reset_index()


def branching(given: argparse.Namespace) -> tuple[dict[str, pd.DataFrame], str]:
    """Compare predicted fates with the truth of a simulation."""
    right: dict[str, dict[str, list[np.ndarray]]] = {}
    for seed in range(given.seeds):
        adata = cs.datasets.simulate_branching(seed=seed)
        cs.pp.split(adata, "time", control="0", seed=seed)
        cs.pp.represent(adata, n_components=20)
        test = (adata.obs["split"] == "test").to_numpy()
        truth, when = adata.obs["fate"].astype(str).to_numpy(), adata.obs["time"].to_numpy()
        for name, shares, fates in _simulated_fates(adata, seed):
            hit = np.array(fates, dtype=object)[np.nan_to_num(shares).argmax(axis=1)] == truth
            for source in (0, 1):
                right.setdefault(name, {}).setdefault(f"time {source}", []).append(hit[test & (when == source)])
        print(f"branching, seed {seed}", flush=True)
        jax.clear_caches()
    rng = np.random.default_rng(0)
    rows = []
    for name, by_source in right.items():
        row = {"model": name}
        for source, hits in by_source.items():
            draws = [
                np.concatenate([rng.choice(hit, len(hit)) for hit in hits]).mean() for _ in range(100 * given.boot)
            ]
            row[f"accuracy, {source}"] = _text((np.concatenate(hits).mean(), *np.quantile(draws, [0.025, 0.975])))
        rows.append(row)
    n = sum(map(len, right[DEFAULT]["time 0"]))
    title = f"Branching with known fates: {n} test cells of time 0 in {given.seeds} simulations"
    return {title: pd.DataFrame(rows)}, BRANCHING_NOTE


BRANCHING_NOTE = (
    "Branching: simulate_branching with its defaults, 2,000 cells at three times, three fates, 20 principal components "
    "of train cells; the share of test cells whose likeliest fate, read at the last time, is the true one. moscot has "
    "all cells. Intervals: central 95 % over resampled test cells."
)


def _simulated_fates(adata: AnnData, seed: int) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Yield the fate probabilities of every model."""
    for solver in (*SOLVERS, "identity"):
        cs.tl.trajectory(adata, solver=solver, seed=seed)
        cs.tl.fate(adata, "cell_type")
        yield solver, adata.obsm["fate"], list(adata.uns["fate"]["fates"])
    reading = fate.Reading.of(adata, "cell_type", fates=None, at=None, n_neighbors=20, key="trajectory")
    yield "moscot", moscot.coupled_shares(reading), reading.fates
    prior = reading.one_hot[reading.late].mean(axis=0)
    yield "prior", np.broadcast_to(prior, (adata.n_obs, len(prior))), reading.fates


def _text(estimate: Sequence[float] | np.ndarray) -> str:
    if np.isnan(estimate[0]):
        return "-"
    middle, low, high = (f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}" for value in estimate)
    return f"{middle} ({low} to {high})"


PARTS: dict[str, Callable[[argparse.Namespace], tuple[dict[str, pd.DataFrame], str]]] = {
    "eb": embryoid,
    "larry": haematopoiesis,
    "branching": branching,
}
