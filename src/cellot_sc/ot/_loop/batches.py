"""The clouds of several problems as one matrix, from which batches are drawn inside a compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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
    """All train cells, shape ``(n_cells, n_dims)``, the group of each, and the ranges of the problems."""

    cells: jax.Array
    groups: jax.Array
    ranges: Ranges
    share: jax.Array | None = None
    """Where cells differ in weight: with which chance a cell that was drawn evenly is kept, shape ``(n_cells,)``."""
    substitute: jax.Array | None = None
    """Which cell takes its place otherwise, shape ``(n_cells,)``."""


def gather(problems: Sequence[Problem], means: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> Clouds:
    """Lay the clouds of all problems out in one matrix, a shared source once, and targets sorted by group.

    Parameters
    ----------
    problems
        Pairs of clouds in the same space.
    means
        What is subtracted from the source and target cells of each problem.
    seed
        Seed of the sample of validation cells.
    """
    blocks: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    starts: dict[tuple[int, int], int] = {}
    is_weighted = any(problem.is_weighted for problem in problems)
    tables: list[tuple[int, np.ndarray]] = []
    n_groups = 1 + max((int(p.target_groups.max()) for p in problems if p.target_groups is not None), default=0)
    filled = 0
    ranges: list[tuple[int, int, np.ndarray, np.ndarray]] = []
    for problem in problems:
        shared = (id(problem.source), id(problem.source_weights))
        if shared not in starts:
            starts[shared] = filled
            if problem.source_weights is not None:
                tables.append((filled, problem.source_weights))
            blocks.append(problem.source)
            labels.append(_groups(problem.source_groups, len(problem.source)))
            filled += len(problem.source)
        groups, weights = _groups(problem.target_groups, len(problem.target)), problem.target_weights
        if problem.target_groups is None:
            blocks.append(problem.target)
        else:
            order = np.argsort(groups, kind="stable")
            blocks.append(problem.target[order])
            groups, weights = groups[order], None if weights is None else weights[order]
        labels.append(groups)
        counts = np.bincount(groups, minlength=n_groups)
        begins = filled + np.concatenate([[0], np.cumsum(counts)[:-1]])
        if weights is not None:
            of_groups = np.split(weights, np.cumsum(counts)[:-1])
            tables += [(int(begin), part) for begin, part in zip(begins, of_groups, strict=True) if part.any()]
        filled += len(problem.target)
        ranges.append((starts[shared], len(problem.source), begins, counts))
    valid = [(sample(p.source_valid, seed), sample(p.target_valid, seed)) for p in problems]
    of_valid = [valid_weights(problem, seed) for problem in problems]
    source_valid, source_mask = _padded(
        [v - m for (v, _), (m, _) in zip(valid, means, strict=True)], [w for w, _ in of_valid]
    )
    target_valid, target_mask = _padded(
        [v - m for (_, v), (_, m) in zip(valid, means, strict=True)], [w for _, w in of_valid]
    )
    views = [criteria.view_of(problem.target) for problem in problems]
    size = bucket(filled)
    cells = _aligned((size, problems[0].n_dims))
    np.concatenate(blocks, out=cells[:filled])
    cells[filled:] = 0
    groups = np.zeros(size, dtype=np.int32)
    np.concatenate(labels, out=groups[:filled], casting="same_kind")
    source_start, source_count, target_start, target_count = (
        jnp.asarray(np.stack(column), dtype=jnp.int32) for column in zip(*ranges, strict=True)
    )
    source_mean, target_mean = (jnp.asarray(np.stack(column), jnp.float32) for column in zip(*means, strict=True))
    basis, gammas = (jnp.asarray(np.stack(column)) for column in zip(*views, strict=True))
    # fmt: off
    of_problems = Ranges(
        source_start, source_count, target_start, target_count, source_mean, target_mean,
        source_valid, target_valid, source_mask, target_mask, criteria.View(basis, gammas),
    )
    # fmt: on
    if not is_weighted:
        return Clouds(jax.device_put(cells), jax.device_put(groups), of_problems)
    share, substitute = np.ones(size, dtype=np.float32), np.arange(size, dtype=np.int32)
    for begin, weights in tables:
        rows = slice(begin, begin + len(weights))
        share[rows], within = alias_table(weights)
        substitute[rows] = begin + within
    return Clouds(
        jax.device_put(cells), jax.device_put(groups), of_problems, jnp.asarray(share), jnp.asarray(substitute)
    )


def draw(key: jax.Array, clouds: Clouds, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Return a random, centred batch of source and target cells of one problem, paired within their group."""
    source_key, target_key = jax.random.split(key)
    r = clouds.ranges
    source = r.source_start + jax.random.randint(source_key, (batch_size,), 0, r.source_count)
    source = _weighed(source_key, clouds, source)
    group = clouds.groups[source]
    target = r.target_start[group] + jax.random.randint(target_key, (batch_size,), 0, r.target_count[group])
    target = _weighed(target_key, clouds, target)
    return clouds.cells[source] - r.source_mean, clouds.cells[target] - r.target_mean


def _weighed(key: jax.Array, clouds: Clouds, rows: jax.Array) -> jax.Array:
    """Return cells drawn by their weights, given such as were drawn evenly."""
    if clouds.share is None or clouds.substitute is None:
        return rows
    kept = jax.random.uniform(jax.random.fold_in(key, 1), rows.shape) < clouds.share[rows]
    return jnp.where(kept, rows, clouds.substitute[rows])


def valid_weights(problem: Problem, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the weights of the validation cells that :func:`sample` takes, with a mean of 1."""

    def of(weights: np.ndarray | None) -> np.ndarray | None:
        if weights is None:
            return None
        weights = sample(weights, seed)
        return weights / (weights.mean() or 1)

    return of(problem.source_valid_weights), of(problem.target_valid_weights)


def _groups(groups: np.ndarray | None, n_cells: int) -> np.ndarray:
    return np.zeros(n_cells, dtype=np.int32) if groups is None else groups.astype(np.int32)


def sample(cells: np.ndarray, seed: int) -> np.ndarray:
    """Return all cells, or :data:`MAX_VALID` of them at random: the same of whatever there is one of for each cell."""
    if len(cells) <= MAX_VALID:
        return cells
    # every cloud has numbers of its own, so that it is sampled alike beside any others
    rng = np.random.default_rng(seed)
    return cells[np.sort(rng.choice(len(cells), MAX_VALID, replace=False))]


def _aligned(shape: tuple[int, int]) -> np.ndarray:
    """Return an empty float32 matrix that starts at a multiple of 64 bytes: jax takes that over without a copy."""
    n_bytes = 4 * shape[0] * shape[1]
    buffer = np.empty(n_bytes + 64, dtype=np.uint8)
    offset = -buffer.ctypes.data % 64
    return buffer[offset : offset + n_bytes].view(np.float32).reshape(shape)


def bucket(size: int) -> int:
    """Return ``size`` rounded up to one of few values, so that problems of about the same size share compiled code.

    Large matrices are left as they are: memory counts for more there than a second of compilation.
    """
    if size > 65_536:
        return size
    unit = max(64, 2 ** (size.bit_length() - 2))
    return -(-size // unit) * unit


def _padded(clouds: Sequence[np.ndarray], weights: Sequence[np.ndarray | None]) -> tuple[jax.Array, jax.Array]:
    size = bucket(max(len(cloud) for cloud in clouds))
    cells = np.zeros((len(clouds), size, clouds[0].shape[1]), dtype=np.float32)
    mask = np.zeros((len(clouds), size), dtype=np.float32)
    for i, (cloud, of_cloud) in enumerate(zip(clouds, weights, strict=True)):
        cells[i, : len(cloud)] = cloud
        mask[i, : len(cloud)] = 1 if of_cloud is None else of_cloud
    return jnp.asarray(cells), jnp.asarray(mask)
