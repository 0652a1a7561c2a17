"""Control, observed and predicted cells, as the figures need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _keys, _validate
from ..pp import decode
from ..tl._fit import store
from ..tl._fit.clouds import latent

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Cells:
    """The cells of an AnnData with fitted maps.

    Parameters
    ----------
    adata
        Annotated data.
    fitted
        Its maps.
    labels
        Perturbation of every cell.
    parts
        Split of every cell.
    split
        The split to show.
    targets
        The perturbations to show.
    """

    adata: AnnData
    fitted: store.FittedMaps
    labels: np.ndarray
    parts: np.ndarray
    split: str
    targets: list[str]

    @property
    def control(self) -> str:
        """Name of the untreated cells."""
        return self.fitted.config["control"]

    @property
    def use_rep(self) -> str:
        """Name of the space of the maps."""
        return self.fitted.config["use_rep"]

    @property
    def decodes(self) -> bool:
        """Whether there is a way back to genes."""
        return self.use_rep != _keys.EXPRESSION and _validate.has_decoder(self.adata, self.use_rep)

    @property
    def in_genes(self) -> bool:
        """Whether :meth:`view` returns expression."""
        return self.decodes or self.use_rep == _keys.EXPRESSION

    @property
    def features(self) -> list[str]:
        """Names of what :meth:`view` returns."""
        if self.in_genes:
            return [str(name) for name in self.adata.var_names]
        return [f"{self.use_rep}_{i}" for i in range(self.adata.obsm[self.use_rep].shape[1])]

    def rows(self, label: str, *, at_most: int, part: str | None = None) -> np.ndarray:
        """Return positions of the cells with a label in a split (the one to show with ``None``), sampled if many."""
        rows = np.flatnonzero((self.labels == label) & (self.parts == (part or self.split)))
        if len(rows) > at_most:
            rows = np.sort(np.random.default_rng(0).choice(rows, at_most, replace=False))
        return rows

    def latent(self, rows: np.ndarray) -> np.ndarray:
        """Return the representation of cells, shape ``(n_cells, n_dims)``."""
        return _validate.finite(latent(self.adata, self.use_rep, rows), what=f"use_rep {self.use_rep!r}")

    def view(self, points: np.ndarray) -> np.ndarray:
        """Return points of the representation as genes where they can be decoded, as they are otherwise."""
        return decode(self.adata, points, key=self.use_rep) if self.decodes else points


def groups(adata: AnnData, key: str | None, *, what: str = "color") -> np.ndarray | None:
    """Return the text of a column that cells are told apart by, if there is to be one.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    return None if key is None else _validate.obs_key(adata, key, what=what).astype(str).to_numpy(dtype=object)


def of_split(adata: AnnData, target: str | None, *, key: str, split: str) -> Cells:
    """Return the cells of a split for one perturbation, or for every one that has cells there.

    Raises
    ------
    KeyError
        If there are no fitted maps, or no such representation or split.
    ValueError
        If the target was not fitted, the split is unknown or has too few cells.
    """
    fitted = store.load(adata, key)
    _validate.representation_key(adata, fitted.config["use_rep"])
    names = list(fitted.maps) if target is None else [_validate.one_of(target, fitted.maps, what="target")]
    _validate.one_of(split, _keys.SPLITS, what="split")
    labels = _validate.perturbation_labels(adata, fitted.config["perturbation_key"], fitted.config["control"])
    parts = _validate.split_labels(adata, fitted.config["split_key"])
    counts = {name: int(((labels == name) & (parts == split)).sum()) for name in [fitted.config["control"], *names]}
    shown = _validate.cells_to_judge(counts, fitted.config["control"], split=split)
    return Cells(adata, fitted, labels, parts, split, shown)
