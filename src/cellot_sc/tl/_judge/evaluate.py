"""Judges predictions beside the baselines without which no score means anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ...metrics import Metric
from ...ot import Solver
from .._fit.tables import keeper
from .judging import prepare
from .tabulation import COLUMNS


@_validate.takes_adata
def evaluate(
    adata: AnnData,
    *,
    predictions: Mapping[str, AnnData | str | Path] | None = None,
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
    floor: str | None = None,
    n_boot: int = 200,
    seed: int = 0,
    key_added: str | None = None,
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
    predictions
        Cells that other tools predict, by the name that the tool is to have in the table: an AnnData each, or the path
        of its file, ``.h5ad`` or ``.zarr``. They are judged beside the maps; see Notes for what is read of them.
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
    floor
        Name of the control at which calibrated scores are 0: ``"identity"``, or one of ``mean_shift``, ``gaussian``,
        ``group_shift`` and ``group_gaussian`` that is among the baselines. With ``None``, each metric has the one of
        them that scores best on validation cells (of equal composition, where ``equal`` is), by the mean over
        perturbations, so that no judged cell chooses what predictions are measured by; the maps that are judged are
        never it. Without validation cells, or where these are judged, it is ``identity``, and a line in the log says
        so.
    n_boot
        Number of resamples behind the intervals, 100,000 at most; 0 for none. All models share their resamples.
    seed
        Seed of resamples and of samples.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per model, metric, perturbation and group:

    - ``model``: the solver of the fit, a baseline, ``observed``, or the name of a prediction.
    - ``metric``: as named above, and ``<metric>_calibrated``: how far from a control to a replicate a model gets,
      (value - floor) / (observed - floor) of how far values are from the best one. 0 is no better than that control, 1
      as good as the data allow. NaN where nothing can be told: where ``observed`` is no better than the floor, or the
      interval of what lies between them includes 0, or the floor has no score, as no effect has no correlation. Its
      ``mean`` is the ratio of means, its ``worst`` the least.
    - ``floor``: of calibrated scores, the control; ``"-"`` for all others.
    - ``perturbation``, ``split``: what was predicted, and on which cells.
    - ``compared``: what kind of cells was compared, of every model alike: points of the space (``latent``), ``decoded``
      ones, control and observed cells included, or, of maps that act on expression itself, ``measured`` ones.
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
    FileNotFoundError
        If a prediction is the path of a file that is not there.
    KeyError
        If there are no fitted maps, no such column, representation or decoder; or predicted cells lack the column of
        the perturbations, or points of a space to which no expression is put.
    TypeError
        If a prediction is neither cells nor a path.
    ValueError
        If predicted cells have the name of another model, none of the perturbations, no cell of the split, lack genes,
        hold NaN or inf, or are on another scale.
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

    Of predicted cells (``predictions``), there may be as many as one likes, and none has to correspond to a control
    cell. Read are:

    - ``obs``, the column of the perturbations, by which they are matched. Control cells are left out, and so is what
      was not fitted or is not judged. A model has no rows for a perturbation of which it has fewer than two cells.
    - ``obs``, the column of the split, if it is there: then those of the judged split only.
    - ``obsm``, the points in the space of the maps, if they are there under its name; otherwise ``X``, or the layer
      that was represented, on the scale of that, with genes by name, in any order, and any others. It is represented as
      the cells of ``adata`` were, or taken as it is by maps on ``X``, or where it has as many columns as the space.
    - ``obs``, the columns of ``groupby`` and ``unit``. Without these, a cell is of the group and unit of the control
      cell that it is named as: its name, alone or with ``-<perturbation>`` and ``-predicted`` behind it as
      :func:`predict` and :func:`combine` write them; all cells have to be named so. Without either, a model has scores
      of all cells only, its cells are resampled one by one, and it has no p-values.

    With ``equal`` composition, predicted cells are drawn as treated ones are. Scores within a group of which a model
    has fewer than 10 cells are NaN, and so are then its mean over groups and its worst one. How well perturbations are
    told apart (``discrimination_*``) is among all that were observed, whether or not a model predicts them; its mean
    over perturbations is over those that it predicts, and a line in the log says so. The legacy metrics depend on the
    number of cells, which ``n_cells`` makes equal.

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
    keep = keeper(adata, key_added, COLUMNS)
    judging = prepare(
        adata,
        predictions=predictions,
        targets=targets,
        key=key,
        split=split,
        groupby=groupby,
        metrics=metrics,
        space=space,
        baselines=baselines,
        n_markers=n_markers,
        n_cells=n_cells,
        unit=unit,
        floor=floor,
        n_boot=n_boot,
        seed=seed,
    )
    return keep(judging.tabulation.table(judging.judgements(judging.names)))


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
    key_added: str | None = None,
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
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    The table of :func:`evaluate` with the metrics ``mmd``, ``legacy_mmd`` and ``legacy_mmd_training``, each also
    calibrated.

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
        key_added=key_added,
    )
