"""The expectile-regularised neural optimal transport of ott, driven by the compiled loop instead of ott's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from .._loop import criteria
from .._loop.batches import Ranges
from .._loop.config import LoopState, SingleConfig
from .._loop.training import fit_each
from .._maps import mlp
from .._maps.mlp import DualMLPMap, Params
from .._ott import ExpectileNeuralDual
from .._problem import Problem, Progress, Solution
from .solver import Solver


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExpectileConfig(SingleConfig):
    """Options of the solver ``"expectile"``, beside those of :class:`.LoopConfig`; the others are ott's defaults.

    A step is one of ott's iterations forward and one backward, each on a batch of its own.

    Parameters
    ----------
    coefficient
        Weight of the expectile penalty.
    """

    coefficient: float = 1.0
    learning_rate: float = 3e-4
    n_steps: int = 10_000
    check_every: int = 250

    @property
    def n_drawn(self) -> int:
        """Cells of either cloud that a step draws: a batch for either direction."""
        return 2 * self.batch_size

    def dual(self, n_dims: int) -> ExpectileNeuralDual:
        """Return the solver of ott: its networks, loss and step."""
        adam = optax.adam(self.learning_rate, b1=0.9, b2=0.9)
        # the random networks that it makes are no part of what is compiled
        with jax.ensure_compile_time_eval():
            return ExpectileNeuralDual(n_dims, optimizer_f=adam, optimizer_g=adam, expectile_loss_coef=self.coefficient)

    def start(self, key: jax.Array, n_dims: int) -> LoopState:
        """Return two random networks."""
        dual = self.dual(n_dims)
        state: LoopState = {"damping": jnp.ones(())}
        for name, network_key in zip("fg", jax.random.split(key), strict=True):
            params = getattr(dual, f"neural_{name}").init(network_key, jnp.ones(n_dims))["params"]
            state |= {name: params, f"{name}_optimizer": getattr(dual, f"state_{name}").tx.init(params)}
        return state

    def step(self, state: LoopState, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[LoopState, jax.Array]:
        """Return the state after an iteration in either direction, and the mean of their losses."""
        dual = self.dual(x.shape[-1])
        f, g = (
            getattr(dual, f"state_{name}").replace(params=state[name], opt_state=state[f"{name}_optimizer"])
            for name in "fg"
        )
        half = self.batch_size
        f, g, forward, *_ = dual.train_step(f, g, {"source": x[:half], "target": y[:half]})
        g, f, backward, *_ = dual.train_step(g, f, {"source": y[half:], "target": x[half:]})
        damping = state["damping"]
        new = {"f_optimizer": f.opt_state, "g_optimizer": g.opt_state, "damping": damping}
        for name, network in (("f", f), ("g", g)):
            # optax.incremental_update rounds otherwise, which a thousand steps make a thousandth of the spread
            new[name] = jax.tree.map(lambda a, b: a + damping * (b - a), state[name], network.params)
        return new, (forward + backward) / 2

    def params(self, state: LoopState) -> dict[str, Params]:
        """Return the parameters of both potentials."""
        return {name: state[name]["model"] for name in "fg"}

    def criterion(self, params: dict[str, Params], ranges: Ranges) -> jax.Array:
        """Return the energy distance between transported and observed validation cells."""
        moved = mlp.descend(params["f"], ranges.source_valid)
        return criteria.energy(moved, ranges.target_valid, ranges.source_mask, ranges.target_mask)


def fit_expectile(
    problems: Sequence[Problem], config: ExpectileConfig, seed: int, progress: Progress | None
) -> list[Solution]:
    """Fit ott's ``ExpectileNeuralDual`` (Buzun et al. 2024, arXiv 2403.03777) for every problem.

    Without validation cells, the last step is taken.
    """
    return fit_each(config, problems, seed, progress, lambda params: DualMLPMap(**params))


SOLVER = Solver(
    "expectile",
    "ott's ExpectileNeuralDual",
    ExpectileConfig,
    fit_expectile,
    cites=("buzun2024", "cuturi2022"),
    weighs=True,
    streams=True,
)
