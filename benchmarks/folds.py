"""Every patient, and every cell type, in turn as the one that nothing is learnt from: all solvers, fold by fold."""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anndata as ad
import jax
import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import ot
from cellot_sc.metrics import METRICS

from . import _fits, _output, _problems

N_GENES = 1000
LATENT = ("energy_distance", "mmd", "legacy_mmd", "l2_means", "variance_ratio")
GENES = ("pearson_delta", "r2_delta", "r_means", "deg_overlap")
"""Metrics of the decoded genes; the others are of the space of the maps."""
SHOWN = (
    *("pearson_delta", "energy_distance", "mmd", "energy_distance_calibrated", "mmd_calibrated"),
    *("l2_means", "r2_delta", "variance_ratio"),
)
WITHIN = ("energy_distance", "mmd", "energy_distance_calibrated")
"""Metrics whose mean over the cell types of a fold is shown too."""
JUDGED = ("pearson_delta", "energy_distance", "energy_distance_calibrated", "mmd", "mmd_calibrated")
"""Metrics by which the default is compared with the best baseline."""
BASELINES = ("mean_shift", "gaussian", "entropic", "scgen", "cae", "popalign")
SLOW = ("paper", "expectile", "monge_gap", "neural_dual", "cae")
"""Solvers that have to be asked for."""
BY_GROUPS = " chosen on other groups"
"""Follows the name of the solver that is fitted a second time, with whole groups for validation."""


class Design(NamedTuple):
    """A data set, and what is held out of it in turn."""

    load: Callable[[Path], AnnData]
    file: str
    perturbation_key: str
    control: str
    tasks: dict[str, dict[str, Any]]


def kang(path: Path) -> AnnData:
    """Blood cells of eight patients, interferon beta: singlets, log1p of 10,000 counts a cell, all genes."""
    adata = ad.read_h5ad(path)
    adata = adata[adata.obs["demuxlet"] == "SNG"].copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


DESIGNS = {
    "kang": Design(
        kang,
        "kang_harmony_scgen.h5ad",
        "condition",
        "control",
        {
            "patient": {"groupby": "patient", "within": "cell_type"},
            "cell type": {"groupby": "cell_type", "within": None},
        },
    )
}


def run(argv: Sequence[str]) -> int:
    """Fit and judge every fold, and write the tables."""
    parser = _output.parser("folds", __doc__)
    parser.add_argument("--data", default="kang", metavar="FILE", help="a data set, or a file whose name begins so")
    parser.add_argument("--tasks", nargs="+", default=None, help="what to hold out; all by default")
    quick = [name for name in ot.SOLVERS if name not in SLOW]
    parser.add_argument("--solvers", nargs="+", default=quick, help=f"any of {', '.join(ot.SOLVERS)}")
    parser.add_argument("--default", default="icnn", help="the solver that the others are compared with")
    parser.add_argument("--folds", type=int, default=None, help="of each task, the first so many")
    parser.add_argument("--seeds", type=int, default=1, help="splits and fits of every fold")
    parser.add_argument("--boot", type=int, default=2000, help="resamples of the folds")
    parser.add_argument("--cells-only", action="store_true", help="leave out selection on whole groups")
    _fits.add_option(parser)
    given = parser.parse_args(argv)
    # that the representation is older than the second split of a fold is meant
    cs.settings.verbosity = "error"
    cs.settings.progress = False

    word = Path(given.data).stem.split("_")[0]
    design = DESIGNS[word]
    path = _problems._folder() / design.file if given.data == word else Path(given.data)
    adata = design.load(path)
    tables: dict[str, pd.DataFrame] = {}
    rows = []
    for task in given.tasks or design.tasks:
        scores = pd.concat(_scores(adata, design, task, given), ignore_index=True)
        rows.append(scores.assign(task=task))
        tables |= _tables(scores, task, given)
    notes = [
        f"Each fold learns from the cells of all other groups, {100 * VALID:.0f} % of them for validation, on "
        f"{N_GENES} variable genes of train cells and their 50 principal components, and is judged by all cells of the "
        "group. "
        f"Of the space of the maps: {', '.join(LATENT)}; of decoded genes, each control after the same round trip: "
        f"{', '.join(GENES)}. Intervals are central 95 % ranges over resampled folds. Calibrated scores "
        "are 0 at no effect and 1 at observed, ratios of means; observed are the halves of the group's own cells. MMD: "
        "unbiased, median bandwidths.",
    ]
    _output.write("folds", given.out, tables, notes)
    if given.out is not None:
        pd.concat(rows).to_csv(given.out / "folds.csv", index=False)
    return 0


VALID = 0.1
"""Share of the cells of the other groups, or of these groups, by which fits are selected."""


def _scores(adata: AnnData, design: Design, task: str, given: argparse.Namespace) -> Iterator[pd.DataFrame]:
    """Yield the scores of every solver in every fold and with every seed."""
    what = design.tasks[task]
    keys = {"perturbation_key": design.perturbation_key, "control": design.control}
    for seed in range(given.seeds):
        options = {"test_fraction": 0.0, "valid_fraction": VALID, "seed": seed, **keys}
        folds = cs.pp.leave_one_group_out(adata, what["groupby"], **options)
        for name, fold in itertools.islice(folds, given.folds):
            fold = _represented(fold)
            variants = dict.fromkeys(given.solvers, "split")
            if not given.cells_only and given.default in variants:
                # the representation stays, so that scores can be compared: it has not seen the group held out either
                held = {"valid_groups": what["groupby"], "holdout": {what["groupby"]: name}}
                cs.pp.split(fold, **held, **options, key_added="by_groups")
                variants[given.default + BY_GROUPS] = "by_groups"
            tables = [
                _judged(fold, model, split_key, what["within"], seed, given, keys)
                for model, split_key in variants.items()
            ]
            table = pd.concat(tables, ignore_index=True)
            # the baselines that are always there are the same beside every solver
            keep = ~table.duplicated(["model", "metric", "perturbation", "group"])
            print(f"{task}, {name}, seed {seed}: {', '.join(variants)}", flush=True)
            yield table[keep].assign(fold=name, seed=seed)


def _represented(fold: AnnData) -> AnnData:
    """Return the genes that vary most in train cells, and their principal components."""
    fold = _problems.of_variable_genes(fold, N_GENES)
    cs.pp.represent(fold)
    return fold


def _judged(
    fold: AnnData,
    model: str,
    split_key: str,
    within: str | None,
    seed: int,
    given: argparse.Namespace,
    keys: dict[str, str],
) -> pd.DataFrame:
    solver = model.removesuffix(BY_GROUPS)
    kwargs = _fits.options(given.option).get(solver, {})
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cs.tl.cellot(fold, *keys.values(), solver=solver, split_key=split_key, use_rep="X_cellot", seed=seed, **kwargs)
    seconds = time.perf_counter() - start
    common = {"split": "ood", "baselines": (), "groupby": within, "floor": "identity", "n_boot": 0, "seed": seed}
    latent = cs.tl.evaluate(fold, metrics=LATENT, **common)
    genes = cs.tl.evaluate(fold, metrics=GENES, space="genes", **common)
    jax.clear_caches()
    table = pd.concat([latent, genes], ignore_index=True)
    table["model"] = table["model"].replace({solver: model})
    return table.assign(seconds=np.where(table["model"] == model, seconds, np.nan))


def _tables(scores: pd.DataFrame, task: str, given: argparse.Namespace) -> dict[str, pd.DataFrame]:
    scores = scores.drop(columns=["n_features"])
    means = cs.tl.summarize_scores(scores.drop(columns="seconds"), "fold", n_boot=given.boot)
    n_folds = scores["fold"].nunique()
    title = f"Leave one {task} out, {n_folds} folds"
    seconds = scores.groupby("model", sort=False)["seconds"].mean()
    whole = means[means["group"] == "all"]
    tables = {title: _wide(whole, SHOWN).assign(seconds=lambda table: table["model"].map(seconds))}
    inside = means[means["group"] == "mean"]
    if len(inside):
        tables[f"{title}: mean over the subpopulations of each"] = _wide(inside, WITHIN)
    if given.default in given.solvers:
        tables[f"{title}: {given.default} beside the best baseline"] = _verdicts(scores, given)
    for metric in ("pearson_delta", "energy_distance", "energy_distance_calibrated"):
        rows = scores[(scores["group"] == "all") & (scores["metric"] == metric)]
        rows = rows.groupby(["fold", "model"], sort=False)["value"].mean().unstack("model")
        tables[f"{title}: {metric} by fold"] = rows.reset_index()
    return tables


def _wide(means: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return a row per model and a column per metric, with intervals."""
    means = means.assign(text=[_with_interval(*row) for row in means[["value", "ci_low", "ci_high"]].to_numpy()])
    table = means.pivot(index="model", columns="metric", values="text").reindex(columns=list(metrics)).fillna("-")
    return table.loc[list(dict.fromkeys(means["model"]))].reset_index()


def _verdicts(scores: pd.DataFrame, given: argparse.Namespace) -> pd.DataFrame:
    """Compare the default, fold by fold, with the baseline that is best on average."""
    rows = []
    for group in dict.fromkeys(scores["group"]):
        if group not in ("all", "mean"):
            continue
        for metric in JUDGED:
            part = scores[(scores["group"] == group) & (scores["metric"] == metric)]
            if part.empty:
                continue
            by_fold = part.groupby(["fold", "model"])["value"].mean().unstack("model")
            # the larger, the worse
            badness = METRICS[metric].badness if metric in METRICS else lambda value: -value
            means = by_fold.mean()
            others = [name for name in BASELINES if name in means.index and not np.isnan(means[name])]
            best = min(others, key=lambda name: badness(means[name]), default=None)
            for model in (given.default, given.default + BY_GROUPS):
                if best is None or model not in by_fold:
                    continue
                apart = (by_fold[model] - by_fold[best]).dropna()
                draws = np.random.default_rng(0).integers(len(apart), size=(given.boot, len(apart)))
                low, high = np.quantile(apart.to_numpy()[draws].mean(axis=1), [0.025, 0.975])
                # whether less is better
                sign = 1 if badness(1.0) < badness(2.0) and metric in METRICS and METRICS[metric].is_distance else -1
                verdict = "no worse"
                if low * sign > 0 and high * sign > 0:
                    verdict = "worse"
                elif low * sign < 0 and high * sign < 0:
                    verdict = "better"
                lost = int((apart * sign > 0).sum())
                rows.append(
                    {
                        "cells": group,
                        "metric": metric,
                        "model": model,
                        "best baseline": best,
                        "difference": _with_interval(float(apart.mean()), float(low), float(high)),
                        "verdict": verdict,
                        "folds it loses": f"{lost} of {len(apart)}",
                    }
                )
    return pd.DataFrame(rows)


def _with_interval(middle: float, low: float, high: float) -> str:
    if np.isnan(middle):
        return "-"
    middle_, low_, high_ = (f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}" for value in (middle, low, high))
    return middle_ if np.isnan(low) else f"{middle_} ({low_} to {high_})"
