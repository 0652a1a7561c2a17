"""Say of each cell what it may be used for."""

from __future__ import annotations

import contextlib
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._chunks import stored
from cellot_sc._settings import logger

from ._origin import MARKS, Marks
from ._rows import by_row

TWINS = ("ood", "iid")
SEEN_SHARE = 0.5
"""Share of the held-out cells that the twins do not judge by, as in the paper."""


@_validate.takes_adata
def split(
    adata: AnnData,
    perturbation_key: str = _keys.PERTURBATION,
    *,
    control: str = _keys.CONTROL,
    test_fraction: float = 0.2,
    valid_fraction: float = 0.1,
    valid_groups: str | Mapping[str, Any] | None = None,
    holdout: Mapping[str, Any] | None = None,
    twin: Literal["ood", "iid"] | None = None,
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

    With ``valid_groups``, fits are selected on whole groups, such as patients, that they do not learn from: by how well
    a map does on other patients, which cells of the patients that it has seen cannot tell.

    A perturbation may be held out as a whole, such as two drugs at once: no map is fitted to it, and predictions from
    maps of others are judged by its cells (:func:`cellot_sc.tl.judge_combinations`).

    Cells of any other perturbation that keeps fewer than 10 train cells are left out: they have no part in the split.

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
        Share of the cells of each perturbation on which fits are selected, in [0, 1); with ``valid_groups``, of groups.
    valid_groups
        Groups whose cells are all valid, and no others: either a column of ``obs`` to a value or several values, or the
        name of a column only. In that case ``valid_fraction`` of its groups, but at least one, are drawn at random from
        those that have control and treated cells which are not held out.
    holdout
        Groups to hold out: column of ``obs`` to a value, or several values, such as ``{"patient": "p1"}``, or
        ``{"perturbation": "drug_a+drug_b"}``. A cell that is in any of the groups is held out.
    twin
        One of two splits that are judged by the same half of the held-out cells, and so can be compared: with
        ``"ood"``, the other half is used for nothing; with ``"iid"``, it is learnt from like the cells of any other
        group. With ``None``, all held-out cells are ``ood``.
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
        The copy, if asked for. Sets ``obs[key_added]``: category of each cell, one of train, valid, test, ood;
        missing where a cell is used for nothing. ``uns[key_added]`` keeps what was asked for: the arguments by name,
        those of ``None`` left out, and the labels of ``holdout`` and ``valid_groups`` by column.

    Raises
    ------
    KeyError
        If a column is missing.
    TypeError
        If ``holdout`` or ``valid_groups`` is not of its kind, ``control`` is no single label, or a key is no text.
    ValueError
        If ``control`` or a value of a group is no category, the control is held out, a fraction is not in [0, 1) or
        they leave nothing to train on, there are fewer than two groups to draw from, ``twin`` is unknown or nothing is
        held out for it, the control or every other perturbation keeps fewer than 10 train cells, or no file can hold
        ``key_added``, it is a column that is read or holds anything but splits, or ``uns`` has something else there.

    References
    ----------
    :cite:t:`bunne2023`, Methods: i.i.d. cells, and groups (patients, species, cell types) held out of training; its
    code sets half of a held-out group aside for the twins.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=20)
    >>> cs.pp.split(adata, holdout={"patient": "patient_3"})
    >>> adata.obs["split"].value_counts().to_dict()
    {'train': 159, 'ood': 72, 'test': 45, 'valid': 24}
    >>> cs.pp.split(adata, holdout={"patient": "patient_3"}, valid_groups="patient")
    >>> sorted(adata.obs.loc[adata.obs["split"] == "valid", "patient"].unique())
    ['patient_1']
    >>> {column: list(groups) for column, groups in adata.uns["split"]["holdout"].items()}
    {'patient': ['patient_3']}
    """
    labels, control = _validate.perturbation_labels(adata, perturbation_key, control)
    test_fraction = _validate.fraction(test_fraction, what="test_fraction")
    valid_fraction = _validate.fraction(valid_fraction, what="valid_fraction")
    if valid_groups is None and test_fraction + valid_fraction >= 1:
        raise ValueError(
            f"test_fraction {test_fraction} and valid_fraction {valid_fraction} leave no cell to train on."
        )
    if twin is not None:
        _validate.one_of(twin, TWINS, what="twin")
        if not holdout:
            raise ValueError("twin needs holdout: two splits that hold nothing out do not differ.")
    ood = _validate.held_out(adata, holdout)
    if isinstance(valid_groups, Mapping) and perturbation_key in valid_groups:
        raise ValueError(
            f"valid_groups names {perturbation_key!r}, the column of the perturbations: nothing is learnt of one that "
            "is put out of training as a whole. Give groups of cells, such as patients."
        )
    whole = {key: value for key, value in (holdout or {}).items() if key == perturbation_key}
    held_out = {*labels[_validate.held_out(adata, whole)]}
    if control in held_out:
        raise ValueError(
            f"holdout names {control!r} of {perturbation_key!r}, the control: every map starts from it. Give groups of "
            "cells, such as patients, or a perturbation."
        )
    strata_keys = [] if stratify_by is None else _validate.several(stratify_by)
    strata = _strata(adata, strata_keys)
    valid_keys = [valid_groups] if isinstance(valid_groups, str) else valid_groups or ()
    _validate.key(key_added)
    _validate.not_read(key_added, [perturbation_key, *strata_keys, *(holdout or ()), *valid_keys], what="key_added")
    _validate.new_column(adata, key_added, _keys.SPLITS)
    _validate.new_key(adata, key_added, _validate.SPLITTING)
    seed = _validate.seed(seed)

    if isinstance(valid_groups, str):
        drawn = _drawn_groups(adata, valid_groups, valid_fraction, ood, labels == control, seed)
        valid_groups = {valid_groups: drawn}
    valid = _validate.held_out(adata, valid_groups, what="valid_groups") & ~ood
    if valid_groups is not None:
        valid_fraction = 0.0

    splits = np.full(adata.n_obs, _keys.TRAIN, dtype=object)
    conditions, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    # by condition and then by name, so that neither the order of the cells nor other conditions matter
    by_name = np.lexsort((adata.obs_names.to_numpy(dtype=str), codes))
    for label, members in zip(conditions, np.split(by_name, np.cumsum(sizes)[:-1]), strict=True):
        cells, held = members[~ood[members] & ~valid[members]], members[ood[members]]
        stream = [seed, zlib.crc32(label.encode())]
        splits[cells] = _split_cells(strata[cells], test_fraction, valid_fraction, np.random.default_rng(stream))
        # numbers of their own, so that the other cells are split alike with and without a twin
        splits[held] = _split_held(strata[held], twin, valid_fraction, np.random.default_rng([*stream, 1]))
        splits[members[valid[members]]] = _keys.VALID
    _leave_out(splits, labels, held_out, control, perturbation_key)

    out = _validate.writable(adata, copy=copy)
    out.obs[key_added] = pd.Categorical(splits, categories=list(_keys.SPLITS))
    out.uns[key_added] = {
        **{"perturbation_key": perturbation_key, "control": control, "seed": seed},
        **{"test_fraction": test_fraction, "valid_fraction": valid_fraction},
        **{"holdout": _labels_of(adata, holdout), "valid_groups": _labels_of(adata, valid_groups)},
        **({"stratify_by": np.array(strata_keys, dtype=object)} if strata_keys else {}),
        **({} if twin is None else {"twin": twin}),
    }
    counts = ", ".join(f"{int((splits == name).sum())} {name}" for name in _keys.SPLITS)
    logger.info("split cells (seed %d): %s; added obs[%r]", seed, counts, key_added)
    _name_stale(out, key_added)
    return out if copy else None


def _labels_of(adata: AnnData, groups: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    """Return the labels of groups by column, as files can hold them."""
    found = {}
    for column, values in (groups or {}).items():
        cells = _validate.held_out(adata, {column: values})
        labels = _validate.texts(adata.obs[column], named=[str(value) for value in _validate.several(values)])
        found[column] = np.array(sorted(set(labels[cells])), dtype=object)
    return found


def _name_stale(adata: AnnData, split_key: str) -> None:
    """Name what was learnt before from cells that are test or ood cells now."""
    decoders = {key: adata.uns[key].get(MARKS) for key in adata.uns if _validate.has_decoder(adata, key)}
    made = [(f"obsm[{key!r}]", key, marks) for key, marks in decoders.items()]
    fits = {key: fit for key, fit in _validate.kept_fits(adata).items() if fit.get("split_key") == split_key}
    made += [(f"uns[{key!r}]", str(fit["use_rep"]), fit["origin"].get(MARKS)) for key, fit in fits.items()]
    judged = np.flatnonzero(np.isin(_validate.split_labels(adata, split_key), (_keys.TEST, _keys.OOD)))
    stale = []
    for what, use_rep, marks in made:
        # of what is gone or cannot be read, nothing can be said
        with contextlib.suppress(ValueError):
            given = adata.X if use_rep == _keys.EXPRESSION else adata.obsm.get(use_rep)
            x = by_row(stored(given, what=use_rep))[judged]
            if Marks.read(marks).learnt(adata.obs_names[judged], x)[1].any():
                stale.append(what)
    if stale:
        logger.warning(
            "fitted before this split, on cells that it holds out: %s. Represent again and fit again: scores of these "
            "cells would be scores of cells that were learnt from.",
            ", ".join(stale),
        )


def _drawn_groups(
    adata: AnnData, key: str, fraction: float, ood: np.ndarray, control: np.ndarray, seed: int
) -> list[str]:
    """Return the groups of a column that are drawn for validation, of those with control and treated cells."""
    groups = _validate.group_labels(adata, key, what="valid_groups")
    names = sorted((set(groups[control & ~ood]) & set(groups[~control & ~ood])) - {""})
    what = f"The number of groups of adata.obs[{key!r}] with control and treated cells that are not held out"
    _validate.at_least(len(names), 2, what=what, why="one to select on, one to learn from")
    n_valid = min(max(1, round(fraction * len(names))), len(names) - 1)
    rng = np.random.default_rng([seed, zlib.crc32(key.encode()), 2])
    drawn = sorted(rng.choice(np.array(names, dtype=object), n_valid, replace=False))
    logger.info("validation groups of obs[%r]: %s", key, ", ".join(drawn))
    return drawn


def _leave_out(splits: np.ndarray, labels: np.ndarray, held_out: AbstractSet[str], control: str, key: str) -> None:
    """Take the cells of conditions that keep too few train cells, but are not held out, out of the split.

    The control has to have enough.
    """
    train, where, least = splits == _keys.TRAIN, f"adata.obs[{key!r}]", _validate.MIN_TRAIN_CELLS
    among_train = Counter(labels[train])
    counts = {name: among_train[name] for name in sorted({*labels} - held_out)}
    _validate.enough_cells(counts.pop(control), what=f"control {control!r} of {where}")
    if not counts:
        return
    few = np.isin(labels, np.array([name for name, n in counts.items() if n < least], dtype=object))
    consequence = f"their {int(few.sum())} cells are left out, without a part in the split"
    _validate.learnable(counts, least, named=False, where=where, unit="train cells", consequence=consequence)
    splits[few] = None


def _strata(adata: AnnData, keys: Sequence[str]) -> np.ndarray:
    """Return the combination of values of each cell, as text that sorts, shape (n_cells,)."""
    columns = [
        # missing is a value of its own
        ["nan" if text is None else text for text in _validate.texts(_validate.obs_key(adata, key, what="stratify_by"))]
        for key in keys
    ]
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


def _split_held(strata: np.ndarray, twin: str | None, valid: float, rng: np.random.Generator) -> np.ndarray:
    """Return the split of each held-out cell of one perturbation; what is no test cell of a twin is seen or unused."""
    if twin is None:
        return np.full(strata.size, _keys.OOD, dtype=object)
    splits = _split_cells(strata, 1 - SEEN_SHARE, 0.0, rng)
    judged = splits == _keys.TEST
    splits[~judged] = _split_cells(strata[~judged], 0.0, valid, rng) if twin == "iid" else None
    splits[judged] = _keys.OOD
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
