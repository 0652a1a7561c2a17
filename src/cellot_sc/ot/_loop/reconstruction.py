"""Training of autoencoders of untreated and treated cells together, by the loop of the other neural solvers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .. import _checks
from .._problem import History, Problem, Progress
from . import autoencoder
from .autoencoder import Params, decode, encode, rectified
from .batches import Clouds
from .single import first_choice, train_each
from .training import State

SOURCE, TARGET = 0, 1
"""Labels of the two conditions."""
MAX_EPOCHS = 200
"""Times that the cells of the largest cloud are seen, at most: with few cells, the rest of the steps would be idle."""
MAX_LATENT = 50
"""Width of the bottleneck of the publication for 1000 genes."""


@dataclasses.dataclass(frozen=True)
class ReconstructionConfig:
    """Options of the solvers that go through an autoencoder, ``"scgen"`` and ``"cae"``.

    Parameters
    ----------
    hidden
        Units of the hidden layers of the encoder; the decoder has them in reverse.
    n_latent
        Width of the bottleneck. ``None`` is what was published for 1000 genes, 50, and for 48 features, 8: a sixth of
        the dimensions, at least 8 and at most 50, but no more than there are.
    residual
        Whether a cell moves by the difference of two decoded latents, so that it keeps what the autoencoder loses of
        it. ``False`` is as published: a cell is replaced by what is decoded, and loses that.
    learning_rate
        Step size of Adam.
    weight_decay
        Weight of the squared parameters, as a gradient that Adam scales with the rest.
    batch_size
        Cells per cloud and step.
    n_steps
        Steps at most; no more than show each cell of the largest cloud 200 times.
    check_every
        Steps between two looks at the reconstruction of validation cells.
    patience
        Looks without improvement after which the fit ends.
    checkpoint_dir
        Folder in which the state is kept after every look.
    resume
        Whether to go on from the state in that folder.
    """

    hidden: tuple[int, ...] = (512, 512)
    n_latent: int | None = None
    residual: bool = True
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 128
    n_steps: int = 2000
    check_every: int = 50
    patience: int = 8
    checkpoint_dir: str | Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.counts(self, "batch_size", "n_steps", "check_every", "patience")
        if self.n_latent is not None:
            _checks.counts(self, "n_latent")
        _checks.positive(self, "learning_rate")
        _checks.not_negative(self, "weight_decay")
        _checks.resumable(self)
        object.__setattr__(self, "hidden", _checks.several(self, "hidden", whole=True))

    def width(self, n_dims: int) -> int:
        """Return the width of the bottleneck for cells of so many dimensions."""
        return self.n_latent or min(n_dims, MAX_LATENT, max(8, n_dims // 6))


@dataclasses.dataclass(frozen=True)
class Reconstruct:
    """Training of one autoencoder to reconstruct source and target cells alike."""

    n_dims: int
    hidden: tuple[int, ...]
    n_latent: int
    n_labels: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    n_steps: int
    check_every: int
    patience: int
    min_steps: int

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """That of the publication."""
        return autoencoder.optimizer(self.learning_rate, self.weight_decay)

    def start(self, key: jax.Array) -> State:
        """Return random networks."""
        networks = autoencoder.start(key, self.hidden, self.n_dims, self.n_latent, n_labels=self.n_labels)
        return {"networks": networks, "optimizer": self.optimizer.init(networks), "damping": jnp.ones(())}

    def step(self, state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        """Return the state after one step on a batch, and the mean squared error."""

        def loss(networks: Params) -> jax.Array:
            return (self._errors(networks, x, SOURCE).mean() + self._errors(networks, y, TARGET).mean()) / 2

        value, slope = jax.value_and_grad(loss)(state["networks"])
        update, moments = self.optimizer.update(slope, state["optimizer"], state["networks"])
        networks = jax.tree.map(lambda a, b: a + state["damping"] * b, state["networks"], update)
        return {"networks": networks, "optimizer": moments, "damping": state["damping"]}, value

    def params(self, state: State) -> Params:
        """Return the parameters of both networks."""
        return state["networks"]

    def criterion(self, params: Params, clouds: Clouds) -> jax.Array:
        """Return the mean squared error of reconstructed validation cells."""
        r = clouds.ranges

        def mean(cells: jax.Array, mask: jax.Array, label: int) -> jax.Array:
            return (self._errors(params, cells, label) * mask).sum() / jnp.maximum(mask.sum(), 1)

        return (mean(r.source_valid, r.source_mask, SOURCE) + mean(r.target_valid, r.target_mask, TARGET)) / 2

    def _errors(self, networks: Params, x: jax.Array, label: int) -> jax.Array:
        """Return the mean squared error of every cell."""
        if self.n_labels:
            networks = conditioned(networks, label, label)
        return ((decode(networks, encode(networks, x)) - x) ** 2).mean(-1)


def conditioned(networks: Params, encode_as: int, decode_as: int) -> Params:
    """Return the networks for cells to which labels are appended, as networks for the cells alone.

    The entries of a one-hot label that are 0 do nothing, and the one that is 1 adds a row of the first kernel.

    Parameters
    ----------
    networks
        Encoder and decoder with two labels behind what they are applied to.
    encode_as, decode_as
        Label that the encoder, and the decoder, is told.
    """
    told = {}
    for name, label in (("encoder", encode_as), ("decoder", decode_as)):
        first = networks[name]["Dense_0"]
        kernel, labels = first["kernel"][:-2], first["kernel"][-2:]
        told[name] = {**networks[name], "Dense_0": {"kernel": kernel, "bias": first["bias"] + labels[label]}}
    return told


class Frame(NamedTuple):
    """In what units a network sees cells: (x - center) / scale."""

    center: np.ndarray
    scale: float

    def enter(self, x: np.ndarray) -> np.ndarray:
        """Return cells in these units."""
        return (x - self.center) / self.scale

    def leave(self, x: np.ndarray) -> np.ndarray:
        """Return cells that are in these units in their own."""
        return x * self.scale + self.center


def rebuild(networks: Params, frame: Frame, x: np.ndarray, shift: np.ndarray | float, *, into: Params) -> np.ndarray:
    """Return cells, shape ``(n_cells, n_dims)``, through an encoder, a shift of the latent and another decoder."""
    latent = encode(networks, frame.enter(x), rectified)
    return frame.leave(decode(into, latent + shift, rectified))


class Trained(NamedTuple):
    """The autoencoder of a problem, the units it sees cells in, and how it came about."""

    networks: Params
    frame: Frame
    history: History


def train_autoencoders(
    problems: Sequence[Problem],
    config: ReconstructionConfig,
    seed: int,
    progress: Progress | None,
    *,
    n_labels: int = 0,
) -> list[Trained]:
    """Train an autoencoder of the source and target cells of every problem, all in one computation.

    Parameters
    ----------
    problems
        Pairs of clouds.
    config
        How to build and train them.
    seed
        Seed of everything random.
    progress
        Called as the training goes on.
    n_labels
        2, if the networks are told the condition of a cell, or 0.
    """
    frames = {id(problem.source): _frame(problem.source) for problem in problems}
    sources = {id(problem.source): frames[id(problem.source)].enter(problem.source) for problem in problems}
    largest = max(len(cells) for problem in problems for cells in (problem.source, problem.target))
    n_steps = min(config.n_steps, -(-MAX_EPOCHS * largest // config.batch_size))
    method = Reconstruct(
        problems[0].n_dims,
        config.hidden,
        config.width(problems[0].n_dims),
        n_labels,
        config.learning_rate,
        config.weight_decay,
        config.batch_size,
        n_steps,
        config.check_every,
        config.patience,
        min_steps=first_choice(problems, config.check_every, n_steps),
    )
    scaled = []
    for problem in problems:
        enter = frames[id(problem.source)].enter
        scaled.append(
            dataclasses.replace(
                problem,
                # problems that share their source go on sharing it
                source=sources[id(problem.source)],
                target=enter(problem.target),
                source_valid=enter(problem.source_valid),
                target_valid=enter(problem.target_valid),
            )
        )
    trained = train_each(method, scaled, config, seed, progress)
    return [
        Trained(networks, frames[id(problem.source)], history)
        for problem, (networks, history) in zip(problems, trained, strict=True)
    ]


def _frame(source: np.ndarray) -> Frame:
    """Return units in which untreated cells are centred, with a mean variance of 1."""
    return Frame(source.mean(axis=0), float(np.sqrt(source.var(axis=0).mean())) or 1.0)


def as_arrays(networks: Mapping[str, Any]) -> Params:
    """Return the parameters of networks as float32 arrays."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float32), dict(networks))
