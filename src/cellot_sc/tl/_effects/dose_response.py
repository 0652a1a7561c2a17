"""Learns how cells move along dose, and by which curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ..._settings import logger
from ...ot import SOLVERS, Solver
from ...ot._solvers import registry
from ...pp import Space
from .._fit.abundance import matches
from .._fit.conditions import learnable
from .._fit.fit import PERTURBATIONS, Fit
from .._fit.fitting import fit_blocks
from .._fit.prepared import Prepared, prepare
from .._fit.store import FittedMaps, history_table
from .dose_conditions import Conditions
from .dose_curves import Curves
from .dose_family import Families, Family
from .dose_means import composition, dose_scatter
from .dose_scatter import Scatter
from .dose_table import DISPLACEMENT, rows
from .dose_trend import can_tell

CONDITION = "condition"
"""What the column ends in that names the perturbation and the dose of a cell."""
FEWEST = 3
"""Doses, the source's included, that a category of a context needs for curves of its own."""


@_validate.takes_adata
def dose_response(
    adata: AnnData,
    perturbation_key: str = _keys.PERTURBATION,
    dose_key: str = _keys.DOSE,
    *,
    control: str | None = _keys.CONTROL,
    targets: str | Sequence[str] | None = None,
    replicate: str | None = None,
    context: str | Sequence[str] | None = None,
    use_rep: str | None = None,
    solver: str | Solver = _defaults.SOLVER,
    split_key: str = _keys.SPLIT,
    seed: int = 0,
    key_added: str = _keys.DOSES,
    copy: bool = False,
    **options: Any,
) -> AnnData | None:
    """Learn a map to every dose of each perturbation, and the curves along which cells and features respond.

    Parameters
    ----------
    adata
        Annotated data.
    perturbation_key
        Column of ``obs`` with the perturbation of each cell.
    dose_key
        Column of ``obs`` with its dose: numbers, or text that is a number with or without a unit, the same for all.
        Of untreated cells it may be 0 or missing.
    control
        The untreated category, from whose cells all maps start. With ``None``, no cell is taken to be untreated: the
        maps of each perturbation start from its own lowest dose, which may be 0.
    targets
        Perturbation or perturbations, all with ``None``.
    replicate
        Column of ``obs`` with the replicate, such as the plate or the donor, of each cell. Replicates of a dose are
        then known to scatter, besides what doses do around their curve.
    context
        Column or columns of ``obs``, such as the cell type, as in :func:`cellot`: each category has maps and, of the
        last column, curves of its own.
    use_rep, solver, split_key, seed
        As in :func:`cellot`.
    key_added
        Where in ``uns`` the maps and curves are written.
    copy
        Whether to return a copy instead of writing to ``adata``.
    **options
        Options of the solver.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData, in which ``uns[key_added]`` holds the maps and curves, for
    :func:`dose_curves`, :func:`predict_dose`, :func:`judge_doses` and :func:`cellot_sc.pl.dose_response`, and
    ``obs[f"{key_added}_condition"]`` the perturbation and dose of each cell. A split and a representation are added
    where there were none.

    Raises
    ------
    KeyError
        If a column or the representation is missing.
    ValueError
        If a treated cell has no dose, a dose is no number or negative, units are mixed, untreated cells have a dose,
        a perturbation has one dose only, or for what :func:`cellot` does.
    TypeError
        If the solver does not have an option that was given, ``control`` is no single label, or a key is no text.

    Notes
    -----
    Cells of one dose are taken to be further along the way of cells of the highest dose: t(d), the fraction of the
    displacement at the highest dose, is the projection of the mean shift on that at the highest dose. Means are those
    of train and validation cells.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_doses()
    >>> cs.tl.dose_response(adata, replicate="replicate", solver="mean_shift", use_rep="X")
    >>> table = cs.tl.dose_curves(adata)
    >>> table.loc[table["feature"] == "displacement", ["perturbation", "curve"]].values.tolist()
    [['drug_a', 'hill'], ['inert', 'flat']]
    """
    key = _validate.new_key(adata, key_added, _validate.DOSES)
    solver = SOLVERS.resolve(solver)
    config = registry.configure(solver, **options)
    seed = _validate.seed(seed)
    column = f"{key}_{CONDITION}"
    conditions = Conditions.of(adata, perturbation_key, dose_key, control, targets)
    _validate.not_read(column, [perturbation_key, dose_key, split_key], what="key_added")
    _validate.new_columns(adata, key, _validate.DOSES, {column: conditions.names})
    answering = None if replicate is None else _validate.group_labels(adata, replicate, what="replicate")
    # a split does not depend on which label is called control
    label = str(conditions.perturbations[0])
    cells = prepare(adata, perturbation_key, label, use_rep=use_rep, split_key=split_key, seed=seed, key_added=key)
    cells.add({column: conditions.labels})
    taken = {perturbation_key: "perturbation_key", dose_key: "dose_key", split_key: "split_key"}

    families, tables = {}, []
    for name in conditions.targets:
        doses = _doses(conditions, cells, split_key, name)
        labels = [doses[dose] for dose in sorted(doses)]
        fit = Fit(
            kind=PERTURBATIONS,
            label_key=column,
            control=labels[0],
            targets=tuple(labels[1:]),
            use_rep=cells.use_rep,
            split_key=split_key,
            solver=solver.name,
            options=dict(options),
            seed=seed,
            context=_validate.context_columns(adata, context, conditions.labels, labels[0], labels[1:], taken=taken),
        )
        fit = replace(fit, match_abundance=matches(None, solver, fit.context)).tied(cells.cells)
        lowest = min(dose for dose in conditions.doses(name) if dose)
        measured = _DoseCells(fit, cells, answering, np.array(sorted(doses)), lowest)
        families[name] = measured.family(name, _fitted(fit, solver, cells, config))
        tables += measured.tables(name)
    table = pd.concat(tables, ignore_index=True)
    out = _validate.writable(adata, copy=copy)
    added = cells.write(out)
    kept = Families(perturbation_key, dose_key, conditions.unit, column, families, table)
    out.uns[key] = kept.state()
    n_maps = sum(len(family.doses) - 1 for family in families.values())
    added.append(f"uns[{key!r}] with {n_maps} {solver.name} maps to doses of {len(families)} perturbations")
    logger.info("added %s", ", ".join(added))
    return out if copy else None


def _doses(conditions: Conditions, cells: Prepared, split_key: str, name: str) -> dict[float, str]:
    """Return the label of every dose of a perturbation that has cells enough to learn from, the source's included."""
    doses = conditions.doses(name)
    parts = _validate.split_labels(cells.cells, split_key)
    kept = learnable(
        conditions.labels, parts, [*doses.values()], named=False, key=conditions.perturbation_key,
        control=conditions.control,
    )  # fmt: skip
    _validate.measured_doses(len(kept), name, conditions.dose_key)
    return {dose: label for dose, label in doses.items() if label in kept}


def _fitted(fit: Fit, solver: Solver, cells: Prepared, config: Any) -> FittedMaps:
    """Return the maps from the source to every dose."""
    problems, solutions = fit_blocks(fit, solver, cells, config)
    maps = {name: fit.unscaled(one.map) for name, one in zip(fit.targets, solutions, strict=True)}
    history = history_table({name: one.history for name, one in zip(fit.targets, solutions, strict=True)})
    return FittedMaps(fit, maps, history, fit.support(problems[0]))


@dataclass(frozen=True)
class _DoseCells:
    """Train and validation cells of one perturbation and of what it starts from."""

    fit: Fit
    cells: Prepared
    replicates: np.ndarray | None
    doses: np.ndarray
    lowest: float

    def family(self, name: str, fitted: FittedMaps) -> Family:
        """Return the maps with what is known of the means."""
        fraction = self._fraction(self._codes, whole=True)
        return Family(
            name, self.doses, fitted, fraction, self._means(self._codes, whole=True), self._space.features, self.lowest
        )

    def tables(self, name: str) -> list[pd.DataFrame]:
        """Return the rows of all cells, and of every category of the last context."""
        found = [self._table(name, _keys.ALL, self._codes, self.doses, whole=True)]
        if (groups := self._groups) is None:
            return found
        for group in np.unique(groups[(self._codes >= 0) & (groups != "")]):
            codes = np.where(groups == group, self._codes, -1)
            counts = np.bincount(codes[codes >= 0], minlength=len(self.doses))
            kept = np.flatnonzero(counts >= _validate.MIN_TRAIN_CELLS)
            if len(kept) < FEWEST or kept[0] != 0:
                logger.info("%r of %s has cells of too few doses for curves of its own", group, name)
                continue
            positions = np.full(len(self.doses) + 1, -1)
            positions[kept] = np.arange(len(kept))
            found.append(self._table(name, group, positions[codes], self.doses[kept], whole=False))
        return found

    @cached_property
    def _codes(self) -> np.ndarray:
        """The dose of every train and validation cell as a code from 0, -1 of other cells."""
        labels = self.fit.labels(self.cells.cells)
        used = np.isin(self.fit.parts(self.cells.cells).astype(str), (_keys.TRAIN, _keys.VALID))
        codes = np.full(len(labels), -1)
        for i, label in enumerate((self.fit.control, *self.fit.targets)):
            codes[used & (labels == label)] = i
        return codes

    @cached_property
    def _groups(self) -> np.ndarray | None:
        contexts = self.fit.contexts(self.cells.cells)
        return None if contexts is None else contexts[:, -1]

    @cached_property
    def _space(self) -> Space:
        return Space(self.cells.cells, self.fit.use_rep)

    @cached_property
    def _points(self) -> np.ndarray:
        return self.fit.scaled(self._space.read(used=self._codes >= 0))

    @cached_property
    def _observed(self) -> Any:
        return self._space.observed()

    def _scatter(self, x: Any, codes: np.ndarray, *, whole: bool) -> Scatter:
        """Summarise cells; all of them have the composition of the source, where contexts are known."""
        used = codes >= 0
        replicates = None if self.replicates is None else self.replicates[used]
        groups = None if self._groups is None or not whole else self._groups[used]
        return dose_scatter(x[used], codes[used], replicates, composition(codes[used], groups))

    def _fraction(self, codes: np.ndarray, *, whole: bool) -> Scatter:
        """Return how far the means are along the displacement at the highest dose."""
        means = self._scatter(self._points, codes, whole=whole).mean
        axis = means[-1] - means[0]
        along = (self._points - means[0]) @ (axis / max(float(axis @ axis), np.finfo(float).tiny))
        return self._scatter(along[:, None], codes, whole=whole)

    def _means(self, codes: np.ndarray, *, whole: bool) -> Scatter:
        return self._scatter(self._observed, codes, whole=whole)

    def _table(self, name: str, context: str, codes: np.ndarray, doses: np.ndarray, *, whole: bool) -> pd.DataFrame:
        """Return the rows of one group of cells."""
        dimensions = Curves(doses, self._scatter(self._points, codes, whole=whole), self.lowest)
        progress = Curves(doses, self._fraction(codes, whole=whole), self.lowest)
        means = self._means(codes, whole=whole)
        if not can_tell(means):
            logger.warning(
                "%d doses of %r and no replicates cannot tell a trend: no p-value is given", len(doses), name
            )
        there = np.isfinite(means.mean).all(axis=0)
        known = means.of(np.flatnonzero(there))
        features = [feature for feature, is_there in zip(self._space.features, there, strict=True) if is_there]
        return pd.concat(
            [
                rows(name, context, [DISPLACEMENT], progress, dimensions.together()),
                rows(name, context, features, Curves(doses, known, self.lowest)),
            ],
            ignore_index=True,
        )
