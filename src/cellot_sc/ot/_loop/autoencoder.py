"""An autoencoder of cells: networks to few dimensions and back, trained on batches of dense or sparse cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from ... import _defaults
from .. import _checks
from .._maps.mlp import perceptron
from .._problem import Progress

type Params = dict[str, Any]

MAX_VALID = 1000
"""Validation cells that are looked at, at most."""
MAX_EPOCHS = 40
"""Times that the train cells are seen where no validation cells say when it is enough. Of 340 to 4200 blood cells and
cell lines, in 500 and 1000 genes, those were told to see theirs 30 to 45 times."""
MAX_DENSE = 2**24
"""Numbers that the batches of one compiled call may hold."""


@dataclasses.dataclass(frozen=True)
class AutoencoderConfig:
    """How an autoencoder is built and trained.

    Parameters
    ----------
    hidden
        Units of the hidden layers of the encoder; the decoder has them in reverse.
    linear
        Whether the networks are added to principal components, as which they start and which stay as they are.
    learning_rate
        Step size of Adam.
    weight_decay
        Weight of the squared parameters, as a gradient that Adam scales with the rest.
    batch_size
        Cells per step.
    n_steps
        Steps at most, rounded up to whole looks. Without validation cells, also no more than :data:`MAX_EPOCHS` allow.
    check_every
        Steps between two looks at the validation cells.
    patience
        Looks without improvement after which the training ends.
    """

    hidden: tuple[int, ...] = (256,)
    linear: bool = True
    learning_rate: float = 3e-4
    weight_decay: float = 1e-5
    batch_size: int = 256
    n_steps: int = 1000
    check_every: int = 25
    patience: int = 8

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.counts(self, "batch_size", "n_steps", "check_every", "patience")
        _checks.positive(self, "learning_rate")
        _checks.not_negative(self, "weight_decay")
        object.__setattr__(self, "hidden", _checks.several(self, "hidden", whole=True))


PRESETS: dict[str, AutoencoderConfig] = {
    "small": AutoencoderConfig(),
    _defaults.PAPER: AutoencoderConfig(hidden=(512, 512), linear=False, learning_rate=1e-3),
}
"""Ways to build and train an autoencoder by name; ``"paper"`` as published (Bunne et al. 2023, Methods)."""


class Trained(NamedTuple):
    """The networks, the step at which they were taken, and their mean squared error on validation cells."""

    params: Params
    step: int
    error: float


class Perceptron(nn.Module):
    """Layers of rectified linear units, and a last one without. Makes the parameters of :func:`perceptron`.

    Parameters
    ----------
    units
        Units of every layer.
    silent
        Whether the last layer starts at zero.
    """

    units: tuple[int, ...]
    silent: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the last layer, shape ``(n_cells, units[-1])``."""
        *hidden, last = self.units
        for width in hidden:
            x = nn.relu(nn.Dense(width)(x))
        kernel = nn.initializers.zeros if self.silent else nn.initializers.lecun_normal()
        return nn.Dense(last, kernel_init=kernel)(x)


def start(
    key: jax.Array, hidden: Sequence[int], n_dims: int, n_latent: int, *, n_labels: int = 0, silent: bool = False
) -> Params:
    """Return random parameters of an encoder and a decoder.

    Parameters
    ----------
    key
        Random key.
    hidden
        Units of the hidden layers of the encoder.
    n_dims, n_latent
        Dimensions of the cells and of their latent.
    n_labels
        Dimensions of what is appended to both.
    silent
        Whether the last layers start at zero.
    """
    encoder, decoder = Perceptron((*hidden, n_latent), silent), Perceptron((*reversed(hidden), n_dims), silent)
    to_key, from_key = jax.random.split(key)
    return {
        "encoder": encoder.init(to_key, jnp.ones((1, n_dims + n_labels)))["params"],
        "decoder": decoder.init(from_key, jnp.ones((1, n_latent + n_labels)))["params"],
    }


def encode(params: Mapping[str, Any], x: Any, relu: Callable[[Any], Any] = jax.nn.relu) -> Any:
    """Return the latent, shape ``(n_cells, n_latent)``, of cells of shape ``(n_cells, n_dims)``.

    Parameters
    ----------
    params
        Encoder and decoder, and the principal components that they are added to, if any.
    x
        Cells.
    relu
        The units: :func:`rectified` keeps to numpy, for which nothing has to be compiled.
    """
    latent = perceptron(params["encoder"], x, relu)
    return latent + x @ params["components"].T if "components" in params else latent


def decode(params: Mapping[str, Any], latent: Any, relu: Callable[[Any], Any] = jax.nn.relu) -> Any:
    """Return the cells, shape ``(n_cells, n_dims)``, at a latent of shape ``(n_cells, n_latent)``."""
    x = perceptron(params["decoder"], latent, relu)
    return x + latent @ params["components"] if "components" in params else x


def rectified(x: np.ndarray) -> np.ndarray:
    """Return the positive part."""
    return np.maximum(x, 0)


def train(
    x: Any,
    valid: Any,
    n_latent: int,
    config: AutoencoderConfig,
    *,
    center: np.ndarray,
    scale: float,
    floor: float | None = None,
    components: np.ndarray | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Train an autoencoder of cells to the least squared error.

    The cells that it works on are (x - center) / scale. Those with the least error on validation cells, of all looks,
    the one before the first step included, are taken; without validation cells the last.

    Parameters
    ----------
    x
        Train cells, dense or sparse with rows, shape ``(n_cells, n_dims)``. Never dense as a whole.
    valid
        Validation cells, which choose and never move a weight. May be empty.
    n_latent
        Dimensions of the latent.
    config
        How to build and train it.
    center
        Shape ``(n_dims,)``.
    scale
        A positive number.
    floor
        The least value that a cell can have: errors are those of what is decoded when cut off there.
    components
        Orthonormal rows, shape ``(n_latent, n_dims)``, that the networks are added to if ``config.linear``.
    seed
        Seed of the networks and of the batches.
    progress
        Called after every look.

    Raises
    ------
    FloatingPointError
        If the error stops being finite.
    """
    networks = start(jax.random.key(seed), config.hidden, x.shape[1], n_latent, silent=config.linear)
    fixed = {"components": jnp.asarray(components, dtype=jnp.float32)} if config.linear else {}
    lowest = -jnp.inf if floor is None else jnp.asarray((floor - center) / scale, dtype=jnp.float32)

    def dense(cells: Any, rows: np.ndarray) -> np.ndarray:
        chosen = cells[rows]
        chosen = chosen.toarray() if hasattr(chosen, "toarray") else np.asarray(chosen)
        return ((chosen - center) / scale).astype(np.float32)

    n_valid = valid.shape[0]
    # a stream of their own, so that the number of validation cells does not change the batches
    sample = np.random.default_rng([seed, 1]).permutation(n_valid)[:MAX_VALID]
    judges = dense(valid, np.sort(sample)) if n_valid else None
    batch_size = min(config.batch_size, x.shape[0])
    n_steps = config.n_steps if n_valid else min(config.n_steps, MAX_EPOCHS * x.shape[0] // batch_size)
    look_every = min(config.check_every, n_steps)
    fits = max(1, MAX_DENSE // (batch_size * x.shape[1]))
    n_inner = max(n for n in range(1, look_every + 1) if look_every % n == 0 and n <= fits)
    draws = _batches(np.random.default_rng(seed), x.shape[0], batch_size)

    adam = config.learning_rate, config.weight_decay
    state = optimizer(*adam).init(networks)
    taken = Trained(networks, 0, float(_error(networks, fixed, judges, lowest)) if n_valid else np.nan)
    done = 0
    while done < n_steps and (not n_valid or done - taken.step < config.patience * look_every):
        for _ in range(look_every // n_inner):
            cells = np.stack([dense(x, next(draws)) for _ in range(n_inner)])
            networks, state, loss = _advance(adam, networks, state, fixed, cells)
        done += look_every
        error = float(_error(networks, fixed, judges, lowest)) if n_valid else np.nan
        if not np.isfinite(error if n_valid else float(loss)):
            msg = f"the autoencoder diverged before step {done}: lower its learning_rate, {config.learning_rate}."
            raise FloatingPointError(msg)
        if not n_valid or error < taken.error:
            taken = Trained(networks, done, error)
        if progress is not None:
            progress(done, n_steps, {"validation" if n_valid else "loss": error if n_valid else float(loss)})
    return taken._replace(params=jax.tree.map(np.asarray, {**taken.params, **fixed}))


def optimizer(learning_rate: float, weight_decay: float) -> optax.GradientTransformation:
    """Return Adam with a penalty of squared parameters in its gradient, as in torch and unlike in AdamW."""
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.adam(learning_rate))


def _batches(rng: np.random.Generator, n_cells: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield rows, all once before any twice, but for a rest that is smaller than a batch."""
    while True:
        order = rng.permutation(n_cells)
        for first in range(0, n_cells - batch_size + 1, batch_size):
            yield order[first : first + batch_size]


@partial(jax.jit, static_argnames="adam")
def _advance(
    adam: tuple[float, float], networks: Params, state: Any, fixed: Mapping[str, jax.Array], batches: jax.Array
) -> tuple[Params, Any, jax.Array]:
    """Make a step with every batch, shape ``(n_steps, batch_size, n_dims)``; return the mean loss, too."""

    def loss(networks: Params, x: jax.Array) -> jax.Array:
        params = {**networks, **fixed}
        return ((decode(params, encode(params, x)) - x) ** 2).mean()

    def body(carry: tuple[Params, Any], x: jax.Array) -> tuple[tuple[Params, Any], jax.Array]:
        networks, state = carry
        value, slope = jax.value_and_grad(loss)(networks, x)
        update, state = optimizer(*adam).update(slope, state, networks)
        return (optax.apply_updates(networks, update), state), value

    (networks, state), losses = jax.lax.scan(body, (networks, state), batches)
    return networks, state, losses.mean()


@jax.jit
def _error(networks: Params, fixed: Mapping[str, jax.Array], x: jax.Array, lowest: jax.Array) -> jax.Array:
    params = {**networks, **fixed}
    return ((jnp.maximum(decode(params, encode(params, x)), lowest) - x) ** 2).mean()
