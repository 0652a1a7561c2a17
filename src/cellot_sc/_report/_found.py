"""What the summary of a report is made of, and what it calls things that have other names in code."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from anndata import AnnData

from .. import _defaults, _keys, tl
from . import _fits
from ._affine import AFFINE
from ._findings import Findings

SPLITS = {_keys.TEST: "test cells", _keys.OOD: "held-out cells"}


class Found(NamedTuple):
    """What the summary is made of.

    Parameters
    ----------
    adata
        Annotated data with the maps.
    fitted
        The maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them; empty where nothing was judged.
    beside
        The scores of the paired comparison with an affine map.
    findings
        Severities with verdicts, and effects.
    split
        The cells that were judged by.
    """

    adata: AnnData
    fitted: tl.FittedMaps
    scores: pd.DataFrame
    beside: pd.DataFrame
    findings: Findings
    split: str


def model(found: Found) -> str:
    """Return what the fitted model is called by one who need not know solvers."""
    solver = found.fitted.fit.solver
    if _fits.n_steps(found.fitted.fit) is not None:
        return "neural map"
    return "affine (Gaussian) map" if solver == _defaults.AFFINE else f"fitted map ({solver})"


def against(found: Found) -> str:
    """Return what the affine map is called that was compared with."""
    per_group = AFFINE[1] in set(found.beside[_keys.FLOOR])
    return "an affine (Gaussian) map" + (" per context" if per_group else "")


def groups(groupby: str | None) -> str:
    return "cell types" if groupby == _keys.CELL_TYPE else f"groups of “{groupby}”"
