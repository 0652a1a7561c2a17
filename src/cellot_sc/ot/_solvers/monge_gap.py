"""The estimator of maps of ott by the Monge gap, driven by the compiled loop instead of ott's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ott.tools import sinkhorn_divergence

from .._loop import criteria
from .._loop.batches import Ranges
from .._loop.config import LoopState, SingleConfig
from .._loop.training import fit_each
from .._maps import mlp
from .._maps.mlp import MLPMap, Params
from .._ott import MongeGapEstimator, PotentialMLP, monge_gap_from_samples
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True, kw_only=True)
class MongeGapConfig(SingleConfig):
    """Options of the solver ``"monge_gap"``, beside those of :class:`.LoopConfig`.

    A perceptron learns to bring source cells to target cells, by a Sinkhorn divergence, and to do so at the least cost.

    Parameters
    ----------
    width, depth
        Units per layer and layers of the perceptron.
    strength
        Weight of the Monge gap beside the fitting loss: how much the map costs more than an optimal one.
    epsilon
        Strength of the entropic regularisation in both, in units of the mean cost.
    """

    width: int = 128
    depth: int = 3
    strength: float = 1.0
    epsilon: float = 0.01
    learning_rate: float = 1e-3
    n_steps: int = 1000
    check_every: int = 25

    @property
    def n_units(self) -> int:
        """Units of the perceptron, and costs to all cells of the batch."""
        return self.width * self.depth + self.batch_size

    @property
    def network(self) -> PotentialMLP:
        """The map: the cell plus a perceptron of it."""
        return PotentialMLP((self.width,) * self.depth, is_potential=False, act_fn=jax.nn.gelu)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """The default of ott."""
        return optax.adam(self.learning_rate)

    def estimator(self, n_dims: int) -> MongeGapEstimator:
        """Return the solver of ott: its loss and step."""

        def fitting_loss(moved: jax.Array, target: jax.Array) -> tuple[Any, None]:
            divergence, _ = sinkhorn_divergence.sinkdiv(moved, target, epsilon=self.epsilon, relative_epsilon="mean")
            return divergence, None

        def gap(source: jax.Array, moved: jax.Array) -> tuple[Any, None]:
            return monge_gap_from_samples(source, moved, epsilon=self.epsilon, relative_epsilon="mean"), None

        # the random network that it makes is no part of what is compiled
        with jax.ensure_compile_time_eval():
            return MongeGapEstimator(
                n_dims,
                self.network,
                self.optimizer,
                fitting_loss=fitting_loss,
                regularizer=gap,
                regularizer_strength=self.strength,
                num_train_iters=1,
            )

    def start(self, key: jax.Array, n_dims: int) -> LoopState:
        """Return a random network."""
        params = self.network.init(key, jnp.ones(n_dims))["params"]
        return {"map": params, "optimizer": self.optimizer.init(params), "damping": jnp.ones(())}

    def step(self, state: LoopState, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[LoopState, jax.Array]:
        """Return the state after one step on a batch, and the loss."""
        estimator = self.estimator(x.shape[-1])
        network = estimator.state_neural_net.replace(params=state["map"], opt_state=state["optimizer"])
        network, logs = estimator.step_fn(network, {"source": x, "target": y}, None, False, 0)
        # optax.incremental_update rounds otherwise, which moves inverses of far cells by a hundredth of the spread
        params = jax.tree.map(lambda a, b: a + state["damping"] * (b - a), state["map"], network.params)
        loss = logs["train"]["total_loss"]
        return {"map": params, "optimizer": network.opt_state, "damping": state["damping"]}, loss

    def params(self, state: LoopState) -> Params:
        """Return the parameters of the map."""
        return state["map"]

    def criterion(self, params: Params, ranges: Ranges) -> jax.Array:
        """Return the energy distance between transported and observed validation cells."""
        moved = mlp.displace(params, ranges.source_valid)
        return criteria.energy(moved, ranges.target_valid, ranges.source_mask, ranges.target_mask)


def fit_monge_gap(
    problems: Sequence[Problem], config: MongeGapConfig, seed: int, progress: Progress | None
) -> list[Solution]:
    """Fit ott's ``MongeGapEstimator`` (Uscidda and Cuturi 2023, arXiv 2302.04953) for every problem.

    Without validation cells, the last step is taken.
    """
    return fit_each(config, problems, seed, progress, MLPMap)


SOLVER = Solver(
    "monge_gap",
    "ott's MongeGapEstimator",
    MongeGapConfig,
    fit_monge_gap,
    cites=("uscidda2023", "cuturi2022"),
    weighs=True,
)
