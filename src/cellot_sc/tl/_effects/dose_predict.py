"""Cells at doses that need not have been measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData, concat

from ... import _keys, _validate
from ..._settings import logger
from .._fit.predict import CellNames
from .._fit.predicted import Sources, provenance
from . import dose_family
from .dose_family import Family
from .dose_table import DISPLACEMENT

MEANS = "dose_means"
"""Key of ``uns`` of predictions with the intervals of means."""


@_validate.takes_adata
def predict_dose(
    adata: AnnData,
    dose: float | str,
    targets: str | Sequence[str] | None = None,
    *,
    key: str = _keys.DOSES,
    cells: CellNames | None = None,
    decode: bool = True,
    extrapolate: bool = False,
) -> AnnData:
    """Predict cells at any dose between the lowest and the highest that were measured.

    A cell is moved by the maps to the two doses around, and lies on the straight way between: at the part of it at
    which the curve of the displacement is expected (the mean of that of the Hill curve, the monotone cubic and a
    straight line in log dose), with dose 0 at a tenth of the lowest other dose of the
    perturbation. At a measured dose it is moved by its
    map.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`dose_response`.
    dose
        A number, or text with the unit of the doses.
    targets
        Perturbation or perturbations, all with ``None``.
    key
        Where in ``uns`` the maps are.
    cells
        Cells to move: boolean mask, names or positions. With ``None``, all that maps start from: untreated ones, or
        those of the lowest dose of each perturbation.
    decode
        Whether to go back to genes where the representation can (see :func:`cellot_sc.pp.decode`).
    extrapolate
        Whether to go beyond the doses that were measured, along the map to the highest as the Hill curve of the
        displacement goes on, or not at all if that is no Hill curve.

    Returns
    -------
    A new AnnData with a row per cell and perturbation, as :func:`predict` returns it, with the perturbation and the
    dose in ``obs``. ``uns["dose_means"]`` is a table with ``ci_low`` and ``ci_high`` for each perturbation and
    ``feature``: a 90 % interval of the mean that all cells would be measured to have at this dose, and of the fraction
    of the displacement at the highest dose (``"displacement"``). NaN beyond the doses that were measured, and infinite
    where two doses without replicates say nothing of how means scatter.

    Raises
    ------
    KeyError
        If there are no maps to doses, no such representation, or a cell's name is unknown.
    IndexError
        If a cell's position is out of range.
    TypeError
        If ``cells`` is neither a mask nor names nor positions.
    ValueError
        If the dose is no number, of another unit, or beyond the measured ones without ``extrapolate``, a target is
        unknown, cell names are not unique, a mask is not of these cells, no cell is chosen, or one twice, or the space
        of the maps has changed since they were fitted.

    Notes
    -----
    In the interval, every part of the way between the means at the two doses is as likely as any other, and what would
    be found there scatters as the means of measured doses do around their curve: no number of cells makes it narrower.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_doses()
    >>> cs.tl.dose_response(adata, solver="mean_shift", use_rep="X")
    >>> cs.tl.predict_dose(adata, 2.0, "drug_a").obs["dose"].unique().tolist()
    [2.0]
    """
    _validate.unique_obs_names(adata)
    kept = dose_family.load(adata, key)
    value = _validate.dose_value(dose, kept.unit)
    names = _validate.some_of(targets, kept.families, what="target")
    for name in names:
        _validate.within_doses(value, kept.families[name].doses, name, extrapolate=extrapolate)
    chosen = None if cells is None else _validate.cell_positions(adata, cells)
    parts, means = [], []
    for name in names:
        family = kept.families[name].adapted(adata)
        fit = family.fitted.fit
        rows = fit.controls(adata) if chosen is None else chosen
        space = fit.space(adata)
        sources = Sources(fit, space, space.read(rows), decode=decode)
        obs = adata.obs.iloc[rows].copy()
        text = f"{value:.12g}{f' {kept.unit}' if kept.unit else ''}"
        for column, label in {
            kept.perturbation_key: name,
            kept.dose_key: text,
            kept.condition_key: f"{name} {text}",
        }.items():
            obs[column] = _validate.relabelled(adata.obs.get(column), label, len(obs))
        part = sources.moved(family.move(sources.x, fit.contexts(adata, rows), value), obs)
        part.uns[_keys.PREDICTION] = provenance(family.fitted, sources, [name], key)
        if len(names) > 1:
            part.obs_names = part.obs_names + f"-{name}"
        parts.append(part)
        means.append(_means(family, value))
    predicted = parts[0] if len(parts) == 1 else concat(parts, merge="same", uns_merge="same")
    predicted.uns[MEANS] = pd.concat(means, ignore_index=True)
    logger.info("predicted %d cells of %s at dose %g", predicted.n_obs, ", ".join(names), value)
    return predicted


def _means(family: Family, dose: float) -> pd.DataFrame:
    """Return the intervals of the means of one perturbation at a dose."""
    ends = zip(family.progress.interval(dose), family.features.interval(dose), strict=True)
    low, high = (np.concatenate(end) for end in ends)
    return pd.DataFrame(
        {"perturbation": family.name, "feature": [DISPLACEMENT, *family.names], "ci_low": low, "ci_high": high}
    )
