"""Averages scores over what was scored more than once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ... import _defaults, _keys, _validate
from ...metrics._bootstrap import interval
from .scores import UnitTest, fraction_closed

NEEDED = ("model", "metric", "group", "value")
NOT_KEYS = ("seed", "n_cells", "value", "ci_low", "ci_high", *UnitTest._fields)
"""Columns that do not tell scores apart, or are themselves results."""


@_validate.plain
def summarize_scores(
    table: pd.DataFrame, unit: str = _keys.PERTURBATION, *, n_boot: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Average scores over perturbations, folds or data sets, with intervals over which of them there happened to be.

    Parameters
    ----------
    table
        Tables of :func:`cellot_sc.tl.evaluate`, concatenated, with a column that says of each row which unit it is of.
        Units are best few and independent, such as patients. Rows of one unit that differ in their seed only are
        averaged first. Any column that was added is kept apart.
    unit
        That column: ``"perturbation"``, or one that was added, such as the patient that was left out.
    n_boot
        Number of resamples of the units behind the intervals, 100,000 at most; 0 for none. All models share their
        resamples.
    seed
        Seed of the resamples.

    Returns
    -------
    A row per model, metric and whatever else the table tells apart, with ``unit`` set to ``mean``, the ``value`` as the
    mean over units, its central 95 % interval over resampled units in ``ci_low`` and ``ci_high``, the number of units
    in ``n_units`` and the sum of their cells in ``n_cells``. Of a fraction of the gap closed, it is the fraction of the
    mean distances, which single units without a gap cannot upset. A unit whose score is unknown is left out.

    Raises
    ------
    KeyError
        If the table lacks a column.
    TypeError
        If it is no table.
    ValueError
        If the table has no row, or ``n_boot`` or ``seed`` is not a number it can be.

    Examples
    --------
    >>> import pandas as pd
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian", seed=0, key_added="first")
    >>> cs.tl.cellot(adata, solver="gaussian", seed=1, key_added="second")
    >>> scores = pd.concat(
    ...     cs.tl.evaluate(adata, key=key, metrics="energy_distance", n_boot=0) for key in ("first", "second")
    ... )
    >>> means = cs.tl.summarize_scores(scores)
    >>> means["perturbation"].unique().tolist(), means["n_units"].unique().tolist()
    (['mean'], [2])
    """
    _validate.table_columns(table, [*NEEDED, unit])
    _validate.not_summary(table[unit].astype(str).unique(), (_keys.MEAN,), what=f"unit {unit!r}")
    n_boot = _validate.resamples(n_boot)
    seed = _validate.seed(seed)
    keys = [name for name in table.columns if name not in (*NOT_KEYS, unit, "model", "metric")]
    if "n_cells" in table and table.duplicated([*keys, unit, "model", "metric", *({"seed"} & {*table.columns})]).any():
        # several numbers of cells were asked for
        keys.append("n_cells")
    parts = []
    for names, block in table.groupby(keys, sort=False, observed=True, dropna=False):
        fixed: dict[str, Any] = dict(zip(keys, names, strict=True))
        parts.append(_summary(block, unit, fixed["group"], n_boot, seed).assign(**fixed))
    out = pd.concat(parts, ignore_index=True).assign(**{unit: _keys.MEAN})
    columns = [name for name in table.columns if name in out and name != "seed"]
    return out[[*columns, *(name for name in out.columns if name not in columns)]]


def _summary(block: pd.DataFrame, unit: str, group: object, n_boot: int, seed: int) -> pd.DataFrame:
    """Summarise scores that differ in model, metric, unit and seed only."""
    scores = block.groupby([unit, "metric", "model"], sort=False, observed=True)
    values: Any = scores["value"].mean().unstack(["metric", "model"])
    n_units = block[unit].nunique()
    draws = np.vstack([np.arange(n_units), np.random.default_rng(seed).integers(n_units, size=(n_boot, n_units))])
    rows = []
    for metric, model in dict.fromkeys(zip(block["metric"], block["model"], strict=True)):
        base = str(metric).removesuffix(_keys.GAP_CLOSED)
        ends = [(base, name) for name in (_defaults.IDENTITY, _keys.OBSERVED, model)]
        if base != metric and group != _keys.WORST and all(end in values for end in ends):
            known = values[ends].notna().all(axis=1).to_numpy()
            identity, observed, reached = (_mean(values[end].to_numpy(), known, draws) for end in ends)
            means = fraction_closed(reached, identity, observed)
        else:
            known = values[metric, model].notna().to_numpy()
            means = _mean(values[metric, model].to_numpy(), known, draws)
        low, high = interval(means[1:])
        rows.append((model, metric, means[0], low, high, int(known.sum())))
    summary = pd.DataFrame(rows, columns=["model", "metric", "value", "ci_low", "ci_high", "n_units"])
    if "n_cells" in block:
        sizes: Any = scores["n_cells"].first().groupby(level=["metric", "model"]).sum()
        summary["n_cells"] = [int(sizes[metric, model]) for model, metric, *_ in rows]
    return summary


def _mean(values: NDArray[np.float64], known: NDArray[np.bool_], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of what is known in every resample, NaN where nothing is."""
    total, number = np.where(known, values, 0)[draws].sum(axis=1), known[draws].sum(axis=1)
    return np.divide(total, number, out=np.full(len(draws), np.nan), where=number > 0)
