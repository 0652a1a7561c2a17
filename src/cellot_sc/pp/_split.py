"""Say of each cell what it may be used for."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellot_sc import _keys, _validate
from cellot_sc._settings import logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData


def split(
    adata: AnnData,
    perturbation_key: str = _keys.PERTURBATION,
    *,
    control: str = _keys.CONTROL,
    test_fraction: float = 0.2,
    valid_fraction: float = 0.1,
    holdout: Mapping[str, Any] | None = None,
    stratify_by: str | Sequence[str] | None = None,
    seed: int = 0,
    key_added: str = _keys.SPLIT,
    copy: bool = False,
) -> AnnData | None:
    """Split cells into train, valid and test, and put whole groups out of training.

    Cells of a held-out group are ``ood`` (out of distribution), control and treated alike. The others are split within
    each perturbation: of its cells, ``test_fraction`` are test and ``valid_fraction`` valid, each rounded to the
    nearest whole number (a half to the even one), and the rest train. With ``stratify_by``, the cells of a perturbation
    are shared out over its strata by largest remainder, so that each stratum gets its fraction rounded down or up.

    The split depends on the names and labels of the cells and on the seed: not on expression, nor on the order of
    the cells (if their names are unique), nor on which other perturbations there are.

    Parameters
    ----------
    adata
        Cells.
    perturbation_key
        Column of ``obs`` that names the perturbation of each cell.
    control
        Its category of untreated cells.
    test_fraction
        Share of the cells of each perturbation that are kept for testing, in [0, 1).
    valid_fraction
        Share of the cells of each perturbation on which fits are selected, in [0, 1).
    holdout
        Groups to hold out: column of ``obs`` to a value, or several values. A cell that is in any of the groups is
        held out.
    stratify_by
        Column, or columns, of ``obs`` of which each combination of values is to be split in the same proportions. A
        missing value counts as a value of its own.
    seed
        Seed of the random numbers.
    key_added
        Column of ``obs`` to write.
    copy
        Whether to return a copy rather than write to ``adata``.

    Returns
    -------
    AnnData | None
        The copy, if asked for. Sets ``obs[key_added]``: category of each cell, one of train, valid, test, ood.

    Raises
    ------
    KeyError
        If a column is missing.
    TypeError
        If ``holdout`` is not a mapping.
    ValueError
        If ``control`` or a held-out value is no category, a fraction is not in [0, 1) or they leave nothing to train
        on, a condition keeps fewer than 10 train cells, or ``key_added`` is a column that is read.

    References
    ----------
    :cite:t:`bunne2023`, Methods: i.i.d. cells, and groups (patients, species, cell types) held out of training.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=20)
    >>> cs.pp.split(adata, holdout={"patient": "patient_3"})
    >>> adata.obs["split"].value_counts().to_dict()
    {'train': 159, 'ood': 72, 'test': 45, 'valid': 24}
    """
    labels = _validate.perturbation_labels(adata, perturbation_key, control)
    test_fraction = _validate.fraction(test_fraction, what="test_fraction")
    valid_fraction = _validate.fraction(valid_fraction, what="valid_fraction")
    _validate.leaves_some(test_fraction, valid_fraction)
    strata_keys = [stratify_by] if isinstance(stratify_by, str) else list(stratify_by or ())
    _validate.not_read(key_added, [perturbation_key, *strata_keys, *(holdout or ())], what="key_added")
    ood = _validate.held_out(adata, holdout)
    strata = _strata(adata, strata_keys)
    seed = _validate.seed(seed)

    splits = np.full(adata.n_obs, _keys.TRAIN, dtype=object)
    splits[ood] = _keys.OOD
    conditions, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    # by condition and then by name, so that neither the order of the cells nor other conditions matter
    by_name = np.lexsort((adata.obs_names.to_numpy(dtype=str), codes))
    for label, members in zip(conditions, np.split(by_name, np.cumsum(sizes)[:-1]), strict=True):
        cells = members[~ood[members]]
        rng = np.random.default_rng([seed, zlib.crc32(label.encode())])
        splits[cells] = _split_cells(strata[cells], test_fraction, valid_fraction, rng)
        n_train = int((splits[cells] == _keys.TRAIN).sum())
        _validate.enough_cells(n_train, what=f"Condition {label!r} of adata.obs[{perturbation_key!r}]")

    out = adata.copy() if copy else adata
    out.obs[key_added] = pd.Categorical(splits, categories=list(_keys.SPLITS))
    counts = ", ".join(f"{int((splits == name).sum())} {name}" for name in _keys.SPLITS)
    logger.info("split cells (seed %d): %s; added obs[%r]", seed, counts, key_added)
    return out if copy else None


def _strata(adata: AnnData, keys: Sequence[str]) -> np.ndarray:
    """Return the combination of values of each cell, as text that sorts, shape (n_cells,)."""
    columns = [_validate.obs_key(adata, key, what="stratify_by").astype(str).to_list() for key in keys]
    return np.array([repr(values) for values in zip(*columns, strict=True)] if columns else [""] * adata.n_obs)


def _split_cells(strata: np.ndarray, test: float, valid: float, rng: np.random.Generator) -> np.ndarray:
    """Return the split of each cell of one perturbation."""
    _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    # equal remainders are decided by chance, or the first strata by name would always win
    ties = rng.permutation(sizes.size)
    n_test = _share_out(test, sizes, sizes, ties)
    n_valid = _share_out(valid, sizes, sizes - n_test, ties)
    splits = np.full(strata.size, _keys.TRAIN, dtype=object)
    for k in range(sizes.size):
        cells = rng.permutation(np.flatnonzero(stratum == k))
        splits[cells[: n_test[k]]] = _keys.TEST
        splits[cells[n_test[k] : n_test[k] + n_valid[k]]] = _keys.VALID
    return splits


def _share_out(fraction: float, sizes: np.ndarray, free: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Return how many of the cells of each stratum to take: ``fraction`` of them all, by largest remainder.

    ``free`` is how many of each stratum can be taken at all, and ``ties`` ranks strata of equal remainder.
    """
    quota = fraction * sizes
    taken = np.minimum(np.floor(quota).astype(int), free)
    missing = round(fraction * int(sizes.sum())) - int(taken.sum())
    remainder = np.where(taken < free, quota - taken, -1.0)
    more = np.lexsort((ties, -remainder))[: max(missing, 0)]
    taken[more] += taken[more] < free[more]
    return taken
