"""What no effect looks like: maps between halves of the control cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _keys, _validate
from ..ot import Problem, TransportMap, WeightedMap, fit
from ._clouds import latent
from ._problems import problems

if TYPE_CHECKING:
    from ._displacements import Displacements

N_NULL = 50
"""Random halvings of the control train cells."""
SHIFTS = ("identity", "mean_shift")


@dataclass(frozen=True)
class Null:
    """Maps between control cells and other control cells.

    Parameters
    ----------
    maps
        A map per random halving of the control train cells.
    scale
        By perturbation, what a displacement by these maps is multiplied by: they come from half as many control cells,
        and from as many of the other half, as the map in question comes from control and treated cells.
    """

    maps: list[TransportMap]
    scale: dict[str, float]


def null(moves: Displacements, *, seed: int) -> Null:
    """Fit maps between random halves of the control train cells.

    An affine map to each: the solver's own if it has a closed form, and the start of the networks otherwise.

    Parameters
    ----------
    moves
        The maps in question and their control cells.
    seed
        Seed of the halvings.

    Raises
    ------
    KeyError
        If the column of the split is missing.
    ValueError
        If the train cells that the maps were fitted to are not among the cells.
    """
    adata, config = moves.adata, moves.fitted.config
    labels = _validate.perturbation_labels(adata, config["perturbation_key"], config["control"])
    parts = _validate.split_labels(adata, config["split_key"])
    groups = None
    if config["pair_by"] is not None:
        groups = _validate.group_codes(adata, config["pair_by"], what="pair_by")
    weights = next((m.weights for m in moves.fitted.maps.values() if isinstance(m, WeightedMap)), None)
    x = latent(adata, moves.use_rep)
    pairs = problems(x, labels, parts, groups, config["control"], moves.names)

    control = x[(labels == config["control"]) & (parts == _keys.TRAIN)]
    if weights is not None:
        control = control * np.sqrt(weights)
    rng = np.random.default_rng(seed)
    half = len(control) // 2
    none = control[:0]
    halvings = []
    for _ in range(N_NULL):
        order = rng.permutation(len(control))
        halvings.append(Problem(control[order[:half]], control[order[half:]], none, none))
    solver = "mean_shift" if config["solver"] in SHIFTS else "gaussian"
    maps = [fitted.map for fitted in fit(halvings, solver)]
    if weights is not None:
        maps = [WeightedMap(inner, weights) for inner in maps]
    noise = 1 / half + 1 / (len(control) - half)
    scale = {
        name: float(np.sqrt((1 / len(pair.source) + 1 / len(pair.target)) / noise))
        for name, pair in zip(moves.names, pairs, strict=True)
    }
    return Null(maps, scale)
