"""How far fitted maps move the control cells, in the space of the maps and per feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ... import _validate
from ...ot import WeightedMap
from ...pp import Space
from .._fit import store

if TYPE_CHECKING:
    from anndata import AnnData

    from ...ot import TransportMap
    from .._fit.store import FittedMaps


@dataclass(frozen=True)
class Displacements:
    """Control cells and the maps that move them.

    Parameters
    ----------
    fitted
        The maps.
    space
        The space that they act on.
    names
        The perturbations in question.
    rows
        Positions of the control cells, shape ``(n_control,)``.
    x
        Their representation, shape ``(n_control, n_dims)``.
    """

    fitted: FittedMaps
    space: Space
    names: list[str]
    rows: np.ndarray
    x: np.ndarray

    @property
    def weights(self) -> np.ndarray | None:
        """Weights of the dimensions in the cost, shape ``(n_dims,)``, if there are any."""
        return next((fitted.weights for fitted in self.fitted.maps.values() if isinstance(fitted, WeightedMap)), None)

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """Return points of the space of the maps so scaled that their squared distance is the cost, but for a half."""
        return points if self.weights is None else points * np.sqrt(self.weights)

    def weighted(self, inner: TransportMap) -> TransportMap:
        """Return a map that was fitted to scaled points as one of the space of the maps."""
        return inner if self.weights is None else WeightedMap(inner, self.weights)

    def field(self, fitted: TransportMap) -> np.ndarray:
        """Return the scaled displacement of every control cell by any map, shape ``(n_control, n_dims)``."""
        return self.scaled(fitted.transport(self.x) - self.x)

    def of(self, name: str) -> np.ndarray:
        """Return T(x) - x of every control cell, shape ``(n_control, n_dims)``."""
        return self.fitted.maps[name].transport(self.x) - self.x

    def effects(self, name: str) -> np.ndarray:
        """Return the change of every feature in every control cell, shape ``(n_control, n_features)``.

        Cells before and after go the same way back to genes, so that what it loses is lost in both.
        """
        return self.space.view(self.fitted.maps[name].transport(self.x)) - self.space.view(self.x)


def displacements(adata: AnnData, key: str, targets: str | Sequence[str] | None = None) -> Displacements:
    """Read fitted maps and the control cells.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    key
        Where in ``uns`` the maps are.
    targets
        Perturbations in question, all fitted ones with ``None``.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted, no cell is a control, or its representation holds NaN or inf.
    """
    fitted = store.load(adata, key)
    names = list(fitted.maps) if targets is None else _validate.some_of(targets, fitted.maps, what="target")
    config = fitted.config
    labels = _validate.perturbation_labels(adata, config["perturbation_key"], config["control"])
    rows = np.flatnonzero(labels == config["control"])
    space = Space(adata, config["use_rep"])
    return Displacements(fitted, space, names, rows, space.read(rows))
