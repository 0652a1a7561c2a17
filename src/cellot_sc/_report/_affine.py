"""Whether a network is better than the affine map between Gaussians, on the cells that are judged."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd
from anndata import AnnData

from .. import _defaults, _keys, tl
from ._table import percent

AFFINE = (_defaults.AFFINE, _defaults.GROUP_BASELINES[1])
"""Solvers that fit an affine map, and one per group."""
METRIC = f"{_defaults.SUMMARY_METRIC}{_keys.CALIBRATED}"


class Comparison(NamedTuple):
    """What a paired comparison of the fitted map with an affine one came to.

    Parameters
    ----------
    verdict
        ``"better"``, ``"worse"``, ``"cannot be told"``, or ``"nothing to gain"`` where the affine map cannot be told
        from other treated cells.
    left, low, high
        The error of the fitted map as a share of that of the affine one, both beyond what a perfect map would have, and
        its interval; NaN if unknown.
    """

    verdict: str
    left: float
    low: float
    high: float

    @property
    def numbers(self) -> str:
        """The share with its interval, in words; an error below that of a perfect map is chance."""
        at, low, high = (percent(max(share, 0.0)) for share in (self.left, self.low, self.high))
        return at if math.isnan(self.low) else f"{at} (95 % interval {low} to {high})"


def beside_affine(
    adata: AnnData,
    scores: pd.DataFrame,
    fitted: tl.FittedMaps,
    *,
    key: str,
    groupby: str | None,
    unit: str | None,
    n_boot: int,
    seed: int,
) -> pd.DataFrame:
    """Return the calibrated scores of the fitted maps of which the control is an affine map; none of affine solvers.

    Both share their resamples, so that what is common to them cancels. Where the evaluation has chosen another control,
    it is repeated for one metric.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them.
    fitted
        The maps.
    key, groupby, unit, n_boot, seed
        As there.
    """
    solver = fitted.fit.solver
    own = scores[(scores["metric"] == METRIC) & (scores["model"] == solver)]
    if solver in (*_defaults.BASELINES, *_defaults.GROUP_BASELINES):
        return own.iloc[:0]
    # what knows no groups is compared with what knows none either
    against = AFFINE[1] if fitted.fit.context and AFFINE[1] in set(scores["model"]) else AFFINE[0]
    if set(own[_keys.FLOOR]) <= {against}:
        return own
    if against not in set(scores["model"]):
        return own.iloc[:0]
    again = tl.evaluate(
        adata,
        key=key,
        split=str(own["split"].iloc[0]),
        groupby=groupby,
        metrics=_defaults.SUMMARY_METRIC,
        baselines=[against],
        floor=against,
        unit=unit,
        n_boot=n_boot,
        seed=seed,
    )
    return again[(again["metric"] == METRIC) & (again["model"] == solver)]


def compared(rows: pd.DataFrame, name: object, group: str) -> Comparison | None:
    """Return the comparison of one perturbation among all cells or as the mean over groups, if there is one."""
    found = rows[(rows["perturbation"] == name) & (rows["group"] == group)]
    if found.empty:
        return None
    gain, low, high = (float(found[column].iloc[0]) for column in ("value", "ci_low", "ci_high"))
    if math.isnan(gain):
        return Comparison("nothing to gain", gain, low, high)
    verdict = "better" if low > 0 else "worse" if high < 0 else "cannot be told"
    return Comparison(verdict, 1 - gain, 1 - high, 1 - low)
