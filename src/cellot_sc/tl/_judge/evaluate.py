"""Judges predictions beside the controls without which no score means anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ... import _defaults, _keys, _validate
from ..._settings import logger, settings
from ...metrics._bootstrap import interval
from ...ot import SOLVERS, Solver, fit
from ...pp import decode
from .._fit import store
from .._fit.clouds import latent
from .._fit.problems import problems
from .._fit.weights import cell_weights
from .cell_eval import export_cell_eval
from .judge import (
    ALL,
    IDENTITY,
    MEAN,
    WORST,
    Data,
    Judgement,
    Protocol,
    Scores,
    Setting,
    discriminate,
    judge,
    summarise,
)
from .markers import in_order
from .scores import METRICS
from .summarize import summarize_scores

if TYPE_CHECKING:
    from anndata import AnnData

    from ...ot import TransportMap

DEFAULT_METRICS = ("energy_distance", "mmd", "legacy_mmd", "l2_means", "r_means", "pearson_delta", "variance_ratio")
MMD_METRICS = ("mmd", "legacy_mmd", "legacy_mmd_training")
SPACES = ("latent", "genes")
COLUMNS = [
    *("model", "metric", "perturbation", "group", "split", "seed"),
    *("n_features", "n_cells", "value", "ci_low", "ci_high"),
]


def evaluate(
    adata: AnnData,
    *,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    groupby: str | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    space: Literal["latent", "genes"] = "latent",
    baselines: str | Solver | Sequence[str | Solver] = _defaults.CONTROLS,
    n_markers: int | Sequence[int] | None = None,
    n_cells: int | Sequence[int] | None = None,
    unit: str | None = None,
    n_boot: int = 200,
    seed: int = 0,
    cell_eval: str | Path | None = None,
) -> pd.DataFrame:
    """Score predicted against observed treated cells, beside simple controls and the noise ceiling.

    For every fitted perturbation, the control cells of a split are transported and compared with its treated cells of
    the same split. The same treated cells are compared with what the controls predict: the control cells as they are
    (``identity``), and under a ``mean_shift``, a ``gaussian`` affine map, or any other solver, fitted to the same train
    cells.

    And they are compared with other treated cells of the same population (``observed``): what a perfect map would
    score. On the test split, these are treated train cells. On any other, of which the train cells may be another
    population (other patients, say), the judged cells themselves are halved at random ten times, one half is compared
    with the other, and the ten scores are averaged.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    key
        Where in ``uns`` the maps are.
    split
        Which cells to judge by: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``.
    groupby
        Column of ``obs``, such as the cell type: scores within each of its categories are added, for those with at
        least 10 control and 10 treated cells, and their ``mean`` and the ``worst`` of them.
    metrics
        Names of metrics in :mod:`cellot_sc.metrics`; of the MMD, ``"mmd"`` is unbiased with the bandwidths of
        :func:`cellot_sc.metrics.median_gammas`, ``"legacy_mmd"`` and ``"legacy_mmd_training"`` are biased with the two
        published sets of kernels; ``"knn_enrichment_50"`` and ``"knn_enrichment_100"`` name their k; of metrics per
        feature, the mean over features is taken. ``"discrimination_l1"``, ``"discrimination_l2"`` and
        ``"discrimination_cosine"`` say how well each perturbation is told from the others by the change of the means
        (:func:`cellot_sc.metrics.discrimination_score`).
    space
        ``"latent"`` compares in the space of the maps. ``"genes"`` decodes everything first, control and observed
        cells included, so that the loss of the round trip is the same for all.
    baselines
        Solvers to fit as controls, by name or as :class:`cellot_sc.ot.Solver`. ``identity`` and ``observed`` are always
        there, the solver of the fit only once.
    n_markers
        Number of genes to compare, or several numbers in turn, as published: those that differ most between treated and
        control train cells by the absolute :func:`cellot_sc.metrics.deg_scores`. With ``None``, all features.
    n_cells
        Number of cells of each cloud to compare, or several numbers in turn, as published: the value is the mean over
        10 samples without replacement, the interval their central 95 %. With ``None``, all cells.
    unit
        Column of ``obs`` whose categories are resampled as wholes, such as the patient, for intervals that hold for
        other patients. With the column of the perturbations, rows with the mean over perturbations are added, whose
        interval is over resampled perturbations. With ``None``, single cells are resampled.
    n_boot
        Number of resamples behind the intervals; 0 for none. All models share their resamples.
    seed
        Seed of resamples and of samples.
    cell_eval
        Folder to write the predicted and the observed cells to, see :func:`cellot_sc.tl.export_cell_eval`.

    Returns
    -------
    Tidy table with a row per model, metric, perturbation and group:

    - ``model``: the solver of the fit, a control or ``observed``.
    - ``metric``: as named above. For distances there is also ``<metric>_frac_gap_closed``, (identity - model) /
      (identity - observed): 0 is no better than no effect, 1 is as good as the data allow; NaN where ``observed`` is
      no better than ``identity``. Its ``mean`` is the fraction of mean distances, its ``worst`` the least fraction.
    - ``perturbation``, ``split``: what was predicted, and on which cells.
    - ``group``: ``all`` cells, a category of ``groupby``, ``mean`` or ``worst``.
    - ``seed``: that of the fit. The tables of several fits are concatenated to have seeds as rows;
      :func:`cellot_sc.tl.summarize_scores` averages them.
    - ``n_features``: number of features compared, that is of markers where there are.
    - ``n_cells``: number of observed cells behind the value. Of more than 3000 cells of a kind, a sample is used; of
      treated train cells no more than there are control cells, since the legacy metrics depend on the number.
    - ``value``, ``ci_low``, ``ci_high``: the metric and its central 95 % interval over resampled cells or units, NaN
      for metrics that copies of cells would bias (kNN enrichment), that are slow (the transport ones), or that compare
      perturbations (discrimination).

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column, representation or decoder.
    ValueError
        If a metric, space, baseline or split is unknown, the split has no control or no treated cells, markers are
        wanted of what are no genes, there are fewer than two perturbations to tell apart or two units to resample.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.pp.split(adata)
    >>> cs.pp.represent(adata, n_components=10)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> scores = cs.tl.evaluate(adata, metrics="energy_distance", n_boot=50)
    >>> scores.pivot_table(index="model", columns="perturbation", values="value").shape
    (4, 2)
    """
    fitted = store.load(adata, key)
    config = fitted.config
    control, use_rep = config["control"], config["use_rep"]
    names = _validate.some_of(metrics, METRICS, what="metric")
    _validate.one_of(space, SPACES, what="space")
    _validate.one_of(split, _keys.SPLITS, what="split")
    given = [baselines] if isinstance(baselines, str | Solver) else baselines
    solvers = [SOLVERS.find(one, "baseline") for one in dict.fromkeys([IDENTITY, *given])]
    if n_boot != 0:
        _validate.positive(n_boot, what="n_boot", integer=True)
    seed = _validate.seed(seed)
    marker_sizes = None if n_markers is None else _validate.whole_numbers(n_markers, what="n_markers")
    cell_sizes = None if n_cells is None else _validate.whole_numbers(n_cells, what="n_cells")
    labels = _validate.perturbation_labels(adata, config["perturbation_key"], control)
    parts = _validate.split_labels(adata, config["split_key"])
    groups = None if groupby is None else _validate.group_labels(adata, groupby, reserved=(ALL, MEAN, WORST))
    over_perturbations = unit is not None and unit == config["perturbation_key"]
    units = None if unit is None or over_perturbations else _validate.group_codes(adata, unit, what="unit")
    _validate.representation_key(adata, use_rep)
    decoded = space == "genes" and use_rep != _keys.EXPRESSION
    layer = _validate.decoder(adata, use_rep)["layer"] if decoded else _keys.EXPRESSION
    if marker_sizes is not None:
        _validate.genes_compared(decoded or use_rep == _keys.EXPRESSION)
    judged = parts == split
    counts = {name: int((judged & (labels == name)).sum()) for name in [control, *fitted.maps]}
    targets = _validate.cells_to_judge(counts, control, split=split)
    if left_out := [name for name in fitted.maps if name not in targets]:
        logger.warning("fewer than 2 cells in split %r, not evaluated: %s", split, left_out)
    if across := [name for name in names if METRICS[name].resampling == "effects"]:
        _validate.whole_effects(across, n_markers=n_markers, n_cells=n_cells)
        what = f"The number of perturbations with cells in split {split!r}"
        _validate.at_least(len(targets), 2, what=what, why=f"{across[0]} tells one from another")
    if units is not None:
        for name in targets:
            n_units = len(np.unique(units[judged & np.isin(labels, [control, name])]))
            what = f"The number of categories of adata.obs[{unit!r}] for {name!r} in split {split!r}"
            _validate.at_least(n_units, 2, what=what, why="what is resampled has to vary")

    x = latent(adata, use_rep)
    _validate.finite(x[np.isin(labels, [control, *targets])], what=f"use_rep {use_rep!r}")
    if cell_eval is not None:
        export_cell_eval(adata, cell_eval, key=key, split=split)
    maps = {config["solver"]: fitted.maps} | _baselines(adata, fitted, targets, x, labels, parts, solvers)

    def view(points: np.ndarray) -> np.ndarray:
        return decode(adata, points, key=use_rep) if decoded else points

    data = Data(x, labels, parts, control, split, groups, units, view)
    protocol = Protocol(names, marker_sizes, cell_sizes, n_boot, seed)
    judgements: dict[str, Judgement] = {}
    for name in tqdm(targets, desc="evaluate", disable=not settings.progress, leave=False):
        markers = None
        if marker_sizes is not None:
            train = parts == _keys.TRAIN
            markers = in_order(adata, layer, train & (labels == name), train & (labels == control))
        of_target = {model: by_target[name] for model, by_target in maps.items()}
        judgements[name] = judge(data, protocol, name, of_target, markers)
    discriminate(judgements, names, n_boot)
    tables = [
        _table(scores, setting, names).assign(perturbation=name)
        for name, judgement in judgements.items()
        for setting, scores in judgement.scores.items()
    ]
    table = pd.concat(tables, ignore_index=True).assign(split=split, seed=config["seed"])[COLUMNS]
    logger.info("evaluated %d perturbations on split %r: %d models", len(targets), split, len(maps) + 1)
    if over_perturbations:
        means = summarize_scores(table, _keys.PERTURBATION, n_boot=n_boot, seed=seed).assign(seed=config["seed"])
        table = pd.concat([table, means[COLUMNS]], ignore_index=True)
    return table


def mmd(
    adata: AnnData,
    *,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    groupby: str | None = None,
    space: Literal["latent", "genes"] = "latent",
    n_boot: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Score predictions by the MMD alone: unbiased with median bandwidths, and with the published kernels.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    key
        Where in ``uns`` the maps are.
    split
        Which cells to judge by.
    groupby
        Column of ``obs`` within whose categories to score, too.
    space
        ``"latent"``, or ``"genes"`` to decode everything first.
    n_boot
        Number of resamples behind the intervals.
    seed
        Seed of resamples and of samples.

    Returns
    -------
    The table of :func:`evaluate` with the metrics ``mmd``, ``legacy_mmd`` and ``legacy_mmd_training``, and for each the
    fraction of the gap closed.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column, representation or decoder.
    ValueError
        If the space or split is unknown, or the split has no control or no treated cells.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.mmd(adata, n_boot=0)["metric"].nunique()
    6
    """
    return evaluate(
        adata, key=key, split=split, groupby=groupby, metrics=MMD_METRICS, space=space, n_boot=n_boot, seed=seed
    )


def _baselines(
    adata: AnnData,
    fitted: store.FittedMaps,
    targets: list[str],
    x: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
    solvers: Sequence[Solver],
) -> dict[str, dict[str, TransportMap]]:
    """Fit the controls, but for the one that was itself the solver, to the cells that the maps were fitted to."""
    config = fitted.config
    pair_by = config.get("pair_by")
    groups = None if pair_by is None else _validate.group_codes(adata, pair_by, what="pair_by")
    names, key = [config["control"], *targets], config.get("weights")
    weights = None if key is None else cell_weights(adata, key, labels, parts, names)
    pairs = problems(x, labels, parts, groups, config["control"], targets, weights)
    fits = {one.name: fit(pairs, one, seed=config["seed"]) for one in solvers if one.name != config["solver"]}
    return {solver: {name: one.map for name, one in zip(targets, of, strict=True)} for solver, of in fits.items()}


def _table(scores: dict[str, Scores], setting: Setting, metrics: list[str]) -> pd.DataFrame:
    """Return the scores of one perturbation and setting as rows."""
    summarise(scores, metrics)
    return pd.DataFrame(
        [
            (
                *(model, name, group, setting.n_features, setting.n_sampled or score.n_cells),
                *(score.value, *interval(score.resamples)),
            )
            for group, of_group in scores.items()
            for (model, name), score in of_group.items()
        ],
        columns=["model", "metric", "group", "n_features", "n_cells", "value", "ci_low", "ci_high"],
    )
