"""A conditional autoencoder: cells are decoded as if they were of the other condition."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..._states import FLAG
from .._loop.reconstruction import SOURCE, TARGET, ReconstructionConfig, train_autoencoders
from .._maps.autoencoder import Autoencoder, AutoencoderMap, autoencoder_field, conditioned
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaeConfig(ReconstructionConfig):
    """Options of the solver ``"cae"``: those of :class:`.ReconstructionConfig`."""

    n_labels: ClassVar[int] = 2


class CaeMap(AutoencoderMap):
    """The map x -> x + D(E(x, 0), 1) - D(E(x, 0), 0) with networks that are told the condition of a cell.

    As published, it is x -> D(E(x, 0), 1). :meth:`inverse` does the same with the conditions exchanged: as E does not
    undo D, it is no solution of T(x) = y.

    Parameters
    ----------
    autoencoder
        E and D, of which the first layers have two more inputs.
    residual
        Whether what the autoencoder loses of a cell is kept.
    """

    kind = "cae"
    fields: ClassVar = {"autoencoder": autoencoder_field(n_labels=2), "residual": FLAG}

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self._changed(x, self._told(SOURCE, SOURCE), self._told(SOURCE, TARGET))

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self._changed(y, self._told(TARGET, TARGET), self._told(TARGET, SOURCE))

    def _told(self, encode_as: int, decode_as: int) -> Autoencoder:
        networks = conditioned(self.autoencoder.networks, encode_as, decode_as)
        return self.autoencoder._replace(networks=networks)


def fit_cae(problems: Sequence[Problem], config: CaeConfig, seed: int, progress: Progress | None) -> list[Solution]:
    """Fit the conditional autoencoder that the CellOT publication (Bunne et al. 2023) compares with.

    An encoder and a decoder are told, by a one-hot label, whether a cell is treated, and reconstruct it. A prediction
    is an untreated cell that is decoded as a treated one. Nothing keeps the condition out of the latent: where that is
    wide enough to hold it, the decoder need not listen to the label, and cells hardly move. It was done on genes or
    features themselves, and what was decoded was the prediction; see ``residual``. Without validation cells, the last
    step is taken.
    """
    trained = train_autoencoders(problems, config, seed, progress)
    return [Solution(CaeMap(autoencoder, residual=config.residual), history) for autoencoder, history in trained]


SOLVER = Solver("cae", "autoencoder that is told the condition, which is then switched", CaeConfig, fit_cae)
