"""An autoencoder of cells, networks to few dimensions and back with their units, and the maps that go through one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ..._states import Field, Group, Layers, Numbers, Positive
from .base import State, TransportMap
from .mlp import perceptron
from .networks import Params, as_arrays


class Autoencoder(NamedTuple):
    """An encoder and a decoder of cells. Applied by numpy, for which nothing has to be compiled.

    Parameters
    ----------
    networks
        Parameters of the ``"encoder"`` and the ``"decoder"``: kernel and bias of every layer of rectified linear units.
        With orthonormal rows ``"components"``, shape ``(n_latent, n_dims)``, they are added to these.
    center, scale
        They see (x - center) / scale; shape ``(n_dims,)``, and a positive number.
    """

    networks: Params
    center: np.ndarray
    scale: float = 1.0

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return the latent, shape ``(n_cells, n_latent)``, of cells of shape ``(n_cells, n_dims)``."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(encode(self.networks, self.enter(x), _rectified))

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Return the cells, shape ``(n_cells, n_dims)``, at a latent of shape ``(n_cells, n_latent)``."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(decode(self.networks, latent, _rectified)) * self.scale + self.center

    def rebuild(self, x: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """Return cells, shape ``(n_cells, n_dims)``, through the latent, and a shift of it, and back."""
        return self.decode(self.encode(x) + shift)

    def enter(self, x: np.ndarray) -> np.ndarray:
        """Return cells in the units in which the networks see them."""
        return (x - self.center) / self.scale


def autoencoder_field(n_labels: int = 0) -> Group:
    """Return what an autoencoder has to be, of which the networks have labels behind what they are applied to."""
    networks: dict[str, Field] = {
        "encoder": Layers("d", "l", n_labels),
        "decoder": Layers("l", "d", n_labels),
        "components": Numbers("ld"),
    }
    fields: dict[str, Field] = {
        "center": Numbers("d"),
        "scale": Positive(),
        "networks": Group(dict, networks, ["components"]),
    }
    return Group(Autoencoder, fields)


class AutoencoderMap(TransportMap):
    """A map that moves cells as what is decoded of them changes.

    Parameters
    ----------
    autoencoder
        Encoder and decoder.
    residual
        Whether what the autoencoder loses of a cell is kept.
    """

    def __init__(self, autoencoder: Autoencoder, *, residual: bool) -> None:
        networks, center = as_arrays((autoencoder.networks, autoencoder.center))
        self.autoencoder = Autoencoder(networks, center, float(autoencoder.scale))
        self.residual = bool(residual)
        self.n_dims = len(self.autoencoder.center)

    def _changed(
        self, x: np.ndarray, before: Autoencoder, after: Autoencoder, shift: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Return cells that are decoded by another autoencoder, with a shift of their latent."""
        moved = after.rebuild(x, shift)
        return x + (moved - before.rebuild(x)) if self.residual else moved

    def state(self) -> State:
        """Return the arguments of the constructor, the autoencoder by its fields."""
        return super().state() | {"autoencoder": self.autoencoder._asdict()}


def encode(networks: Mapping[str, Any], x: Any, relu: Callable[[Any], Any] = jax.nn.relu) -> Any:
    """Return the latent, shape ``(n_cells, n_latent)``, of cells in the units of the networks."""
    latent = perceptron(networks["encoder"], x, relu)
    return latent + x @ networks["components"].T if "components" in networks else latent


def decode(networks: Mapping[str, Any], latent: Any, relu: Callable[[Any], Any] = jax.nn.relu) -> Any:
    """Return the cells, shape ``(n_cells, n_dims)``, in the units of the networks."""
    x = perceptron(networks["decoder"], latent, relu)
    return x + latent @ networks["components"] if "components" in networks else x


def _rectified(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


class Perceptron(nn.Module):
    """Layers of rectified linear units, and a last one without. Makes the parameters of :func:`.perceptron`.

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


def random_networks(
    key: jax.Array, hidden: Sequence[int], n_dims: int, n_latent: int, *, n_labels: int = 0, silent: bool = False
) -> Params:
    """Return random parameters of an encoder and a decoder.

    Parameters
    ----------
    key
        Random key.
    hidden
        Units of the hidden layers of the encoder; the decoder has them in reverse.
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
    told = dict(networks)
    for name, label in (("encoder", encode_as), ("decoder", decode_as)):
        first = networks[name]["Dense_0"]
        kernel, labels = first["kernel"][:-2], first["kernel"][-2:]
        told[name] = {**networks[name], "Dense_0": {"kernel": kernel, "bias": first["bias"] + labels[label]}}
    return told
