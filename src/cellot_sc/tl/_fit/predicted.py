"""The AnnData that predictions are: where cells go, where they came from, and what took them there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData, concat

from ... import _keys, _validate
from ..._on_disk import ROW_CHUNK, GrowingFile
from ..._settings import logger
from ...ot import ContextMap, TransportMap
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

    def tell_of_lost(self) -> None:
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
            f"layers[{_keys.BEFORE!r}], which are decoded, too"
        )

    @cached_property
    def before(self) -> Any:
        """The cells as ``X`` has the predicted ones."""
        nameless = pd.DataFrame(index=[str(i) for i in range(len(self.x))])
        return self.space.as_adata(self.x, nameless, decode=self.decode).X

    def rows(self, rows: slice) -> Sources:
        """Return some of the cells."""
        return replace(self, x=self.x[rows])

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


@dataclass(frozen=True)
class Moves:
    """Cells, and the maps that are to move them.

    Parameters
    ----------
    sources
        The cells.
    obs
        What is known of each.
    contexts
        Contexts of each, if the maps know any.
    maps
        By target.
    beyond
        With ``uncertainty``, by target, what :meth:`.Space.deviations` is to know of genes beyond the space; ``None``
        without.
    """

    sources: Sources
    obs: pd.DataFrame
    contexts: np.ndarray | None
    maps: Mapping[str, TransportMap]
    beyond: Mapping[str, np.ndarray] | None

    def parts(self, target: str, n_rows: int) -> Iterator[AnnData]:
        """Yield the cells after one perturbation, so many at a time."""
        fit, space = self.sources.fit, self.sources.space
        obs = self.obs.copy()
        obs[fit.label_key] = _validate.relabelled(space.adata.obs.get(fit.label_key), target, len(obs))
        if len(self.maps) > 1:
            obs.index = obs.index + f"-{target}"
        moved = self.maps[target].transport(self.sources.x, self.contexts)
        for start in range(0, len(moved), n_rows):
            rows = slice(start, start + n_rows)
            part = self.sources.rows(rows).moved(moved[rows], obs.iloc[rows].copy())
            if self.beyond is not None:
                spread = _spread(self.maps[target], None if self.contexts is None else self.contexts[rows])
                beyond = self.beyond.get(target)
                part.layers[_keys.SD] = space.deviations(moved[rows], spread, decode=self.sources.decode, beyond=beyond)
            yield part

    def in_memory(self) -> AnnData:
        """Return all cells after all perturbations."""
        every = [part for target in self.maps for part in self.parts(target, len(self.obs))]
        return every[0] if len(every) == 1 else concat(every, merge="same", uns_merge="same")

    def write(self, path: Path, made: Mapping[str, Any]) -> None:
        """Write the same to a file some cells at a time, and what the predictions were made by."""
        frames, file = [], GrowingFile(path, len(self.maps) * len(self.obs))
        n_features = len(self.sources.space.features) if self.sources.decoded else self.sources.x.shape[1]
        try:
            for target in self.maps:
                seen = []
                for part in self.parts(target, max(1, ROW_CHUNK // n_features)):
                    file.add(part)
                    seen.append(part.obs)
                frames.append(AnnData(None, obs=pd.concat(seen), var=part.var, uns=part.uns))
            frame = frames[0] if len(frames) == 1 else concat(frames, merge="same", uns_merge="same")
            frame.uns[_keys.PREDICTION] = made
            file.finish(frame)
        finally:
            file.close()


def _spread(fitted: TransportMap, contexts: np.ndarray | None) -> np.ndarray:
    assert isinstance(fitted, ContextMap)
    assert contexts is not None
    return fitted.deviations(contexts)


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
