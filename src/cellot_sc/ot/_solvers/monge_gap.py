"""The estimator of maps of ott by the Monge gap, driven by the compiled loop instead of ott's own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ott.tools import sinkhorn_divergence

from .. import _checks
from .._loop import criteria
from .._loop.batches import Clouds
from .._loop.single import first_choice, fit_each
from .._loop.training import State
from .._maps import mlp
from .._maps.mlp import MLPMap, Params
from .._ott import MongeGapEstimator, PotentialMLP, monge_gap_from_samples
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True)
class MongeGapConfig:
    """Options of the solver ``"monge_gap"``.

    Parameters
    ----------
    width, depth
        Units per layer and layers of the perceptron.
    strength
        Weight of the Monge gap beside the fitting loss.
    epsilon
        Strength of the entropic regularisation in both, in units of the mean cost.
    learning_rate
        Step size of Adam.
    batch_size
        Cells per cloud and step.
    n_iters
        Steps at most.
    check_every
        Steps between two looks at the validation cells.
    patience
        Looks without improvement after which the fit ends.
    checkpoint_dir
        Folder in which the state is kept after every look.
    resume
        Whether to go on from the state in that folder.
    """

    width: int = 128
    depth: int = 3
    strength: float = 1.0
    epsilon: float = 0.01
    learning_rate: float = 1e-3
    batch_size: int = 256
    n_iters: int = 1000
    check_every: int = 25
    patience: int = 8
    checkpoint_dir: str | Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.counts(self, "width", "depth", "batch_size", "n_iters", "check_every", "patience")
        _checks.positive(self, "strength", "epsilon", "learning_rate")
        _checks.resumable(self)


@dataclasses.dataclass(frozen=True)
class FitWithGap:
    """Training of ott's estimator: a Sinkhorn divergence to the target cells, plus how far the map is from optimal."""

    n_dims: int
    width: int
    depth: int
    strength: float
    epsilon: float
    learning_rate: float
    batch_size: int
    n_steps: int
    check_every: int
    patience: int
    min_steps: int

    @property
    def network(self) -> PotentialMLP:
        """The map: the cell plus a perceptron of it."""
        return PotentialMLP((self.width,) * self.depth, is_potential=False, act_fn=jax.nn.gelu)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """The default of ott."""
        return optax.adam(self.learning_rate)

    @functools.cached_property
    def estimator(self) -> MongeGapEstimator:
        """The solver of ott: its loss and step."""

        def fitting_loss(moved: jax.Array, target: jax.Array) -> tuple[Any, None]:
            divergence, _ = sinkhorn_divergence.sinkdiv(moved, target, epsilon=self.epsilon, relative_epsilon="mean")
            return divergence, None

        def gap(source: jax.Array, moved: jax.Array) -> tuple[Any, None]:
            return monge_gap_from_samples(source, moved, epsilon=self.epsilon, relative_epsilon="mean"), None

        # it makes arrays, which have to outlive the compilation that may ask for it first
        with jax.ensure_compile_time_eval():
            return MongeGapEstimator(
                self.n_dims,
                self.network,
                self.optimizer,
                fitting_loss=fitting_loss,
                regularizer=gap,
                regularizer_strength=self.strength,
                num_train_iters=1,
            )

    def start(self, key: jax.Array) -> State:
        """Return a random network."""
        params = self.network.init(key, jnp.ones(self.n_dims))["params"]
        return {"map": params, "optimizer": self.optimizer.init(params), "damping": jnp.ones(())}

    def step(self, state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        """Return the state after one step on a batch, and the loss."""
        network = self.estimator.state_neural_net.replace(params=state["map"], opt_state=state["optimizer"])
        network, logs = self.estimator.step_fn(network, {"source": x, "target": y}, None, False, 0)
        params = jax.tree.map(lambda a, b: a + state["damping"] * (b - a), state["map"], network.params)
        loss = logs["train"]["total_loss"]
        return {"map": params, "optimizer": network.opt_state, "damping": state["damping"]}, loss

    def params(self, state: State) -> Params:
        """Return the parameters of the map."""
        return state["map"]

    def criterion(self, params: Params, clouds: Clouds) -> jax.Array:
        """Return the energy distance between transported and observed validation cells."""
        r = clouds.ranges
        moved = mlp.displace(params, r.source_valid)
        return criteria.energy(moved, r.target_valid, r.source_mask, r.target_mask)


def fit_monge_gap(
    problems: Sequence[Problem], config: MongeGapConfig, seed: int, progress: Progress | None
) -> list[Solution]:
    """Fit ott's ``MongeGapEstimator`` (Uscidda and Cuturi 2023, arXiv 2302.04953) for every problem.

    Without validation cells, the last step is taken.
    """
    method = FitWithGap(
        problems[0].n_dims,
        config.width,
        config.depth,
        config.strength,
        config.epsilon,
        config.learning_rate,
        config.batch_size,
        config.n_iters,
        config.check_every,
        config.patience,
        min_steps=first_choice(problems, config.check_every, config.n_iters),
    )
    return fit_each(method, problems, config, seed, progress, MLPMap)


SOLVER = Solver(
    "monge_gap",
    "ott's MongeGapEstimator",
    MongeGapConfig,
    fit_monge_gap,
    cites=("uscidda2023", "cuturi2022"),
    weighs=True,
    pairs=True,
)
