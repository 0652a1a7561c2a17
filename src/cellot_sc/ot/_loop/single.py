"""What solvers share that train one network per problem, from a random start, on cells as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from .._maps.base import TransportMap
from .._problem import History, Problem, Progress, Solution
from . import checkpoints
from .batches import gather
from .training import Method, Params, State, train


class Startable(Method, Protocol):
    """A method that knows where to start."""

    def start(self, key: jax.Array) -> State:
        """Return a random state of one network."""


def first_choice(problems: Sequence[Problem], check_every: int, n_steps: int) -> int:
    """Return the step at which a map is first taken: that of the first look, or the last without validation cells."""
    judged = all(min(len(problem.source_valid), len(problem.target_valid)) > 0 for problem in problems)
    return min(check_every, n_steps) if judged else n_steps


def train_each(
    method: Startable, problems: Sequence[Problem], config: Any, seed: int, progress: Progress | None
) -> list[tuple[Params, History]]:
    """Train a network for every problem, all in one computation; return the best parameters of each as arrays."""
    zero = np.zeros(problems[0].n_dims, dtype=np.float32)
    clouds = gather(problems, [(zero, zero)] * len(problems), seed)
    one = jax.jit(method.start)(jax.random.key(seed))
    state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(problems), 1, *leaf.shape)), one)
    checkpoint = checkpoints.of_fit(config, problems, seed)
    trained = train(method, state, clouds, seed=seed, progress=progress, checkpoint=checkpoint)
    params = jax.tree.map(np.asarray, trained.params)
    return [
        (jax.tree.map(lambda leaf, i=i: leaf[i, 0], params), history) for i, history in enumerate(trained.histories)
    ]


def fit_each(
    method: Startable,
    problems: Sequence[Problem],
    config: Any,
    seed: int,
    progress: Progress | None,
    build: Callable[[Params], TransportMap],
) -> list[Solution]:
    """Train a network for every problem, and build a map of the best parameters of each."""
    trained = train_each(method, problems, config, seed, progress)
    return [Solution(build(params), history) for params, history in trained]
