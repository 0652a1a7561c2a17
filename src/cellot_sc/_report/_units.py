"""Which column of a report's cells answers for them: patients, animals or wells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from anndata import AnnData

from .. import _inspect, _keys, _validate, tl

MIN_UNITS = 2
"""One patient has nobody to differ from."""


class Answering(NamedTuple):
    """Columns of ``obs`` whose categories answer for their cells, ``None`` where cells answer for themselves.

    Parameters
    ----------
    tested
        In tests of effects.
    judged
        In intervals of scores, the same unless the judged cells do not have several.
    """

    tested: str | None
    judged: str | None

    @classmethod
    def of(
        cls, adata: AnnData, fitted: tl.FittedMaps, unit: str | None, *, split: str, groupby: str | None
    ) -> Answering:
        """Return the column that is named, else that of patients if there are enough, else none.

        Parameters
        ----------
        adata
            Annotated data with fitted maps.
        fitted
            The maps. Without the cells that they were fitted to, as in a model, nothing is tested by units.
        unit
            The column, if one is named.
        split
            The cells to judge by.
        groupby
            The column with the groups, if there is one. Patients are no units where each is a group.

        Raises
        ------
        KeyError
            If there is no column of that name.
        """
        fit = fitted.fit
        if unit is None and (_keys.PATIENT not in adata.obs or groupby == _keys.PATIENT or fit.times is not None):
            return cls(None, None)
        column = _keys.PATIENT if unit is None else unit
        names, labels = _validate.group_labels(adata, column, what="unit"), fit.labels(adata)
        parts = fit.parts(adata)
        train, judged = parts == _keys.TRAIN, parts == split
        conditions = [labels == condition for condition in (fit.control, *fit.targets)]
        learnt = [set(names[train & cells]) - {""} for cells in conditions]
        if unit is None and (not all(learnt) or len(set().union(*learnt)) < MIN_UNITS):
            return cls(None, None)
        # every cell needs one, and what is resampled has to vary
        control, *treated = (names[judged & cells] for cells in conditions)
        several = all(len({*control, *of}) >= MIN_UNITS for of in treated if len(of))
        return cls(None if fitted.is_standalone else column, column if several and bool(np.all(names != "")) else None)


def passed_over(adata: AnnData, fit: tl.Fit, *, groupby: str | None) -> str:
    """Return in words that intervals are over cells although a column seems to have the units; nothing if none does.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    fit
        The fit of these.
    groupby
        The column with the groups, if there is one.
    """
    if fit.times is not None:
        return ""
    labels = fit.labels(adata)
    used = np.isin(labels, [fit.control, *fit.targets])
    for column in _inspect.units(adata.obs[used], fit.label_key, fit.control):
        names = adata.obs.loc[used, column]
        by_condition = names.groupby(labels[used]).nunique()
        if column != groupby and by_condition.min() >= MIN_UNITS:
            return (
                f"Intervals and tests are over cells: where cells of one “{column}” are alike, they are too narrow. "
                f"obs[{column!r}] may be what answers for them: --unit {column} (unit={column!r})."
            )
    return ""
