"""Time points: their order, and where on the axis of time something is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._numbers import is_real, shown
from ._labels import complete
from ._names import as_number, label_of, nearest, one_of, same_label, several

if TYPE_CHECKING:
    from anndata import AnnData


def time_labels(adata: AnnData, time_key: str) -> np.ndarray:
    """Return the time of every cell as an array of ``str``.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If a cell has no time.
    """
    return complete(adata, time_key, what="time_key")


def time_order(adata: AnnData, time_key: str, order: Sequence[Any] | None) -> tuple[list[str], list[float]]:
    """Return the labels of the time points, the earliest first, and where each lies on the axis of time.

    Labels that are numbers lie where they say; others at 0, 1, 2, ...

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If a cell has no time, or the order cannot be told, names a time that no cell has or one twice, runs against the
        numbers, or has fewer than two times.
    """
    known = list(pd.unique(time_labels(adata, time_key)))
    numbers = {label: as_number(label) for label in known}
    column = adata.obs[time_key]
    if order is not None:
        what = f"order value of adata.obs[{time_key!r}]"
        labels = [label_of(time, known, what=what) for time in several(order)]
        if len(set(labels)) < len(labels):
            raise ValueError(f"order names a time twice: {labels}.")
    elif isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        labels = [str(category) for category in column.cat.categories if str(category) in numbers]
    elif np.isfinite(list(numbers.values())).all():
        labels = sorted(known, key=numbers.__getitem__)
    else:
        raise ValueError(
            f"adata.obs[{time_key!r}] holds names that are no numbers and have no order ({sorted(known)[:5]}): give "
            "order=, from the earliest to the latest."
        )
    if len(labels) < 2:
        raise ValueError(
            f"There are {len(labels)} times in adata.obs[{time_key!r}] (of {sorted(known)[:5]}): two are needed."
        )
    values = [numbers[label] for label in labels]
    if not np.isfinite(values).all():
        values = [float(i) for i in range(len(labels))]
    if (np.diff(values) <= 0).any():
        raise ValueError(
            f"times {labels} of adata.obs[{time_key!r}] are numbers that do not increase: give them from the earliest."
        )
    return labels, values


def time_index(time: Any, labels: Sequence[str], values: Sequence[float], *, what: str) -> int:
    """Return which of the time points is meant by its label or number; raise :class:`ValueError` if none is."""
    numbers = dict(zip(labels, values, strict=True))
    label = same_label(time, labels)
    # times that are no numbers lie at 0, 1, 2, ...
    same = [label] if label in numbers else [name for name, number in numbers.items() if number == as_number(time)]
    return labels.index(same[0] if same else one_of(time, labels, what=what))


def time_value(t: Any, labels: Sequence[str], values: Sequence[float]) -> float:
    """Return where on the axis of time ``t`` is: a label, or a number between the first and the last.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if (label := same_label(t, labels)) in labels:
        return values[labels.index(label)]
    number = as_number(t)
    if np.isnan(number):
        raise ValueError(f"t {t!r} is neither a number nor one of the times.{nearest(t, labels)}")
    if not values[0] <= number <= values[-1]:
        raise ValueError(f"t is {t!r}; a time between {labels[0]} and {labels[-1]} is needed: maps do not extrapolate.")
    return number


def in_course(taken: np.ndarray, labels: Sequence[str]) -> None:
    """Raise :class:`ValueError` if a cell was taken at a time that is not of the course (index -1)."""
    others = int((taken < 0).sum())
    if others:
        raise ValueError(
            f"{others} of the chosen cells were taken at none of the times of the course ({', '.join(labels)})."
        )


def some_in_course(taken: np.ndarray, labels: Sequence[str]) -> None:
    """Raise :class:`ValueError` if no cell was taken at a time of the course: all have the index -1."""
    if not (taken >= 0).any():
        raise ValueError(f"No cell of adata was taken at any of the times of the course ({', '.join(labels)}).")


def after_first(time: str, labels: Sequence[str]) -> None:
    """Raise :class:`ValueError` if no time of the course is before ``time``."""
    if time == labels[0]:
        raise ValueError(f"at {time!r} is the first time: fates are read at a later one ({', '.join(labels[1:])}).")


def labelled(n_labels: int, groupby: str, time: str) -> None:
    """Raise :class:`ValueError` if there are no labels to read fates from."""
    if not n_labels:
        raise ValueError(f"No cell of time {time!r} has a label in adata.obs[{groupby!r}]: there are no fates to read.")


def before_last(time: str, labels: Sequence[str]) -> None:
    """Raise :class:`ValueError` if no time of the course is after ``time``."""
    if time == labels[-1]:
        raise ValueError(
            f"source {time!r} is the last time: cells are followed from an earlier one ({', '.join(labels[:-1])})."
        )


def time_between(labels: Sequence[str]) -> None:
    """Raise :class:`ValueError` if a course has no time between the first and the last."""
    if len(labels) < 3:
        raise ValueError(
            f"the course has the times {', '.join(labels)} only: one between the first and the last is needed, to be "
            "left out."
        )


def fitted_here(fitted: bool, solver: str) -> None:
    """Raise :class:`ValueError` if the maps of a course were not fitted by this package."""
    if not fitted:
        raise ValueError(
            f"the maps of this course were made by {solver}, and cannot be fitted again without a time: call "
            "cs.tl.trajectory, or give out_of_step as a number."
        )


def out_of_step(value: Any, chosen: str) -> float | None:
    """Return how far cells are out of step, ``None`` if that is to be chosen.

    Raises
    ------
    ValueError
        If it is neither a number in [0, 1] nor the word for a choice.
    """
    if isinstance(value, str) and value == chosen:
        return None
    if not is_real(value) or not 0 <= value <= 1:
        raise ValueError(f"out_of_step is {shown(value)}; a number in [0, 1] or {chosen!r} is needed.")
    return float(value)
