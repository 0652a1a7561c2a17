"""Which perturbations move the same cells the same way: modes of action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from ... import _keys, _validate
from ..._settings import logger
from .._fit.null import Null
from .._fit.tables import keeper
from .displacements import Displacements, displacements
from .null import null
from .transport_cost import within_noise


@_validate.takes_adata
def perturbation_similarity(
    adata: AnnData,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Compare how perturbations displace the same control cells.

    The similarity of two perturbations is the cosine of their displacement fields, ``sum_i d_i . e_i`` over the root of
    ``sum_i |d_i|^2 sum_i |e_i|^2``, where ``d_i`` and ``e_i`` are the displacements of control cell i in the space of
    the maps. It is 1 if every cell is moved alike, and -1 if every cell is moved the opposite way.

    A perturbation whose cost is within noise, as that of :func:`transport_cost` whose interval is not above its null,
    has no direction to compare: its similarities are NaN.

    All maps start from the same control cells, whose sampling error makes the fields of inert drugs alike. What it is
    expected to add to a cosine, given what maps between control cells and control cells do, is subtracted.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbations to compare, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    seed
        Seed of the null.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Square table of similarities in [-1, 1], perturbations in hierarchical order: of average linkage, leaves ordered so
    that neighbours are as similar as can be (Bar-Joseph et al. 2001, doi 10.1093/bioinformatics/17.suppl_1.S22). Last
    come those within noise, whose rows and columns are NaN.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted, or the train cells that the maps were fitted to are missing.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50, perturbations=("a", "b", "c"))
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.perturbation_similarity(adata).shape
    (3, 3)
    """
    keep = keeper(adata, key_added)
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    null_maps = null(moves, seed=seed)
    similarity = cosines(moves, null_maps)
    noisy = np.isin(moves.names, within_noise(moves, null_maps, seed=seed))
    similarity[noisy] = similarity[:, noisy] = np.nan
    known = np.flatnonzero(~noisy)
    if len(known) > 1:
        apart = squareform(1 - similarity[np.ix_(known, known)], checks=False)
        known = known[hierarchy.leaves_list(hierarchy.linkage(apart, "average", optimal_ordering=True))]
    order = [*known, *np.flatnonzero(noisy)]
    names = pd.Index([moves.names[i] for i in order], name="perturbation")
    logger.info("compared %d perturbations on %d control cells", len(names), len(moves.rows))
    if noisy.any():
        logger.info("within noise, and like no other: %s", [moves.names[i] for i in np.flatnonzero(noisy)])
    return keep(pd.DataFrame(similarity[np.ix_(order, order)], index=names, columns=names))


def cosines(moves: Displacements, null_maps: Null) -> np.ndarray:
    """Return the cosines of displacement fields without what the control cells make alike, shape ``(n_maps, n_maps)``.

    Parameters
    ----------
    moves
        The maps and the control cells.
    null_maps
        What no effect looks like.
    """
    fields = np.stack([moves.field(moves.fitted.maps[name]).ravel() for name in moves.names]).astype(np.float64)
    lengths = np.sqrt((fields**2).sum(axis=1))
    units = np.divide(fields, lengths[:, None], out=np.zeros_like(fields), where=lengths[:, None] > 0)
    noise = null_maps.excess(moves.field) * np.sqrt(
        np.mean([(moves.field(fitted) ** 2).sum() for fitted in null_maps.maps])
    )
    # of each field, the part that comes from the control cells, which all fields share
    parts = [
        np.sqrt(null_maps.shared[name]) * min(null_maps.scale[name] * noise / length, 1.0) if length > 0 else 0.0
        for name, length in zip(moves.names, lengths, strict=True)
    ]
    similarity = np.clip(units @ units.T - np.outer(parts, parts), -1, 1)
    np.fill_diagonal(similarity, 1)
    return similarity
