"""A conditional autoencoder: cells are decoded as if they were of the other condition."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from .._loop.autoencoder import Params
from .._loop.reconstruction import (
    SOURCE,
    TARGET,
    Frame,
    ReconstructionConfig,
    as_arrays,
    conditioned,
    rebuild,
    train_autoencoders,
)
from .._maps.base import State, TransportMap
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True)
class CaeConfig(ReconstructionConfig):
    """Options of the solver ``"cae"``: those of :class:`.ReconstructionConfig`."""


class CaeMap(TransportMap):
    """The map x -> x + D(E(x, 0), 1) - D(E(x, 0), 0) with networks that are told the condition of a cell.

    As published, it is x -> D(E(x, 0), 1). :meth:`inverse` does the same with the conditions exchanged: as E does not
    undo D, it is no solution of T(x) = y.

    Parameters
    ----------
    networks
        Parameters of the encoder and the decoder: kernel and bias of every layer, the first with two more inputs.
    frame
        Units in which they see cells.
    residual
        Whether what the autoencoder loses of a cell is kept.
    """

    kind = "cae"

    def __init__(self, networks: Params, frame: Frame, *, residual: bool) -> None:
        self.networks = as_arrays(networks)
        self.frame = Frame(np.asarray(frame.center, dtype=np.float32), frame.scale)
        self.residual = residual

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.frame.center.shape[0]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self._switched(x, SOURCE, TARGET)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self._switched(y, TARGET, SOURCE)

    def _switched(self, x: np.ndarray, before: int, after: int) -> np.ndarray:
        same = conditioned(self.networks, before, before)
        moved = rebuild(same, self.frame, x, 0.0, into=conditioned(self.networks, before, after))
        return x + (moved - rebuild(same, self.frame, x, 0.0, into=same)) if self.residual else moved

    def state(self) -> State:
        """Return the parameters and the units."""
        config = json.dumps({"scale": self.frame.scale, "residual": self.residual})
        return {"kind": self.kind, "config": config, "center": self.frame.center, "networks": self.networks}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        config = json.loads(state["config"])
        return cls(state["networks"], Frame(state["center"], config["scale"]), residual=config["residual"])


def fit_cae(problems: Sequence[Problem], config: CaeConfig, seed: int, progress: Progress | None) -> list[Solution]:
    """Fit the conditional autoencoder that the CellOT publication (Bunne et al. 2023) compares with.

    An encoder and a decoder are told, by a one-hot label, whether a cell is treated, and reconstruct it. A prediction
    is an untreated cell that is decoded as a treated one. Nothing keeps the condition out of the latent: where that is
    wide enough to hold it, the decoder need not listen to the label, and cells hardly move. It was done on genes or
    features themselves, and what was decoded was the prediction; see ``residual``. Without validation cells, the last
    step is taken.
    """
    trained = train_autoencoders(problems, config, seed, progress, n_labels=2)
    return [Solution(CaeMap(t.networks, t.frame, residual=config.residual), t.history) for t in trained]


SOLVER = Solver("cae", "autoencoder that is told the condition, which is then switched", CaeConfig, fit_cae, pairs=True)
