"""Genes, which are told apart by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData


def gene_columns(adata: AnnData, genes: Sequence[str], *, what: str) -> np.ndarray | None:
    """Return where ``genes`` are among those of ``adata``, or ``None`` if they are the same in the same order.

    Parameters
    ----------
    adata
        Annotated data.
    genes
        Names of the genes that something was fitted on, in its order.
    what
        What was fitted.

    Raises
    ------
    ValueError
        If genes are absent, there are others, or two have the same name.
    """
    names = [str(name) for name in adata.var_names]
    if names == list(genes):
        return None
    what = f"{what} fitted on {len(genes)} genes, which are not the {adata.n_vars} of adata"
    if absent := sorted(set(genes) - set(names)):
        raise ValueError(f"{what}: {len(absent)} of them are absent, such as {absent[0]!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"{what} in number or order, and adata.var_names are not unique: names do not tell genes.")
    if more := sorted(set(names) - set(genes)):
        raise ValueError(f"{what}: it has {len(more)} more, such as {more[0]!r}. Leave them out: adata[:, genes].")
    return adata.var_names.astype(str).get_indexer(list(genes))
