"""Cells of equal composition on both sides: what is scored where abundance shall not count as a response."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ... import _keys
from ..._settings import logger
from .clouds import MIN_GROUP_CELLS, Data, Members, enough

N_NAMED = 3
"""Perturbations that a line in the log names."""
SLACK = 0.01
"""Share of the treated cells that groups may lack together, lest one rare group decides how few of the others count."""


def equal_composition(data: Data, name: str, rng: np.random.Generator) -> Members | None:
    """Return cells of which every group has the share of treated cells that it has of judged control cells.

    Groups with fewer than 10 control or treated judged cells are left out on both sides, and so are cells of none. Of
    the treated cells as many are drawn, without replacement, as there can be with these shares to within
    :data:`SLACK`: copies would bias scores. Likewise of the treated train cells, where these stand in for a prediction,
    and of the cells that other tools predict: all of them where these have the shares of control cells.

    Parameters
    ----------
    data
        All cells, with the kind of each.
    name
        The perturbation.
    rng
        Where cells are drawn from.

    Returns
    -------
    Who is in it, or ``None`` where kinds are unknown, or fewer than two can be compared.
    """
    if data.kinds is None:
        return None
    judged = data.parts == data.split
    sides = [judged & (data.labels == label) for label in (data.control, name)]
    counts = [{kind: int((data.kinds[side] == kind).sum()) for kind in {*data.kinds[side]} - {""}} for side in sides]
    kinds = sorted(kind for kind in counts[0] if min(count.get(kind, 0) for count in counts) >= MIN_GROUP_CELLS)
    if len(kinds) < 2:
        return None
    shares = np.array([counts[0][kind] for kind in kinds], dtype=np.float64)
    shares /= shares.sum()
    chosen = sides[0] & np.isin(data.kinds, kinds)
    chosen |= _drawn(data.kinds, sides[1], kinds, shares, rng)
    if data.has_stand_ins:
        stand_in = (data.labels == name) & (data.parts == _keys.TRAIN)
        chosen |= _drawn(data.kinds, stand_in, kinds, shares, rng)
    given = {}
    for (model, cells), own in zip(data.given.items(), rng.spawn(len(data.given)), strict=True):
        if cells.kinds is not None and (among := cells.labels == name).any():
            given[model] = np.flatnonzero(_drawn(cells.kinds, among, kinds, shares, own))
    return Members(chosen, enough(given, name, _keys.EQUAL))


def tell_of_equal(data: Data, sizes: Mapping[str, int | None]) -> None:
    """Say in the log, once, how many treated cells are judged with equal composition.

    Parameters
    ----------
    data
        All cells.
    sizes
        The number of each perturbation, ``None`` of those that cannot be so judged.
    """
    judged = data.parts == data.split
    treated = {name: int((judged & (data.labels == name)).sum()) for name in sizes}
    said = [f"{n:,} of {treated[name]:,} of {name!r}" for name, n in sizes.items() if n is not None]
    if said:
        more = f" and so on, {len(said)} perturbations in all" * (len(said) > N_NAMED)
        logger.info("treated cells that are judged with equal composition: %s%s", ", ".join(said[:N_NAMED]), more)


def _drawn(
    labels: np.ndarray, among: np.ndarray, kinds: list[str], shares: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return a mask of as many of these cells as there can be with these shares."""
    rows = [np.flatnonzero(among & (labels == kind)) for kind in kinds]
    sizes = np.array([len(cells) for cells in rows])
    scarcest = np.argsort(sizes / shares)
    # so many that the scarcest one, two, ... groups lack no more than that
    needed = shares[scarcest].cumsum() - SLACK
    n = (sizes[scarcest].cumsum()[needed > 0] / needed[needed > 0]).min()
    mask = np.zeros(len(labels), dtype=bool)
    for cells, share in zip(rows, shares, strict=True):
        mask[rng.choice(cells, min(round(share * n), len(cells)), replace=False)] = True
    return mask
