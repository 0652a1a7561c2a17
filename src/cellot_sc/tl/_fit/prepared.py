"""Cells ready for a fit: split, and in the space in which they are transported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from ..._settings import logger
from ...pp import Space, represent, split


@dataclass(frozen=True)
class Prepared:
    """Cells of an AnnData, and what had to be made for them.

    Parameters
    ----------
    x
        Representation of all cells, shape ``(n_obs, n_dims)``.
    use_rep
        Its name.
    parts
        Split of every cell.
    split_key
        Name of its column.
    shell
        What was made and is not yet in the AnnData: columns of ``obs``, keys of ``obsm`` and ``uns``.
    """

    x: np.ndarray
    use_rep: str
    parts: np.ndarray
    split_key: str
    shell: AnnData

    @property
    def usable(self) -> np.ndarray:
        """Mask of the cells that a fit may see."""
        return (self.parts == _keys.TRAIN) | (self.parts == _keys.VALID)

    def write(self, adata: AnnData) -> list[str]:
        """Add what was made to ``adata``, and return the names of it for the log."""
        added = []
        if self.split_key not in adata.obs:
            adata.obs[self.split_key] = self.shell.obs[self.split_key]
            added.append(f"obs[{self.split_key!r}]")
        if self.use_rep in self.shell.obsm:
            adata.obsm[self.use_rep] = self.shell.obsm[self.use_rep]
            adata.uns[self.use_rep] = self.shell.uns[self.use_rep]
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
    shell = AnnData(adata.X, obs=adata.obs[[]].copy(), var=adata.var[[]].copy())
    shell.obs[labels_key] = adata.obs[labels_key]
    # a name that was given is meant: only where the default is absent was the data never split
    if split_key in adata.obs or split_key != _keys.SPLIT:
        parts = _validate.split_labels(adata, split_key)
    else:
        logger.info("no split in obs[%r]: making one with the defaults of cs.pp.split", split_key)
        split(shell, labels_key, control=control, seed=seed, key_added=split_key)
        parts = _validate.split_labels(shell, split_key)
    shell.obs[split_key] = pd.Categorical(parts, categories=list(_keys.SPLITS))

    if use_rep is None:
        use_rep = default_rep(adata)
    _validate.free_uns_key(key_added, use_rep or _keys.REP, what="key_added")
    if use_rep is not None:
        return Prepared(
            Space(adata, use_rep).read(used=np.zeros(adata.n_obs, dtype=bool)), use_rep, parts, split_key, shell
        )
    logger.info("no representation in obsm: making one with the defaults of cs.pp.represent")
    represent(shell, split_key=split_key, key_added=_keys.REP)
    return Prepared(Space(shell, _keys.REP).read(), _keys.REP, parts, split_key, shell)


def default_rep(adata: AnnData) -> str | None:
    """Return the representation that is used if none is named, ``None`` if there is none yet."""
    return next((rep for rep in (_keys.REP, _keys.PCA) if rep in adata.obsm), None)
