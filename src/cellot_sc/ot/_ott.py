"""Every import of ott's neural machinery, in one place: it moves to another framework after ott-jax 0.6."""

from __future__ import annotations

from ott.neural.methods.expectile_neural_dual import ExpectileNeuralDual
from ott.neural.networks.potentials import BasePotential

__all__ = ["BasePotential", "ExpectileNeuralDual"]
