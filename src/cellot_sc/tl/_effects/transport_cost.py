"""How far perturbations move cells: their severity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate, _workers
from ..._settings import logger
from ...metrics._bootstrap import interval, resample_counts, unit_draws
from ...metrics._units import ALPHA, exchange_pvalue, units
from .._fit.null import Null
from .._fit.tables import keeper
from .displacements import Displacements, displacements
from .exchanges import ExchangePlan, Exchanges, costs_after, exchange_plans
from .groups import masks
from .null import null
from .observed import MIN_CELLS

COLUMNS = ["perturbation", "group", "cost", "distance", "ci_low", "ci_high", "null", "n_cells"]
OF_UNITS = ["pvalue", "n_units", "p_min"]
N_BOOT = 200
"""Resamples behind an interval where nothing else is asked for."""


@_validate.takes_adata
def transport_cost(
    adata: AnnData,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    groupby: str | None = None,
    unit: str | None = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Measure how far each perturbation moves the control cells: how severe it is.

    The cost of every single cell is in ``obs["cost"]`` of what :func:`predict` returns, and its displacement in
    ``obsm["displacement"]``; :func:`cellot` with ``displacements=True`` writes both to the control cells themselves.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, and the cells they were fitted to; those of a
        model need none.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    groupby
        Column of ``obs``, such as the cell type, within whose categories to measure, too.
    unit
        Column of ``obs`` with the patient or the animal that each cell is of: costs are tested, and resampled, over
        these.
    n_boot
        Number of resamples behind the intervals, 100,000 at most; 0 for none.
    seed
        Seed of everything random.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per perturbation and group:

    - ``group``: ``all`` control cells, or a category of ``groupby``.
    - ``cost``: mean of ``1/2 |T(x) - x|^2`` over control cells x, in squared units of the space of the maps.
    - ``distance``: root of twice the cost, the root mean squared displacement, in units of that space.
    - ``ci_low``, ``ci_high``: central 95 % interval of the cost over resampled cells, each with the displacement by a
      map of the null on top: the error of a map that was learnt from finitely many cells.
    - ``null``: cost without an effect, that of maps from one half of the control train cells to the other, scaled to
      the numbers of train cells. Noise raises every cost by about as much.
    - ``n_cells``: number of control cells.

    With ``unit``, intervals are of resampled units, ``null`` is what differences between units make of maps, and there
    are:

    - ``pvalue``: of no effect. Both the cost and the energy distance of treated to control cells are compared with what
      they are after exchanging the control and treated cells of whole patients (if any has cells of both), or whole
      animals, in all ways or in 128 at random. For that, maps are refitted, by an affine solver whose costs are
      multiplied by the excess of the solver in question. The p-value is the greater of the two (an intersection-union
      test, Berger 1982, doi 10.2307/1267823), of costs alone where the group has too few treated cells.
      Where the units themselves are contexts of the fit, all of these maps are refitted without them, the first, too.
    - ``n_units``: number of units that exchange.
    - ``p_min``: the smallest p-value that there could have been. Where it is not below .05, the p-value is NaN, and a
      line in the log says so: three animals cannot tell.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted, the train cells that the maps were fitted to are missing, or an option has an
        impossible value.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cost = cs.tl.transport_cost(adata)
    >>> cost.sort_values("cost", ascending=False)["perturbation"].tolist()
    ['drug_a', 'drug_b']
    """
    keep = keeper(adata, key_added, COLUMNS)
    n_boot = _validate.resamples(n_boot)
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    _validate.not_treatment(moves.fitted.fit.label_key, {"groupby": groupby, "unit": unit})
    members = {_keys.ALL: np.ones(adata.n_obs, dtype=bool)}
    if groupby is not None:
        members |= masks(adata, groupby, np.arange(adata.n_obs), reserved=(_keys.ALL,))
    groups = {group: mask[moves.rows] for group, mask in members.items() if mask[moves.rows].any()}
    answering = None if unit is None else _validate.group_labels(adata, unit, what="unit")
    # a map of its own would undo the exchange of a unit's cells
    refits = moves if unit is None else moves.without(unit)
    rng = np.random.default_rng(seed)
    rest, plans, compared = None, {}, None
    if answering is None:
        rest = _at_rest(null(moves, seed=seed), moves)
        drawn = dict.fromkeys(moves.names, rng.integers(rest.null.n_maps, size=n_boot))
    else:
        plans = exchange_plans(refits, answering, seed=seed, exact=True)
        compared = _Compared.of(refits, answering)
    counts = {
        group: resample_counts(int(mask.sum()), n_boot, seed=rng)
        if answering is None
        else unit_draws(answering[moves.rows[mask]], n_boot, seed=rng)
        for group, mask in groups.items()
    }
    if answering is not None:
        drawn = {name: rng.integers(len(plans[name].flips), size=n_boot) for name in moves.names}
    sides = {group: (groups[group], counts[group], members[group]) for group in groups}

    def item(i: int) -> _CostItem:
        name = moves.names[i]
        own = moves.only(name)
        without = own if refits is moves else refits.only(name)
        beside = None if compared is None else compared.only(name)
        plan = plans.get(name)
        of = {group: (a, b, c if beside is None else c[beside.rows]) for group, (a, b, c) in sides.items()}
        return _CostItem(name, own, without, rest, plan, drawn[name], of, beside, seed)

    found = dict(_workers.mapped(_costs, _workers.Made(item, len(moves.names)), what="perturbations"))
    rows = [row for i in range(len(moves.names)) for row in found[i]]
    logger.info("measured the cost of %d perturbations in %d groups", len(moves.names), len(groups))
    table = pd.DataFrame(rows, columns=COLUMNS + OF_UNITS * (unit is not None))
    if unit is not None:
        _warn_of_few(table)
    return keep(table)


def within_noise(moves: Displacements, null_maps: Null, *, seed: int) -> list[str]:
    """Return the perturbations whose cost is within noise: its interval, as in the table, is not above its null."""
    rng, every = np.random.default_rng(seed), np.ones(len(moves.rows), dtype=bool)
    drawn = rng.integers(null_maps.n_maps, size=N_BOOT)
    rest, counts = _at_rest(null_maps, moves), resample_counts(len(every), N_BOOT, seed=rng)
    groups = {_keys.ALL: (every, counts, every)}
    items = [_CostItem(name, moves, moves, rest, None, drawn, groups, None, seed) for name in moves.names]
    table = pd.DataFrame([row for item in items for row in _costs(item)], columns=COLUMNS)
    return table.loc[table["ci_low"] <= table["null"], "perturbation"].tolist()


def _warn_of_few(table: pd.DataFrame) -> None:
    """Say once of how many costs there are too few units to tell, and name the one with the fewest exchanges."""
    few = table[table["p_min"] >= ALPHA].sort_values("p_min", ascending=False, kind="stable")
    if len(few):
        name, group, n_units, p_min = few[["perturbation", "group", "n_units", "p_min"]].to_numpy().tolist()[0]
        others = f" and {len(few) - 1} others" * (len(few) > 1)
        logger.warning(
            "the cost of %r among %r%s: %d units cannot tell: no p-value could be below %.2g",
            *(name, group, others, n_units, p_min),
        )


class _AtRest(NamedTuple):
    """A null, the solver's excess over its maps, and the costs of these, shape ``(n_control, n_maps)``."""

    null: Null
    excess: np.float32
    costs: np.ndarray


def _at_rest(null_maps: Null, moves: Displacements) -> _AtRest:
    excess = np.float32(null_maps.excess(moves.field))
    ones = np.ones(moves.x.shape[1])
    costs = [0.5 * (excess * moves.field(fitted)) ** 2 @ ones for fitted in null_maps.maps]
    return _AtRest(null_maps, excess, np.stack(costs, axis=1))


class _Compared(NamedTuple):
    """Control and treated cells: all scaled cells, and of some their rows, condition, contexts and units."""

    x: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    contexts: np.ndarray | None
    units: np.ndarray
    control: str

    @classmethod
    def of(cls, moves: Displacements, answering: np.ndarray) -> Self:
        """Return the cells of all perturbations."""
        adata, repeated = moves.space.adata, moves.fitted.fit
        labels = repeated.labels(adata)
        used = np.isin(labels, [repeated.control, *moves.names])
        x = repeated.scaled(moves.space.read(used=used))
        return cls(x, np.arange(len(x)), labels, repeated.contexts(adata), answering, repeated.control)

    def only(self, name: str) -> Self:
        """Return those of one perturbation."""
        rows = np.flatnonzero((self.labels == self.control) | (self.labels == name))
        contexts = None if self.contexts is None else self.contexts[rows]
        return self._replace(rows=rows, labels=self.labels[rows], contexts=contexts, units=self.units[rows])


class _CostItem(NamedTuple):
    """One perturbation, with all that its costs are made of in whatever process.

    ``refits`` are the moves without the units as contexts, and the moves themselves where they are none. By group,
    ``groups`` has the mask of its control cells, how often each is drawn in every resample, and the mask of its
    ``compared`` cells. ``drawn`` is the map of the null that is drawn in every resample.
    """

    name: str
    moves: Displacements
    refits: Displacements
    rest: _AtRest | None
    plan: ExchangePlan | None
    drawn: np.ndarray
    groups: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    compared: _Compared | None
    seed: int


def _costs(item: _CostItem) -> list[tuple[object, ...]]:
    """Return the rows of one perturbation."""
    name, moves, refits, rest = item.name, item.moves, item.refits, item.rest
    exchanges = None if item.plan is None else item.plan.run()
    if exchanges is not None:
        rest = _at_rest(exchanges.null, refits)
    assert rest is not None
    moved, scale = moves.field(moves.fitted.maps[name]), rest.null.scale[name]
    costs = 0.5 * (moved**2).sum(axis=1, dtype=np.float64)
    # what the error of another draw of train cells would add to the cost of each cell, less the mean of that
    crossed = [np.einsum("nd,nd->n", moved, rest.excess * refits.field(fitted)) for fitted in rest.null.maps]
    errors = scale * np.stack(crossed, axis=1) + scale**2 * (rest.costs - rest.costs.mean(axis=1, keepdims=True))
    rows = []
    for group, (mask, counts, in_group) in item.groups.items():
        n_cells, cost = int(mask.sum()), costs[mask].mean()
        means = counts.T @ np.column_stack([costs[mask], errors[mask]]) / counts.sum(axis=0)[:, None]
        resamples = means[:, 0] + np.take_along_axis(means[:, 1:], item.drawn[:, None], axis=1)[:, 0]
        low, high = interval(np.maximum(resamples, 0))
        null_cost = scale**2 * rest.costs[mask].mean()
        row: tuple[object, ...] = (name, group, cost, np.sqrt(2 * cost), low, high, null_cost, n_cells)
        if exchanges is not None:
            assert item.compared is not None
            tested = cost if refits is moves else None
            row += _tested(item.compared, in_group, exchanges, float(rest.excess), tested, item.seed)
        rows.append(row)
    return rows


def _tested(
    compared: _Compared, in_group: np.ndarray, exchanges: Exchanges, excess: float, cost: float | None, seed: int
) -> tuple[float, int, float]:
    """Return p-value, number of units and smallest p-value of a cost, and of the energy distance where it has one.

    Without a cost, that of the map that is refitted with no unit exchanged.
    """
    deciding, answering = exchanges.members, compared.units[in_group]
    treated = compared.labels[in_group] != compared.control
    if compared.contexts is not None and not treated.any():
        # no other group speaks for one that has a map of its own
        return float("nan"), 0, 1.0
    x = compared.x[compared.rows[in_group]]
    contexts = None if compared.contexts is None else compared.contexts[in_group]
    # without treated cells in the group, its control cells stay where they are
    here = deciding.among(answering if treated.any() else np.full(len(x), ""), treated)
    costs = excess**2 * costs_after(exchanges.maps, x, contexts, here, exchanges.flips)
    costs[0] = costs[0] if cost is None else cost
    pvalue = exchange_pvalue(costs)
    found = units(answering, treated, least=MIN_CELLS)
    if found.df:
        energies = found.energies(x, found.exchanges(seed=seed), seed=seed)
        pvalue = max(pvalue, exchange_pvalue(energies))
        deciding = max(deciding, found, key=lambda of: of.p_min)
    return pvalue if deciding.p_min < ALPHA else float("nan"), deciding.n_units, deciding.p_min
