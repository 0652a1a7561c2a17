"""What a solver trains, taken from it at the moment its compiled loop would start."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np

from cellot_sc import ot
from cellot_sc.ot._loop import training
from cellot_sc.ot._loop.batches import Clouds, draw
from cellot_sc.ot._solvers import icnn


class Training(NamedTuple):
    """The arguments of :func:`cellot_sc.ot._loop.training.train`."""

    config: Any
    state: Any
    clouds: Clouds


class _Taken(Exception):
    pass


def take(problem: ot.Problem, solver: str, **options: Any) -> Training:
    """Return what a neural solver would train on a problem.

    Raises
    ------
    ValueError
        If the solver trains nothing, because it is no neural one or an affine map explains the cells.
    """
    taken: list[Training] = []

    def stop(config: Any, state: Any, clouds: Clouds, **_: Any) -> None:
        taken.append(Training(config, state, clouds))
        raise _Taken

    with ExitStack() as stack:
        for module in (icnn, training):
            stack.enter_context(mock.patch.object(module, "train", stop))
        try:
            ot.fit([problem], solver, **options)
        except _Taken:
            return taken[0]
    msg = f"solver {solver!r} trains nothing on this problem."
    raise ValueError(msg)


def advance(training_: Training, n_steps: int) -> Any:
    """Make ``n_steps`` in the compiled loop, and return when they are made."""
    return jax.block_until_ready(training._advance(*training_, np.uint32(0), np.int32(0), n_steps))


def operations(training_: Training) -> float:
    """Return the floating point operations of one step of one network, loops in it counted once, by XLA's own count."""
    config, state, clouds = training_
    state = jax.tree.map(lambda leaf: leaf[0, 0], state)
    clouds = clouds._replace(ranges=jax.tree.map(lambda leaf: leaf[0], clouds.ranges))

    def step(state: Any, clouds: Clouds, key: jax.Array) -> Any:
        return config.step(state, *draw(key, clouds, config.n_drawn), key)

    return float(jax.jit(step).lower(state, clouds, jax.random.key(0)).compile().cost_analysis()["flops"])


def split_effect(n_cells: int, n_dims: int, *, seed: int = 0) -> ot.Problem:
    """Return clouds that no affine map joins: treated cells move one way or the other, by the side that they are on."""
    rng = np.random.default_rng(seed)
    n_valid = min(1000, max(20, n_cells // 10))
    x, y = (rng.standard_normal((n_cells + n_valid, n_dims), dtype=np.float32) for _ in range(2))
    y[:, 0] += np.where(y[:, 0] > 0, 2.0, -2.0)
    return ot.Problem(x[:n_cells], y[:n_cells], x[n_cells:], y[n_cells:])
