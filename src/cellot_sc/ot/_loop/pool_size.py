"""How large a pool of cells is that do not fit into memory; known without what computes."""

from __future__ import annotations

SHARE = 64
"""A pool of a cloud is one part of so many of the cells that may be in memory. Of at most 9 clouds of a block there are
two pools at once, as the next ones are read while steps are made, and once more on the device."""


def pool_size(budget: int, n_dims: int) -> int:
    """Return how many cells a pool of a cloud has, given the bytes of cells that may be in memory.

    It is the same whatever is fitted beside it.
    """
    return max(1, budget // (4 * SHARE * n_dims))
