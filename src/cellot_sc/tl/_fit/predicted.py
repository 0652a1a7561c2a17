"""The AnnData that predictions are: where cells go, where they came from, and what took them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys
from ..._settings import logger
from ...pp import Space
from .fit import Fit
from .store import FittedMaps


@dataclass(frozen=True)
class Sources:
    """Cells that maps of a fit are to move.

    Parameters
    ----------
    fit
        The fit.
    space
        Its space.
    x
        Where the cells are in it, shape ``(n_cells, n_dims)``.
    decode
        Whether to go back to genes where that can be done.
    """

    fit: Fit
    space: Space
    x: np.ndarray
    decode: bool

    def __post_init__(self) -> None:
        """Say so if predictions have something else in a column of the cells' own."""
        adata = self.space.adata
        # predicted cells that are moved on have such columns
        if _keys.PREDICTION not in adata.uns and (
            lost := {_keys.ROLE, _keys.COST, _keys.SUPPORT} & set(adata.obs.columns)
        ):
            logger.warning("obs[%r] of the prediction is not what adata has there: rename that", sorted(lost)[0])

    @property
    def decoded(self) -> bool:
        """Whether ``X`` is decoded."""
        return self.decode and self.space.decodes

    @property
    def scale(self) -> str:
        """What ``X`` is, in words."""
        if self.space.is_expression:
            return "expression, on the scale of adata.X"
        if self.decoded:
            return f"expression decoded from {self.x.shape[1]} dimensions, on the scale of what was represented"
        return f"points of {self.space.name!r}"

    @property
    def advice(self) -> str:
        """What the log says of ``X`` besides how many cells were predicted: nothing where it is not decoded."""
        if not self.decoded:
            return ""
        return (
            f": X is decoded from {self.x.shape[1]} dimensions, smoother than measured cells; compare it with "
            f"layers[{_keys.BEFORE!r}], or with cells that cs.tl.combine decodes"
        )

    @cached_property
    def before(self) -> Any:
        """The cells as ``X`` has the predicted ones."""
        nameless = pd.DataFrame(index=[str(i) for i in range(len(self.x))])
        return self.space.as_adata(self.x, nameless, decode=self.decode).X

    def moved(self, points: np.ndarray, obs: pd.DataFrame) -> AnnData:
        """Return the cells after they were moved.

        Parameters
        ----------
        points
            Where they are then, shape ``(n_cells, n_dims)``.
        obs
            What is known of each.
        """
        out = self.space.as_adata(points, obs, decode=self.decode)
        out.layers[_keys.BEFORE] = self.before
        out.layers[_keys.EFFECT] = out.X - self.before
        out.obs[_keys.ROLE] = pd.Categorical([_keys.PREDICTED] * len(points))
        displacement = points - self.x
        out.obsm[_keys.DISPLACEMENT] = displacement
        out.obs[_keys.COST] = costs(self.fit, displacement)
        return out


def costs(fit: Fit, displacement: np.ndarray) -> np.ndarray:
    """Return the cost of displacements of shape ``(n_cells, n_dims)``, float64, as a fit has it."""
    return 0.5 * (fit.scaled(displacement) ** 2).sum(axis=1, dtype=np.float64)


def provenance(fitted: FittedMaps, sources: Sources, targets: Sequence[str], key: str) -> dict[str, Any]:
    """Return what predictions were made by, as values that files keep.

    Parameters
    ----------
    fitted
        The maps.
    sources
        The cells that were moved.
    targets
        The perturbations that were predicted.
    key
        Where in ``uns`` the maps were.
    """
    fit = fitted.fit
    return {
        "fit": repr(fit),
        "key": key,
        "digest": fitted.digest,
        "solver": fit.solver,
        "label_key": fit.label_key,
        "control": fit.control,
        "targets": np.array(targets, dtype=object),
        "split_key": fit.split_key,
        "use_rep": fit.use_rep,
        "decoder": "" if fit.origin is None else fit.origin.decoder,
        "decoded": sources.decoded,
        "scale": sources.scale,
        "versions": dict(fit.versions),
    }
