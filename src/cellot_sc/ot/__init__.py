"""The numerical core: arrays in, transport maps out. Knows nothing of AnnData."""

from .maps import AffineMap, IdentityMap, MeanShiftMap, TransportMap, WeightedMap
from .problem import Fit, History, Problem
from .solvers import SOLVERS, Solver, fit

__all__ = [
    "SOLVERS",
    "AffineMap",
    "Fit",
    "History",
    "IdentityMap",
    "MeanShiftMap",
    "Problem",
    "Solver",
    "TransportMap",
    "WeightedMap",
    "fit",
]
