"""How far fitted maps move the control cells, in the space of the maps and per feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ... import _keys, _validate
from ...ot import WeightedMap
from ...pp import decode
from .._fit import store
from .._fit.clouds import latent

if TYPE_CHECKING:
    from anndata import AnnData

    from ...ot import TransportMap
    from .._fit.store import FittedMaps


@dataclass(frozen=True)
class Displacements:
    """Control cells and the maps that move them.

    Parameters
    ----------
    adata
        Annotated data that the cells are part of.
    fitted
        The maps.
    names
        The perturbations in question.
    rows
        Positions of the control cells, shape ``(n_control,)``.
    x
        Their representation, shape ``(n_control, n_dims)``.
    """

    adata: AnnData
    fitted: FittedMaps
    names: list[str]
    rows: np.ndarray
    x: np.ndarray

    @property
    def use_rep(self) -> str:
        """Name of the space of the maps."""
        return self.fitted.config["use_rep"]

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

    @property
    def features(self) -> list[str]:
        """Names of what effects are given for: genes where there is a way back to them, else dimensions."""
        if self.use_rep == _keys.EXPRESSION or _validate.has_decoder(self.adata, self.use_rep):
            return [str(name) for name in self.adata.var_names]
        return [f"{self.use_rep}_{i}" for i in range(self.x.shape[1])]

    def field(self, fitted: TransportMap) -> np.ndarray:
        """Return the scaled displacement of every control cell by any map, shape ``(n_control, n_dims)``."""
        return self.scaled(fitted.transport(self.x) - self.x)

    def of(self, name: str) -> np.ndarray:
        """Return T(x) - x of every control cell, shape ``(n_control, n_dims)``."""
        return self.fitted.maps[name].transport(self.x) - self.x

    def view(self, points: np.ndarray) -> np.ndarray:
        """Return points of the space of the maps as features, shape ``(n_points, n_features)``."""
        if self.use_rep != _keys.EXPRESSION and _validate.has_decoder(self.adata, self.use_rep):
            return decode(self.adata, points, key=self.use_rep)
        return points

    def effects(self, name: str) -> np.ndarray:
        """Return the change of every feature in every control cell, shape ``(n_control, n_features)``.

        Cells before and after go the same way back to genes, so that what it loses is lost in both.
        """
        return self.view(self.fitted.maps[name].transport(self.x)) - self.view(self.x)


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
    x = _validate.finite(latent(adata, config["use_rep"], rows), what=f"use_rep {config['use_rep']!r}")
    return Displacements(adata, fitted, names, rows, x)


def largest(size: np.ndarray, features: Sequence[str]) -> list[str]:
    """Return the features from the largest to the smallest by a size, shape ``(n_features,)``."""
    return [features[i] for i in np.argsort(-size, kind="stable")]
