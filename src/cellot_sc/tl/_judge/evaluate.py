"""Judges predictions beside the baselines without which no score means anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _defaults, _keys, _progress, _validate, _workers
from ..._settings import logger
from ...metrics import METRICS, Metric
from ...metrics._bootstrap import interval
from ...metrics._units import ALPHA
from ...ot import SOLVERS, Solver, TransportMap
from .._fit import store
from .._fit.alone import alone
from .._fit.contexts import warn_of_composition
from .._fit.fit import Fit
from .clouds import MAX_CELLS, Data
from .judge import EvaluationPlan, Judgement, Setting, discriminate, judge
from .markers import in_order
from .scores import Scores, UnitTest, summarise
from .summarize import summarize_scores

SPACES = ("latent", "genes")
COLUMNS = [
    *("model", "metric", "perturbation", "group", "split", "seed"),
    *("n_features", "n_cells", "value", "ci_low", "ci_high"),
]
OF_UNITS = UnitTest._fields


@_validate.takes_adata
def evaluate(
    adata: AnnData,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    groupby: str | None = None,
    metrics: str | Metric | Sequence[str | Metric] = _defaults.METRICS,
    space: Literal["latent", "genes"] = "latent",
    baselines: str | Solver | Sequence[str | Solver] | None = None,
    n_markers: int | Sequence[int] | None = None,
    n_cells: int | Sequence[int] | None = None,
    unit: str | None = None,
    n_boot: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Score predicted against observed treated cells, beside simple baselines and the noise ceiling.

    For every fitted perturbation, the control cells of a split are transported and compared with its treated cells of
    the same split. The same treated cells are compared with what baselines predict: the control cells as they are
    (``identity``), and under a ``mean_shift``, a ``gaussian`` affine map, or any other solver, fitted to the same train
    cells, weighed as they were.

    And they are compared with other treated cells of the same population (``observed``): what a perfect map would
    score. On the test split, these are treated train cells. On any other, of which the train cells may be another
    population (other patients, say), the judged cells themselves are halved at random ten times, one half is compared
    with the other, and the ten scores are averaged.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations to judge, all fitted ones with ``None``. Baselines are fitted to these only.
    key
        Where in ``uns`` the maps are.
    split
        Which cells to judge by: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``.
    groupby
        Column of ``obs``, such as the cell type: scores within each of its categories are added, for those with at
        least 10 control and 10 treated cells, their ``mean`` and the ``worst`` of them, and scores of all cells with
        ``equal`` composition.
    metrics
        Names in :data:`cellot_sc.metrics.METRICS`, or any :class:`cellot_sc.metrics.Metric`. Of the MMD, ``"mmd"`` is
        unbiased with the bandwidths of :func:`cellot_sc.metrics.median_gammas`, ``"legacy_mmd"`` and
        ``"legacy_mmd_training"`` are biased with the two published sets of kernels; ``"knn_enrichment_50"`` and
        ``"knn_enrichment_100"`` name their k; of metrics per feature, the mean over features is taken.
        ``"discrimination_l1"``, ``"discrimination_l2"`` and ``"discrimination_cosine"`` say how well each perturbation
        is told from the others by the change of the means (:func:`cellot_sc.metrics.discrimination_score`).
    space
        ``"latent"`` compares in the space of the maps. ``"genes"`` decodes everything first, control and observed
        cells included, so that the loss of the round trip is the same for all. Genes that were not measured in these
        cells are left out there; in the latent, a line in the log says that points have them filled.
    baselines
        Solvers to compare with, by name or as :class:`cellot_sc.ot.Solver`. ``identity`` and ``observed`` are always
        there, the solver of the fit only once. Those that know contexts are told those of the fit, or where it has none
        the categories of ``groupby``; of a time course, where kinds turn into each other, they are told none. With
        ``None``, ``mean_shift`` and ``gaussian``, and where there are contexts ``group_shift`` and ``group_gaussian``.
    n_markers
        Number of genes to compare, or several numbers in turn, as published: those that differ most between treated and
        control train cells by the absolute :func:`cellot_sc.metrics.deg_scores`. With ``None``, all features.
    n_cells
        Number of cells of each cloud to compare, or several numbers in turn, as published: the value is the mean over
        10 samples without replacement, the interval their central 95 %. With ``None``, all cells.
    unit
        Column of ``obs`` whose categories are resampled as wholes, such as the patient, for intervals that hold for
        other patients, and exchanged as wholes, for p-values of the energy distance. With the column of the
        perturbations, rows with the mean over perturbations are added, whose interval is over resampled perturbations.
        With ``None``, single cells are resampled.
    n_boot
        Number of resamples behind the intervals, 100,000 at most; 0 for none. All models share their resamples.
    seed
        Seed of resamples and of samples.

    Returns
    -------
    Tidy table with a row per model, metric, perturbation and group:

    - ``model``: the solver of the fit, a baseline or ``observed``.
    - ``metric``: as named above. For distances there is also ``<metric>_frac_gap_closed``, (identity - model) /
      (identity - observed): 0 is no better than no effect, 1 is as good as the data allow; NaN where ``observed`` is
      no better than ``identity``. Its ``mean`` is the fraction of mean distances, its ``worst`` the least fraction.
    - ``perturbation``, ``split``: what was predicted, and on which cells.
    - ``group``: ``all`` cells, a category of ``groupby``, ``mean`` or ``worst``. Where there is ``groupby``, or the fit
      has contexts, also ``equal``: all cells once more, but with treated cells drawn so that every category (of
      ``groupby``, else of the first context) has the share that it has of the control cells, lest a change of abundance
      count as a response. Categories that cannot be scored are left out there, and a line in the log says so.
    - ``seed``: that of the fit. The tables of several fits are concatenated to have seeds as rows;
      :func:`cellot_sc.tl.summarize_scores` averages them.
    - ``n_features``: number of features compared, that is of markers where there are.
    - ``n_cells``: number of observed cells behind the value. Of more than 3000 cells of a kind, a sample is used; of
      treated train cells no more than there are control cells, since the legacy metrics depend on the number.
    - ``value``, ``ci_low``, ``ci_high``: the metric and its central 95 % interval over resampled cells or units, NaN
      for metrics that copies of cells would bias (kNN enrichment), that are slow (the transport ones), or that compare
      perturbations (discrimination).

    With ``unit``, there are:

    - ``pvalue``: of the energy distance of all cells or a group, whether the prediction can be told from the observed
      cells. For ``identity``, that is whether there is any effect. NaN for other metrics, ``observed``, and groups that
      sum up others or were drawn.
    - ``n_units``: number of units that exchange; those count that have at least 10 cells.
    - ``p_min``: the smallest p-value that there could have been. Where it is not below .05, the p-value is NaN, and a
      line in the log says so: three animals cannot tell.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column, representation or decoder.
    ValueError
        If a target was not fitted, a metric, space, baseline or split is unknown, the split has no control or no
        treated cells or fewer than are to be sampled, markers are wanted of what are no genes, there are fewer than two
        perturbations to tell apart, a number is out of its range, or maps come from a model that does not keep a
        baseline, or the train cells that tell markers.

    Notes
    -----
    Cells of one patient are alike, and are no replicates. The test is by exact permutation: the energy distance between
    predicted and observed cells, every unit counting alike, is compared with what it is after exchanging them for whole
    units, in all ways or in 128 at random. A predicted cell belongs to the unit of the control cell that it was made
    from. If any unit has at least 10 cells of both, predicted and observed cells of a unit are exchanged with each
    other (and units with one kind only do not count); if none has, whole animals of the one side with those of the
    other.

    Of ``identity``, the control and treated cells are exchanged, and nothing is fitted: the p-value is valid however
    few units there are. The null is no effect in any unit, on abundance neither; where patients respond each in their
    own way, treated patients spread further, and that is an effect. Of a map, the p-value is about this map on these
    units. All its predictions share its error, so that they differ from the observed cells in all units alike if it is
    wrong: a small p-value says that this map is wrong, not that the solver would be with other patients to learn from
    (Gaussian maps of 8 simulated donors are told from 8 others in two of five cases), and a large one that these units
    cannot tell, not that the map is right. Units that the map was fitted to agree with it better than others do.

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
    fitted = store.maps(adata, key).adapted(adata)
    fit = fitted.fit
    control, cells = fit.control, fit.space(adata)
    chosen = METRICS.select(metrics)
    names = _validate.some_of(targets, fitted.maps, what="target")
    _validate.one_of(space, SPACES, what="space")
    judged = fit.judged(adata, split)
    context = _known_contexts(fit, groupby)
    if baselines is None:
        known = (*_defaults.BASELINES, *(_defaults.GROUP_BASELINES if context else ()))
        baselines = [*fitted.baselines] if fitted.is_standalone else known
    solvers = SOLVERS.select([_defaults.IDENTITY, *([baselines] if isinstance(baselines, str | Solver) else baselines)])
    others = [solver for solver in solvers if solver.name != fit.solver]
    if fitted.is_standalone:
        _check_kept(fitted, [solver.name for solver in others], n_markers)
    n_boot = _validate.resamples(n_boot)
    seed = _validate.seed(seed)
    marker_sizes = None if n_markers is None else _validate.whole_numbers(n_markers, what="n_markers")
    cell_sizes = None if n_cells is None else _validate.whole_numbers(n_cells, what="n_cells")
    labels = fit.labels(adata)
    parts = fit.parts(adata)
    groups = None
    if groupby is not None:
        groups = _validate.group_labels(adata, groupby, reserved=(_keys.ALL, _keys.EQUAL, _keys.MEAN, _keys.WORST))
    over_perturbations = unit is not None and unit == fit.label_key
    if over_perturbations:
        _validate.not_summary(names, (_keys.MEAN,), what=f"unit {unit!r}")
    units = None if unit is None or over_perturbations else _validate.group_codes(adata, unit, what="unit")
    decoded = space == "genes" and not cells.is_expression
    if decoded:
        _validate.decoder(adata, cells.name)
    if marker_sizes is not None:
        _validate.genes_compared(decoded or cells.is_expression)
    counts = {name: int((judged & (labels == name)).sum()) for name in [control, *names]}
    judgeable = _judgeable(counts, control, split, cell_sizes)
    if across := [metric.name for metric in chosen if metric.across_perturbations]:
        _validate.whole_effects(across, n_markers=n_markers, n_cells=n_cells)
        what = f"The number of perturbations with cells in split {split!r}"
        _validate.at_least(len(judgeable), 2, what=what, why=f"{across[0]} tells one from another")
    if units is not None:
        n_units = [len({*units[judged & np.isin(labels, [control, name])]}) for name in judgeable]
        if min(n_units) < 2:
            logger.warning(
                "there is one category of obs[%r] in split %r: intervals are over cells, and nothing is tested",
                *(unit, split),
            )
            units = None
    if context and groupby not in fit.context and groups is not None and not fitted.is_standalone:
        train = {name: groups[(labels == name) & (parts == _keys.TRAIN)] for name in [control, *judgeable]}
        warn_of_composition(train, control, groupby)
    x = cells.read(used=np.isin(labels, [control, *judgeable]))
    told = replace(fit, context=context)
    if fitted.is_standalone:
        again = {solver.name: {name: fitted.baselines[solver.name][name] for name in judgeable} for solver in others}
    else:
        again = fit.refit(adata, others, judgeable, context=context)
    maps = {fit.solver: fitted.maps} | {solver: told.adapted(adata, by_target) for solver, by_target in again.items()}
    view = alone(cells).view_measured if decoded or cells.is_expression else np.asarray
    cells.warn_of_filling()
    contexts = told.contexts(adata)
    # in time, kinds turn into each other: their shares are part of what is predicted
    kinds = None if not context else groups if groups is not None else _validate.group_labels(adata, context[0])
    data = Data(x, labels, parts, control, split, groups, kinds, contexts, units, view)
    expression = None if marker_sizes is None else cells.observed(filled=False)
    plan = EvaluationPlan(chosen, marker_sizes, cell_sizes, n_boot, seed)
    train = parts == _keys.TRAIN
    items = [
        (
            data,
            name,
            {model: by_target[name] for model, by_target in maps.items()},
            None if expression is None else in_order(expression, train & (labels == name), train & (labels == control)),
        )
        for name in judgeable
    ]
    judged_by: dict[int, Judgement] = {}
    with _progress.meter("evaluate", "judging") as progress:
        for i, judgement in _workers.mapped(partial(_judge, plan), items, what="perturbations"):
            judged_by[i] = judgement
            progress(len(judged_by), len(items), {})
    judgements = {name: judged_by[i] for i, name in enumerate(judgeable)}
    discriminate(judgements, chosen, n_boot)
    columns = COLUMNS if units is None else [*COLUMNS, *OF_UNITS]
    table = _scored(judgements, chosen).assign(split=split, seed=fit.seed)[columns]
    if units is not None:
        _tell_untestable(table, unit)
    logger.info("evaluated %d perturbations on split %r: %d models", len(judgeable), split, len(maps) + 1)
    if over_perturbations:
        means = summarize_scores(table, _keys.PERTURBATION, n_boot=n_boot, seed=seed).assign(seed=fit.seed)
        table = pd.concat([table, means[COLUMNS]], ignore_index=True)
    return table


def _judge(plan: EvaluationPlan, item: tuple[Data, str, dict[str, TransportMap], np.ndarray | None]) -> Judgement:
    """Judge one perturbation, in whatever process."""
    data, name, maps, markers = item
    return judge(data, plan, name, maps, markers)


@_validate.takes_adata
def mmd(
    adata: AnnData,
    *,
    targets: str | Sequence[str] | None = None,
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
    targets
        Perturbation or perturbations to judge, all fitted ones with ``None``. Baselines are fitted to these only.
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
        If a target was not fitted, the space or split is unknown, or the split has no control or no treated cells.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.mmd(adata, n_boot=0)["metric"].nunique()
    6
    """
    return evaluate(
        adata,
        targets=targets,
        key=key,
        split=split,
        groupby=groupby,
        metrics=_defaults.MMD_METRICS,
        space=space,
        n_boot=n_boot,
        seed=seed,
    )


def _check_kept(fitted: store.FittedMaps, baselines: Sequence[str], n_markers: object) -> None:
    """Raise :class:`ValueError` if something is asked of the maps of a model that needs the cells of their fit."""
    if n_markers is not None:
        raise ValueError(
            "n_markers= needs the cells that the maps were fitted to, which a model does not have: leave it out, or "
            "call it in the AnnData of the fit."
        )
    if absent := [name for name in baselines if name not in fitted.baselines]:
        raise ValueError(
            f"baseline {absent[0]!r} needs the cells that the maps were fitted to, which a model does not have: it "
            f"keeps {', '.join(map(repr, fitted.baselines))}."
        )


def _known_contexts(fit: Fit, groupby: str | None) -> tuple[str, ...]:
    """Return the columns with the contexts that baselines are told: those of the fit, or the groups of the scores."""
    if fit.times is None:
        return fit.context or (() if groupby is None else (groupby,))
    if groupby is not None:
        logger.info("in time, cells turn into other kinds: no baseline is told categories of obs[%r]", groupby)
    return ()


def _judgeable(counts: dict[str, int], control: str, split: str, cell_sizes: list[int] | None) -> list[str]:
    """Return the perturbations that can be judged, given the number of cells of each; the others are logged."""
    judgeable = _validate.cells_to_judge(counts, control, split=split)
    if left_out := [name for name in counts if name not in {control, *judgeable}]:
        logger.warning("fewer than 2 cells in split %r, not evaluated: %s", split, left_out)
    if cell_sizes is not None:
        most = min(MAX_CELLS, counts[control], max(counts[name] for name in judgeable))
        _validate.sampled_cells(cell_sizes, most, split=split)
    return judgeable


def _tell_untestable(table: pd.DataFrame, unit: str | None) -> None:
    """Say in the log, once, where there are too few units for any p-value."""
    compared = table.dropna(subset="p_min").drop_duplicates(["perturbation", "group", "n_features"])
    missing = compared[compared["p_min"] >= ALPHA]
    if len(missing):
        least, most = int(missing["n_units"].min()), int(missing["n_units"].max())
        logger.warning(
            "%s units of obs[%r] cannot tell predicted from observed cells: no p-value could be below %.2g, and those "
            "of %d of %d comparisons are missing",
            *(least if least == most else f"{least} to {most}", unit, missing["p_min"].min()),
            *(len(missing), len(compared)),
        )


def _scored(judgements: dict[str, Judgement], metrics: list[Metric]) -> pd.DataFrame:
    """Return the scores of all perturbations as rows."""
    tables = [
        _table(scores, setting, metrics).assign(perturbation=name)
        for name, judgement in judgements.items()
        for setting, scores in judgement.scores.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _table(scores: dict[str, Scores], setting: Setting, metrics: list[Metric]) -> pd.DataFrame:
    """Return the scores of one perturbation and setting as rows."""
    summarise(scores, metrics)
    return pd.DataFrame(
        [
            (
                *(model, name, group, setting.n_features, setting.n_sampled or score.n_cells),
                *(score.value, *interval(score.resamples), *score.test),
            )
            for group, group_scores in scores.items()
            for (model, name), score in group_scores.items()
        ],
        columns=["model", "metric", "group", "n_features", "n_cells", "value", "ci_low", "ci_high", *OF_UNITS],
    )
