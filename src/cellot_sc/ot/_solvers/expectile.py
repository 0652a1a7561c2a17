"""The expectile-regularised neural optimal transport of ott, driven by the compiled loop instead of ott's own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._loop import criteria
from .._loop.batches import Clouds
from .._loop.single import first_choice, fit_each
from .._loop.training import State
from .._maps import mlp
from .._maps.mlp import DualMLPMap, Params
from .._ott import ExpectileNeuralDual
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True)
class ExpectileConfig:
    """Options of the solver ``"expectile"``; the networks and what is not listed here are ott's defaults.

    Parameters
    ----------
    learning_rate
        Step size of Adam.
    coefficient
        Weight of the expectile penalty.
    batch_size
        Cells per cloud and iteration.
    n_iters
        Iterations at most, forward and backward in turn.
    check_every
        Iterations between two looks at the validation cells.
    patience
        Looks without improvement after which the fit ends.
    checkpoint_dir
        Folder in which the state is kept after every look.
    resume
        Whether to go on from the state in that folder.
    """

    learning_rate: float = 3e-4
    coefficient: float = 1.0
    batch_size: int = 256
    n_iters: int = 20_000
    check_every: int = 500
    patience: int = 8
    checkpoint_dir: str | Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.counts(self, "batch_size", "n_iters", "check_every", "patience")
        _checks.positive(self, "learning_rate", "coefficient")
        _checks.resumable(self)


@dataclasses.dataclass(frozen=True)
class BackAndForth:
    """Training of ott's pair of potentials: a step is one of ott's iterations forward and one backward."""

    n_dims: int
    learning_rate: float
    coefficient: float
    iteration_batch: int
    n_steps: int
    check_every: int
    patience: int
    min_steps: int

    @property
    def batch_size(self) -> int:
        """Cells that a step draws: a batch for either direction."""
        return 2 * self.iteration_batch

    @functools.cached_property
    def dual(self) -> ExpectileNeuralDual:
        """The solver of ott: its networks, loss and step."""
        adam = optax.adam(self.learning_rate, b1=0.9, b2=0.9)
        # it makes arrays, which have to outlive the compilation that may ask for it first
        with jax.ensure_compile_time_eval():
            return ExpectileNeuralDual(
                self.n_dims, optimizer_f=adam, optimizer_g=adam, expectile_loss_coef=self.coefficient
            )

    def start(self, key: jax.Array) -> State:
        """Return two random networks."""
        state: State = {"damping": jnp.ones(())}
        for name, network_key in zip("fg", jax.random.split(key), strict=True):
            network = getattr(self.dual, f"neural_{name}")
            params = network.init(network_key, jnp.ones(self.n_dims))["params"]
            state |= {name: params, f"{name}_optimizer": getattr(self.dual, f"state_{name}").tx.init(params)}
        return state

    def step(self, state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        """Return the state after an iteration in either direction, and the mean of their losses."""
        f, g = (
            getattr(self.dual, f"state_{name}").replace(params=state[name], opt_state=state[f"{name}_optimizer"])
            for name in "fg"
        )
        half = self.iteration_batch
        f, g, forward, *_ = self.dual.train_step(f, g, {"source": x[:half], "target": y[:half]})
        g, f, backward, *_ = self.dual.train_step(g, f, {"source": y[half:], "target": x[half:]})
        new = {"f": f.params, "f_optimizer": f.opt_state, "g": g.params, "g_optimizer": g.opt_state}
        for name in "fg":
            new[name] = jax.tree.map(lambda a, b: a + state["damping"] * (b - a), state[name], new[name])
        return {**new, "damping": state["damping"]}, (forward + backward) / 2

    def params(self, state: State) -> dict[str, Params]:
        """Return the parameters of both potentials."""
        return {name: state[name]["model"] for name in "fg"}

    def criterion(self, params: dict[str, Params], clouds: Clouds) -> jax.Array:
        """Return the energy distance between transported and observed validation cells."""
        r = clouds.ranges
        moved = mlp.descend(params["f"], r.source_valid)
        return criteria.energy(moved, r.target_valid, r.source_mask, r.target_mask)


def fit_expectile(
    problems: Sequence[Problem], config: ExpectileConfig, seed: int, progress: Progress | None
) -> list[Solution]:
    """Fit ott's ``ExpectileNeuralDual`` (Buzun et al. 2024, arXiv 2403.03777) for every problem.

    Without validation cells, the last iteration is taken.
    """
    n_steps, check_every = -(-config.n_iters // 2), -(-config.check_every // 2)
    method = BackAndForth(
        problems[0].n_dims,
        config.learning_rate,
        config.coefficient,
        config.batch_size,
        n_steps,
        check_every,
        config.patience,
        min_steps=first_choice(problems, check_every, n_steps),
    )
    return fit_each(method, problems, config, seed, progress, lambda params: DualMLPMap(**params))


SOLVER = Solver(
    "expectile",
    "ott's ExpectileNeuralDual",
    ExpectileConfig,
    fit_expectile,
    cites=("buzun2024", "cuturi2022"),
    weighs=True,
    pairs=True,
)
