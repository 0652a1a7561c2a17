"""Who was held out of a fit, by name, and how the other cells were split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from anndata import AnnData

from .. import _keys, tl
from ._table import percent

MAX_NAMES = 20
"""Of more groups, nobody reads the names: such a column tells cells apart, not groups."""


def held_out(adata: AnnData, fit: tl.Fit) -> dict[str, list[str]]:
    """Return the groups that were held out, by the column of ``obs`` that has them; nothing if that cannot be told.

    :func:`cellot_sc.pp.split` keeps what it was asked for. Of other splits, or where cells have been moved between them
    since, it is the column of which the fewest categories have all of the held-out cells, and no others.

    Parameters
    ----------
    adata
        Annotated data with a split.
    fit
        The fit that heeds it.
    """
    parts = fit.parts(adata)
    ood = parts == _keys.OOD
    if not ood.any():
        return {}
    asked = _asked(adata, fit).get("holdout", {})
    named = {str(column): [str(name) for name in names] for column, names in asked.items() if column in adata.obs}
    inside = np.zeros(adata.n_obs, dtype=bool)
    for column, names in named.items():
        inside |= adata.obs[column].astype(str).isin(names).to_numpy()
    if named and inside[ood].all():
        return named
    others, found = np.isin(parts, (_keys.TRAIN, _keys.VALID, _keys.TEST)), dict[str, list[str]]()
    for column in adata.obs:
        if column == fit.split_key or adata.obs[column].dtype.kind == "f":
            continue
        labels = adata.obs[column].astype(str).to_numpy()
        names = sorted({*labels[ood]})
        if others.any() and len(names) <= min(MAX_NAMES, int(ood.sum()) // 2) and not {*names} & {*labels[others]}:
            found[str(column)] = names
    best = min(found, key=lambda column: len(found[column]), default=None)
    return {} if best is None else {best: found[best]}


def words(groups: Mapping[str, Sequence[str]]) -> str:
    """Return groups by name, such as ``patient 1015``."""
    return listed([_of_column(column, names) for column, names in groups.items()])


def listed(texts: Sequence[str]) -> str:
    """Return texts as a list in words."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def sentence(adata: AnnData, fit: tl.Fit) -> str:
    """Return how cells were split, as the methods say it; nothing if that is not known."""
    out, asked = held_out(adata, fit), _asked(adata, fit)
    found = [f"cells of {words(out)} were held out"] if out else []
    if asked:
        strata = [str(name) for name in asked.get("stratify_by", ())]
        shares = [f"{percent(float(asked['test_fraction']))} were drawn as test cells"]
        if groups := asked.get("valid_groups"):
            found.append(f"those of {words(groups)} were validation cells")
        else:
            shares.append(f"{percent(float(asked['valid_fraction']))} as validation cells")
        found.append(
            f"of the {'others' if found else 'cells of each perturbation'}, {listed(shares)}, at random within each "
            f"{' and '.join(['perturbation', *strata])} (seed {int(asked['seed'])})"
        )
    text = "; ".join(found)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _of_column(column: str, names: Sequence[str]) -> str:
    # “patient patient_3” would say it twice
    if all(name.lower().startswith(column.lower()) for name in names):
        return listed([*names])
    return f"{column} {listed([*names])}"


def _asked(adata: AnnData, fit: tl.Fit) -> Mapping[str, Any]:
    """Return what :func:`cellot_sc.pp.split` kept of its arguments, nothing if it made another split."""
    record: Any = adata.uns.get(fit.split_key)
    kept = isinstance(record, Mapping) and {"holdout", "test_fraction", "seed"} <= set(record)
    return record if kept and record["perturbation_key"] == fit.label_key else {}
