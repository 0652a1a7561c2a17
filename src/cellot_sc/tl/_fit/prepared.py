"""Cells ready for a fit: split, and in the space in which they are transported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from anndata import AnnData

from ... import _keys, _validate
from ..._chunks import stored
from ..._settings import logger
from ...pp import Space, represent, split
from ...pp._adopt import adopt
from ...pp._origin import MARKS, Marks


@dataclass(frozen=True)
class Prepared:
    """Cells of an AnnData with all that a fit reads, and what had to be made for them.

    Parameters
    ----------
    cells
        The cells: ``X``, ``obs`` and ``var`` of the AnnData, and the representation.
    use_rep
        Its name.
    columns
        Names of the columns of ``obs`` that were made, and are not yet in the AnnData.
    represented
        Whether the representation, or its decoder, was made and is not yet in the AnnData.
    """

    cells: AnnData
    use_rep: str
    columns: list[str]
    represented: bool = False

    def add(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add columns to the cells."""
        for name, values in columns.items():
            self.cells.obs[name] = values
        self.columns.extend(columns)

    def write(self, adata: AnnData) -> list[str]:
        """Add what was made to ``adata``, and return the names of it for the log."""
        for name in self.columns:
            adata.obs[name] = self.cells.obs[name]
        added = [f"obs[{name!r}]" for name in self.columns]
        if self.represented:
            adata.obsm[self.use_rep] = self.cells.obsm[self.use_rep]
            adata.uns[self.use_rep] = self.cells.uns[self.use_rep]
            added.append(f"obsm[{self.use_rep!r}]")
        return added


def prepare(
    adata: AnnData, labels_key: str, control: str, *, use_rep: str | None, split_key: str, seed: int, key_added: str
) -> Prepared:
    """Read the split and the representation of cells, or make them with their defaults where there are none.

    Nothing is written to ``adata``.

    Parameters
    ----------
    adata
        Annotated data.
    labels_key, control
        Column of ``obs`` within whose labels cells are split, and one of its labels.
    use_rep
        Key in ``obsm``, ``"X"``, or ``None`` for the first of those there are.
    split_key
        Column of ``obs`` with the split.
    seed
        Seed of a new split.
    key_added
        Key of ``uns`` that will be written.

    Raises
    ------
    KeyError
        If the representation is missing.
    ValueError
        If ``key_added`` is where a decoder is kept, or cells cannot be split or represented.
    """
    _validate.one_key(split_key, what="split_key")
    columns: list[str] = []
    if use_rep == _keys.EXPRESSION:
        _validate.gene_names(adata)
    cells = AnnData(adata.X, obs=adata.obs.copy(), var=adata.var.copy())
    # a name that was given is meant: only where the default is absent was the data never split
    if split_key not in adata.obs and split_key == _keys.SPLIT:
        logger.info("no split in obs[%r]: making one", split_key)
        split(cells, labels_key, control=control, seed=seed, key_added=split_key)
        columns.append(split_key)
    parts = _validate.split_labels(cells, split_key)

    if use_rep is None:
        use_rep = default_rep(adata)
    _validate.free_uns_key(key_added, use_rep or _keys.REP, what="key_added")
    if use_rep is None:
        logger.info("no representation that has seen train cells only: making one")
        represent(cells, split_key=split_key, key_added=_keys.REP)
        return Prepared(cells, _keys.REP, columns, represented=True)
    space = Space(adata, use_rep).checked()
    if space.is_expression:
        _tell_unusual(adata)
        return Prepared(cells, use_rep, columns)
    cells.obsm[use_rep] = adata.obsm[use_rep]
    if space.decodes:
        cells.uns[use_rep] = adata.uns[use_rep]
        _warn_of_learnt(Space(cells, use_rep), parts)
        return Prepared(cells, use_rep, columns)
    adopted = adopt(adata, cells, use_rep, parts == _keys.TRAIN)
    if adopted:
        _tell_unusual(adata)
    return Prepared(cells, use_rep, columns, represented=adopted)


def default_rep(adata: AnnData) -> str | None:
    """Return the representation that is used if none is named, ``None`` if there is none yet.

    Components of scanpy have seen test cells: where there is expression, cells are represented anew, by train cells.
    """
    if _keys.REP in adata.obsm:
        return _keys.REP
    if _keys.PCA not in adata.obsm:
        return None
    if adata.X is None or not adata.n_vars:
        return _keys.PCA
    logger.info("obsm[%r] has seen test cells and is left aside: give use_rep=%r to use it", *[_keys.PCA] * 2)
    return None


def _tell_unusual(adata: AnnData) -> None:
    """Say so if there is something unusual about what maps read or write; :func:`cellot_sc.pp.represent` did before."""
    _validate.usual_expression(stored(adata.X, what="adata.X", finite=False), adata.var_names, what="adata.X")


def _warn_of_learnt(space: Space, parts: np.ndarray) -> None:
    """Say so if a representation has learnt from cells that are to be judged by."""
    judged = np.isin(parts.astype(str), (_keys.TEST, _keys.OOD))
    marks = Marks.read(space.decoder.get(MARKS))
    _, learnt = marks.learnt(space.adata.obs_names[judged], space.matrix()[judged])
    if learnt.any():
        logger.warning(
            "obsm[%r] was fitted before this split: it has learnt from %d of %d test and ood cells. Represent again.",
            *(space.name, learnt.sum(), len(learnt)),
        )
