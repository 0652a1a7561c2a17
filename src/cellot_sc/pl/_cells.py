"""Control, observed and predicted cells, as the figures need them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import _validate, tl
from ..pp import Space


@dataclass(frozen=True)
class ShownCells:
    """The cells of an AnnData with fitted maps.

    Parameters
    ----------
    fitted
        The maps.
    space
        The space that they act on.
    labels
        Perturbation of every cell.
    parts
        Split of every cell.
    split
        The split to show.
    targets
        The perturbations to show.
    """

    fitted: tl.FittedMaps
    space: Space
    labels: np.ndarray
    parts: np.ndarray
    split: str
    targets: list[str]

    @property
    def control(self) -> str:
        """Name of the untreated cells."""
        return self.fitted.fit.control

    def rows(self, label: str, *, at_most: int, part: str | None = None) -> np.ndarray:
        """Return positions of the cells with a label in a split (the one to show with ``None``), sampled if many."""
        return sample(np.flatnonzero((self.labels == label) & (self.parts == (part or self.split))), at_most)

    def predicted(self, target: str, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return points, those of the cells at some positions, after a perturbation, each by the map of its context."""
        return self.fitted.maps[target].transport(points, self.fitted.fit.contexts(self.space.adata, rows))


def sample(rows: np.ndarray, at_most: int) -> np.ndarray:
    """Return these rows, or a random sample of them in their order if there are too many."""
    return rows if len(rows) <= at_most else np.sort(np.random.default_rng(0).choice(rows, at_most, replace=False))


def groups(adata: AnnData, key: str | None, *, what: str = "color") -> np.ndarray | None:
    """Return the text of a column that cells are told apart by, ``None`` where it is missing, if there is to be one.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If different values have the same text.
    """
    return None if key is None else _validate.texts(_validate.obs_key(adata, key, what=what))


def categories(column: pd.Series) -> list[str]:
    """Return all categories of a column as text, be they of a cell or not: as they are ordered, or by value."""
    values = (
        column.cat.categories.to_series(name=column.name)
        if isinstance(column.dtype, pd.CategoricalDtype)
        else column.dropna().drop_duplicates().sort_values(key=lambda x: x.astype(str) if x.dtype == object else x)
    )
    return [name for name in _validate.texts(values) if name is not None]


def in_order(column: pd.Series, groups: Iterable[str | None]) -> list[str | None]:
    """Return the groups that there are, each once: in the order of the categories, those without one last."""
    present = set(groups)
    named = [name for name in categories(column) if name in present]
    return [*named, *([None] if None in present else [])]


def shown_cells(adata: AnnData, targets: str | Sequence[str] | None, *, key: str, split: str) -> ShownCells:
    """Return the cells of a split for some perturbations, all fitted ones with ``None``, that have cells there.

    Raises
    ------
    KeyError
        If there are no fitted maps, or no such representation or split.
    ValueError
        If a target was not fitted, the split is unknown or has too few cells.
    """
    fitted = tl.maps(adata, key)
    fit = fitted.fit
    space = fit.space(adata)
    names = _validate.some_of(targets, fitted.maps, what="target")
    judged, labels, parts = fit.judged(adata, split), fit.labels(adata), fit.parts(adata)
    counts = {name: int(((labels == name) & judged).sum()) for name in [fit.control, *names]}
    shown = _validate.cells_to_judge(counts, fit.control, split=split)
    return ShownCells(fitted, space, labels, parts, split, shown)
