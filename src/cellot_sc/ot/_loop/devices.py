"""The devices that problems and members are trained on, and how they are dealt out to several."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "fits"
"""What is dealt out: the first axis of arrays."""


def used() -> tuple[jax.Device, ...]:
    """Return all devices of the kind that jax computes on, or the only one that it has been told to compute on."""
    chosen = jax.config.jax_default_device
    return (chosen,) if isinstance(chosen, jax.Device) else tuple(jax.local_devices(backend=chosen))


def everywhere(values: Any) -> Any:
    """Return arrays of which every device has a copy."""
    return jax.device_put(values, NamedSharding(_mesh(used()), PartitionSpec()))


def dealt[T](function: Callable[..., T], given: Any, whole: Any) -> T:
    """Apply a function on every device to its share of what is given.

    Each runs the very code that one device alone does, which gives the same numbers to the bit: what XLA makes of one
    computation over several rounds otherwise. None is waited for.

    Parameters
    ----------
    function
        Of the arrays that are given, and of those that are ``whole``.
    given
        Arrays of which the first axis is a multiple of the number of devices.
    whole
        Arrays that lie :func:`everywhere`.

    Returns
    -------
    What the function returns, with the first axis of every array dealt out as well.
    """
    devices = used()
    if len(devices) == 1:
        return function(*given, *whole)
    sharding = NamedSharding(_mesh(devices), PartitionSpec(AXIS))
    shares = [_share((*jax.device_put(given, sharding), *whole), device) for device in devices]
    return jax.tree.map(functools.partial(_joined, sharding), *(function(*share) for share in shares))


def _share(values: Any, device: jax.Device) -> Any:
    def of(array: jax.Array) -> jax.Array:
        return next(shard.data for shard in array.addressable_shards if shard.device == device)

    return jax.tree.map(of, values)


def _joined(sharding: NamedSharding, *shares: jax.Array) -> jax.Array:
    shape = (len(shares) * shares[0].shape[0], *shares[0].shape[1:])
    return jax.make_array_from_single_device_arrays(shape, sharding, list(shares))


@functools.cache
def _mesh(devices: tuple[jax.Device, ...]) -> Mesh:
    return Mesh(devices, (AXIS,))
