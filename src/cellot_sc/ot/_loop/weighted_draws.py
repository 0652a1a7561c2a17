"""Drawing cells that count differently: one uniform number and one comparison a cell, whatever their number."""

from __future__ import annotations

import numpy as np


def alias_table(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return with which chance an item that was drawn evenly is kept, and which takes its place otherwise.

    By the method of Walker (1977, doi 10.1145/355744.355749), with the tables of Vose (1991, doi 10.1109/32.92917).
    With equal weights, every item is kept.

    Parameters
    ----------
    weights
        How often every item is wanted, in any unit, shape ``(n,)``: not negative, with a positive sum.

    Returns
    -------
    Chances, float32, and places of substitutes, int32, each of shape ``(n,)``.
    """
    n = len(weights)
    share = weights.astype(np.float64) * (n / weights.sum(dtype=np.float64))
    substitute = np.arange(n)
    poor, rich = (list(np.flatnonzero(mask)) for mask in (share < 1, share > 1))
    while poor and rich:
        taker, giver = poor.pop(), rich[-1]
        substitute[taker] = giver
        share[giver] -= 1 - share[taker]
        if share[giver] < 1:
            poor.append(rich.pop())
    # what is left over is 1 but for rounding
    share[poor], share[rich] = 1, 1
    return share.astype(np.float32), substitute.astype(np.int32)
