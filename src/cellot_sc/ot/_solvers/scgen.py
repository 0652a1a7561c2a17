"""scGen without its prior: an autoencoder in whose latent every cell moves alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..._states import FLAG, Numbers
from .._loop.reconstruction import ReconstructionConfig, train_autoencoders
from .._maps.autoencoder import Autoencoder, AutoencoderMap, autoencoder_field
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScgenConfig(ReconstructionConfig):
    """Options of the solver ``"scgen"``: those of :class:`.ReconstructionConfig`."""


class ScgenMap(AutoencoderMap):
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
    fields: ClassVar = {"autoencoder": autoencoder_field(), "shift": Numbers("l"), "residual": FLAG}

    def __init__(self, autoencoder: Autoencoder, shift: np.ndarray, *, residual: bool) -> None:
        super().__init__(autoencoder, residual=residual)
        self.shift = np.asarray(shift, dtype=np.float32)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self._changed(x, self.autoencoder, self.autoencoder, self.shift)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self._changed(y, self.autoencoder, self.autoencoder, -self.shift)


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
)
