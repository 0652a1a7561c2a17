"""Writes what a fit is worth as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import _defaults, _files, _keys, _validate, tl
from .._settings import logger
from ..metrics import METRICS, Metric
from ..tl._judge.tabulation import COLUMNS
from . import _affine, _findings, _fits, _page, _responses, _scores, _summary, _support
from ._items import Item, drawn
from ._units import Answering, passed_over

__all__ = ["Item", "Report", "compose", "drawn", "report"]

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
    summary
        What was found, as HTML.
    """

    adata: AnnData
    fitted: tl.FittedMaps
    groupby: str | None
    units: Answering
    n_boot: int
    scores: pd.DataFrame
    metrics: list[Metric]
    items: list[Item]
    summary: str

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
            summary=self.summary,
            metrics=self.metrics,
            groupby=self.groupby,
            units=self.units,
            n_boot=self.n_boot,
            title=title,
            source=source,
        )
        path.write_text(text, encoding="utf-8")


@_validate.takes_adata
def report(
    adata: AnnData,
    path: str | Path,
    *,
    key: str = _keys.MODEL,
    split: Literal["test", "ood"] | None = None,
    groupby: str | None = None,
    unit: str | None = None,
    metrics: Sequence[str | Metric] = (),
    title: str = "Predicted responses to perturbations",
    source: str = "",
    n_boot: int = 200,
    seed: int = 0,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Write what fitted maps are worth, and what they say, as one web page that needs nothing else.

    It begins with what was found, in plain words: where each perturbation acts most, by which genes, whether the fitted
    map is better than an affine one on these cells, who was held out, and whether the fit came to an end. Then come the
    fits, the scores beside simple baselines, figures of predicted and observed cells, the effects on groups of cells,
    and the methods, ready to paste.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, or attached from a model. It is left as it is.
    path
        Page to write, ``.html``.
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
    title
        Heading of the page.
    source
        What the page says it is about, such as the name of a file.
    n_boot
        Number of resamples behind the intervals of scores.
    seed
        Seed of everything random.
    overwrite
        Whether to replace the page if it exists.

    Returns
    -------
    The scores, as :func:`cellot_sc.tl.evaluate` returns them; no rows where no cell is treated, and nothing was judged.

    Raises
    ------
    FileExistsError
        If the page exists and is not to be replaced.
    FileNotFoundError
        If its folder is not there.
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If the page does not end in ``.html``, the split is neither, or has no control cells, or no treated ones where
        there are some.

    Examples
    --------
    >>> import tempfile
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(400, 30)
    >>> cs.pp.split(adata)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = cs.report(adata, f"{folder}/page.html", n_boot=20)
    >>> scores["model"].unique().tolist()[:2]
    ['gaussian', 'identity']
    """
    with _files.output(Path(path), (".html",), overwrite=overwrite, remedy="overwrite=True") as new:
        found = compose(
            adata, key=key, split=split, groupby=groupby, unit=unit, metrics=metrics, n_boot=n_boot, seed=seed
        )
        found.write(new, title=title, source=source)
    return found.scores


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
    adata, key, split, groupby, unit, metrics, n_boot, seed
        As in :func:`report`.
    extra
        A further metric, and its scores in rows as :func:`cellot_sc.tl.evaluate` has them.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If the split is neither, or has no control cells, or no treated ones where there are some.
    """
    fitted = tl.maps(adata, key)
    _validate.not_treatment(fitted.fit.label_key, {"groupby": groupby, "unit": unit})
    if split is None:
        split = _unseen(adata, fitted)
    is_judged = bool(np.isin(fitted.fit.labels(adata), fitted.fit.targets).any())
    _validate.one_of(split, UNSEEN, what="split")
    if groupby is None and _keys.CELL_TYPE in adata.obs:
        groupby = _keys.CELL_TYPE
    units = Answering.of(adata, fitted, unit, split=split, groupby=groupby)
    if advice := passed_over(adata, fitted.fit, groupby=groupby) if units == (None, None) and unit is None else "":
        logger.warning(advice)
    # one group is all cells once more
    apart = None if groupby is None or _n_groups(adata, groupby) == 1 else groupby
    shown = METRICS.select([*_defaults.METRICS, *metrics])
    scores = pd.DataFrame(columns=COLUMNS)
    if is_judged:
        scores = tl.evaluate(
            adata, key=key, split=split, groupby=apart, metrics=shown, unit=units.judged, n_boot=n_boot, seed=seed
        )
    if extra is not None:
        shown.append(extra[0])
        scores = pd.concat([scores, extra[1]], ignore_index=True)
    found = _findings.find(adata, groupby=groupby, unit=units.tested, key=key, seed=seed)
    order, beside = _responses.by_severity(found.costs), scores
    if is_judged:
        beside = _affine.beside_affine(
            adata, scores, fitted, key=key, groupby=apart, unit=units.judged, n_boot=n_boot, seed=seed
        )
    logger.info("drawing figures")
    items = _fits.draw(adata, fitted, key=key)
    if is_judged:
        items += _scores.draw(
            adata,
            scores,
            metrics=shown,
            solver=fitted.fit.solver,
            order=order,
            key=key,
            split=split,
            groupby=apart,
            unit=units.judged,
        )
        items += _responses.draw(adata, order=order, groupby=apart, key=key, split=split)
    logger.info("measuring effects beside those of no treatment")
    items += [
        *_support.draw(adata, fitted, split=split, unit=units.tested),
        *_findings.draw(adata, found, key=key, seed=seed),
    ]
    summary = _summary.summary(_summary.Found(adata, fitted, scores, beside, found, split), advice)
    return Report(adata, fitted, groupby, units, n_boot, scores, shown, items, summary)


def _n_groups(adata: AnnData, groupby: str) -> int:
    return len({*_validate.context_labels(adata, groupby)} - {""})


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
