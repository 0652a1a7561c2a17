"""Averages scores over what was scored more than once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ... import _keys, _validate
from ..._settings import logger
from ...metrics._bootstrap import interval
from .scores import UnitTest, calibrate, described

NEEDED = ("model", "metric", "group", "value")
ROW = ("metric", "model", _keys.FLOOR)
"""Columns that tell the rows of a summary apart within a block."""
NOT_KEYS = (*ROW, "seed", "n_cells", "value", "ci_low", "ci_high", *UnitTest._fields)
"""Columns that do not tell blocks apart, or are themselves results."""
SUMMARIES = (_keys.ALL, _keys.EQUAL, _keys.MEAN, _keys.WORST)
BAD = "badness"


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
    in ``n_units`` and the sum of their cells in ``n_cells``. A unit whose score is unknown is left out.

    Of a calibrated score, it is the ratio of means: how bad the floor is on average, less how bad the model is, over
    the same for ``observed``. Single units without a gap cannot upset it; it is NaN where the interval, over resampled
    units, of the mean of what lies between the floor and ``observed`` includes 0. Scores with different floors stay
    apart, as rows of their own over the units that have that floor: give ``floor=`` to
    :func:`cellot_sc.tl.evaluate` to have one. In the group ``worst``, it is the mean over units.

    Raises
    ------
    KeyError
        If the table lacks a column.
    TypeError
        If it is no table.
    ValueError
        If the table has no row, calibrated scores without those that they are made of, or ``n_boot`` or ``seed`` is not
        a number it can be.

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
    given, table = [*table.columns], table.reset_index(drop=True)
    if _keys.FLOOR not in table:
        table = table.assign(**{_keys.FLOOR: _keys.NO_FLOOR})
    keys = [name for name in given if name not in (*NOT_KEYS, unit)]
    if "n_cells" in table and table.duplicated([*keys, unit, *ROW, *({"seed"} & {*given})]).any():
        # several numbers of cells were asked for
        keys.append("n_cells")
    table = table.assign(**{BAD: _badness(table, [*keys, unit, *ROW, *({"seed"} & {*given})])})
    parts = []
    for names, block in table.groupby(keys, sort=False, observed=True, dropna=False):
        fixed: dict[str, Any] = dict(zip(keys, names, strict=True))
        parts.append(_summary(block, unit, fixed["group"], n_boot, seed).assign(**fixed))
    out = pd.concat(parts, ignore_index=True).assign(**{unit: _keys.MEAN})
    columns = [name for name in given if name in out and name != "seed"]
    return out[[*columns, *(name for name in out.columns if name not in (*columns, _keys.FLOOR))]]


def _summary(block: pd.DataFrame, unit: str, group: object, n_boot: int, seed: int) -> pd.DataFrame:
    """Summarise scores that differ in model, metric, floor, unit and seed only."""
    scores = block.groupby([unit, *ROW], sort=False, observed=True)
    values: Any = scores["value"].mean().unstack([*ROW])
    bad: Any = scores[BAD].mean().unstack([*ROW])
    sizes: Any = scores.size().unstack([*ROW])
    n_units = len(values)
    draws = np.vstack([np.arange(n_units), np.random.default_rng(seed).integers(n_units, size=(n_boot, n_units))])
    rows = []
    for metric, model, floor in dict.fromkeys(block[[*ROW]].itertuples(index=False, name=None)):
        base = str(metric).removesuffix(_keys.CALIBRATED)
        if base != metric and group != _keys.WORST:
            ends = _ends(bad, base, model, floor)
            known = bad[ends].notna().all(axis=1).to_numpy() & sizes[metric, model, floor].notna().to_numpy()
            means = calibrate(*(_mean(bad[end].to_numpy(), known, draws) for end in ends))
            if known.sum() == 1 and values[metric, model, floor][known].isna().all():
                # with no other one to resample, it is told by its own interval
                means[:] = np.nan
        else:
            known = values[metric, model, floor].notna().to_numpy()
            means = _mean(values[metric, model, floor].to_numpy(), known, draws)
        low, high = interval(means[1:])
        rows.append((metric, model, floor, means[0], low, high, int(known.sum())))
    summary = pd.DataFrame(rows, columns=[*ROW, "value", "ci_low", "ci_high", "n_units"])
    if "n_cells" in block:
        totals: Any = scores["n_cells"].first().groupby(level=[*ROW]).sum()
        summary["n_cells"] = [int(totals[row[:3]]) for row in rows]
    return summary


def _ends(bad: pd.DataFrame, base: str, model: str, floor: str) -> list[tuple[str, str, str]]:
    """Return the columns of a model, its floor and its ceiling, which a calibrated score is made of."""
    ends = [(base, name, _keys.NO_FLOOR) for name in (model, floor, _keys.OBSERVED)]
    if absent := [name for metric, name, _ in ends if (metric, name, _keys.NO_FLOOR) not in bad]:
        raise ValueError(
            f"table has {base}{_keys.CALIBRATED} of {model!r}, but no {base} of {absent[0]!r}, and no mean without "
            f"it: keep the rows of {base}, or leave the calibrated ones out."
        )
    return ends


def _badness(table: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return how bad every value is, NaN where that is not known; columns tell values apart.

    A mean over groups is as bad as these are on average, where they are there: of a best value between two ends, both
    sides would else make up for each other.
    """
    parts, unknown, inner = [], [], []
    for name, values in table.groupby("metric", sort=False, observed=True)["value"]:
        metric = described(str(name))
        parts.append(pd.Series(metric.badness(values.to_numpy(dtype=np.float64)), values.index))
        if metric.best not in metric.bounds:
            inner.append(name)
        if np.isnan(metric.best) and (table["metric"] == f"{name}{_keys.CALIBRATED}").any():
            unknown.append(str(name))
    if unknown:
        logger.warning("no metric is registered as %s: means of calibrated scores are missing", unknown)
    bad = pd.concat(parts).reindex(table.index)
    groups = table["metric"].isin(inner) & ~table["group"].isin(SUMMARIES)
    if not groups.any():
        return bad
    by = [name for name in keys if name != "group"]
    of_groups = table.assign(**{BAD: bad.where(groups)}).groupby(by, dropna=False, observed=True)[BAD].transform("mean")
    replaced = table["metric"].isin(inner) & (table["group"] == _keys.MEAN) & bad.notna() & of_groups.notna()
    return of_groups.where(replaced, bad)


def _mean(values: NDArray[np.float64], known: NDArray[np.bool_], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of what is known in every resample, NaN where nothing is."""
    total, number = np.where(known, values, 0)[draws].sum(axis=1), known[draws].sum(axis=1)
    return np.divide(total, number, out=np.full(len(draws), np.nan), where=number > 0)
