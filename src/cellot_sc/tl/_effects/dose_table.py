"""The table of curves along dose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from .dose_curves import FLAT, HILL, ISOTONIC, Curves

ALPHA = 0.05
"""Adjusted p-value below which a feature has a curve that is not flat."""
DISPLACEMENT = "displacement"
"""What stands for all dimensions in the column of features."""


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
    adjusted = stats.false_discovery_control(pvalue)
    flat, halfway = adjusted >= ALPHA, curves.halfway()
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
            "bottom": np.where(flat, curves.scatter.mean.mean(axis=0), bottom),
            "top": np.where(flat, 0.0, end - bottom),
            "plateau": np.where(is_hill & (halfway.bound == ""), curves.hill.lines[1], np.nan),
            "pvalue": pvalue,
            "pvalue_adj": adjusted,
            "sd": np.sqrt(variance),
            "df": df,
            "n_doses": len(curves.doses),
        }
    )


def simes(pvalues: np.ndarray) -> np.ndarray:
    """Return one p-value of no trend in any of several dimensions (Simes 1986), shape ``(1,)``."""
    return np.array([stats.false_discovery_control(pvalues).min()])
