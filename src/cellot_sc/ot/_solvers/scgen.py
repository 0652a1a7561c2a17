"""scGen without its prior: an autoencoder in whose latent every cell moves alike."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from .._loop.autoencoder import Params, encode, rectified
from .._loop.reconstruction import Frame, ReconstructionConfig, as_arrays, rebuild, train_autoencoders
from .._maps.base import State, TransportMap
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True)
class ScgenConfig(ReconstructionConfig):
    """Options of the solver ``"scgen"``: those of :class:`.ReconstructionConfig`."""


class ScgenMap(TransportMap):
    """The map x -> x + D(E(x) + s) - D(E(x)) with an encoder E, a decoder D and a shift s of the latent.

    As published, it is x -> D(E(x) + s). :meth:`inverse` does the same with -s: as E does not undo D, it is no
    solution of T(x) = y.

    Parameters
    ----------
    networks
        Parameters of the encoder and the decoder: kernel and bias of every layer.
    frame
        Units in which they see cells.
    shift
        s, shape ``(n_latent,)``.
    residual
        Whether what the autoencoder loses of a cell is kept.
    """

    kind = "scgen"

    def __init__(self, networks: Params, frame: Frame, shift: np.ndarray, *, residual: bool) -> None:
        self.networks = as_arrays(networks)
        self.frame = Frame(np.asarray(frame.center, dtype=np.float32), frame.scale)
        self.shift = np.asarray(shift, dtype=np.float32)
        self.residual = residual

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.frame.center.shape[0]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self._moved(x, self.shift)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self._moved(y, -self.shift)

    def _moved(self, x: np.ndarray, shift: np.ndarray) -> np.ndarray:
        moved = rebuild(self.networks, self.frame, x, shift, into=self.networks)
        return x + (moved - rebuild(self.networks, self.frame, x, 0.0, into=self.networks)) if self.residual else moved

    def state(self) -> State:
        """Return the parameters, the shift and the units."""
        config = json.dumps({"scale": self.frame.scale, "residual": self.residual})
        return {
            "kind": self.kind,
            "config": config,
            "center": self.frame.center,
            "shift": self.shift,
            "networks": self.networks,
        }

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        config = json.loads(state["config"])
        frame = Frame(state["center"], config["scale"])
        return cls(state["networks"], frame, state["shift"], residual=config["residual"])


def fit_scgen(problems: Sequence[Problem], config: ScgenConfig, seed: int, progress: Progress | None) -> list[Solution]:
    """Fit scGen (Lotfollahi et al. 2019, doi 10.1038/s41592-019-0494-8) with the weight of its prior at 0.

    So it was compared with in the CellOT publication: the latent of an autoencoder of untreated and treated cells, to
    which the difference of the mean latents of the two is added. That was done on genes or features themselves, and
    what was decoded was the prediction; see ``residual``. Without validation cells, the last step is taken.
    """
    fits = []
    for problem, trained in zip(problems, train_autoencoders(problems, config, seed, progress), strict=True):
        networks, frame = as_arrays(trained.networks), trained.frame
        source, target = (
            encode(networks, frame.enter(cells), rectified).mean(axis=0, dtype=np.float64)
            for cells in (problem.source, problem.target)
        )
        fits.append(Solution(ScgenMap(networks, frame, target - source, residual=config.residual), trained.history))
    return fits


SOLVER = Solver(
    "scgen",
    "every cell moves alike in the latent of an autoencoder",
    ScgenConfig,
    fit_scgen,
    cites=("lotfollahi2019",),
    pairs=True,
)
