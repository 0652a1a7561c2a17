"""scGen without its prior: an autoencoder in whose latent every cell moves alike."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from .._loop.reconstruction import ReconstructionConfig, train_autoencoders
from .._maps.autoencoder import Autoencoder
from .._maps.base import State, TransportMap
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScgenConfig(ReconstructionConfig):
    """Options of the solver ``"scgen"``: those of :class:`.ReconstructionConfig`."""


class ScgenMap(TransportMap):
    """The map x -> x + D(E(x) + s) - D(E(x)) with an encoder E, a decoder D and a shift s of the latent.

    As published, it is x -> D(E(x) + s). :meth:`inverse` does the same with -s: as E does not undo D, it is no
    solution of T(x) = y.

    Parameters
    ----------
    autoencoder
        E and D.
    shift
        s, shape ``(n_latent,)``.
    residual
        Whether what the autoencoder loses of a cell is kept.
    """

    kind = "scgen"

    def __init__(self, autoencoder: Autoencoder, shift: np.ndarray, *, residual: bool) -> None:
        self.autoencoder = autoencoder.as_arrays()
        self.shift = np.asarray(shift, dtype=np.float32)
        self.residual = residual

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.autoencoder.center.shape[0]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self._moved(x, self.shift)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self._moved(y, -self.shift)

    def _moved(self, x: np.ndarray, shift: np.ndarray) -> np.ndarray:
        moved = self.autoencoder.rebuild(x, shift)
        return x + (moved - self.autoencoder.rebuild(x)) if self.residual else moved

    def state(self) -> State:
        """Return the parameters, the shift and the units."""
        networks, center, scale = self.autoencoder
        config = json.dumps({"scale": scale, "residual": self.residual})
        return {"kind": self.kind, "config": config, "center": center, "shift": self.shift, "networks": networks}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        config = json.loads(state["config"])
        autoencoder = Autoencoder(state["networks"], state["center"], config["scale"])
        return cls(autoencoder, state["shift"], residual=config["residual"])


def fit_scgen(problems: Sequence[Problem], config: ScgenConfig, seed: int, progress: Progress | None) -> list[Solution]:
    """Fit scGen (Lotfollahi et al. 2019, doi 10.1038/s41592-019-0494-8) with the weight of its prior at 0.

    So it was compared with in the CellOT publication: the latent of an autoencoder of untreated and treated cells, to
    which the difference of the mean latents of the two is added. That was done on genes or features themselves, and
    what was decoded was the prediction; see ``residual``. Without validation cells, the last step is taken.
    """
    fits = []
    for problem, (autoencoder, history) in zip(
        problems, train_autoencoders(problems, config, seed, progress), strict=True
    ):
        source, target = (
            autoencoder.encode(cells).mean(axis=0, dtype=np.float64) for cells in (problem.source, problem.target)
        )
        fits.append(Solution(ScgenMap(autoencoder, target - source, residual=config.residual), history))
    return fits


SOLVER = Solver(
    "scgen",
    "every cell moves alike in the latent of an autoencoder",
    ScgenConfig,
    fit_scgen,
    cites=("lotfollahi2019",),
    pairs=True,
)
