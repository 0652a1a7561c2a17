"""The table of curves along dose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from ... import _keys, _validate
from . import dose_family
from .dose_curves import FLAT, HILL, ISOTONIC, Curves

ALPHA = 0.05
"""Adjusted p-value below which a feature has a curve that is not flat."""
DISPLACEMENT = "displacement"
"""What stands for all dimensions in the column of features."""


@_validate.takes_adata
def dose_curves(adata: AnnData, key: str = _keys.DOSES) -> pd.DataFrame:
    """Return the curves along dose of every perturbation: of its displacement and of each feature.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`dose_response`.
    key
        Where in ``uns`` they are.

    Returns
    -------
    Tidy table with a row per perturbation, context (``"all"`` and, with ``context``, every category) and feature, made
    of train and validation cells:

    - ``feature``: a gene or dimension, of which the mean is followed; or ``"displacement"``: t(d), the fraction of the
      displacement at the highest dose, by the projection of mean shifts on that at the highest dose.
    - ``curve``: ``"hill"``; ``"isotonic"``, a monotone cubic through a monotone sequence, where Hill curves are more
      than twice as far off when doses are left out, or there are fewer than five doses; or ``"flat"`` where there is
      no trend.
    - ``ec50``, ``ec50_low``, ``ec50_high``: the dose at which the curve is half-way, and its 90 % interval.
    - ``bound``: empty; ``"at least"`` or ``"at most"`` where the top or the bottom was not reached, so that ``ec50`` is
      the end of an open interval; ``"unknown"`` where it is open at both ends.
    - ``slope``: that of the Hill curve.
    - ``bottom``: of the curve at the lowest dose; ``top``: what it gains or loses until the highest dose, 0 of a flat
      one; ``plateau``: what the Hill curve would at even higher ones, where half of that was reached.
    - ``pvalue``: of means that are the same at all doses, against any that never turn (Bartholomew 1961), two-sided;
      for the displacement, of none in any dimension. ``pvalue_adj``: adjusted for the features (Benjamini and
      Hochberg). Flat is what has .05 or more. NaN of up to four doses without replicates, which cannot tell.
    - ``sd``, ``df``: how far the mean at a dose scatters around the curve, and the degrees of freedom of that.
    - ``n_doses``: number of doses, the lowest included.

    Raises
    ------
    KeyError
        If there are no maps to doses.
    ValueError
        If they cannot be read.

    Notes
    -----
    Events of one file are no replicates: intervals come from how far the means of doses are from their curve and, with
    ``replicate``, how far replicates are from each other. The two are one estimate where they agree (p of at least
    .25), and only the first counts otherwise. The interval of an EC50 is where the sum of squares, at its least for all
    else, is no more than F of 1 and df degrees of freedom allows. Dose 0 stands at a tenth of the lowest other dose on
    the axis of log doses; a Hill curve is at its bottom there.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_doses()
    >>> cs.tl.dose_response(adata, replicate="replicate", solver="mean_shift", use_rep="X")
    >>> table = cs.tl.dose_curves(adata).query("curve == 'hill'")
    >>> table.loc[table["feature"] != "displacement", "feature"].tolist()
    ['marker_0', 'marker_2', 'marker_3']
    """
    return dose_family.load(adata, key).curves.copy()


def rows(
    name: str,
    context: str,
    features: Sequence[str],
    curves: Curves,
    pvalue: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return a row per feature of one perturbation and context.

    Parameters
    ----------
    name, context, features
        What the rows are called.
    curves
        The curves of the features.
    pvalue
        That of no trend, if it is not the one of each feature.
    """
    pvalue = curves.pvalues() if pvalue is None else pvalue
    adjusted = pvalue if np.isnan(pvalue).any() else stats.false_discovery_control(pvalue)
    # what cannot be told is not called flat
    flat, halfway = adjusted >= ALPHA, curves.halfway()
    if np.isnan(pvalue).any():
        halfway = halfway.unknown()
    bottom, end = curves.ends()
    variance, df = curves.noise
    is_hill = curves.is_hill & ~flat
    doses = {
        column: np.where(flat, np.nan, 10.0**value)
        for column, value in zip(("ec50", "ec50_low", "ec50_high"), halfway[:3], strict=True)
    }
    return pd.DataFrame(
        {
            "perturbation": name,
            "context": context,
            "feature": list(features),
            "curve": np.select([flat, curves.is_hill], [FLAT, HILL], ISOTONIC),
            **doses,
            "bound": np.where(flat, "", halfway.bound),
            "slope": np.where(is_hill, curves.hill.slope, np.nan),
            # a flat displacement is a fraction of nothing
            "bottom": np.where(
                flat, np.nan if features[0] == DISPLACEMENT else curves.scatter.mean.mean(axis=0), bottom
            ),
            "top": np.where(flat, 0.0, end - bottom),
            "plateau": np.where(is_hill & (halfway.bound == ""), curves.hill.lines[1], np.nan),
            "pvalue": pvalue,
            "pvalue_adj": adjusted,
            "sd": np.sqrt(variance),
            "df": df,
            "n_doses": len(curves.doses),
        }
    )
