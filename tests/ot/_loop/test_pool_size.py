from __future__ import annotations

from cellot_sc.ot._loop.pool_size import pool_size


def test_a_pool_is_a_part_of_what_may_be_in_memory() -> None:
    assert pool_size(4 * 2**30, 2000) == 8388
