"""What the compiled loop trains: the options of a neural solver, and what one of its steps does."""

# types are not texts here: the options are documented with the classes that inherit them, in other modules
import abc
import dataclasses
import math
from pathlib import Path
from typing import Any

import jax
import optax

from .. import _checks
from .._maps.networks import Params
from .batches import Ranges

type LoopState = dict[str, Any]
"""Parameters, what their optimizer remembers, and a leaf ``damping`` that scales the steps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopConfig(abc.ABC):
    """The options that all neural solvers have, and what each has to define: a solver is its options.

    Equal ones share compiled code. Where a fit is kept on disk makes no difference to that. Steps are at most ten
    million, whatever they count, layers at most 100 of at most 16,384 units; a fit that would not fit into the memory
    of the machine is refused before it begins.

    Parameters
    ----------
    learning_rate
        Step size of Adam.
    batch_size
        Cells per cloud and step, at most 2**20.
    n_steps
        Steps at most.
    check_every
        Steps between two looks at the validation cells.
    patience
        Looks without improvement after which the fit ends. With ``None`` it never ends early.
    checkpoint_dir
        Folder in which the state is kept after every look.
    resume
        Whether to go on from the state in that folder.
    """

    learning_rate: float
    batch_size: int = 256
    n_steps: int
    check_every: int
    patience: int | None = 8
    checkpoint_dir: str | Path | None = dataclasses.field(default=None, compare=False)
    resume: bool = dataclasses.field(default=False, compare=False)

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.options(self)
        if self.resume and self.checkpoint_dir is None:
            raise ValueError("resume=True needs the checkpoint_dir to resume from.")

    @property
    def n_drawn(self) -> int:
        """Cells of either cloud that a step draws."""
        return self.batch_size

    @property
    def n_units(self) -> int:
        """Numbers that a step makes of every cell that it draws, beside the cell itself, at least."""
        return 0

    def check_room(self, state: Any, n_states: int, n_fits: int, n_dims: int) -> None:
        """Raise :class:`ValueError` if a training does not fit into memory, given the shapes of a state, and numbers.

        Those of such states, of fits that are made side by side, and of dimensions.
        """
        n_weights = n_states * sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state))
        # a state and its successor; cells of either cloud, and what networks make of them
        n_numbers = 2 * n_weights + n_fits * self.n_drawn * (2 * n_dims + self.n_units)
        sizes = {"batch_size", "width", "hidden", "depth", "n_inner"}
        _checks.room(n_numbers, lower=", ".join(f.name for f in dataclasses.fields(self) if f.name in sizes))

    @abc.abstractmethod
    def step(self, state: LoopState, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[LoopState, jax.Array]:
        """Return the state after one step on a batch, and the loss."""

    @abc.abstractmethod
    def params(self, state: LoopState) -> Params:
        """Return what the map is made from."""

    @abc.abstractmethod
    def criterion(self, params: Params, ranges: Ranges) -> jax.Array:
        """Return how far the transported validation cells are from the observed ones."""


class SingleConfig(LoopConfig):
    """A solver that trains one network per problem, from a random start, on cells as they are."""

    @abc.abstractmethod
    def start(self, key: jax.Array, n_dims: int) -> LoopState:
        """Return a random state of one network."""


def damped_update(
    optimizer: optax.GradientTransformation, slope: Any, memory: optax.OptState, params: Any, damping: jax.Array | None
) -> tuple[Any, optax.OptState]:
    """Return parameters after a step of an optimizer, shortened by a factor, and what the optimizer remembers."""
    updates, memory = optimizer.update(slope, memory, params)
    if damping is not None:
        updates = jax.tree.map(lambda u: damping * u, updates)
    return optax.apply_updates(params, updates), memory
