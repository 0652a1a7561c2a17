"""The numerical core: arrays in, transport maps out. Knows nothing of AnnData."""

from .chain import ChainMap
from .maps import AffineMap, IdentityMap, MeanShiftMap, TransportMap, WeightedMap
from .potential_map import PotentialMap
from .problem import Fit, History, Problem
from .solvers import SOLVERS, Solver, fit

__all__ = [
    "SOLVERS",
    "AffineMap",
    "ChainMap",
    "Fit",
    "History",
    "IdentityMap",
    "MeanShiftMap",
    "PotentialMap",
    "Problem",
    "Solver",
    "TransportMap",
    "WeightedMap",
    "fit",
]
