"""Whether a map learnt from one population of cells holds for another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ..._settings import logger
from ...metrics import Metric
from ...ot import Solver
from ...pp import Space, split
from .._fit.tables import keeper
from .._judge.evaluate import evaluate
from .trajectory import trajectory

COLUMNS = ["trained_on", "applied_to", "model", "metric", "floor", "target", "n_cells", "value", "ci_low", "ci_high"]


@_validate.takes_adata
def transfer(
    adata: AnnData,
    population_key: str,
    time_key: str = _keys.TIME,
    *,
    order: Sequence[Any] | None = None,
    use_rep: str | None = None,
    solver: str | Solver = _defaults.SOLVER,
    metrics: str | Metric | Sequence[str | Metric] = _defaults.POPULATION_METRICS,
    split_key: str = _keys.SPLIT,
    n_boot: int = 200,
    seed: int = 0,
    key_added: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Train a time course on each population alone, and judge it by the test cells of every population.

    With populations of oligopotent and multipotent cells, this is the published comparison of the map learnt from the
    ones, applied to the others, with the map learnt from these themselves, and the reverse.

    Parameters
    ----------
    adata
        Annotated data.
    population_key
        Column of ``obs`` with the population of early and late cells, such as the potency of the clone or how cells
        were sorted. Cells without one are left out.
    time_key, order
        Times, as in :func:`cellot_sc.tl.trajectory`.
    use_rep
        Key in ``obsm`` of the space in which cells are transported and compared, or ``"X"``. With ``None``,
        ``X_cellot``, else ``X_pca``. All maps share it: what it was fitted on is for you to answer.
    solver
        How to fit: a name in :data:`cellot_sc.ot.SOLVERS`, or a :class:`cellot_sc.ot.Solver`.
    metrics
        Metrics, as in :func:`cellot_sc.tl.evaluate`.
    split_key
        Column of ``obs`` made by :func:`cellot_sc.pp.split`. With none, cells are split with its defaults, in the same
        proportions in every population.
    n_boot
        Number of resamples of the cells behind the intervals, 100,000 at most; 0 for none.
    seed
        Seed of everything random.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.
    **options
        Options of the solver.

    Returns
    -------
    Tidy table with a row per pair of populations, model, metric and time:

    - ``trained_on``: the population whose train and validation cells were used, or ``all``.
    - ``applied_to``: the population whose test cells are transported from the first time, and compared with its own
      test cells of ``target``.
    - ``model``: the solver, the baselines of :func:`cellot_sc.tl.evaluate` fitted to the same cells, and ``observed``,
      where there are train cells of the population.
    - ``metric``, ``floor``, ``target``, ``n_cells``, ``value``, ``ci_low``, ``ci_high``: as there.

    Raises
    ------
    KeyError
        If a column or the representation is missing.
    ValueError
        If there are fewer than two populations, one of them is named ``all``, or one has too few train cells of a time,
        or ``n_boot`` or ``seed`` is not a number it can be.
    TypeError
        If the solver does not have an option that was given.

    References
    ----------
    :cite:t:`bunne2023`, on haematopoiesis: maps of oligopotent and of multipotent cells, applied to both.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(900, 30)
    >>> cs.pp.represent(adata, n_components=5)
    >>> table = cs.tl.transfer(adata, "fate", order=[0, 2], solver="gaussian", n_boot=0)
    >>> sorted(table["trained_on"].unique())
    ['all', 'fate_a', 'fate_b', 'fate_c']
    """
    keep = keeper(adata, key_added, COLUMNS)
    n_boot = _validate.resamples(n_boot)
    seed = _validate.seed(seed)
    reserved = (_keys.ALL, _keys.MEAN, _keys.WORST)
    populations = _validate.group_labels(adata, population_key, what="population_key", reserved=reserved)
    names = sorted(set(populations) - {""})
    _validate.populations(names, population_key)
    times, _ = _validate.time_order(adata, time_key, order)
    _validate.one_key(split_key, what="split_key")
    if use_rep is None:
        use_rep = next((rep for rep in (_keys.REP, _keys.PCA) if rep in adata.obsm), _keys.REP)
    labels = _validate.time_labels(adata, time_key)
    rows = np.flatnonzero((populations != "") & np.isin(labels, np.array(times, dtype=object)))
    cells = AnnData(obs=adata.obs.iloc[rows].copy(), obsm={_keys.REP: Space(adata, use_rep).read(rows)})
    populations = populations[rows]
    cells.obs[population_key] = pd.Categorical(populations)
    if split_key not in cells.obs:
        split(cells, time_key, control=times[0], stratify_by=population_key, seed=seed, key_added=split_key)
    parts = _validate.split_labels(cells, split_key)

    def tables() -> Iterator[pd.DataFrame]:
        for name in [*names, _keys.ALL]:
            hidden = (populations != name) & (name != _keys.ALL) & np.isin(parts, [_keys.TRAIN, _keys.VALID])
            cells.obs[split_key] = pd.Categorical(np.where(hidden, _keys.OOD, parts), categories=list(_keys.SPLITS))
            trajectory(
                cells, time_key, order=times, use_rep=_keys.REP, solver=solver, split_key=split_key, seed=seed,
                **options,
            )  # fmt: skip
            table = evaluate(
                cells, key=_keys.TRAJECTORY, groupby=population_key, metrics=metrics, n_boot=n_boot, seed=seed
            )
            table = table.rename(columns={"group": "applied_to", "perturbation": "target"}).assign(trained_on=name)
            yield table.loc[table["applied_to"].isin(names), COLUMNS]

    out = pd.concat(tables(), ignore_index=True)
    missing = sorted(set(names) - set(out["applied_to"]))
    if missing:
        logger.warning("too few test cells to judge by: %s", ", ".join(missing))
    return keep(out)
