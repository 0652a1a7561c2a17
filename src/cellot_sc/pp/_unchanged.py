"""Whether a space is still what it was made of, and what maps were fitted in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellot_sc import _validate
from cellot_sc._chunks import Stored, chunks, stored, taken
from cellot_sc._settings import logger

from ._decode import decoder_digest
from ._methods import METHODS, check
from ._origin import Marks, Origin
from ._rows import dense, read

if TYPE_CHECKING:
    from ._space import Space

MIN_KNOWN = 0.05
"""Share of the cells that has to have names of cells that maps were fitted to, lest that be by chance."""
MAX_BELOW = 0.05
"""Share of values below 0 that there may be where all were above 0 when maps were fitted."""
N_PROJECTED = 32
"""Cells that are represented anew to see whether a representation is of these cells."""


def check_projection(space: Space) -> None:
    """Raise :class:`ValueError` if some cells, represented anew, do not lie where they are said to lie."""
    where = _validate.expression_name(space.layer)
    x = space.expression
    if x is None or not space.adata.n_obs:
        return
    check(space.decoder)
    columns = space.columns
    rows = np.unique(np.linspace(0, space.adata.n_obs - 1, N_PROJECTED).astype(int))
    kept, cells = read(space.matrix(), rows), taken(stored(x, what=where, finite=False), rows)
    known = np.isfinite(kept).all(axis=1)
    cells = _validate.finite(cells if columns is None else cells[:, columns], what=where)
    if kept.shape[1] != int(space.decoder["n_components"]):
        raise ValueError(
            f"adata.obsm[{space.name!r}] has {kept.shape[1]} dimensions and its decoder "
            f"{space.decoder['n_components']}: represent again."
        )
    method = METHODS[space.decoder["method"]]
    # predictions are what their points decode to, but not represented to these, as they were cut off at 0
    rebuilt = method.reconstruct(kept[known], space.decoder)
    known[known] = np.abs(dense(cells[known]) - rebuilt).max(axis=1) > 1e-4 * np.abs(rebuilt).max(initial=0)
    off, size = (np.abs(x[known]).max(axis=1) for x in (method.project(cells, space.decoder) - kept, kept))
    if (off > 0.01 * size.max(initial=0)).sum() > len(off) / 2:
        raise ValueError(
            f"{where} is not what adata.obsm[{space.name!r}] was represented from (cells that are represented anew "
            f"lie up to {off.max():.3g} from where they are kept): it has changed since, as by scaling. Restore "
            "it, or keep what is to be learnt from in a layer, and represent and fit again."
        )


def check_origin(space: Space, origin: Origin) -> None:
    """Raise :class:`ValueError` if this is not the space in which maps were fitted; of stored cells the first tell."""
    what = f"adata.obsm[{space.name!r}]"
    if decoder_digest(space.decoder) != origin.decoder:
        raise ValueError(
            f"{what} was represented anew since the maps were fitted in it, or its decoder in adata.uns is gone: "
            "fit the maps again."
        )
    x = space.matrix()
    if x.shape[1] != origin.n_dims:
        raise ValueError(f"use_rep {space.name!r} has {x.shape[1]} dimensions; the maps have {origin.n_dims}.")
    if isinstance(x, Stored):
        _, x = next(chunks(x))
    # of markers that lie above 0 throughout, a cell may lie below by chance
    if space.is_expression and origin.low >= 0 and x.shape[0] and (x < 0).mean() > MAX_BELOW * (origin.low > 0):
        raise ValueError(
            f"adata.X has values down to {x.min():.3g}, and none below 0 when the maps were fitted: it was scaled "
            "or centred since. Restore it, or fit again."
        )
    if not space.decodes:
        check_marks(space, origin.marks)


def check_marks(space: Space, marks: Marks) -> None:
    """Say so if most of the cells that maps were fitted to lie elsewhere now, by their names."""
    could, known, same = marks.recognise(space.adata.obs_names, space.matrix())
    if not known.any() or same.sum() >= known.sum() / 2:
        return
    where = "adata.X" if space.is_expression else f"adata.obsm[{space.name!r}]"
    what = (
        f"{int((known & ~same).sum())} of the {int(known.sum())} cells that have the names of cells that there "
        f"were when the maps were fitted have other values in {where}"
    )
    # barcodes recur, and numbers are what pandas counts cells by
    by_chance = known.sum() < MIN_KNOWN * could.sum() or space.adata.obs_names.str.isdecimal().all()
    if not space.is_expression and not by_chance:
        raise ValueError(
            f"{what}: it has changed since. Restore it or fit again; if these are other cells, in the same space, "
            "give them other names in adata.obs_names."
        )
    logger.warning("%s: unless these are other cells, it has changed since, and the maps are of no use.", what)
