"""The numerical core: arrays in, transport maps out. Knows nothing of AnnData."""

from ._loop.reconstruction import AutoencoderConfig, fit_autoencoder
from ._maps.affine import AffineMap, IdentityMap, MeanShiftMap
from ._maps.autoencoder import Autoencoder
from ._maps.base import TransportMap
from ._maps.chain import ChainMap
from ._maps.context import ContextMap
from ._maps.mlp import DualMLPMap, MLPMap
from ._maps.potential import PotentialMap
from ._maps.weighted import WeightedMap
from ._problem import History, Problem, Progress, Solution
from ._solvers.contract import check_solver
from ._solvers.entropic import EntropicMap
from ._solvers.popalign import Mixture, MixtureMap
from ._solvers.registry import SOLVERS, fit, register
from ._solvers.solver import Solver

__all__ = [
    "SOLVERS",
    "AffineMap",
    "Autoencoder",
    "AutoencoderConfig",
    "ChainMap",
    "ContextMap",
    "DualMLPMap",
    "EntropicMap",
    "Solution",
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
    "check_solver",
    "fit",
    "fit_autoencoder",
    "register",
]
