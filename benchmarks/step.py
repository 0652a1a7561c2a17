"""What a step costs: ours, that of ott's own neural dual, and an outer iteration of the published recipe."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cellot_sc.ot import Problem, icnn, networks, objectives, training
from cellot_sc.ot.clouds import gather

from ._machine import describe, matmul_rate

N_DIMS, BATCH, WIDTH, DEPTH = 50, 256, 64, 4
PUBLISHED_MS = {24: 31.0, 50: 33.0}
"""Milliseconds of an outer iteration of the published implementation on one core of another machine."""


def run(arguments: list[str]) -> None:
    """Print a table of milliseconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks step", description=__doc__)
    parser.add_argument("--stock-steps", type=int, default=30, help="steps of ott's own loop that are timed")
    given = parser.parse_args(arguments)
    rate = matmul_rate()
    ours, operations = joint_step()
    stock = stock_step(given.stock_steps)
    outer = paper_iteration()
    print(describe())
    print(f"\nfloat32 matrix products: {rate / 1e9:.0f} GFLOP/s\n")
    print("| what | ms | ratio |\n|---|---|---|")
    print(f"| joint step of both potentials, {DEPTH} layers of {WIDTH}, batch {BATCH}, d = {N_DIMS} | {ours:.2f} | |")
    print(f"| its share of the matrix product rate | {operations / (ours / 1e3) / rate:.0%} | |")
    print(f"| the same in ott's W2NeuralDual with its ICNN and its loop | {stock:.1f} | {stock / ours:.0f}x ours |")
    print(
        f"| outer iteration of the published recipe, ours | {outer:.1f} | {PUBLISHED_MS[N_DIMS] / outer:.1f}x faster |"
    )


def _problem() -> Problem:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(1300, N_DIMS)).astype(np.float32) for _ in range(2))
    return Problem(x, y + 1, x[:100], y[:100] + 1)


def joint_step(n_steps: int = 300) -> tuple[float, float]:
    """Return the milliseconds of a step of one network pair, inside the compiled loop, and its operations."""
    problem = _problem()
    config = icnn.ICNNConfig(width=WIDTH, depth=DEPTH, penalties=(10.0,), batch_size=BATCH, n_steps=n_steps)
    method = icnn.Expectile(WIDTH, DEPTH, config.learning_rate, BATCH, n_steps, n_steps, 4, 1)
    starts = [icnn.cautious_gaussian_map(problem.source, problem.target)]
    clouds = gather([problem], [(starts[0].source_mean, starts[0].target_mean)], 0)
    state = icnn._start(method, config, [problem], starts, 0)

    def advance() -> None:
        jax.block_until_ready(training._advance(method, state, clouds, np.uint32(0), np.int32(0), n_steps))

    network = networks.ICNN(WIDTH, DEPTH)
    f, g = (jax.tree.map(lambda leaf: leaf[0, 0], state[name]) for name in ("f", "g"))
    x = jnp.zeros((BATCH, N_DIMS))
    slope = jax.jit(jax.grad(lambda pair: objectives.expectile(network, *pair, x, x, jnp.float32(1.0))))
    return _best(advance) / n_steps * 1e3, slope.lower((f, g)).compile().cost_analysis()["flops"]


def stock_step(n_steps: int) -> float:
    """Return the milliseconds of a step of ott's W2NeuralDual with its ICNN, after compilation, in its own loop."""
    from ott.neural.methods import neuraldual
    from ott.neural.networks import icnn as ott_icnn

    rng = np.random.default_rng(0)

    def batches() -> object:
        while True:
            yield jnp.asarray(rng.normal(size=(BATCH, N_DIMS)), dtype=jnp.float32)

    def fit(steps: int) -> Callable[[], None]:
        solver = neuraldual.W2NeuralDual(
            dim_data=N_DIMS,
            neural_f=ott_icnn.ICNN(dim_data=N_DIMS, dim_hidden=[WIDTH] * DEPTH),
            neural_g=ott_icnn.ICNN(dim_data=N_DIMS, dim_hidden=[WIDTH] * DEPTH),
            num_train_iters=steps,
            num_inner_iters=1,
            valid_freq=10**9,
            log_freq=10**9,
        )
        return lambda: solver(batches(), batches(), batches(), batches())

    # compilation is the same in both, and drops out of the difference
    long, short = fit(n_steps + 2), fit(2)
    start = time.perf_counter()
    short()
    middle = time.perf_counter()
    long()
    return (time.perf_counter() - middle - (middle - start)) / n_steps * 1e3


def paper_iteration(n_iters: int = 100) -> float:
    """Return the milliseconds of an outer iteration of the published recipe through our loop."""
    from cellot_sc import ot

    problem = _problem()

    def fit(iterations: int) -> float:
        start = time.perf_counter()
        ot.fit([problem], "paper", n_iters=iterations, check_every=n_iters)
        return time.perf_counter() - start

    fit(n_iters)
    return (fit(3 * n_iters) - fit(n_iters)) / (2 * n_iters) * 1e3


def _best(function: Callable[[], None], repetitions: int = 3) -> float:
    function()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
