"""Before the map: split cells, represent them in few dimensions, decode those back to genes."""

from __future__ import annotations

from ._decode import decode
from ._represent import represent
from ._split import split

__all__ = ["decode", "represent", "split"]
