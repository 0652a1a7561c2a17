"""Judges predictions beside the controls without which no score means anything."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from .. import _keys, _validate
from .._settings import logger, settings
from ..metrics import median_gammas
from ..metrics._bootstrap import interval
from ..ot import fit
from ..pp import decode
from . import _store
from ._clouds import latent
from ._problems import problems
from ._scores import METRICS, Reference, Score, gap_closed, mean_score, worst_score

if TYPE_CHECKING:
    from anndata import AnnData

    from ..ot import TransportMap

BASELINES = ("identity", "mean_shift", "gaussian")
"""Solvers whose maps are fitted at evaluation, on the same train cells."""
OBSERVED = "observed"
"""The ceiling: treated cells of the training set stand in for a prediction."""
DEFAULT_METRICS = ("energy_distance", "mmd", "legacy_mmd", "l2_means", "r_means", "pearson_delta", "variance_ratio")
MMD_METRICS = ("mmd", "legacy_mmd", "legacy_mmd_training")
SPACES = ("latent", "genes")
COLUMNS = ["model", "metric", "perturbation", "group", "split", "seed", "n_cells", "value", "ci_low", "ci_high"]
ALL, MEAN, WORST = "all", "mean", "worst"
MIN_GROUP_CELLS = 10
"""A group is scored where it has at least this many control and this many treated cells."""
MAX_CELLS = 3000
"""More cells of a kind than this are sampled down to it."""
GAP_CLOSED = "_frac_gap_closed"

type Scores = dict[tuple[str, str], Score]


def evaluate(
    adata: AnnData,
    *,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    groupby: str | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    space: Literal["latent", "genes"] = "latent",
    n_boot: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Score predicted against observed treated cells, beside simple controls and the noise ceiling.

    For every fitted perturbation, the control cells of a split are transported and compared with its treated cells of
    the same split. The same treated cells are compared with four more: the control cells as they are (``identity``),
    the control cells under a ``mean_shift`` and under a ``gaussian`` affine map fitted to the same train cells, and the
    treated train cells (``observed``): what a perfect map would score, as far as train cells are a sample of the same
    population. (On the train split itself, treated validation cells take their place.)

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
        feature, the mean over features is taken.
    space
        ``"latent"`` compares in the space of the maps. ``"genes"`` decodes everything first, control and observed
        cells included, so that the loss of the round trip is the same for all.
    n_boot
        Number of resamples of the cells behind the intervals; 0 for none. All models share their resamples.
    seed
        Seed of resamples and of samples.

    Returns
    -------
    Tidy table with a row per model, metric, perturbation and group:

    - ``model``: the solver of the fit, a control or ``observed``.
    - ``metric``: as named above. For distances there is also ``<metric>_frac_gap_closed``, (identity - model) /
      (identity - observed): 0 is no better than no effect, 1 is as good as the data allow; NaN where ``observed`` is
      no better than ``identity``. Its ``mean`` is the fraction of mean distances, its ``worst`` the least fraction.
    - ``perturbation``, ``split``: what was predicted, and on which cells.
    - ``group``: ``all`` cells, a category of ``groupby``, ``mean`` or ``worst``.
    - ``seed``: that of the fit.
    - ``n_cells``: number of observed cells behind the value. Of more than 3000 cells of a kind, a sample is used; of
      treated train cells no more than there are control cells, since the legacy metrics depend on the number.
    - ``value``, ``ci_low``, ``ci_high``: the metric and its central 95 % interval over resampled cells, NaN for metrics
      that copies of cells would bias (kNN enrichment) or that are slow (the transport ones).

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column, representation or decoder.
    ValueError
        If a metric, space or split is unknown, or the split has no control or no treated cells.

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
    fitted = _store.load(adata, key)
    config = fitted.config
    use_rep = config["use_rep"]
    names = _validate.some_of(metrics, METRICS, what="metric")
    _validate.one_of(space, SPACES, what="space")
    _validate.one_of(split, _keys.SPLITS, what="split")
    if n_boot != 0:
        _validate.positive(n_boot, what="n_boot", integer=True)
    seed = _validate.seed(seed)
    labels = _validate.perturbation_labels(adata, config["perturbation_key"], config["control"])
    parts = _validate.split_labels(adata, config["split_key"])
    groups = None if groupby is None else _validate.group_labels(adata, groupby, reserved=(ALL, MEAN, WORST))
    _validate.representation_key(adata, use_rep)
    decoded = space == "genes" and use_rep != _keys.EXPRESSION
    if decoded:
        _validate.decoder(adata, use_rep)
    judged = parts == split
    counts = {name: int((judged & (labels == name)).sum()) for name in [config["control"], *fitted.maps]}
    targets = _validate.cells_to_judge(counts, config["control"], split=split)
    left_out = [name for name in fitted.maps if name not in targets]
    if left_out:
        logger.warning("fewer than 2 cells in split %r, not evaluated: %s", split, left_out)

    x = latent(adata, use_rep)
    _validate.finite(x[np.isin(labels, [config["control"], *targets])], what=f"use_rep {use_rep!r}")
    maps = {config["solver"]: fitted.maps} | _baselines(adata, fitted, targets, x, labels, parts)
    ceiling_part = _keys.VALID if split == _keys.TRAIN else _keys.TRAIN

    def view(points: np.ndarray) -> np.ndarray:
        return decode(adata, points, key=use_rep) if decoded else points

    tables: list[pd.DataFrame] = []
    for name in tqdm(targets, desc="evaluate", disable=not settings.progress, leave=False):
        source, treated = judged & (labels == config["control"]), judged & (labels == name)
        ceiling = (parts == ceiling_part) & (labels == name)
        of_target = {model: by_target[name] for model, by_target in maps.items()}
        gammas: np.ndarray | None = None
        scores: dict[str, Scores] = {}
        for group, members in _groups(groups, source, treated):
            rng = np.random.default_rng([seed, zlib.crc32(name.encode()), zlib.crc32(group.encode())])
            start = x[_sample(source & members, MAX_CELLS, rng)]
            observed = view(x[_sample(treated & members, MAX_CELLS, rng)])
            stand_in = view(x[_sample(ceiling & members, len(start), rng)])
            # all cells come first: their bandwidth serves every group
            gammas = median_gammas(view(start), observed) if gammas is None else gammas
            reference = Reference(observed, view(start), gammas=gammas, n_boot=n_boot, rng=rng)
            predictions = {model: view(transport.transport(start)) for model, transport in of_target.items()}
            scores[group] = _scores(reference, names, predictions, stand_in)
        _summarise(scores, names)
        tables.append(_table(scores).assign(perturbation=name))
    logger.info("evaluated %d perturbations on split %r: %d models", len(targets), split, len(maps) + 1)
    return pd.concat(tables, ignore_index=True).assign(split=split, seed=config["seed"])[COLUMNS]


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
    fitted: _store.FittedMaps,
    targets: list[str],
    x: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
) -> dict[str, dict[str, TransportMap]]:
    """Fit the controls, but for the one that was itself the solver, to the cells that the maps were fitted to."""
    config = fitted.config
    pair_by = config.get("pair_by")
    groups = None if pair_by is None else _validate.group_codes(adata, pair_by, what="pair_by")
    pairs = problems(x, labels, parts, groups, config["control"], targets)
    return {
        solver: {name: fitted_map for name, (fitted_map, _) in zip(targets, fit(pairs, solver), strict=True)}
        for solver in BASELINES
        if solver != config["solver"]
    }


def _groups(groups: np.ndarray | None, source: np.ndarray, treated: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield all cells, and then every group that can be scored: its name and a mask of its cells."""
    yield ALL, np.ones(len(source), dtype=bool)
    if groups is None:
        return
    left_out = []
    for name in sorted(set(groups[source | treated]) - {""}):
        members = groups == name
        if min((source & members).sum(), (treated & members).sum()) < MIN_GROUP_CELLS:
            left_out.append(name)
        else:
            yield name, members
    if left_out:
        logger.info("groups with fewer than %d control or treated cells left out: %s", MIN_GROUP_CELLS, left_out)


def _sample(mask: np.ndarray, at_most: int, rng: np.random.Generator) -> np.ndarray:
    rows = np.flatnonzero(mask)
    return rows if len(rows) <= at_most else np.sort(rng.choice(rows, at_most, replace=False))


def _scores(reference: Reference, names: list[str], predictions: dict[str, np.ndarray], stand_in: np.ndarray) -> Scores:
    """Score every model, predictions and stand-in for a perfect one, with every metric."""
    scores = {
        (model, name): reference.score(name, predicted, reference.control_counts)
        for model, predicted in predictions.items()
        for name in names
    }
    if len(stand_in) < MIN_GROUP_CELLS:
        return scores | {(OBSERVED, name): reference.no_score() for name in names}
    counts = reference.counts(len(stand_in))
    return scores | {(OBSERVED, name): reference.score(name, stand_in, counts) for name in names}


def _summarise(scores: dict[str, Scores], names: list[str]) -> None:
    """Add the mean over groups, fractions of the gap closed, and the worst of the groups."""
    groups = [group for group in scores if group != ALL]
    if groups:
        scores[MEAN] = {of: mean_score([scores[group][of] for group in groups]) for of in scores[ALL]}
    distances = [name for name in names if METRICS[name].is_distance]
    for of_group in scores.values():
        for model in dict.fromkeys(model for model, _ in of_group):
            if model in ("identity", OBSERVED):
                continue
            for name in distances:
                of_group[model, name + GAP_CLOSED] = gap_closed(
                    of_group[model, name], of_group["identity", name], of_group[OBSERVED, name]
                )
    if groups:
        scores[WORST] = {
            (model, name): worst_score(
                [scores[group][model, name] for group in groups],
                METRICS[name].badness if name in METRICS else lambda fraction: -fraction,
            )
            for model, name in scores[ALL]
        }


def _table(scores: dict[str, Scores]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (model, name, group, score.n_cells, score.value, *interval(score.resamples))
            for group, of_group in scores.items()
            for (model, name), score in of_group.items()
        ],
        columns=["model", "metric", "group", "n_cells", "value", "ci_low", "ci_high"],
    )
