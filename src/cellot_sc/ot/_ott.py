"""Every import of ott's neural machinery, in one place: it moves to another framework after ott-jax 0.6."""

from __future__ import annotations

from ott.neural.methods.expectile_neural_dual import ExpectileNeuralDual
from ott.neural.methods.monge_gap import MongeGapEstimator, monge_gap_from_samples
from ott.neural.methods.neuraldual import W2NeuralDual
from ott.neural.networks.icnn import ICNN
from ott.neural.networks.layers.conjugate import DEFAULT_CONJUGATE_SOLVER
from ott.neural.networks.potentials import PotentialMLP

__all__ = [
    "DEFAULT_CONJUGATE_SOLVER",
    "ICNN",
    "ExpectileNeuralDual",
    "MongeGapEstimator",
    "PotentialMLP",
    "W2NeuralDual",
    "monge_gap_from_samples",
]
