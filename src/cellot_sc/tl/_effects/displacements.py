"""How far fitted maps move the control cells, in the space of the maps and per feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from anndata import AnnData

from ... import _validate
from ...ot import TransportMap
from ...pp import Space
from .._fit import store
from .._fit.alone import alone


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
    contexts
        The context of each, if the maps know any; see :meth:`.Fit.contexts`.
    """

    fitted: store.FittedMaps
    space: Space
    names: list[str]
    rows: np.ndarray
    x: np.ndarray
    contexts: np.ndarray | None

    def moved(self, fitted: TransportMap) -> np.ndarray:
        """Return where any map takes every control cell, shape ``(n_control, n_dims)``."""
        return fitted.transport(self.x, self.contexts)

    def field(self, fitted: TransportMap) -> np.ndarray:
        """Return the scaled displacement of every control cell by any map, shape ``(n_control, n_dims)``."""
        return self.fitted.fit.scaled(self.moved(fitted) - self.x)

    def of(self, name: str) -> np.ndarray:
        """Return T(x) - x of every control cell, shape ``(n_control, n_dims)``."""
        return self.moved(self.fitted.maps[name]) - self.x

    def effects(self, name: str) -> np.ndarray:
        """Return the change of every feature in every control cell, shape ``(n_control, n_features)``.

        Cells before and after go the same way back to genes, so that what it loses is lost in both.
        """
        return self.space.view(self.moved(self.fitted.maps[name])) - self.space.view(self.x)

    def only(self, name: str) -> Displacements:
        """Return the same of one perturbation and without the AnnData: what another process is sent."""
        fitted = self.fitted
        bare = replace(fitted.fit, origin=None, cells=(), targets=(name,))
        maps = {name: fitted.maps[name]}
        kept = store.FittedMaps(bare, maps, fitted.history.iloc[:0])
        return replace(self, fitted=kept, space=alone(self.space), names=[name])

    def without(self, column: str) -> Displacements:
        """Return the same for refits in which a column of ``obs`` is no context; ``fitted.maps`` are none of these."""
        fit = self.fitted.fit
        if column not in fit.context:
            return self
        kept = [i for i, name in enumerate(fit.context) if name != column]
        # what cells are known by depends on their contexts
        refit = replace(fit, context=tuple(fit.context[i] for i in kept), cells=())
        contexts = self.contexts[:, kept] if kept and self.contexts is not None else None
        return replace(self, fitted=replace(self.fitted, fit=refit), contexts=contexts)


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
    fitted = store.maps(adata, key).adapted(adata)
    names = _validate.some_of(targets, fitted.maps, what="target")
    rows, space = fitted.fit.controls(adata), fitted.fit.space(adata)
    return Displacements(fitted, space, names, rows, space.read(rows), fitted.fit.contexts(adata, rows))


def largest(size: np.ndarray, features: Sequence[str]) -> list[str]:
    """Return the features from the largest to the smallest by a size, shape ``(n_features,)``."""
    return [features[i] for i in np.argsort(-size, kind="stable")]
