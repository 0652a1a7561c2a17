"""Where cells are between the times at which cells were taken."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from anndata import AnnData

from ... import _keys, _validate
from ..._settings import logger
from .._fit.predict import CellNames
from . import judge_times, time_course
from .out_of_step import IN_STEP, ranks

CHOSEN = "chosen"
"""Instead of how far cells are out of step: what is best where times are left out."""
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
    out_of_step: float | Literal["chosen"] = 0.0,
    seed: int = 0,
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
        Cells to move instead, each from the time at which it was taken: boolean mask, names or positions. A mask that
        is a Series is aligned by its index.
    path
        ``"linear"``: within an interval, a cell moves straight and at constant speed, x to (1 - s) x + s T(x), which is
        the displacement interpolation of optimal transport. ``"spline"``: along a cubic curve through where it is at
        the four times around (fewer at the ends), which does not turn at once at every time. Between two times they are
        the same.
    out_of_step
        How far cells are out of step, from 0 to 1: each has a time of its own between the two times around ``t``, and
        ``t`` is the mean. 0: all are at ``t``. 1: a cell is where it was at the time before or already where it is at
        that after, and none is half-way, so that those of both sides together are a mixture of the two times. Between,
        times are beta distributed, with this share of the standard deviation of 1. Nothing changes at times of the
        course. ``"chosen"``: each time between the first and the last is left out in turn, as :func:`judge_times` does,
        and the better of 0 and 1 is taken, or, where 0.25, 0.5 or 0.75 is better by more than 5 %, the nearest to it
        that is. That takes about as long as fitting the course: the log names the number, to be given the next time. A
        course of two times has none to leave out: 0 is taken.
    seed
        Seed of which cells are ahead of others, and of what is left out for a choice.
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
    IndexError
        If a cell's position is out of range.
    TypeError
        If ``cells`` is neither a mask nor names nor positions.
    ValueError
        If ``t`` is no time or not between the first and the last, the source is no time, both a source and cells are
        given, ``out_of_step`` is neither from 0 to 1 nor ``"chosen"``, or is to be chosen and the maps cannot be fitted
        again, a mask is not of these cells, no cell is chosen, or one twice, a chosen cell was taken at a time that is
        not of the course or its representation holds NaN or inf, or the path is unknown.

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

    Cells that are still where they were, or already where they will be:

    >>> mixed = cs.tl.interpolate(adata, 0.5, out_of_step=1)
    >>> mixed.obs["source_time"].value_counts().tolist()
    [200, 200]
    """
    _validate.one_of(path, time_course.PATHS, what="path")
    _validate.not_both({"source": source is not None, "cells": cells is not None})
    spread = _validate.out_of_step(out_of_step, CHOSEN)
    seed = _validate.seed(seed)
    course = time_course.load(adata, key)
    value = _validate.time_value(t, course.labels, course.values)
    taken = course.indices(adata)
    around = course.around(value) if source is None and cells is None else []
    if cells is not None:
        rows = _validate.cell_positions(adata, cells)
        _validate.in_course(taken[rows], course.labels)
    else:
        rows = np.flatnonzero(np.isin(taken, around or [course.index(source, what="source")]))
    space = course.fit.space(adata)
    if spread is None:
        # at times of the course, cells are in step whatever is chosen
        spread = IN_STEP if value in course.values else judge_times.chosen(adata, course, path=path, seed=seed)
    x = space.read(rows)
    own_times = None
    if spread > IN_STEP:
        own_times = course.own_times(value, ranks(taken, around, seed)[rows], spread)
    moved = np.empty_like(x)
    for start in np.unique(taken[rows]):
        cohort = taken[rows] == start
        own = None if own_times is None else own_times[cohort]
        moved[cohort] = course.move(x[cohort], int(start), value, path=path, own_times=own)

    obs, time_key = adata.obs.iloc[rows].copy(), course.fit.label_key
    obs[f"{SOURCE}_{time_key}"] = obs[time_key]
    obs[time_key] = _validate.relabelled(adata.obs[time_key], course.label(t, value), len(obs))
    what = f"{len(rows)} cells of {', '.join(course.labels[i] for i in np.unique(taken[rows]))}"
    logger.info("moved %s to %s %s", what, time_key, t)
    return space.as_adata(moved, obs, decode=decode)
