"""Where the control cells of an AnnData are moved to, kept beside them, so that figures of any package show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from anndata import AnnData

from ... import _keys, _validate
from ..._validate._keys import NOT_IN_KEYS
from ...ot import TransportMap
from ...pp import Space
from .fit import PERTURBATIONS, Fit
from .predicted import costs

type Kept = tuple[np.ndarray, np.ndarray]
"""Displacements of all cells, shape ``(n_obs, n_dims)``, and their costs: NaN of those that are no control cells."""
MANY = 3
"""Targets whose names are in the log at most."""


def kept_names(adata: AnnData, targets: Sequence[str], key_added: str) -> dict[str, str]:
    """Return what the names of displacements end in, by target: with "_" for what no file takes in a key.

    Parameters
    ----------
    adata
        Where they will be written.
    targets
        The targets.
    key_added
        Where in ``uns`` the maps will be written.

    Raises
    ------
    ValueError
        If two targets would have the same, no file takes one, or a column of ``obs`` has something else.
    """
    instead = str.maketrans(dict.fromkeys(NOT_IN_KEYS, "_"))
    names: dict[str, str] = {}
    for target in targets:
        name = target.translate(instead)
        if name in names.values():
            other = next(one for one, taken in names.items() if taken == name)
            raise ValueError(
                f"displacements of {other!r} and of {target!r} would both be kept as "
                f"{_keys.DISPLACEMENT}_{name}: rename one, or leave displacements=True out."
            )
        _validate.key(f"{_keys.DISPLACEMENT}_{name}", what="the name of a displacement")
        names[target] = name
    _validate.new_columns(
        adata, key_added, PERTURBATIONS, dict.fromkeys(f"{_keys.COST}_{name}" for name in names.values())
    )
    return names


def displaced(adata: AnnData, fit: Fit, maps: Mapping[str, TransportMap]) -> dict[str, Kept]:
    """Return the displacements of the control cells of ``adata``, each by the map of its context, and their costs.

    Parameters
    ----------
    adata
        The cells.
    fit
        What was fitted.
    maps
        Its maps.
    """
    rows = fit.controls(adata)
    x = Space(adata, fit.use_rep, origin=fit.origin).read(rows, used=slice(0))
    # what no fit sees may lie nowhere
    known = np.isfinite(x).all(axis=1)
    rows, x = rows[known], x[known]
    contexts, found = fit.contexts(adata, rows), {}
    for name, fitted in fit.adapted(adata, maps).items():
        moves = np.full((adata.n_obs, x.shape[1]), np.nan, dtype=np.float32)
        cost = np.full(adata.n_obs, np.nan)
        moves[rows] = fitted.transport(x, contexts) - x
        cost[rows] = costs(fit, moves[rows])
        found[name] = moves, cost
    return found


def write(adata: AnnData, found: Mapping[str, Kept], names: Mapping[str, str]) -> list[str]:
    """Add displacements and costs to ``adata``, and return what the log calls them."""
    added = []
    for target, (moves, cost) in found.items():
        places = f"{_keys.DISPLACEMENT}_{names[target]}", f"{_keys.COST}_{names[target]}"
        adata.obsm[places[0]], adata.obs[places[1]] = moves, cost
        added += [f"obsm[{places[0]!r}]", f"obs[{places[1]!r}]"]
    return added if len(found) <= MANY else [f"{added[0]}, {added[1]} and those of {len(found) - 1} others"]
