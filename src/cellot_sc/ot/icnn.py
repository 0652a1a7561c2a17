"""The default solver: an ensemble of convex networks that starts from the affine map between Gaussians."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from . import criteria, lack_of_fit, networks, objectives
from .checkpoints import Checkpoint
from .clouds import Clouds, gather
from .gaussian import cautious_gaussian_map
from .maps import AffineMap, TransportMap
from .networks import Params
from .potential_map import PotentialMap
from .problem import Fit, Problem, Progress
from .training import State, train


@dataclasses.dataclass(frozen=True)
class ICNNConfig:
    """Options of the solver ``"icnn"``.

    Parameters
    ----------
    width, depth
        Units per layer and layers of each network.
    penalties
        Weights of the expectile penalty, in units of one over the mean cost: a network is fitted with each, all in one
        computation, and validation cells choose.
    learning_rate
        Peak step size of Adam.
    batch_size
        Cells per cloud and step.
    n_steps
        Steps at most.
    check_every
        Steps between two looks at the validation cells.
    patience
        Looks without improvement after which the fit ends.
    min_steps
        Steps before which no map is taken.
    noise
        Standard deviation of the noise added to the cells of a batch, in units of the mean standard deviation of the
        source's dimensions: keeps small clouds from being learnt by heart.
    checkpoint_dir
        Folder in which the state is kept after every look.
    resume
        Whether to go on from the state in that folder.
    """

    width: int = 64
    depth: int = 3
    penalties: tuple[float, ...] = (3.0, 10.0, 10.0, 30.0)
    learning_rate: float = 1e-2
    batch_size: int = 256
    n_steps: int = 1500
    check_every: int = 150
    patience: int = 4
    min_steps: int = 600
    noise: float = 0.2
    checkpoint_dir: str | Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "penalties", tuple(float(p) for p in np.atleast_1d(self.penalties)))
        for name in ("width", "depth", "batch_size", "n_steps", "check_every", "patience", "min_steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                msg = f"{name} is {value!r}; a positive whole number is needed."
                raise ValueError(msg)
        if not self.penalties or min(self.penalties) <= 0 or self.learning_rate <= 0 or self.noise < 0:
            msg = (
                f"penalties {self.penalties}, learning_rate {self.learning_rate} and noise {self.noise}: "
                "positive numbers are needed (noise may be 0)."
            )
            raise ValueError(msg)
        if self.resume and self.checkpoint_dir is None:
            msg = "resume=True needs the checkpoint_dir to resume from."
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True)
class Expectile:
    """Training of two convex potentials by the expectile-regularised dual, with averaged parameters as the result."""

    width: int
    depth: int
    learning_rate: float
    batch_size: int
    n_steps: int
    check_every: int
    patience: int
    min_steps: int

    memory = 0.99
    """Share of the running average of the parameters that each step keeps."""

    @property
    def network(self) -> networks.ICNN:
        """Architecture of both potentials."""
        return networks.ICNN(self.width, self.depth)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with a short warm-up, then a cosine; the short memory of squares follows losses that change fast."""
        rate = optax.warmup_cosine_decay_schedule(
            0.0, self.learning_rate, min(100, self.n_steps // 10), self.n_steps, self.learning_rate / 100
        )
        return optax.adam(rate, b2=0.9)

    def start(self, key: jax.Array, root: jax.Array, inverse_root: jax.Array, scale: jax.Array) -> State:
        """Return two random networks whose quadratic parts are the affine map and its inverse."""
        f_key, g_key = jax.random.split(key)
        cell = jnp.zeros((1, root.shape[0]))
        f = self.network.init(f_key, cell)["params"] | {"root": root, "scale": scale}
        g = self.network.init(g_key, cell)["params"] | {"root": inverse_root, "scale": scale}
        return {"f": f, "g": g, "average": f, "optimizer": self.optimizer.init((f, g)), "damping": jnp.ones(())}

    def step(self, state: State, x: jax.Array, y: jax.Array, step: jax.Array) -> tuple[State, jax.Array]:
        """Return the state after one step on a batch, and the loss."""
        x_key, y_key = jax.random.split(jax.random.fold_in(state["noise_key"], step))
        x = x + state["noise"] * jax.random.normal(x_key, x.shape)
        y = y + state["noise"] * jax.random.normal(y_key, y.shape)

        def loss(pair: tuple[Params, Params]) -> jax.Array:
            return objectives.expectile(self.network, *pair, x, y, state["weight"])

        pair = (state["f"], state["g"])
        value, slopes = jax.value_and_grad(loss)(pair)
        updates, optimizer = self.optimizer.update(slopes, state["optimizer"], pair)
        f, g = optax.apply_updates(pair, jax.tree.map(lambda u: state["damping"] * u, updates))
        average = jax.tree.map(lambda a, b: b + self.memory * (a - b), state["average"], f)
        return {**state, "f": f, "g": g, "average": average, "optimizer": optimizer}, value

    def params(self, state: State) -> Params:
        """Return the averaged parameters of the forward potential."""
        return state["average"]

    def criterion(self, params: Params, clouds: Clouds) -> jax.Array:
        """Return the energy distance between transported and observed validation cells."""
        r = clouds.ranges
        moved = networks.gradient(self.network, params, r.source_valid)
        return criteria.energy(moved, r.target_valid, r.source_mask, r.target_mask)


def fit_icnn(problems: Sequence[Problem], config: ICNNConfig, seed: int, progress: Progress | None) -> list[Fit]:
    """Fit an ensemble of convex networks for every problem, all in one computation.

    The map is the average of those networks that validation cells prefer, or the affine start where none beats it.
    """
    method = Expectile(
        config.width, config.depth, config.learning_rate, config.batch_size, config.n_steps, config.check_every,
        config.patience, min(config.min_steps, config.n_steps),
    )  # fmt: skip
    starts = [cautious_gaussian_map(problem.source, problem.target) for problem in problems]
    clouds = gather(problems, [(start.source_mean, start.target_mean) for start in starts], seed)
    state = _start(method, config, problems, starts, seed)
    trained = train(
        method, state, clouds, seed=seed, progress=progress, checkpoint=_checkpoint(config, problems, seed)
    )
    params = jax.tree.map(np.asarray, trained.params)
    fits = []
    for i, (problem, start) in enumerate(zip(problems, starts, strict=True)):
        members = [
            PotentialMap(
                "icnn",
                {"width": config.width, "depth": config.depth},
                {name: value[i, [k]] for name, value in params.items()},
                start.source_mean,
                start.target_mean,
            )
            for k in range(len(config.penalties))
            if np.isfinite(trained.criterion[i, k])
        ]
        fits.append(Fit(_choose(start, members, problem), trained.histories[i]))
    return fits


def _start(
    method: Expectile, config: ICNNConfig, problems: Sequence[Problem], starts: Sequence[AffineMap], seed: int
) -> State:
    members = len(config.penalties)
    roots, inverse_roots, scales, costs = [], [], [], []
    rng = np.random.default_rng(seed)
    for problem, start in zip(problems, starts, strict=True):
        matrix = start.matrix.astype(np.float64)
        roots.append(np.linalg.cholesky(matrix))
        inverse_roots.append(np.linalg.cholesky(np.linalg.inv(matrix)))
        scales.append(np.sqrt(problem.source.var(axis=0, dtype=np.float64).mean()) or 1.0)
        costs.append(_mean_cost(problem, start, rng))

    def per_problem(values: Any) -> jax.Array:
        return jnp.asarray(np.stack(values), dtype=jnp.float32)

    keys = jax.vmap(lambda k: jax.random.fold_in(jax.random.key(seed), k))(members + jnp.arange(members))
    make = jax.jit(jax.vmap(jax.vmap(method.start, in_axes=(0, None, None, None)), in_axes=(None, 0, 0, 0)))
    state = make(keys, per_problem(roots), per_problem(inverse_roots), per_problem(scales))
    weights = jnp.asarray(config.penalties) / per_problem(costs)[:, None]
    noise = jnp.broadcast_to(config.noise * per_problem(scales)[:, None], weights.shape)
    noise_keys = jax.random.key_data(keys)[None].repeat(len(problems), axis=0)
    return {**state, "weight": weights, "noise": noise, "noise_key": noise_keys}


def _mean_cost(problem: Problem, start: AffineMap, rng: np.random.Generator) -> float:
    """Return the mean of 1/2 |x - y|^2 over random pairs of centred cells."""
    x = problem.source[rng.integers(len(problem.source), size=2000)] - start.source_mean
    y = problem.target[rng.integers(len(problem.target), size=2000)] - start.target_mean
    return float(0.5 * ((x - y) ** 2).sum(1).mean()) or 1.0


def _choose(start: AffineMap, members: list[PotentialMap], problem: Problem) -> TransportMap:
    """Return the average of the networks that validation cells cannot tell from the best one, or the affine start.

    The start is kept where it already explains the train cells, so that there is nothing left to learn but noise, and
    where the average is worse on the validation cells by more than the standard error of the difference.
    """
    if not members or lack_of_fit.explains(start, problem.source, problem.target):
        return start
    x, y = problem.source_valid, problem.target_valid
    chosen = members
    if min(len(x), len(y)) >= 2:
        moved = [member.transport(x) for member in members]
        scores = [criteria.energy_and_influence(cells, y) for cells in moved]
        best = min(scores, key=lambda score: score[0])
        equal = [score[0] - best[0] <= criteria.standard_error(score, best) for score in scores]
        chosen = [member for member, keep in zip(members, equal, strict=True) if keep]
        average = np.mean([cells for cells, keep in zip(moved, equal, strict=True) if keep], axis=0)
        baseline, score = (criteria.energy_and_influence(cells, y) for cells in (start.transport(x), average))
        if score[0] - baseline[0] > criteria.standard_error(score, baseline):
            return start
    first = members[0]
    params = {name: np.concatenate([member.params[name] for member in chosen]) for name in first.params}
    return PotentialMap(first.network, first.options, params, first.source_mean, first.target_mean)


def _checkpoint(config: ICNNConfig, problems: Sequence[Problem], seed: int) -> Checkpoint | None:
    if config.checkpoint_dir is None:
        return None
    options = {k: v for k, v in dataclasses.asdict(config).items() if k not in ("checkpoint_dir", "resume")}
    digest = hashlib.sha256(repr((sorted(options.items()), seed)).encode())
    for problem in problems:
        for array in (problem.source, problem.target, problem.source_valid, problem.target_valid):
            digest.update(np.ascontiguousarray(array).tobytes())
    return Checkpoint(Path(config.checkpoint_dir), digest.hexdigest(), config.resume)
