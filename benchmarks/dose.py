"""Curves along dose and doses left out: known answers, and how near predictions are beside simple rules."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

import cellot_sc as cs
from cellot_sc.tl._effects import dose_family
from cellot_sc.tl._effects.dose_curves import Curves
from cellot_sc.tl._effects.dose_scatter import Scatter

from . import _output

SCATTER, SPREAD = 0.05, 0.5
"""How far means of wells or doses are from their curve, and how far cells are from each other, in tops."""
N_CELLS, N_CURVES, N_REPLICATES = 500, 200, 3
MOST_ERROR, COVERAGE, MOST_CALLED = 0.2, (0.85, 0.95), 0.05
MODEL, RULE = "dose_response", "log_linear"


def run(argv: Sequence[str]) -> int:
    """Measure, write the tables, and return 1 if a limit is missed."""
    parser = _output.parser("dose", __doc__)
    parser.add_argument("--curves", type=int, default=10, help="times 200 curves of every design")
    parser.add_argument("--seeds", type=int, default=5, help="simulated drugs, and splits of real cells")
    parser.add_argument("--solver", default="gaussian", help="that of the maps")
    given = parser.parse_args(argv)
    tables = {"EC50 of simulated Hill curves": _known_curves(given.curves)}
    print("curves: done", flush=True)
    scores = pd.concat(_simulated(given.seeds, given.solver), ignore_index=True)
    answers = None
    folder = os.environ.get("CELLOT_SC_TEST_DATA")
    if folder is not None and (Path(folder) / "dapg_dose.h5ad").exists():
        of_dapg, answers = _dapg(Path(folder) / "dapg_dose.h5ad", given.seeds, given.solver)
        scores = pd.concat([scores, of_dapg], ignore_index=True)
    tables["Doses left out, energy distance"] = _summary(scores)
    if answers is not None:
        tables["What is known of dapg"] = answers
    notes = [
        f"Curves: {N_CURVES} at a time, EC50 between the second and the last but one of half-log doses, slopes from .7 "
        f"to 2.5, {N_REPLICATES} replicates with {N_CELLS} cells each, an untreated dose; means of wells (or of doses, "
        f"with all their replicates) depart by {SCATTER:g} of the top. Allowed: a median error of {MOST_ERROR:g}, a "
        f"coverage of the 90 % interval from {COVERAGE[0]:g} to {COVERAGE[1]:g}, {MOST_CALLED:g} of inert features "
        "not flat after adjustment.",
        f"Doses left out: {given.solver} maps, on test cells, each dose between the first and the last in turn; dose 0 "
        "stands at a tenth of the lowest other dose for all. `difference` is the default less `log_linear`, with a "
        "90 % interval by Student's t over doses and drugs (of dapg, over doses, the mean of splits).",
    ]
    _output.write("dose", given.out, tables, notes)
    return int(any((table["holds"] == "no").any() for table in tables.values() if "holds" in table))


def curves(
    n_doses: int, seed: int, *, shared: bool, top: float = 1.0, n_curves: int = N_CURVES
) -> tuple[np.ndarray, Curves]:
    """Return the decimal logarithm of true EC50s, and curves through means of wells.

    Parameters
    ----------
    n_doses
        Number of half-log doses, besides that of untreated cells.
    seed
        Seed of all that is random.
    shared
        Whether all replicates of a dose depart from the curve alike.
    top
        What the curves gain, 0 of inert ones.
    n_curves
        Number of curves.
    """
    rng = np.random.default_rng([seed, n_doses, shared])
    doses = np.concatenate([[0], 10 ** (0.5 * np.arange(n_doses))])
    halfway, slope = rng.uniform(np.log10(doses[2]), np.log10(doses[-2]), n_curves), rng.uniform(0.7, 2.5, n_curves)
    with np.errstate(divide="ignore"):
        truth = top / (1 + (10**halfway / doses[:, None]) ** slope)
    shape = (len(doses), 1 if shared else N_REPLICATES, n_curves)
    wells = truth[:, None] + rng.normal(0, SCATTER, shape)
    wells = wells + rng.normal(0, SPREAD / np.sqrt(N_CELLS), (len(doses), N_REPLICATES, n_curves))
    codes = np.repeat(np.arange(len(doses)), N_REPLICATES), np.tile(np.arange(N_REPLICATES), len(doses))
    return halfway, Curves(doses, Scatter(wells.reshape(-1, n_curves), *codes), 1.0)


def _known_curves(n_times: int) -> pd.DataFrame:
    rows = []
    for n_doses in (6, 8):
        for shared in (False, True):
            errors, covered, bounds, called = [], [], [], []
            for seed in range(n_times):
                truth, found = curves(n_doses, seed, shared=shared)
                value, low, high, bound = found.halfway()
                errors.append(np.abs(10 ** (value - truth) - 1))
                covered.append((low <= truth) & (truth <= high))
                bounds.append(bound != "")
                pvalues = curves(n_doses, seed, shared=shared, top=0.0)[1].pvalues()
                called.append(stats.false_discovery_control(pvalues) < MOST_CALLED)
            error, coverage = float(np.nanmedian(errors)), float(np.mean(covered))
            holds = error <= MOST_ERROR and COVERAGE[0] <= coverage <= COVERAGE[1] and np.mean(called) <= MOST_CALLED
            row = {
                "doses": n_doses,
                "scatter": "of doses" if shared else "of wells",
                "curves": n_times * N_CURVES,
                "median error": error,
                "coverage": coverage,
                "bounds": float(np.mean(bounds)),
                "inert, not flat": float(np.mean(called)),
                "holds": "yes" if holds else "no",
            }
            rows.append(row)
    return pd.DataFrame(rows)


def _simulated(n_seeds: int, solver: str) -> Iterator[pd.DataFrame]:
    """Yield the scores of doses left out of simulated drugs."""
    for slope in (0.7, 1.0, 1.5, 3.0):
        for n_doses in (6, 8):
            for seed in range(n_seeds):
                adata = cs.datasets.simulate_doses(
                    300, perturbations=("drug",), doses=tuple(10 ** (0.5 * np.arange(n_doses))), slope=slope, seed=seed
                )
                cs.tl.dose_response(adata, replicate="replicate", solver=solver, use_rep="X", seed=seed)
                scores = cs.tl.judge_doses(adata, seed=seed)
                yield scores.assign(cells=f"simulated, {n_doses} doses, slope {slope:g}", seed=seed)
        print(f"slope {slope:g}: done", flush=True)


def _dapg(file: Path, n_seeds: int, solver: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of doses left out, and what is known of the curves."""
    adata, scores, rows = anndata.read_h5ad(file), [], []
    adata.obs["perturbation"] = "dapg"
    for seed in range(n_seeds):
        cs.pp.split(adata, "dose", control="0", seed=seed)
        cs.tl.dose_response(adata, control=None, solver=solver, use_rep="X", seed=seed)
        found = cs.tl.judge_doses(adata, seed=seed)
        scores.append(found.assign(cells="dapg", seed=seed))
        rows.append({"split": seed} | known_of_dapg(adata))
    return pd.concat(scores), pd.DataFrame(rows)


def known_of_dapg(adata: AnnData) -> dict[str, float | str]:
    """Return what has to hold of the curves of dapg, fitted before."""
    [family] = dose_family.load(adata, "dose_response").families.values()
    x, doses, marker = adata.to_df(), adata.obs["dose"].to_numpy(), family.names.index("FL1")
    covered, widths = 0, []
    for i in range(1, len(family.doses) - 1):
        low, high = (end[marker] for end in family.without(i).features.interval(family.doses[i]))
        covered += low <= x["FL1"][doses == family.doses[i]].mean() <= high
        widths.append(high - low)
    table = cs.tl.dose_curves(adata).set_index("feature")
    ec50, low, high = (float(table[name]["FL1"]) for name in ("ec50", "ec50_low", "ec50_high"))
    top = abs(float(table["top"]["FL3"])) / x["FL3"][doses == 0].std()
    holds = covered >= 7 and np.mean(widths) <= 0.5 and 3 <= low <= 29 and 8 <= high <= 80 and top <= 0.2
    return {
        "FL1 means covered": f"{covered} of {len(widths)}",
        "width": float(np.mean(widths)),
        "FL1 EC50": ec50,
        "low": low,
        "high": high,
        "FL3 top, SD": top,
        "holds": "yes" if holds else "no",
    }


def _summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Return mean scores by kind of cells and model, and how far the default is from the straight line in log dose."""
    rows = []
    for cells, found in scores.groupby("cells", sort=False):
        wide = found.pivot_table(index=["seed", "dose"], columns="model", values="value")
        difference = wide[MODEL] - wide[RULE]
        if cells == "dapg":
            # splits of the same cells are no replicates
            difference = difference.groupby("dose").mean()
        half = stats.t.ppf(0.95, len(difference) - 1) * difference.std() / np.sqrt(len(difference))
        covered = found.loc[found["model"] == MODEL, "covered"].mean()
        order = ["identity", "nearest_dose", "mixture", RULE, MODEL, "observed"]
        row = {"cells": cells} | wide[order].mean().to_dict()
        interval = f"{difference.mean():.4f} ({difference.mean() - half:.4f}, {difference.mean() + half:.4f})"
        rows.append(row | {"difference": interval, "means covered": covered})
    return pd.DataFrame(rows)
