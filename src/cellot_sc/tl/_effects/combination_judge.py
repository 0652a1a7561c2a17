"""What predictions of two perturbations at once are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ..._settings import logger
from ...metrics import METRICS, ObservedCells
from ...metrics._bootstrap import interval, resample_counts
from ...ot import TransportMap
from .._fit import store
from .._fit.tables import keeper
from .combination_choice import Choice
from .combination_ways import WAYS, Pair, added

CHOSEN = "chosen"
MEAN, A_ALONE, B_ALONE = "mean", "a_alone", "b_alone"
SHIFTS, GAUSSIANS = "sum_of_shifts", "sum_of_gaussians"
"""What predictions are compared with."""
METRIC = METRICS[_defaults.SUMMARY_METRIC]


@_validate.takes_adata
def judge_combinations(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    combinations: Mapping[str, tuple[str, str]] | None = None,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    n_cells: int = 2000,
    n_boot: int = 100,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Judge predictions of observed combinations of two perturbations from the maps of each, beside simple rules.

    No cell of a combination is used for its own prediction, nor is a map that was fitted to it. A representation that
    was made of its cells has seen it.

    Parameters
    ----------
    adata
        Annotated data with maps of single perturbations fitted by :func:`cellot`, and cells of combinations.
    targets
        Label or labels of combinations, all with ``None``.
    combinations
        The two perturbations, a and b, of every combination by its label. With ``None``, labels that join two fitted
        ones by ``+`` are such.
    key
        Where in ``uns`` the maps are.
    split
        The split whose cells are moved and judged by. A combination held out has its cells in ``"ood"``: there, all
        control cells are moved that were not learnt from.
    n_cells
        Of more cells on either side, a random sample is taken.
    n_boot
        Number of resamples of cells for intervals, 0 for none.
    seed
        Seed of both.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per combination and model:

    - ``perturbation``, ``first``, ``second``: its label, and its two perturbations, a and b.
    - ``model``: ``"sum"``, ``"a_then_b"``, ``"b_then_a"`` and ``"max"``, as :func:`predict_combination` has them;
      ``"chosen"``: that of them, in ``how``, which it takes by itself, because of *other* combinations; and for
      comparison ``"identity"``: cells not moved; ``"a_alone"``, ``"b_alone"``: by one map only; ``"mean"``: by the mean
      of both displacements; ``"sum_of_shifts"``, ``"sum_of_gaussians"``: by the sum of shifts, or affine maps, fitted
      to the same cells (by context where the maps know any); ``"observed"``: the ceiling, train cells of this
      combination, where it has any.
    - ``metric``, ``value``, ``ci_low``, ``ci_high``: the energy distance to the observed cells, in the space of the
      maps, and its 95 % interval over cells, which knows nothing of patients or replicates.
    - ``n_cells``: number of cells judged by.

    Raises
    ------
    KeyError
        If there are no fitted maps, or a column or the representation is missing.
    ValueError
        If a target or the split is unknown, ``combinations`` are not such or there are none, maps are of a time course,
        a number is not positive, or too few cells are in the split.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> drugs = ["drug_a", "drug_b", "drug_c", "inert"]
    >>> adata = cs.datasets.simulate(1200, 50, perturbations=drugs, combinations=[("drug_a", "drug_b")])
    >>> cs.pp.split(adata)
    >>> cs.tl.cellot(adata, targets=drugs, solver="gaussian", use_rep="X")
    >>> scores = cs.tl.judge_combinations(adata, n_boot=0).set_index("model")["value"]
    >>> bool(scores["sum"] < scores["max"] < scores["identity"])
    True
    """
    keep = keeper(adata, key_added, ("first", "second", "model", "how"))
    n_cells = _validate.whole(n_cells, 1, what="n_cells")
    n_boot = _validate.resamples(n_boot)
    rng = np.random.default_rng(_validate.seed(seed))
    fitted = store.maps(adata, key).adapted(adata)
    fit = fitted.fit
    _validate.no_course(fit.times)
    fit.judged(adata, split)
    known = _validate.combinations_of(combinations, fit.labels(adata), list(fitted.maps))
    names = _validate.some_combinations(targets, known, fit.label_key)
    singles = list(dict.fromkeys(part for name in names for part in known[name]))
    choice = Choice.of(adata, fitted, _validate.of_singles(known))
    judging = _Judging(adata, fitted, _simple(adata, fitted, singles), split, n_cells, n_boot, rng)
    rows = judging.sources()
    cells = {name: judging.drawn(name, split) for name in names}
    judged = _validate.cells_to_judge(
        {fit.control: len(rows)} | {n: len(at) for n, at in cells.items()}, fit.control, split=split
    )
    if left_out := [name for name in names if name not in judged]:
        logger.warning("fewer than 2 cells in split %r, not judged: %s", split, left_out)
    found = [judging.rows(name, known[name], rows, cells[name], choice) for name in judged]
    return keep(pd.concat(found, ignore_index=True))


def _simple(adata: AnnData, fitted: store.FittedMaps, singles: Sequence[str]) -> dict[str, dict[str, TransportMap]]:
    """Return shifts and affine maps to single perturbations, by what their sum is called."""
    fit = fitted.fit
    solvers = _defaults.GROUP_BASELINES if fit.context else (_defaults.SHIFT, _defaults.AFFINE)
    made: dict[str, Mapping[str, TransportMap]] = {fit.solver: fitted.maps}
    if fitted.is_standalone:
        made |= fitted.baselines
    else:
        made |= fit.refit(adata, [solver for solver in solvers if solver != fit.solver], singles)
    return {
        name: fit.adapted(adata, {single: made[solver][single] for single in singles})
        for name, solver in zip((SHIFTS, GAUSSIANS), solvers, strict=True)
    }


@dataclass(frozen=True)
class _Judging:
    """What combinations are judged by; ``simple`` as :func:`_simple` returns it, the rest as the verb has it."""

    adata: AnnData
    fitted: store.FittedMaps
    simple: Mapping[str, Mapping[str, TransportMap]]
    split: str
    n_cells: int
    n_boot: int
    rng: np.random.Generator

    def drawn(self, label: str, *parts: str) -> np.ndarray:
        """Return cells of a label in some splits, a sample of too many."""
        fit = self.fitted.fit
        at = np.isin(fit.parts(self.adata).astype(str), parts)
        rows = np.flatnonzero(at & (fit.labels(self.adata) == label))
        return rows if len(rows) <= self.n_cells else np.sort(self.rng.choice(rows, self.n_cells, replace=False))

    def sources(self) -> np.ndarray:
        """Return the control cells of the split, or those that were not learnt from where it has none."""
        fit = self.fitted.fit
        of_split = self.drawn(fit.control, self.split)
        return of_split if len(of_split) else self.drawn(fit.control, *{*_keys.SPLITS} - {_keys.TRAIN, _keys.VALID})

    def rows(
        self, name: str, parts: tuple[str, str], sources: np.ndarray, observed: np.ndarray, choice: Choice
    ) -> pd.DataFrame:
        """Return the scores of all models of a combination."""
        fit = self.fitted.fit
        space = fit.space(self.adata)
        x, contexts = space.read(sources), fit.contexts(self.adata, sources)
        first, second = (self.fitted.maps[part] for part in parts)
        pair = Pair(fit, first, second, x, contexts)
        how = pair.way(choice.for_pair(parts, pair.balance).rule)
        clouds = {way: pair.moved(way) for way in WAYS}
        clouds = {CHOSEN: clouds[how], **clouds, **self._controls(pair, parts)}
        if len(learnt := self.drawn(name, _keys.TRAIN)) > 1:
            clouds[_keys.OBSERVED] = space.read(learnt)
        drawn, of_sources, of_learnt = (
            resample_counts(len(at), self.n_boot, seed=self.rng) if len(at) else np.empty((0, self.n_boot), dtype=int)
            for at in (observed, sources, learnt)
        )
        cells = ObservedCells(
            fit.scaled(space.read(observed)),
            fit.scaled(x),
            gammas=np.ones(1),
            observed_counts=drawn,
            control_counts=of_sources,
        )
        found: list[dict[str, Any]] = []
        for model, cloud in clouds.items():
            counts = of_learnt if model == _keys.OBSERVED else of_sources
            value, resamples = METRIC.resampling.score(METRIC, cells, fit.scaled(cloud), counts)
            low, high = interval(resamples)
            scores = {"metric": METRIC.name, "value": value, "ci_low": low, "ci_high": high}
            way = how if model == CHOSEN else model if model in WAYS else ""
            found.append({"model": model, "how": way, **scores})
        names = {"perturbation": name, "first": parts[0], "second": parts[1]}
        return pd.DataFrame([names | row | {"n_cells": len(observed)} for row in found])

    def _controls(self, pair: Pair, parts: tuple[str, str]) -> dict[str, np.ndarray]:
        """Return where simple rules move the cells."""
        sums = {}
        for name, maps in self.simple.items():
            a, b = (maps[part].transport(pair.x, pair.contexts) for part in parts)
            sums[name] = added(pair.x, a, b)
        return {
            _defaults.IDENTITY: pair.x,
            A_ALONE: pair.a,
            B_ALONE: pair.b,
            MEAN: (pair.a + pair.b) / 2,
            **sums,
        }
