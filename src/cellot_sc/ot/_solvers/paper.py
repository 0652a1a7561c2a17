"""The recipe of the CellOT publication, kept for comparison: min-max training with inner loops, from a random start."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .. import _checks
from .._loop import criteria, objectives
from .._loop.batches import Clouds
from .._loop.single import first_choice, fit_each
from .._loop.training import State
from .._maps import networks
from .._maps.networks import Params
from .._maps.potential import PotentialMap
from .._problem import Problem, Progress, Solution
from .solver import Solver

type Updated = tuple[Params, optax.OptState]


@dataclasses.dataclass(frozen=True)
class PaperConfig:
    """Options of the solver ``"paper"``; the defaults are those of the publication.

    Parameters
    ----------
    width, depth
        Units per layer and layers of each network.
    learning_rate
        Step size of Adam.
    batch_size
        Cells per cloud and step.
    n_iters
        Outer iterations: steps of f.
    n_inner
        Steps of g in each of them, every one on source cells of its own.
    check_every
        Outer iterations between two looks at the validation cells.
    patience
        Looks without improvement after which the fit ends. With ``None`` it never ends early.
    checkpoint_dir
        Folder in which the state is kept after every look.
    resume
        Whether to go on from the state in that folder.
    """

    width: int = 64
    depth: int = 4
    learning_rate: float = 1e-4
    batch_size: int = 256
    n_iters: int = 10_000
    n_inner: int = 10
    check_every: int = 250
    patience: int | None = None
    checkpoint_dir: str | Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.counts(self, "width", "depth", "batch_size", "n_iters", "n_inner", "check_every")
        if self.patience is not None:
            _checks.counts(self, "patience")
        _checks.positive(self, "learning_rate")
        _checks.resumable(self)


@dataclasses.dataclass(frozen=True)
class MinMax:
    """Training of two convex potentials against each other (Makkuva et al. 2020, algorithm 1).

    g moves source cells to where f is least, f tells observed from moved cells. f is kept convex by cutting its kernels
    off at zero, g by a penalty on what is negative in its own.
    """

    n_dims: int
    width: int
    depth: int
    learning_rate: float
    inner_batch: int
    n_inner: int
    n_steps: int
    check_every: int
    patience: int
    min_steps: int

    @property
    def batch_size(self) -> int:
        """Cells that an outer iteration draws: a batch for every step of g and one for that of f."""
        return (self.n_inner + 1) * self.inner_batch

    @property
    def network(self) -> networks.PaperICNN:
        """Architecture of both potentials."""
        return networks.PaperICNN(self.width, self.depth)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with the momenta of the publication, on all parameters as one vector: 4 % quicker an iteration."""
        return optax.flatten(optax.adam(self.learning_rate, b1=0.5, b2=0.9))

    def start(self, key: jax.Array) -> State:
        """Return two random networks."""
        f_key, g_key = jax.random.split(key)
        cell = jnp.zeros((1, self.n_dims))
        f, g = (self.network.init(k, cell)["params"] for k in (f_key, g_key))
        init = self.optimizer.init
        return {"f": f, "g": g, "f_optimizer": init(f), "g_optimizer": init(g), "damping": jnp.ones(())}

    def step(self, state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        """Return the state after one outer iteration, and the loss of f."""
        batches = x.reshape(self.n_inner + 1, self.inner_batch, -1)
        y = y[-self.inner_batch :]
        f, damping = state["f"], state["damping"]

        def step_g(carry: Updated, cells: jax.Array) -> tuple[Updated, None]:
            g, optimizer = carry
            slope = jax.grad(lambda g: objectives.minmax_g(self.network, f, g, cells) + penalty(g))(g)
            return self._update(slope, optimizer, g, damping), None

        (g, g_optimizer), _ = jax.lax.scan(step_g, (state["g"], state["g_optimizer"]), batches[:-1])
        loss, slope = jax.value_and_grad(lambda f: objectives.minmax_f(self.network, f, g, batches[-1], y))(f)
        f, f_optimizer = self._update(slope, state["f_optimizer"], f, damping)
        f = networks.clamped(f)
        return {"f": f, "g": g, "f_optimizer": f_optimizer, "g_optimizer": g_optimizer, "damping": damping}, loss

    def _update(self, slope: Params, optimizer: optax.OptState, params: Params, damping: jax.Array) -> Updated:
        updates, optimizer = self.optimizer.update(slope, optimizer, params)
        return optax.apply_updates(params, jax.tree.map(lambda u: damping * u, updates)), optimizer

    def params(self, state: State) -> Params:
        """Return the potential of which the gradient is the map."""
        return state["g"]

    def criterion(self, params: Params, clouds: Clouds) -> jax.Array:
        """Return the MMD of the publication between transported and observed validation cells."""
        r = clouds.ranges
        moved = networks.gradient(self.network, params, r.source_valid)
        return criteria.paper_mmd(moved, r.target_valid, r.source_mask, r.target_mask)


def penalty(params: Params) -> jax.Array:
    """Return the sum of the norms of the negative parts of the kernels that have to be nonnegative."""
    # the smallest normal number makes the slope 0, not NaN, where nothing is negative
    tiny = jnp.finfo(jnp.float32).tiny
    kernels = networks.positive_kernels(params)
    return jnp.stack([jnp.sqrt((jnp.minimum(kernel, 0) ** 2).sum() + tiny) for kernel in kernels]).sum()


def fit_paper(problems: Sequence[Problem], config: PaperConfig, seed: int, progress: Progress | None) -> list[Solution]:
    """Fit the published model for every problem. The cells are left uncentred, as published.

    Without validation cells, the last iteration is taken.
    """
    method = MinMax(
        problems[0].n_dims,
        config.width,
        config.depth,
        config.learning_rate,
        config.batch_size,
        config.n_inner,
        config.n_iters,
        config.check_every,
        patience=config.patience or config.n_iters,
        min_steps=first_choice(problems, config.check_every, config.n_iters),
    )
    architecture = {"width": config.width, "depth": config.depth}
    zero = np.zeros(method.n_dims, dtype=np.float32)

    def build(params: Params) -> PotentialMap:
        single = {name: value[None] for name, value in params.items()}
        return PotentialMap("PaperICNN", architecture, single, zero, zero)

    return fit_each(method, problems, config, seed, progress, build)


SOLVER = Solver(
    "paper",
    "the recipe of the CellOT publication",
    PaperConfig,
    fit_paper,
    cites=("makkuva2020",),
    weighs=True,
    pairs=True,
)
