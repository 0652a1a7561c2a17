"""What an evaluation judges, and by which models: all of it is checked before anything is fitted or judged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from anndata import AnnData

from ... import _defaults, _keys, _progress, _validate, _workers
from ..._digest import digest_of_cells
from ..._settings import logger
from ...metrics import METRICS, Metric
from ...ot import SOLVERS, Solver, TransportMap
from .._fit import store
from .._fit.alone import alone
from .._fit.contexts import tell_of_strangers, warn_of_composition
from .._fit.fit import Fit
from . import floors
from .clouds import MAX_CELLS, Data, tell_of_left_out
from .composition import tell_of_equal
from .judge import EvaluationPlan, Judgement, judge
from .markers import in_order
from .predictions import Matching
from .tabulation import Tabulation

SPACES = ("latent", "genes")
LATENT, DECODED, MEASURED = "latent", "decoded", "measured"
COMPARED = {
    LATENT: "points of {!r}",
    DECODED: "cells that are decoded from {!r}, measured ones as well,",
    MEASURED: "measured and predicted cells as they are in {!r}",
}
"""What is compared, in words that name the space of the maps."""


@dataclass(frozen=True)
class Judging:
    """What is judged, by which models and how.

    Parameters
    ----------
    adata, fitted
        The cells, and the maps that are judged.
    names
        The perturbations that can be judged.
    others
        Solvers that are judged beside.
    told
        The fit, with the contexts that these are told.
    data, plan
        What is judged by, and what is asked.
    tabulation
        What the table is to know.
    """

    adata: AnnData
    fitted: store.FittedMaps
    names: list[str]
    others: list[Solver]
    told: Fit
    data: Data
    plan: EvaluationPlan
    tabulation: Tabulation

    @property
    def digests(self) -> dict[str, str]:
        """What the maps and the cells are known by."""
        data = self.data
        known = [labels for labels in (data.labels, data.parts, data.groups, data.units) if labels is not None]
        points = hashlib.blake2b(np.ascontiguousarray(data.x), digest_size=8).hexdigest()
        found = {"maps": self.fitted.digest, "cells": digest_of_cells(self.adata.obs_names, *known) + points}
        return found | {f"prediction {model}": given.digest for model, given in data.given.items()}

    def judgements(self, names: Sequence[str]) -> dict[str, Judgement]:
        """Fit the others to some perturbations, and judge what all predict of these: alike, whichever come with them.

        Blocks of them have to be whole (see :func:`.blocks.split`).
        """
        maps = {self.fitted.fit.solver: self.fitted.maps} | self._again(names)
        orders = self._markers(names)
        items = [
            (self.data, name, {model: by_target[name] for model, by_target in maps.items()}, orders.get(name))
            for name in names
        ]
        judged_by: dict[int, Judgement] = {}
        with _progress.meter("evaluate", "judging") as progress:
            for i, judgement in _workers.mapped(partial(_judge, self.plan), items, what="perturbations"):
                judged_by[i] = judgement
                progress(len(judged_by), len(items), {})
        judgements = {name: judged_by[i] for i, name in enumerate(names)}
        tell_of_equal(self.data, {name: one.n_cells.get(_keys.EQUAL) for name, one in judgements.items()})
        return judgements

    def _again(self, names: Sequence[str]) -> dict[str, dict[str, TransportMap]]:
        """Return the maps of the others by their names and target."""
        fitted, told = self.fitted, self.told
        if fitted.is_standalone:
            again = {one.name: {name: fitted.baselines[one.name][name] for name in names} for one in self.others}
        else:
            again = fitted.fit.refit(self.adata, self.others, names, context=told.context)
        return {solver: told.adapted(self.adata, by_target) for solver, by_target in again.items()}

    def _markers(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return by perturbation the features in the order in which they mark it, if that is asked for."""
        if self.plan.n_markers is None:
            return {}
        data, cells = self.data, self.fitted.fit.space(self.adata)
        clouds = {name: (data.parts == _keys.TRAIN) & (data.labels == name) for name in [data.control, *names]}
        return in_order(cells.observed(filled=False), clouds, data.control, names)


def prepare(
    adata: AnnData,
    *,
    predictions: Mapping[str, AnnData | str | Path] | None = None,
    targets: str | Sequence[str] | None,
    key: str,
    split: str,
    groupby: str | None,
    metrics: str | Metric | Sequence[str | Metric],
    space: Literal["latent", "genes"],
    baselines: str | Solver | Sequence[str | Solver] | None,
    n_markers: int | Sequence[int] | None,
    n_cells: int | Sequence[int] | None,
    unit: str | None,
    floor: str | None,
    n_boot: int,
    seed: int,
) -> Judging:
    """Check all that is asked of :func:`.evaluate`, and return what is judged; parameters and errors are its own."""
    if predictions:
        _validate.judged_beside(adata, key)
    kept = store.maps(adata, key)
    fitted, fit = kept.adapted(adata), kept.fit
    # units of the label itself are perturbations, over which means are taken
    _validate.not_treatment(fit.label_key, {"groupby": groupby})
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
    given = _validate.named_predictions(predictions or {}, [fit.solver, *(solver.name for solver in others)])
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
    # treated train cells stand in for predictions
    stands_in = (parts == _keys.TRAIN) & np.isin(labels, judgeable) & (split == _keys.TEST)
    rows = np.flatnonzero((judged & np.isin(labels, [control, *judgeable])) | stands_in)
    floor = _floor(fitted, floor, others, labels, parts, split, [control, *judgeable])
    if floor is None:
        chosen_on = (parts == _keys.VALID) & np.isin(labels, [control, *judgeable])
        rows = np.union1d(rows, np.flatnonzero(chosen_on))
    x = cells.read(rows)
    told = replace(fit, context=context)
    view = alone(cells).view_measured if decoded or cells.is_expression else np.asarray
    cells.warn_of_filling()
    contexts = told.contexts(adata)
    # in time, kinds turn into each other: their shares are part of what is predicted
    kinds = None if not context else groups if groups is not None else _validate.group_labels(adata, context[0])
    compared = DECODED if decoded else MEASURED if cells.is_expression else LATENT
    data = Data(x, labels, parts, control, split, groups, kinds, contexts, units, view, rows)
    tell_of_left_out(data, judgeable, groupby or next(iter(context), ""))
    moved = np.flatnonzero(judged & (labels == control))
    tell_of_strangers((kept[name] for name in judgeable), fit.contexts(adata, moved), fit.context)
    if given:
        kind = context[0] if context else None
        matching = Matching(adata, data, fit, cells, judgeable, groupby, unit, kind)
        data = replace(data, given=matching.read(given))
        logger.info("%s are compared, for all models alike", COMPARED[compared].format(cells.name))
    controls = () if floor is not None else floors.among([solver.name for solver in others])
    plan = EvaluationPlan(chosen, marker_sizes, cell_sizes, n_boot, seed, controls)
    of_table = Tabulation(
        metrics=chosen,
        split=split,
        fit_seed=fit.seed,
        n_models=len(others) + len(given) + 2,
        unit=None if units is None else unit,
        over_perturbations=over_perturbations,
        n_boot=n_boot,
        seed=seed,
        compared=compared,
        floor=floor,
    )
    return Judging(adata, fitted, judgeable, others, told, data, plan, of_table)


def _judge(plan: EvaluationPlan, item: tuple[Data, str, dict[str, TransportMap], np.ndarray | None]) -> Judgement:
    """Judge one perturbation, in whatever process."""
    data, name, maps, markers = item
    judgement = judge(data, plan, name, maps, markers)
    if not plan.controls:
        return judgement
    return judgement._replace(validation=floors.on_validation(data, plan, name, maps, markers))


def _floor(
    fitted: store.FittedMaps,
    floor: str | None,
    others: Sequence[Solver],
    labels: np.ndarray,
    parts: np.ndarray,
    split: str,
    names: Sequence[str],
) -> str | None:
    """Return what calibrated scores are 0 at, ``None`` if that is chosen; see :func:`.floors.asked`."""
    valid = labels[parts == _keys.VALID]
    counts = None if fitted.is_standalone else [int((valid == name).sum()) for name in names]
    return floors.asked(floor, [solver.name for solver in others], split=split, counts=counts)


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
