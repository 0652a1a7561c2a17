"""Which states gain or lose cells under a perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from ... import _keys, _validate, _workers
from ..._settings import logger
from ...metrics._bootstrap import interval, resample_counts
from .._fit.tables import keeper
from .displacements import Displacements, displacements

HALF_A_CELL = 0.5
"""Added to the number of cells of every group, so that one without any has a logarithm."""


class Shift(NamedTuple):
    """Shares of control and other cells in every group, log2 of their ratio and its interval."""

    fraction_control: np.ndarray
    fraction: np.ndarray
    log2_fold: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray


@_validate.takes_adata
def abundance_shift(
    adata: AnnData,
    groupby: str,
    *,
    unit: str | None = None,
    key: str = _keys.MODEL,
    targets: str | Sequence[str] | None = None,
    n_neighbors: int = 15,
    n_boot: int = 200,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Measure which groups of cells a perturbation makes more or less abundant.

    A predicted cell is in a group to the extent that its nearest neighbours are, among the control cells and the cells
    treated by that perturbation that have a group, in the space of the maps; so is an observed cell without a group of
    its own. A map moves every cell and kills none: where a drug kills the cells of a state, their share of the mass is
    carried to the states that are left, which is what the fractions show. Maps that match abundance do not: fit with
    ``match_abundance=False``, and without ``context``, for what is predicted to show it.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    groupby
        Column of ``obs`` with the states, such as clusters. Treated cells need not have one.
    unit
        Column of ``obs`` with the independent units, such as patients. Intervals are over units with control and
        treated cells then, and over cells otherwise.
    key
        Where in ``uns`` the maps are.
    targets
        Perturbations, all fitted ones with ``None``.
    n_neighbors
        Number of neighbours.
    n_boot
        Number of resamples of the cells behind the intervals, 100,000 at most; 0 for none. Not used with ``unit``.
    seed
        Seed of the resamples.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per perturbation, group and source:

    - ``source``: ``observed`` (treated cells) or ``predicted`` (transported control cells).
    - ``fraction_control``, ``fraction``: shares of the control cells and of those of the source that are in the group;
      means over units, if there are any.
    - ``log2_fold``: log2 of their ratio, with half a cell added to each number of cells; the mean over units.
    - ``ci_low``, ``ci_high``: its 95 % interval: of Student's t over units, or central over resampled cells. That of
      predicted cells takes the map as given.
    - ``n_cells``: number of cells of the source.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted or has no cells, no control cell has a group, fewer than two units have both kinds of
        cells, or a number is not positive.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> table = cs.tl.abundance_shift(adata, "cell_type", unit="patient", targets="drug_b")
    >>> table.groupby("source")["fraction"].sum().round(6).to_dict()
    {'observed': 1.0, 'predicted': 1.0}
    """
    keep = keeper(adata, key_added, ("group", "source", "fraction", "log2_fold"))
    n_neighbors = _validate.whole(n_neighbors, 1, what="n_neighbors")
    n_boot = _validate.resamples(n_boot)
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    _validate.not_treatment(moves.fitted.fit.label_key, {"groupby": groupby, "unit": unit})
    fit, control = moves.fitted.fit, moves.rows
    labels = fit.labels(adata)
    states = _validate.group_labels(adata, groupby)
    units = None if unit is None else _validate.group_labels(adata, unit, what="unit")
    _validate.some_groups(dict.fromkeys(states[control][states[control] != ""]), groupby)
    compared = np.isin(labels, [fit.control, *moves.names])
    groups = sorted(set(states[compared]) - {""})
    members = (states[:, None] == np.array(groups, dtype=object)).astype(np.float64)
    x = fit.scaled(moves.space.read(used=compared))

    def item(i: int) -> _ShiftItem:
        name = moves.names[i]
        either = np.concatenate([control, np.flatnonzero(labels == name)])
        units_of = None if units is None else units[either]
        return _ShiftItem(
            moves.only(name), x, members, either, states[either] != "", units_of, n_neighbors, n_boot, seed
        )

    _check(moves, labels, units, unit)
    found = dict(_workers.mapped(_shifts, _workers.Made(item, len(moves.names)), what="perturbations"))
    tables = []
    for i, name in enumerate(moves.names):
        for source, (shift, n_cells) in found[i].items():
            columns = {"perturbation": name, "group": groups, "source": source, **shift._asdict(), "n_cells": n_cells}
            tables.append(pd.DataFrame(columns))
    logger.info("compared the abundance of %d groups under %d perturbations", len(groups), len(moves.names))
    return keep(pd.concat(tables, ignore_index=True))


class _ShiftItem(NamedTuple):
    """One perturbation, with all that its shifts are made of in whatever process.

    ``x`` and ``members`` are the scaled points and the groups of all cells, ``rows`` the positions of the control cells
    and after them of the treated ones, of which ``known`` says who has a group.
    """

    moves: Displacements
    x: np.ndarray
    members: np.ndarray
    rows: np.ndarray
    known: np.ndarray
    units: np.ndarray | None
    n_neighbors: int
    n_boot: int
    seed: int


def _check(moves: Displacements, labels: np.ndarray, units: np.ndarray | None, unit: str | None) -> None:
    """Raise :class:`ValueError` if a perturbation has no cells, or fewer than two units have both kinds."""
    for name in moves.names:
        treated = labels == name
        _validate.at_least(
            int(treated.sum()), 1, what=f"The number of cells of {name!r}", why="they are what is compared"
        )
        if units is not None and len(both := _both(units[moves.rows], units[treated])) < 2:
            found = f"only {both[0]!r}" if both else "no category"
            raise ValueError(
                f"{found} of adata.obs[{unit!r}] has both control and {name!r} cells, and 2 are needed to compare them "
                "within: leave unit out, for intervals over cells, or give another column."
            )


def _both(control: np.ndarray, treated: np.ndarray) -> list[str]:
    """Return the units that have control and treated cells."""
    return sorted((set(control) & set(treated)) - {""})


def _shifts(item: _ShiftItem) -> dict[str, tuple[Shift, int]]:
    """Return the shift of observed and of predicted cells, and how many these are."""
    moves, members, n_control = item.moves, item.members[item.rows], len(item.moves.rows)
    x = item.x[item.rows]
    reference, belonging = x[item.known], members[item.known]
    neighbors = NearestNeighbors(n_neighbors=min(item.n_neighbors, len(reference))).fit(reference)
    if not item.known.all():
        members[~item.known] = _shares(x[~item.known], neighbors, belonging)
    control, treated = members[:n_control], members[n_control:]
    [fitted] = moves.fitted.maps.values()
    predicted = _shares(moves.fitted.fit.scaled(moves.moved(fitted)), neighbors, belonging)
    found = {}
    for source, others in (("observed", treated), ("predicted", predicted)):
        if item.units is None:
            rng = np.random.default_rng(item.seed)
            counts = resample_counts(n_control, item.n_boot, seed=rng)
            # predicted cells are the control cells once more, and so resampled with them
            other_counts = counts if source == "predicted" else resample_counts(len(others), item.n_boot, seed=rng)
            shift = _over_cells(control, counts, others, other_counts)
        else:
            ours, theirs = item.units[:n_control], item.units[n_control:]
            of = theirs if source == "observed" else ours
            shift = _over_units([(control[ours == u], others[of == u]) for u in _both(ours, theirs)])
        found[source] = shift, len(others)
    return found


def _shares(points: np.ndarray, neighbors: NearestNeighbors, members: np.ndarray) -> np.ndarray:
    """Return the share of each group among the neighbours of every point, shape ``(n_points, n_groups)``."""
    return members[neighbors.kneighbors(points, return_distance=False)].mean(axis=1)


def _log2_fold(control: np.ndarray, n_control: int, other: np.ndarray, n_other: int) -> np.ndarray:
    """Return log2 of the ratio of shares in groups, given numbers of cells in the groups and in all."""
    more = HALF_A_CELL * other.shape[-1]
    shares = [(part + HALF_A_CELL) / (n + more) for part, n in ((other, n_other), (control, n_control))]
    return np.log2(shares[0]) - np.log2(shares[1])


def _over_cells(control: np.ndarray, counts: np.ndarray, other: np.ndarray, other_counts: np.ndarray) -> Shift:
    """Return the shift between cells, each with its shares in the groups, and its interval over their resamples."""
    resamples = _log2_fold(counts.T @ control, len(control), other_counts.T @ other, len(other))
    bounds = np.array([interval(group_resamples) for group_resamples in resamples.T])
    value = _log2_fold(control.sum(axis=0), len(control), other.sum(axis=0), len(other))
    return Shift(control.mean(axis=0), other.mean(axis=0), value, bounds[:, 0], bounds[:, 1])


def _over_units(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Shift:
    """Return the mean over units, each with its control and other cells, and its interval by Student's t."""
    folds = np.array([_log2_fold(a.sum(axis=0), len(a), b.sum(axis=0), len(b)) for a, b in pairs])
    value = folds.mean(axis=0)
    half = stats.t.ppf(0.975, len(pairs) - 1) * folds.std(axis=0, ddof=1) / np.sqrt(len(pairs))
    shares = [np.mean([part.mean(axis=0) for part in parts], axis=0) for parts in zip(*pairs, strict=True)]
    return Shift(shares[0], shares[1], value, value - half, value + half)
