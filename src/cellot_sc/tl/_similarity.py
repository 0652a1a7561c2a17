"""Which perturbations move the same cells the same way: modes of action."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from .. import _keys
from ._displacements import displacements

if TYPE_CHECKING:
    from anndata import AnnData


def drug_similarity(adata: AnnData, *, key: str = _keys.MODEL) -> pd.DataFrame:
    """Compare how perturbations displace the same control cells.

    The similarity of two perturbations is the cosine of their displacement fields, sum_i d_i . e_i over the root of
    sum_i |d_i|^2 sum_i |e_i|^2, where d_i and e_i are the displacements of control cell i in the space of the maps. It
    is 1 if every cell is moved alike, and -1 if every cell is moved the opposite way.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    key
        Where in ``uns`` the maps are.

    Returns
    -------
    Square table of similarities in [-1, 1], perturbations in hierarchical order: of average linkage, leaves ordered so
    that neighbours are as similar as can be (Bar-Joseph et al. 2001, doi 10.1093/bioinformatics/17.suppl_1.S22).

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50, perturbations=("a", "b", "c"))
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.drug_similarity(adata).shape
    (3, 3)
    """
    moves = displacements(adata, key)
    fields = np.stack([moves.of(name).ravel() for name in moves.names])
    products = (fields @ fields.T).astype(np.float64)
    norms = np.sqrt(np.diag(products))
    lengths = norms[:, None] * norms
    similarity = np.clip(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), -1, 1)
    np.fill_diagonal(similarity, 1)
    order = [0]
    if len(similarity) > 1:
        apart = squareform(1 - similarity, checks=False)
        order = hierarchy.leaves_list(hierarchy.linkage(apart, "average", optimal_ordering=True))
    names = pd.Index([moves.names[i] for i in order], name="perturbation")
    return pd.DataFrame(similarity[np.ix_(order, order)], index=names, columns=names)
