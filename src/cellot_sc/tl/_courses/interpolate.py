"""Where cells are between the times at which cells were taken."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from ..._settings import logger
from .._fit.predict import CellNames
from . import time_course

SOURCE = "source"
"""What the column begins with that names the time at which a moved cell was taken."""


@_validate.takes_adata
def interpolate(
    adata: AnnData,
    t: Any,
    *,
    source: Any = None,
    cells: CellNames | None = None,
    path: Literal["spline", "linear"] = "spline",
    key: str = _keys.TRAJECTORY,
    decode: bool = True,
) -> AnnData:
    """Move cells to any time between the first and the last, forwards or backwards.

    Parameters
    ----------
    adata
        Annotated data with a time course fitted by :func:`cellot_sc.tl.trajectory`.
    t
        When: a number or one of the times. Times that are no numbers lie at 0, 1, 2, ...
    source
        The time whose cells are moved, through as many times as lie between. With ``None``, those of the last time
        before ``t`` and those of the first after it, which is closer to cells that were really taken at ``t`` than
        either are.
    cells
        Cells to move instead, each from the time at which it was taken: boolean mask, names or positions.
    path
        ``"linear"``: within an interval, a cell moves straight and at constant speed, x to (1 - s) x + s T(x), which is
        the displacement interpolation of optimal transport. ``"spline"``: along a cubic curve through where it is at
        the four times around (fewer at the ends), which does not turn at once at every time. Between two times they are
        the same.
    key
        Where in ``uns`` the maps are.
    decode
        Whether to go back to genes where the representation can (see :func:`cellot_sc.pp.decode`).

    Returns
    -------
    A new AnnData with a row per moved cell, in the order of the cells in ``adata``. ``obs`` is theirs with the time
    set to ``t``, and ``obs["source_<time_key>"]`` is the time at which each was taken; ``X`` the expression decoded, or
    the representation where there is no decoder; ``obsm`` holds the representation under its name.

    Raises
    ------
    KeyError
        If there is no time course, no such representation, or a cell's name is unknown.
    ValueError
        If ``t`` is no time or not between the first and the last, the source is no time, both a source and cells are
        given, a mask has the wrong length, a chosen cell was taken at a time that is not of the course or its
        representation holds NaN or inf, or the path is unknown.

    References
    ----------
    :cite:t:`mccann1997` for the displacement interpolation; :cite:t:`chewi2021` for splines through optimal transport
    maps, here with the tangents of the parabola through three times, as in :func:`numpy.gradient`.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> between = cs.tl.interpolate(adata, 0.5, source=0)
    >>> between.obs["time"].unique().tolist(), between.n_obs
    ([0.5], 200)
    """
    _validate.one_of(path, time_course.PATHS, what="path")
    _validate.not_both({"source": source is not None, "cells": cells is not None})
    course = time_course.load(adata, key)
    value = _validate.time_value(t, course.labels, course.values)
    taken = course.indices(adata)
    if cells is not None:
        rows = _validate.cell_positions(adata, cells)
        _validate.in_course(taken[rows], course.labels)
    else:
        rows = np.flatnonzero(np.isin(taken, _sources(course, source, value)))
    space = course.fit.space(adata)
    x = space.read(rows)
    moved = np.empty_like(x)
    for start in np.unique(taken[rows]):
        cohort = taken[rows] == start
        moved[cohort] = course.move(x[cohort], int(start), value, path=path)

    obs = adata.obs.iloc[rows].copy()
    obs[f"{SOURCE}_{course.fit.label_key}"] = obs[course.fit.label_key]
    numeric = pd.api.types.is_numeric_dtype(obs[course.fit.label_key])
    obs[course.fit.label_key] = value if numeric else pd.Categorical([str(t)] * len(obs))
    what = f"{len(rows)} cells of {', '.join(course.labels[i] for i in np.unique(taken[rows]))}"
    logger.info("moved %s to %s %s", what, course.fit.label_key, t)
    return space.as_adata(moved, obs, decode=decode)


def _sources(course: time_course.Course, source: Any, value: float) -> list[int]:
    """Return the times whose cells are moved."""
    if source is not None:
        return [course.index(source, what="source")]
    values = np.array(course.values)
    return [*np.flatnonzero(values < value)[-1:], *np.flatnonzero(values > value)[:1]]
