"""Data sets: simulated ones, of which the truth is known, and public ones."""

from __future__ import annotations

from ._branching import simulate_branching
from ._loaders import hagai, kang, moon_embryoid, sciplex3, weinreb, zhao_glioblastoma
from ._simulate import simulate

__all__ = [
    "hagai",
    "kang",
    "moon_embryoid",
    "sciplex3",
    "simulate",
    "simulate_branching",
    "weinreb",
    "zhao_glioblastoma",
]
