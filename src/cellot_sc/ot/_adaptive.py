"""Many small effects in several contexts, told from noise by what all of them together look like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

COMMON = (0.0, 0.5, 0.9, 1.0)
"""Shares of an effect's variance that all contexts may have in common: from unrelated to equal effects."""
STEP = 4.0
"""Ratio of one variance that an effect may have to the next."""
MAX_ITERATIONS = 100
TOLERANCE = 1e-4
"""Gain in log likelihood per effect below which the shares of the patterns are settled."""
NEGLIGIBLE = 1e-9
"""Probability of a pattern below which its effects are not computed."""


class _Pattern(NamedTuple):
    """Variance of an effect, the share that contexts have in common, and the one context that has it if not all do."""

    variance: float
    common: float
    only: int | None = None


def shrunk(values: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return effects shrunk to what of them is no noise, and contexts towards each other as far as they are alike.

    Every effect (a dimension of a shift, say) is a vector over contexts, and its prior a mixture of normals: no effect,
    an effect in one context only, and effects in all of which contexts have none, half, most or all in common, each of
    many sizes. The shares of the mixture are those under which all effects together are likeliest, so that noise and
    signal are both estimated and nothing is cut off; the result is the posterior mean. Contexts with little noise
    keep their own value, those with much take what the others and the sizes of the other effects say (adaptive
    shrinkage: Stephens 2017, doi 10.1093/biostatistics/kxw041, and Urbut et al. 2019, doi 10.1038/s41588-018-0268-8).

    Parameters
    ----------
    values
        Measured effects in the same unit, shape ``(n_contexts, n_effects)``.
    noise
        Variance of what sampling adds to each, positive, of the same shape.

    Returns
    -------
    Estimates of the same shape.
    """
    patterns = _patterns(values, noise)
    # of no effect first; all others are compared with it
    likelihoods = np.concatenate(
        [_null(values, noise).sum(axis=0)[None], *(_likelihood(values, noise, pattern) for pattern in patterns)]
    )
    relative = np.exp(likelihoods - likelihoods.max(axis=0))
    new, last = np.full(len(relative), 1 / len(relative)), -np.inf
    for _ in range(MAX_ITERATIONS):
        shares = new
        # by einsum, as threads of BLAS would wait for each other hundreds of times
        total = np.einsum("p,pe->e", shares, relative)
        now, new = np.log(total).mean(), shares * np.einsum("pe,e->p", relative, 1 / total) / values.shape[1]
        if now - last < TOLERANCE:
            break
        last = now
    members = shares[:, None] * relative / total
    counts = (members > NEGLIGIBLE).any(axis=1)
    estimates, row = np.zeros_like(values), 1
    for pattern in patterns:
        rows = slice(row, row + (1 if pattern.only is None else len(values)))
        row = rows.stop
        if not counts[rows].any():
            continue
        if pattern.only is None:
            estimates += members[rows] * _posterior(values, noise, pattern)
        else:
            estimates += members[rows] * (pattern.variance / (pattern.variance + noise)) * values
    return estimates


def _patterns(values: np.ndarray, noise: np.ndarray) -> list[_Pattern]:
    """Return the patterns; that of one context only stands for as many as there are contexts."""
    least = noise.min() / 10
    most = max(4 * (values**2).max(), STEP * least)
    variances = np.geomspace(least, most, int(np.ceil(np.log(most / least) / np.log(STEP))) + 1)
    # with one context they are all the same
    if len(values) == 1:
        return [_Pattern(variance, 0.0) for variance in variances]
    return [
        pattern
        for variance in variances
        for pattern in (*(_Pattern(variance, common) for common in COMMON), _Pattern(variance, 0.0, 0))
    ]


def _null(values: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return -0.5 * (values**2 / noise + np.log(noise))


def _likelihood(values: np.ndarray, noise: np.ndarray, pattern: _Pattern) -> np.ndarray:
    """Return the log likelihood of every effect under a pattern, shape ``(1 or n_contexts, n_effects)``."""
    variance, common, only = pattern
    if only is not None:
        none = _null(values, noise)
        return none.sum(axis=0) - none + _null(values, noise + variance)
    # the common part is one rank, so that no matrix is inverted
    precision, shared = 1 / ((1 - common) * variance + noise), common * variance
    total, along = 1 + shared * precision.sum(axis=0), (precision * values).sum(axis=0)
    square = (precision * values**2).sum(axis=0) - shared * along**2 / total
    return (0.5 * (np.log(precision).sum(axis=0) - np.log(total) - square))[None]


def _posterior(values: np.ndarray, noise: np.ndarray, pattern: _Pattern) -> np.ndarray:
    """Return the expected effects under a pattern of all contexts."""
    own = (1 - pattern.common) * pattern.variance
    precision, shared = 1 / (own + noise), pattern.common * pattern.variance
    mean = shared * (precision * values).sum(axis=0) / (1 + shared * precision.sum(axis=0))
    return mean + own * precision * (values - mean)
