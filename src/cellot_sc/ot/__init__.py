"""The numerical core: arrays in, transport maps out. Knows nothing of AnnData."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

from ._maps.affine import AffineMap, IdentityMap, MeanShiftMap
from ._maps.base import TransportMap
from ._maps.chain import ChainMap
from ._maps.context import ContextMap
from ._maps.unseen import UnseenMap
from ._maps.weighted import WeightedMap
from ._problem import History, Problem, Progress, Solution
from ._solvers.contract import check_solver
from ._solvers.registry import SOLVERS, fit, register
from ._solvers.solver import Solver

if TYPE_CHECKING:
    from ._loop.reconstruction import AutoencoderConfig, fit_autoencoder
    from ._maps.autoencoder import Autoencoder
    from ._maps.mlp import DualMLPMap, MLPMap
    from ._maps.potential import PotentialMap
    from ._solvers.entropic import EntropicMap
    from ._solvers.popalign import Mixture, MixtureMap

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
    "UnseenMap",
    "WeightedMap",
    "check_solver",
    "fit",
    "fit_autoencoder",
    "register",
]

# networks and ott take seconds to import: what needs them is loaded when it is first used
_PLACES = {
    "Autoencoder": "_maps.autoencoder",
    "AutoencoderConfig": "_loop.reconstruction",
    "DualMLPMap": "_maps.mlp",
    "EntropicMap": "_solvers.entropic",
    "MLPMap": "_maps.mlp",
    "Mixture": "_solvers.popalign",
    "MixtureMap": "_solvers.popalign",
    "PotentialMap": "_maps.potential",
    "fit_autoencoder": "_loop.reconstruction",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return pkgutil.resolve_name(f"{__name__}.{_PLACES[name]}:{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
