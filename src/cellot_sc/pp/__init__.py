"""Before the map: split cells, represent them in few dimensions, decode those back to genes; and on to counts."""

from __future__ import annotations

from ._counts import to_counts
from ._decode import decode
from ._folds import Fold, leave_one_group_out
from ._represent import represent
from ._space import Space
from ._split import split

__all__ = ["Fold", "Space", "decode", "leave_one_group_out", "represent", "split", "to_counts"]
