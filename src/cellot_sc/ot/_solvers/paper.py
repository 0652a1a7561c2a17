"""The recipe of the CellOT publication, kept for comparison: min-max training with inner loops, from a random start."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .._loop import criteria, objectives
from .._loop.batches import Ranges
from .._loop.config import LoopState, SingleConfig, damped_update
from .._loop.training import fit_each
from .._maps import networks
from .._maps.networks import Params
from .._maps.potential import PotentialMap
from .._problem import Problem, Progress, Solution
from .solver import Solver

type Updated = tuple[Params, optax.OptState]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaperConfig(SingleConfig):
    """Options of the solver ``"paper"``, beside those of :class:`.LoopConfig`: two convex potentials, in turn.

    As by Makkuva et al. (2020, algorithm 1), g moves source cells to where f is least, f tells observed from moved
    cells. f is kept convex by cutting its kernels off at zero, g by a penalty on what is negative in its own.

    The defaults are those of the publication, but for ``n_steps``: it trains for 100,000. Nothing is gained past
    10,000 on the peripheral blood cells of Kang et al.: after 1,500, 10,000 and 40,000 steps (seed 0) the energy
    distance to treated cells is .218, .0838 and .0812, and its mean within cell types .677, .315 and .327.

    Parameters
    ----------
    width, depth
        Units per layer and layers of each network.
    n_inner
        Steps of g in each step, at most 1000, every one on source cells of its own, before one of f.
    """

    width: int = 64
    depth: int = 4
    n_inner: int = 10
    learning_rate: float = 1e-4
    n_steps: int = 10_000
    check_every: int = 250
    patience: int | None = None

    @property
    def n_units(self) -> int:
        """Units of one of both networks."""
        return self.width * self.depth

    @property
    def n_drawn(self) -> int:
        """Cells of either cloud that a step draws: a batch for every step of g and one for that of f."""
        return (self.n_inner + 1) * self.batch_size

    @property
    def network(self) -> networks.PaperICNN:
        """Architecture of both potentials."""
        return networks.PaperICNN(self.width, self.depth)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with the momenta of the publication, on all parameters as one vector: 4 % quicker an iteration."""
        return optax.flatten(optax.adam(self.learning_rate, b1=0.5, b2=0.9))

    def start(self, key: jax.Array, n_dims: int) -> LoopState:
        """Return two random networks."""
        f_key, g_key = jax.random.split(key)
        cell = jnp.zeros((1, n_dims))
        f, g = (self.network.init(k, cell)["params"] for k in (f_key, g_key))
        init = self.optimizer.init
        return {"f": f, "g": g, "f_optimizer": init(f), "g_optimizer": init(g), "damping": jnp.ones(())}

    def step(self, state: LoopState, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[LoopState, jax.Array]:
        """Return the state after one step, and the loss of f."""
        batches = x.reshape(self.n_inner + 1, self.batch_size, -1)
        y = y[-self.batch_size :]
        f, damping = state["f"], state["damping"]

        def step_g(carry: Updated, cells: jax.Array) -> tuple[Updated, None]:
            g, optimizer = carry
            slope = jax.grad(lambda g: objectives.minmax_g(self.network, f, g, cells) + penalty(g))(g)
            return damped_update(self.optimizer, slope, optimizer, g, damping), None

        (g, g_optimizer), _ = jax.lax.scan(step_g, (state["g"], state["g_optimizer"]), batches[:-1])
        loss, slope = jax.value_and_grad(lambda f: objectives.minmax_f(self.network, f, g, batches[-1], y))(f)
        f, f_optimizer = damped_update(self.optimizer, slope, state["f_optimizer"], f, damping)
        f = networks.clamped(f)
        return {"f": f, "g": g, "f_optimizer": f_optimizer, "g_optimizer": g_optimizer, "damping": damping}, loss

    def params(self, state: LoopState) -> Params:
        """Return the potential of which the gradient is the map."""
        return state["g"]

    def criterion(self, params: Params, ranges: Ranges) -> jax.Array:
        """Return the MMD of the publication between transported and observed validation cells."""
        moved = networks.gradient(self.network, params, ranges.source_valid)
        return criteria.paper_mmd(moved, ranges.target_valid, ranges.source_mask, ranges.target_mask)


def penalty(params: Params) -> jax.Array:
    """Return the sum of the norms of the negative parts of the kernels that have to be nonnegative."""
    # the smallest normal number makes the slope 0, not NaN, where nothing is negative
    tiny = jnp.finfo(jnp.float32).tiny
    kernels = networks.positive_kernels(params)
    return jnp.stack([jnp.sqrt((jnp.minimum(kernel, 0) ** 2).sum() + tiny) for kernel in kernels]).sum()


def fit_paper(problems: Sequence[Problem], config: PaperConfig, seed: int, progress: Progress | None) -> list[Solution]:
    """Fit the published model for every problem. The cells are left uncentred, as published.

    Without validation cells, the last step is taken.
    """
    architecture = {"width": config.width, "depth": config.depth}
    zero = np.zeros(problems[0].n_dims, dtype=np.float32)

    def build(params: Params) -> PotentialMap:
        single = {name: value[None] for name, value in params.items()}
        return PotentialMap("PaperICNN", architecture, single, zero, zero)

    return fit_each(config, problems, seed, progress, build)


SOLVER = Solver(
    "paper",
    "the recipe of the CellOT publication",
    PaperConfig,
    fit_paper,
    cites=("makkuva2020",),
    weighs=True,
)
