"""The numerical core: arrays in, transport maps out. Knows nothing of AnnData."""

from .chain import ChainMap
from .entropic import EntropicMap
from .maps import AffineMap, IdentityMap, MeanShiftMap, TransportMap, WeightedMap
from .mlp_maps import DualMLPMap, MLPMap
from .popalign import Mixture, MixtureMap
from .potential_map import PotentialMap
from .problem import Fit, History, Problem, Progress
from .solvers import SOLVERS, Solver, fit

__all__ = [
    "SOLVERS",
    "AffineMap",
    "ChainMap",
    "DualMLPMap",
    "EntropicMap",
    "Fit",
    "History",
    "IdentityMap",
    "MLPMap",
    "MeanShiftMap",
    "Mixture",
    "MixtureMap",
    "PotentialMap",
    "Problem",
    "Progress",
    "Solver",
    "TransportMap",
    "WeightedMap",
    "fit",
]
