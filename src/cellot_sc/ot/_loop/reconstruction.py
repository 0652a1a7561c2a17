"""Training of autoencoders: of cells that are read as they are needed, or of untreated and treated cells together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ... import _numbers
from ..._arrays import dense, matrix, rows_not_finite
from ..._calls import plain
from ..._chunks import Stored, pools
from ..._compiled import keeps
from .._maps.autoencoder import Autoencoder, conditioned, decode, encode, random_networks
from .._maps.networks import Params
from .._problem import History, Problem, Progress
from .batches import MAX_VALID, Ranges
from .config import LoopState, SingleConfig, damped_update
from .training import train, train_each

SOURCE, TARGET = 0, 1
"""Labels of the two conditions."""
MAX_EPOCHS = 40
"""Times that the train cells are seen where no validation cells say when it is enough. Of 340 to 4200 blood cells and
cell lines, in 500 and 1000 genes, those were told to see theirs 30 to 45 times."""
MAX_PAIR_EPOCHS = 200
"""Times that the cells of the larger of two clouds are seen, at most: with few, the other steps would be idle."""
MAX_DENSE = 2**24
"""Numbers that the batches of one compiled call may hold."""
POOL = 16
"""Batches at least that are made of the cells of stored ones that are in memory at a time."""
MAX_LATENT = 50
"""Width of the bottleneck of the publication for 1000 genes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconstruction(SingleConfig):
    """What all autoencoders have in common, beside the options of :class:`.LoopConfig`: the least squared error.

    Parameters
    ----------
    hidden
        Units of the hidden layers of the encoder; the decoder has them in reverse.
    n_latent
        Width of the bottleneck. ``None`` is what was published for 1000 genes, 50, and for 48 features, 8: a sixth of
        the dimensions, at least 8 and at most 50, but no more than there are.
    weight_decay
        Weight of the squared parameters, as a gradient that Adam scales with the rest.
    """

    hidden: tuple[int, ...] = (512, 512)
    n_latent: int | None = None
    weight_decay: float = 1e-5

    n_labels: ClassVar[int] = 0
    """2, if the networks are told the condition of a cell."""
    is_damped: ClassVar[bool] = True
    """Whether a training that diverged goes on with shorter steps."""

    @property
    def n_units(self) -> int:
        """Units of the encoder and of the decoder."""
        return 2 * sum(self.hidden)

    def width(self, n_dims: int) -> int:
        """Return the width of the bottleneck for cells of so many dimensions."""
        return self.n_latent or min(n_dims, MAX_LATENT, max(8, n_dims // 6))

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with a penalty of squared parameters in its gradient, as in torch and unlike in AdamW."""
        return optax.chain(optax.add_decayed_weights(self.weight_decay), optax.adam(self.learning_rate))

    def start(self, key: jax.Array, n_dims: int, *, silent: bool = False) -> LoopState:
        """Return random networks, of which the last layers may be silent: zero."""
        n_latent = self.width(n_dims)
        networks = random_networks(key, self.hidden, n_dims, n_latent, n_labels=self.n_labels, silent=silent)
        optimizer = self.optimizer.init(networks)
        return {"networks": networks, "optimizer": optimizer, "fixed": {}, "damping": jnp.ones(())}

    def step(self, state: LoopState, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[LoopState, jax.Array]:
        """Return the state after one step on a batch, and the mean squared error."""
        networks = state["networks"]
        value, slope = jax.value_and_grad(lambda networks: self.loss({**networks, **state["fixed"]}, x, y))(networks)
        damping = state["damping"] if self.is_damped else None
        networks, optimizer = damped_update(self.optimizer, slope, state["optimizer"], networks, damping)
        return {**state, "networks": networks, "optimizer": optimizer}, value

    def loss(self, params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        """Return the mean squared error of source and target cells alike."""
        return (self.errors(params, x, SOURCE).mean() + self.errors(params, y, TARGET).mean()) / 2

    def params(self, state: LoopState) -> Params:
        """Return the parameters of both networks, and what they are added to."""
        return {**state["networks"], **state["fixed"]}

    def criterion(self, params: Params, ranges: Ranges) -> jax.Array:
        """Return the mean squared error of reconstructed validation cells."""

        def mean(cells: jax.Array, mask: jax.Array, label: int) -> jax.Array:
            return (self.errors(params, cells, label) * mask).sum() / jnp.maximum(mask.sum(), 1)

        source = mean(ranges.source_valid, ranges.source_mask, SOURCE)
        return (source + mean(ranges.target_valid, ranges.target_mask, TARGET)) / 2

    def errors(self, params: Params, x: jax.Array, label: int) -> jax.Array:
        """Return the mean squared error of every cell."""
        params = conditioned(params, label, label) if self.n_labels else params
        return _squares(params, x).mean(-1)


def _squares(params: Params, x: jax.Array, lowest: jax.Array | float = -jnp.inf) -> jax.Array:
    """Return the squared errors of all numbers of cells, decoded and cut off."""
    return (jnp.maximum(decode(params, encode(params, x)), lowest) - x) ** 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReconstructionConfig(Reconstruction):
    """The options of the solvers that go through an autoencoder, ``"scgen"`` and ``"cae"``.

    Beside those of :class:`.Reconstruction`. Steps are no more than show each cell of the largest cloud 200 times.

    Parameters
    ----------
    residual
        Whether a cell moves by the difference of two decoded latents, so that it keeps what the autoencoder loses of
        it. ``False`` is as published: a cell is replaced by what is decoded, and loses that.
    """

    residual: bool = True
    learning_rate: float = 1e-3
    batch_size: int = 128
    n_steps: int = 2000
    check_every: int = 50


def train_autoencoders(
    problems: Sequence[Problem], config: ReconstructionConfig, seed: int, progress: Progress | None
) -> list[tuple[Autoencoder, History]]:
    """Train an autoencoder of the source and target cells of every problem, all in one computation.

    The untreated cells are centred in its units, with a mean variance of 1.
    """
    largest = max(len(cells) for problem in problems for cells in (problem.source, problem.target))
    n_steps = min(config.n_steps, -(-MAX_PAIR_EPOCHS * largest // config.batch_size))
    frames: dict[int, Autoencoder] = {}
    sources: dict[int, np.ndarray] = {}
    scaled = []
    for problem in problems:
        # problems that share their source go on sharing it
        shared = id(problem.source)
        if shared not in frames:
            spread = float(np.sqrt(problem.source.var(axis=0).mean())) or 1.0
            frames[shared] = Autoencoder({}, problem.source.mean(axis=0), spread)
            sources[shared] = frames[shared].enter(problem.source)
        others = ("target", "source_valid", "target_valid")
        entered = {name: frames[shared].enter(getattr(problem, name)) for name in others}
        scaled.append(dataclasses.replace(problem, source=sources[shared], **entered))
    # what is made of the networks is no matter of their training
    trained = train_each(dataclasses.replace(config, n_steps=n_steps, residual=True), scaled, seed, progress)
    return [
        (frames[id(problem.source)]._replace(networks=networks), history)
        for problem, (networks, history) in zip(problems, trained, strict=True)
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoencoderConfig(Reconstruction):
    """How :func:`cellot_sc.ot.fit_autoencoder` builds and trains an autoencoder.

    Steps are rounded up to whole looks, and without validation cells no more than show each cell 40 times.

    Parameters
    ----------
    hidden
        Units of the hidden layers of the encoder; the decoder has them in reverse.
    n_latent
        Dimensions of the latent. ``None`` is a sixth of the dimensions, at least 8 and at most 50, but no more than
        there are.
    linear
        Whether the networks are added to principal components, as which they start and which stay as they are.
    learning_rate
        Step size of Adam.
    weight_decay
        Weight of the squared parameters, as a gradient that Adam scales with the rest.
    batch_size
        Cells per step.
    n_steps
        Steps at most.
    check_every
        Steps between two looks at the validation cells.
    patience
        Looks without improvement after which the training ends.
    """

    linear: bool = True
    hidden: tuple[int, ...] = (256,)
    learning_rate: float = 3e-4
    n_steps: int = 1000
    check_every: int = 25

    # one product more rounds otherwise, which the training of wide networks lets grow
    is_damped: ClassVar[bool] = False

    def loss(self, params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        """Return the mean squared error of one batch of cells; there is no other."""
        return _squares(params, x).mean()

    def criterion(self, params: Params, ranges: _Judges) -> jax.Array:  # type: ignore[override]
        """Return the mean squared error of validation cells, decoded and cut off; 0 without any."""
        squares = _squares(params, ranges.cells, ranges.lowest)
        return squares.mean() if squares.size else jnp.zeros(())


class _Judges(NamedTuple):
    """Validation cells, shape ``(1, n_cells, n_dims)``, and the least values that they can have."""

    cells: jax.Array
    lowest: jax.Array


class _Stream(NamedTuple):
    """Cells of which batches are made dense as they are needed."""

    batches: Iterator[np.ndarray]
    """Shape ``(n_steps, batch_size, n_dims)``."""
    ranges: _Judges


@plain
@keeps
def fit_autoencoder(
    x: Any,
    config: AutoencoderConfig,
    *,
    valid: Any = None,
    center: np.ndarray | None = None,
    scale: float = 1.0,
    floor: float | None = None,
    components: np.ndarray | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Autoencoder, History]:
    """Train an autoencoder of cells to the least squared error.

    The networks with the least error on validation cells, of all looks, the one before the first step included, are
    taken; without validation cells the last.

    Parameters
    ----------
    x
        Train cells, dense or sparse with rows, shape ``(n_cells, n_dims)``. Never dense as a whole. What
        :func:`cellot_sc.pp.represent` finds too large to be read at once is read in pieces that mix cells of many
        places.
    config
        How to build and train it.
    valid
        Validation cells, which choose and never move a weight. May be empty; of many, a random sample is looked at.
    center, scale
        The units in which the networks see cells, (x - center) / scale: shape ``(n_dims,)``, and a positive number.
    floor
        The least value that a cell can have: errors are those of what is decoded when cut off there.
    components
        Orthonormal rows, shape ``(n_latent, n_dims)``, that the networks are added to if ``config.linear``.
    seed
        Seed of the networks and of the batches.
    progress
        Called after every look.

    Returns
    -------
    The autoencoder, and how its training went.

    Raises
    ------
    ValueError
        If the seed is none, cells hold NaN or inf or have other dimensions than what they are given with, ``scale`` is
        not positive, components are missing for a linear one, or the training would not fit into memory.
    FloatingPointError
        If the error stops being finite.
    TypeError
        If ``config`` is none.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc import ot
    >>> x = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    >>> config = ot.AutoencoderConfig(n_latent=2, hidden=(8,), linear=False, n_steps=50)
    >>> autoencoder, history = ot.fit_autoencoder(x[:80], config, valid=x[80:])
    >>> autoencoder.encode(x).shape
    (100, 2)
    """
    seed, scale = _numbers.seed(seed), _numbers.positive(scale, what="scale")
    x = _cells(x, None, what="x")
    n_cells, n_dims = x.shape
    if not n_cells:
        raise ValueError("x has no cells: there is nothing to learn from.")
    valid = None if valid is None else _cells(valid, n_dims, what="valid")
    center = None if center is None else _cells([center], n_dims, what="center")[0]
    if config.linear or components is not None:
        components = _cells(components, n_dims, what="components of a linear autoencoder")
        if len(components) != config.n_latent:
            raise ValueError(f"components has {len(components)} rows; {config.n_latent} are needed, as n_latent says.")
    if floor is not None and not (_numbers.is_real(floor) and abs(floor) <= _numbers.MOST_REAL):
        raise ValueError(
            f"floor is {_numbers.shown(floor)}; None or a number within {_numbers.MOST_REAL:g} of 0 is needed."
        )
    n_valid = 0 if valid is None else valid.shape[0]
    batch_size = min(config.batch_size, n_cells)
    n_steps = config.n_steps if n_valid else min(config.n_steps, MAX_EPOCHS * n_cells // batch_size)
    check_every = min(config.check_every, n_steps)
    n_steps = -(-n_steps // check_every) * check_every
    config = dataclasses.replace(config, batch_size=batch_size, n_steps=n_steps, check_every=check_every)
    start, key = partial(config.start, n_dims=n_dims, silent=config.linear), jax.random.key(seed)
    config.check_room(jax.eval_shape(start, key), 1, 1, n_dims)
    frame = Autoencoder({}, np.zeros(n_dims, dtype=np.float32) if center is None else center, scale)

    # a stream of their own, so that the number of validation cells does not change the batches
    sample = np.random.default_rng([seed, 1]).permutation(n_valid)[:MAX_VALID]
    judges = _dense(frame, valid, np.sort(sample)) if n_valid else np.zeros((0, n_dims), dtype=np.float32)
    lowest = np.full(n_dims, -np.inf) if floor is None else (floor - frame.center) / scale
    most = max(1, MAX_DENSE // (batch_size * n_dims))
    n_inner = max(n for n in range(1, check_every + 1) if check_every % n == 0 and n <= most)
    cells = _batches(frame, x, batch_size, np.random.default_rng(seed))
    batches = (np.stack([next(cells) for _ in range(n_inner)]) for _ in iter(int, 1))

    state = start(key)
    if config.linear:
        state["fixed"] = {"components": jnp.asarray(components, dtype=jnp.float32)}
    trained = train(
        config,
        jax.tree.map(lambda leaf: leaf[None, None], state),
        _Stream(batches, _Judges(jnp.asarray(judges)[None], jnp.asarray(lowest, dtype=jnp.float32)[None])),
        seed=seed,
        min_steps=0 if n_valid else n_steps,
        progress=progress,
        advance=_advance,
    )
    networks = jax.tree.map(lambda leaf: np.asarray(leaf[0, 0]), trained.params)
    return frame._replace(networks=networks), trained.histories[0]


def _cells(given: Any, n_dims: int | None, *, what: str) -> Any:
    """Return a matrix of finite numbers; raise :class:`ValueError` otherwise. What is stored is checked when read."""
    if isinstance(given, Stored):
        return given
    x = matrix(given, what=what, n_dims=n_dims)
    if n_bad := len(rows_not_finite(x)):
        raise ValueError(f"{what} holds NaN or inf in {n_bad} of {x.shape[0]} rows: leave these out.")
    return x


def _dense(frame: Autoencoder, cells: Any, rows: np.ndarray) -> np.ndarray:
    return frame.enter(dense(cells[rows])).astype(np.float32)


def _batches(frame: Autoencoder, cells: Any, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield batches, all cells once before any twice, but for rests that are smaller than a batch."""
    n_rows = max(POOL * batch_size, MAX_DENSE // cells.shape[1])
    while True:
        for pool in pools(cells, rng, n_rows):
            order = rng.permutation(pool.shape[0])
            for first in range(0, len(order) - batch_size + 1, batch_size):
                yield _dense(frame, pool, order[first : first + batch_size])


def _advance(
    config: AutoencoderConfig, state: LoopState, stream: _Stream, seed: Any, done: Any, n_steps: int
) -> tuple[LoopState, jax.Array]:
    """Make steps with batches of the stream; return the mean loss of the last of them, too."""
    made = 0
    while made < n_steps:
        batches = next(stream.batches)
        state, losses = _advance_on(config, state, batches)
        made += len(batches)
    if not jnp.isfinite(losses).all():
        raise FloatingPointError(
            f"the autoencoder diverged before step {done + n_steps}: lower its learning_rate, {config.learning_rate}."
        )
    return state, losses


@partial(jax.jit, static_argnames="config")
def _advance_on(config: AutoencoderConfig, state: LoopState, batches: jax.Array) -> tuple[LoopState, jax.Array]:
    def body(state: LoopState, x: jax.Array) -> tuple[LoopState, jax.Array]:
        return config.step(state, x, x, jax.random.key(0))

    state, losses = jax.lax.scan(body, jax.tree.map(lambda leaf: leaf[0, 0], state), batches)
    return jax.tree.map(lambda leaf: leaf[None, None], state), losses.mean()[None, None]
