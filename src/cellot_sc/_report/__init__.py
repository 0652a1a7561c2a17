"""Writes what a fit is worth as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import _defaults, _keys, _validate, tl
from .._settings import logger
from ..metrics import METRICS, Metric
from ..tl._judge.tabulation import COLUMNS
from . import _findings, _fits, _page, _scores, _support
from ._items import Item, figure_of
from ._units import Answering

__all__ = ["Item", "Report", "compose", "figure_of"]

UNSEEN = (_keys.TEST, _keys.OOD)
"""Splits of cells that no fit has seen."""


@dataclass
class Report:
    """What a report says of fitted maps. Items and scores may be added before it is written.

    Parameters
    ----------
    adata
        Annotated data with the maps.
    fitted
        The maps.
    groupby
        Column of ``obs`` with the groups, if there is one.
    units
        What answers for its cells.
    n_boot
        Number of resamples behind the intervals.
    scores
        How good predictions are, beside the baselines; empty where no cell is treated.
    metrics
        The metrics of the scores.
    items
        The sections of the page.
    """

    adata: AnnData
    fitted: tl.FittedMaps
    groupby: str | None
    units: Answering
    n_boot: int
    scores: pd.DataFrame
    metrics: list[Metric]
    items: list[Item]

    def write(self, path: Path, *, title: str, source: str = "") -> None:
        """Write the report as one self-contained HTML file.

        Parameters
        ----------
        path
            File to write.
        title
            Heading of the page.
        source
            Name of the file that it is about.
        """
        text = _page.render(
            self.adata,
            self.fitted,
            self.scores,
            self.items,
            metrics=self.metrics,
            groupby=self.groupby,
            units=self.units,
            n_boot=self.n_boot,
            title=title,
            source=source,
        )
        path.write_text(text, encoding="utf-8")


@_validate.takes_adata
def compose(
    adata: AnnData,
    *,
    key: str = _keys.MODEL,
    split: str | None = None,
    groupby: str | None = None,
    unit: str | None = None,
    metrics: Sequence[str | Metric] = (),
    extra: tuple[Metric, pd.DataFrame] | None = None,
    n_boot: int = 200,
    seed: int = 0,
) -> Report:
    """Judge fitted maps, look at what they say, and draw it.

    Where no cell is treated, as in another file that a model was attached to, nothing is judged.

    Parameters
    ----------
    adata
        Annotated data with fitted maps. It is left as it is.
    key
        Where in ``uns`` the maps are.
    split
        The cells to judge by: ``"test"`` or ``"ood"``. With ``None``, those that were held out (ood) if control and
        treated ones were, else test cells.
    groupby
        Column of ``obs``, such as the cell type, to look into groups by. With ``None``, ``cell_type`` if there is one.
    unit
        Column of ``obs``, such as the patient, whose categories answer for their cells in tests and intervals. With
        ``None``, ``patient`` if there is one and at least two of them were fitted to, else single cells. Judged cells
        of one unit are resampled one by one.
    metrics
        Metrics to judge by beside the usual ones.
    extra
        A further metric, and its scores in rows as :func:`cellot_sc.tl.evaluate` has them.
    n_boot
        Number of resamples behind the intervals.
    seed
        Seed of everything random.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If the split is neither, or has no control cells, or no treated ones where there are some.
    """
    fitted = tl.maps(adata, key)
    if split is None:
        split = _unseen(adata, fitted)
    is_judged = bool(np.isin(fitted.fit.labels(adata), fitted.fit.targets).any())
    _validate.one_of(split, UNSEEN, what="split")
    if groupby is None and _keys.CELL_TYPE in adata.obs:
        groupby = _keys.CELL_TYPE
    units = Answering.of(adata, fitted, unit, split=split, groupby=groupby)
    shown = METRICS.select([*_defaults.METRICS, *metrics])
    scores = pd.DataFrame(columns=COLUMNS)
    if is_judged:
        scores = tl.evaluate(
            adata, key=key, split=split, groupby=groupby, metrics=shown, unit=units.judged, n_boot=n_boot, seed=seed
        )
    if extra is not None:
        shown.append(extra[0])
        scores = pd.concat([scores, extra[1]], ignore_index=True)
    logger.info("drawing figures")
    items = _fits.draw(adata, fitted, key=key)
    if is_judged:
        items += _scores.draw(
            adata,
            scores,
            metrics=shown,
            solver=fitted.fit.solver,
            key=key,
            split=split,
            groupby=groupby,
            unit=units.judged,
        )
    logger.info("measuring effects beside those of no treatment")
    items += [
        *_support.draw(adata, fitted, split=split, unit=units.tested),
        *_findings.draw(adata, groupby=groupby, unit=units.tested, key=key, seed=seed),
    ]
    return Report(adata, fitted, groupby, units, n_boot, scores, shown, items)


def _unseen(adata: AnnData, fitted: tl.FittedMaps) -> str:
    """Return the split of cells that were held out if control cells and treated ones are in it, else that of tests.

    Where no cell is treated, control cells that were held out are enough.
    """
    fit = fitted.fit
    labels = fit.labels(adata)
    held_out = labels[fit.parts(adata) == _keys.OOD]
    counts = [int((held_out == name).sum()) for name in (fit.control, *fit.targets)]
    are_enough = max(counts[1:]) > 1 or not np.isin(labels, fit.targets).any()
    return _keys.OOD if counts[0] > 1 and are_enough else _keys.TEST
