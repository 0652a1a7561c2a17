"""The clouds of several problems as one matrix, from which batches are drawn inside a compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._moments import CellCloud, rows_of
from .._problem import Problem
from . import criteria
from .weighted_draws import alias_table

MAX_VALID = 1000
"""Validation cells a criterion looks at, at most: a random sample is as unbiased and much cheaper."""


class Ranges(NamedTuple):
    """Where the cells of each problem lie in the matrix, and its validation cells. Leading axis: problem."""

    source_start: jax.Array
    source_count: jax.Array
    target_start: jax.Array
    target_count: jax.Array
    source_mean: jax.Array
    target_mean: jax.Array
    source_valid: jax.Array
    target_valid: jax.Array
    source_mask: jax.Array
    target_mask: jax.Array
    view: criteria.View


class Clouds(NamedTuple):
    """All train cells, shape ``(n_cells, n_dims)``, and the ranges of the problems."""

    cells: jax.Array
    ranges: Ranges
    alias: tuple[jax.Array, jax.Array] | None = None
    """Where cells differ in weight: with which chance a cell that was drawn evenly is kept, and which takes its place
    otherwise, each of shape ``(n_cells,)``."""


class TrainCells(NamedTuple):
    """The train cells of a problem in memory: all, or a pool of them."""

    source: np.ndarray
    target: np.ndarray
    source_weights: np.ndarray | None
    target_weights: np.ndarray | None


class _Layout(NamedTuple):
    """What lies in the matrix, from its top, and where the cells of each problem are."""

    blocks: list[np.ndarray]
    weights: list[tuple[int, np.ndarray]]
    """The first row of cells that differ in weight, and their weights."""
    rows: list[tuple[int, int, int, int]]
    """Start and number of the source cells of a problem, and of its target cells."""


def gather(problems: Sequence[Problem], means: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> Clouds:
    """Lay the clouds of all problems out in one matrix, a shared source once.

    Parameters
    ----------
    problems
        Pairs of clouds in the same space.
    means
        What is subtracted from the source and target cells of each problem.
    seed
        Seed of the sample of validation cells.
    """
    return laid_out(problems, judged(problems, means, seed), is_weighted=any(p.is_weighted for p in problems))


def judged(problems: Sequence[Problem], means: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> list[Any]:
    """Return what of the ranges is not where train cells lie: centres, validation cells and views."""
    centres = (np.stack(column).astype(np.float32) for column in zip(*means, strict=True))
    views = zip(*(criteria.view_of(problem.target) for problem in problems), strict=True)
    view = criteria.View(*map(np.stack, views))
    return [*centres, *_valid_clouds(problems, means, seed), view]


def laid_out(train: Sequence[Problem | TrainCells], judged: list[Any], *, is_weighted: bool) -> Clouds:
    """Return train cells as one matrix on the device, and the ranges, given what else is in these."""
    layout = _lay_out(train)
    n_cells = sum(map(len, layout.blocks))
    cells = _aligned((bucket(n_cells), layout.blocks[0].shape[1]))
    np.concatenate(layout.blocks, out=cells[:n_cells])
    cells[n_cells:] = 0
    rows = (np.stack(column).astype(np.int32) for column in zip(*layout.rows, strict=True))
    # converted with numpy: jax would compile for every shape
    ranges = Ranges._make([*rows, *judged])
    alias = _alias_tables(layout, len(cells)) if is_weighted else None
    clouds: list[Any] = [cells, ranges, alias]
    return jax.device_put(Clouds._make(clouds))


def _lay_out(problems: Sequence[Problem | TrainCells]) -> _Layout:
    layout = _Layout([], [], [])
    starts: dict[tuple[int, int], int] = {}
    filled = 0

    def add(cells: np.ndarray, weights: np.ndarray | None) -> int:
        nonlocal filled
        start = filled
        layout.blocks.append(cells)
        if weights is not None:
            layout.weights.append((start, weights))
        filled += len(cells)
        return start

    for problem in problems:
        shared = (id(problem.source), id(problem.source_weights))
        if shared not in starts:
            starts[shared] = add(problem.source, problem.source_weights)
        target = add(problem.target, problem.target_weights)
        layout.rows.append((starts[shared], len(problem.source), target, len(problem.target)))
    return layout


def _valid_clouds(
    problems: Sequence[Problem], means: Sequence[tuple[np.ndarray, np.ndarray]], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the centred validation cells of either side, padded, and the weight of each: 0 for padding."""
    weights = [valid_weights(problem, seed) for problem in problems]
    pairs = list(zip(problems, means, strict=True))
    source, source_mask = _padded([sample(p.source_valid, seed) - m for p, (m, _) in pairs], [w for w, _ in weights])
    target, target_mask = _padded([sample(p.target_valid, seed) - m for p, (_, m) in pairs], [w for _, w in weights])
    return source, target, source_mask, target_mask


def _alias_tables(layout: _Layout, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return with which chance each cell is kept when drawn evenly, and what takes its place otherwise."""
    share, substitute = np.ones(size, dtype=np.float32), np.arange(size, dtype=np.int32)
    for begin, weights in layout.weights:
        rows = slice(begin, begin + len(weights))
        share[rows], within = alias_table(weights)
        substitute[rows] = begin + within
    return share, substitute


def draw(key: jax.Array, clouds: Clouds, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Return a random, centred batch of source and target cells of one problem."""
    r = clouds.ranges
    # one call for both, and remainders of 32 random bits: even enough below millions of cells, and little to compile
    for_source, for_target = jax.random.bits(key, (2, batch_size))
    source = r.source_start + _below(r.source_count, for_source)
    source = _weighed(key, 1, clouds, source)
    target = r.target_start + _below(r.target_count, for_target)
    target = _weighed(key, 2, clouds, target)
    return clouds.cells[source] - r.source_mean, clouds.cells[target] - r.target_mean


def _below(count: jax.Array, bits: jax.Array) -> jax.Array:
    return jax.lax.rem(bits, jnp.broadcast_to(count, bits.shape).astype(jnp.uint32)).astype(jnp.int32)


def _weighed(key: jax.Array, stream: int, clouds: Clouds, rows: jax.Array) -> jax.Array:
    """Return cells drawn by their weights, given such as were drawn evenly."""
    if clouds.alias is None:
        return rows
    share, substitute = clouds.alias
    kept = jax.random.uniform(jax.random.fold_in(key, stream), rows.shape) < share[rows]
    return jnp.where(kept, rows, substitute[rows])


def valid_weights(problem: Problem, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the weights of the validation cells that :func:`sample` takes, with a mean of 1."""

    def of(weights: np.ndarray | None) -> np.ndarray | None:
        if weights is None:
            return None
        weights = sample(weights, seed)
        return weights / (weights.mean() or 1)

    return of(problem.source_valid_weights), of(problem.target_valid_weights)


def sample(cells: CellCloud, seed: int) -> np.ndarray:
    """Return all cells, or :data:`MAX_VALID` of them at random: the same of whatever there is one of for each cell."""
    if len(cells) <= MAX_VALID:
        return rows_of(cells)
    # every cloud has numbers of its own, so that it is sampled alike beside any others
    rng = np.random.default_rng(seed)
    return rows_of(cells, np.sort(rng.choice(len(cells), MAX_VALID, replace=False)))


def _aligned(shape: tuple[int, int]) -> np.ndarray:
    """Return an empty float32 matrix that starts at a multiple of 64 bytes: jax takes that over without a copy."""
    n_bytes = 4 * shape[0] * shape[1]
    buffer = np.empty(n_bytes + 64, dtype=np.uint8)
    offset = -buffer.ctypes.data % 64
    return buffer[offset : offset + n_bytes].view(np.float32).reshape(shape)


def bucket(size: int) -> int:
    """Return ``size`` rounded up to one of few values, so that problems of about the same size share compiled code.

    A small one grows by half at most, a large one, of which memory counts, by an eighth.
    """
    unit = max(64, 2 ** (size.bit_length() - (2 if size <= 65_536 else 4)))
    return -(-size // unit) * unit


def _padded(clouds: Sequence[np.ndarray], weights: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    size = bucket(max(map(len, clouds)))
    cells = [np.pad(cloud, ((0, size - len(cloud)), (0, 0))) for cloud in clouds]
    masks = [np.ones(len(cloud)) if of is None else of for cloud, of in zip(clouds, weights, strict=True)]
    mask = np.stack([np.pad(of, (0, size - len(of))) for of in masks])
    return np.stack(cells).astype(np.float32, copy=False), mask.astype(np.float32, copy=False)
