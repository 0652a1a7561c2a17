"""Data sets: simulated ones, of which the truth is known, public ones, and the tasks of the CellOT paper."""

from __future__ import annotations

from ._archive import cellot_archive
from ._branching import simulate_branching
from ._doses import simulate_doses
from ._loaders import hagai, kang, moon_embryoid, sciplex3, weinreb, zhao_glioblastoma
from ._simulate import simulate
from ._task import Task
from ._tasks import tasks

__all__ = [
    "Task",
    "cellot_archive",
    "hagai",
    "kang",
    "moon_embryoid",
    "sciplex3",
    "simulate",
    "simulate_branching",
    "simulate_doses",
    "tasks",
    "weinreb",
    "zhao_glioblastoma",
]
