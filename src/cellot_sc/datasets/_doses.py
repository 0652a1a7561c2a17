"""Cells at several doses of drugs of which the curves are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._settings import logger

from ._memory import check_fits
from ._populations import numbered

RISE, NARROWING = 2.0, 0.3
"""How far cells move at infinite dose, in their standard deviations, and by which part their spread shrinks."""
SOME = 0.5
"""Share of the features that respond to a drug."""


def simulate_doses(
    n_cells: int = 100,
    n_features: int = 6,
    *,
    perturbations: Sequence[str] = ("drug_a", "inert"),
    doses: Sequence[float] = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    n_replicates: int = 3,
    scatter: float = 0.05,
    slope: float = 1.5,
    seed: int = 0,
) -> AnnData:
    """Simulate markers of cells at several doses, of which the Hill curves are known.

    Half of the features respond to a drug, up or down: each moves along a Hill curve of its own, whose half-way dose
    lies within a factor of two of that of the drug, and that of the drug between the second lowest and the second
    highest dose. Cells also become more alike. The last of several perturbations is inert. The mean of every well, the
    cells of one dose and replicate, departs from the curve.

    Parameters
    ----------
    n_cells
        Number of cells of every perturbation, dose and replicate, and of untreated ones of every replicate.
    n_features
        Number of features.
    perturbations
        Names of the perturbations.
    doses
        Doses, all above 0.
    n_replicates
        Number of wells of every dose.
    scatter
        Standard deviation by which the mean of a well departs from its curve, as a part of what features gain or lose
        at infinite dose.
    slope
        Slope of the Hill curves.
    seed
        Seed of the random numbers: the same seed gives the same cells to the bit.

    Returns
    -------
    AnnData
        ``X``: markers, float32, with a standard deviation of 1 in untreated cells.

        ``obs``: ``perturbation`` (one of them is "control"), ``dose`` (0 for that) and ``replicate``.

        ``uns["simulation"]``: ``seed``, and the table ``curves``: ``ec50``, ``slope`` and ``top`` by perturbation and
        feature, where it is not 0.

    Raises
    ------
    ValueError
        If a number is not positive or too large, there are fewer than three doses or one is given twice, or a name is
        repeated, empty, "control" or contains "/".

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_doses()
    >>> adata.obs["dose"].value_counts(sort=False).head(2).to_dict()
    {0.0: 300, 0.1: 600}
    """
    names = _validate.new_names(perturbations, reserved=_keys.CONTROL, what="perturbations")
    for what, size in {"n_cells": n_cells, "n_features": n_features, "n_replicates": n_replicates}.items():
        _validate.whole(size, 1, what=what)
    _validate.positive(scatter, what="scatter", or_zero=True, most=1e3)
    _validate.positive(slope, what="slope", most=1e3)
    at = np.array(_validate.several_doses(doses))
    n_wells = n_replicates * (1 + len(names) * len(at))
    check_fits(2 * 8 * n_cells * n_wells * n_features, {"n_cells": n_cells, "n_features": n_features})
    rng = np.random.default_rng(_validate.seed(seed))
    base = rng.normal(5, 1, n_features)
    curves = [_curves(name, at, n_features, slope, rng, inert=len(names) > 1 and name == names[-1]) for name in names]

    plan = [(_keys.CONTROL, 0.0, np.zeros(n_features))]
    for name, curve in zip(names, curves, strict=True):
        plan += [(name, dose, _reached(curve, dose, n_features)) for dose in at]
    wells, labels = [], []
    for name, dose, reached in plan:
        for replicate in range(n_replicates):
            off = rng.normal(0, scatter * RISE, n_features)
            spread = 1 - NARROWING * np.abs(reached) / RISE
            wells.append(base + reached + off + spread * rng.normal(size=(n_cells, n_features)))
            labels.append((name, dose, f"replicate_{replicate}"))
    obs = pd.DataFrame(labels, columns=[_keys.PERTURBATION, _keys.DOSE, "replicate"])
    obs = obs.loc[obs.index.repeat(n_cells)].astype({_keys.PERTURBATION: "category", "replicate": "category"})
    obs.index = pd.Index([f"cell_{i}" for i in range(len(obs))])
    adata = AnnData(
        np.concatenate(wells).astype(np.float32), obs=obs, var=pd.DataFrame(index=numbered("marker", n_features))
    )
    table = pd.concat(curves, ignore_index=True)
    table["feature"] = adata.var_names.to_numpy()[table["feature"]]
    adata.uns[_keys.SIMULATION] = {"seed": int(seed), "curves": table}
    logger.info("simulated %d cells x %d features: %s at %d doses", *adata.shape, ", ".join(names), len(at))
    return adata


def _curves(
    name: str, doses: np.ndarray, n_features: int, slope: float, rng: np.random.Generator, *, inert: bool
) -> pd.DataFrame:
    """Draw the curves of the features that respond to a perturbation, none if it is inert."""
    responding = rng.permutation(n_features)[: max(1, round(SOME * n_features))]
    common = rng.uniform(*np.log10(np.sort(doses)[[1, -2]]))
    halfway = 10 ** (common + rng.uniform(-1, 1, len(responding)) * np.log10(2))
    top = RISE * rng.choice([-1, 1], len(responding))
    table = pd.DataFrame(
        {"perturbation": name, "feature": responding, "ec50": halfway, "slope": float(slope), "top": top}
    )
    return table.iloc[:0] if inert else table.sort_values("feature")


def _reached(curves: pd.DataFrame, dose: float, n_features: int) -> np.ndarray:
    """Return what features gain at a dose."""
    reached = np.zeros(n_features)
    part = 1 / (1 + (curves["ec50"].to_numpy() / dose) ** curves["slope"].to_numpy())
    reached[curves["feature"].to_numpy(dtype=np.int64)] = curves["top"].to_numpy() * part
    return reached
