"""How many cells of each context there are on either side, and weights that make it the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import chi2_contingency

from ._maps.base import TransportMap
from ._problem import Problem

CAP = 10.0
"""Most that a cell counts, relative to what it counts where shares are equal."""
MIN_VALID = 20
"""Validation cells of a context on either side without which no network is fitted to it."""
LEVEL = 0.01
"""Level of the test for shares that differ."""


@dataclass(frozen=True)
class Composition:
    """Contexts of the cells of both sides.

    Parameters
    ----------
    contexts
        Codes of all contexts that some cell has, increasing.
    n_source, n_target
        Number of cells of each.
    pvalue
        Of a G test that their shares are the same on both sides, among contexts that both have.
    n_unlabelled
        Cells without a context on either side.
    capped
        Codes of those whose treated cells would have to count more than the cap.
    strata, factors
        Codes of all cells, -1 among them if there are such, and how many times more those of either side count, shape
        ``(2, n_strata)``: contexts of both sides have the shares that they have in the source, cells of contexts on one
        side only have none.
    source_weights, target_weights
        Weight of each cell, by what it counts.
    """

    contexts: np.ndarray
    n_source: np.ndarray
    n_target: np.ndarray
    pvalue: float
    n_unlabelled: tuple[int, int]
    capped: np.ndarray
    strata: np.ndarray
    factors: np.ndarray
    source_weights: np.ndarray
    target_weights: np.ndarray

    @property
    def shared(self) -> np.ndarray:
        """Codes of the contexts with cells on both sides."""
        return self.contexts[(self.n_source > 0) & (self.n_target > 0)]

    @property
    def differs(self) -> bool:
        """Whether shares differ between the sides, beyond chance."""
        return self.pvalue < LEVEL


def composition(problem: Problem) -> Composition:
    """Return the composition of a problem with contexts, by the first of their levels.

    Raises
    ------
    ValueError
        If no context has cells on both sides.
    """
    return compared(
        outermost(problem.source_contexts),
        outermost(problem.target_contexts),
        problem.source_weights,
        problem.target_weights,
    )


def compared(
    source: np.ndarray,
    target: np.ndarray,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> Composition:
    """Return the composition of two clouds, given the code of each cell, -1 where there is none, and its weight."""
    weights = [
        np.ones(len(codes)) if given is None else given.astype(np.float64)
        for codes, given in ((source, source_weights), (target, target_weights))
    ]
    # cells without a label are a stratum like the others, only without a map of their own
    n = 2 + max(int(of.max(initial=-1)) for of in (source, target))
    counts, masses = (
        np.array([np.bincount(of + 1, w, n) for of, w in zip((source, target), by, strict=True)])
        for by in ((None, None), weights)
    )
    codes = np.flatnonzero(counts.any(axis=0)) - 1
    counts, masses = counts[:, codes + 1], masses[:, codes + 1]
    both = (masses > 0).all(axis=0)
    if not both[codes >= 0].any():
        raise ValueError(
            "no context has cells on both sides, so that none can show a response: choose contexts that have both."
        )
    shares = np.where(both, masses, 0) / masses[:, both].sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(both, shares[0] / shares[1], 0)
    labelled, table = codes >= 0, counts[:, both & (codes >= 0)]
    factors = np.array([both, np.minimum(ratio, CAP)])
    of_code = np.zeros((2, n))
    of_code[:, codes + 1] = factors
    return Composition(
        codes[labelled],
        counts[0, labelled],
        counts[1, labelled],
        homogeneity(*table),
        (int((source < 0).sum()), int((target < 0).sum())),
        codes[(ratio > CAP) & labelled],
        codes,
        factors,
        weights[0] * of_code[0, source + 1],
        weights[1] * of_code[1, target + 1],
    )


def homogeneity(n_source: np.ndarray, n_target: np.ndarray) -> float:
    """Return the p-value of a G test that both sides have the same shares of each kind of cells."""
    if len(n_source) < 2:
        return 1.0
    return float(chi2_contingency([n_source, n_target], lambda_="log-likelihood").pvalue)


def comparable(problem: Problem) -> bool:
    """Return whether some context has cells on both sides, as many as count."""
    if problem.source_contexts is None:
        return False
    sides = ((problem.source_contexts, problem.source_weights), (problem.target_contexts, problem.target_weights))
    ours, theirs = (np.bincount(outermost(of) + 1, weights)[1:] > 0 for of, weights in sides)
    n = min(len(ours), len(theirs))
    return bool((ours[:n] & theirs[:n]).any())


def within(problem: Problem, base: TransportMap, names: Sequence[str]) -> dict[str, Problem]:
    """Return what a map leaves to be learnt in each of some contexts: from its cells as they are moved, to its own.

    Contexts without :data:`MIN_VALID` validation cells that count on either side are left out: nothing could be chosen
    there.
    """

    def of(cloud: str, code: int, *, moves: bool) -> dict[str, Any]:
        cells, contexts, weights = (getattr(problem, f"{cloud}{kind}") for kind in ("", "_contexts", "_weights"))
        if contexts is None:
            return {cloud: cells[:0]}
        rows = outermost(contexts) == code
        if weights is not None:
            rows &= weights > 0
        chosen = cells[rows]
        if moves and len(chosen):
            chosen = base.transport(chosen, problem.named(contexts[rows]))
        return {cloud: chosen, f"{cloud}_weights": None if weights is None else weights[rows]}

    found = {}
    for name in names:
        code = problem.context_names[0].index(name)
        valid = of("source_valid", code, moves=True) | of("target_valid", code, moves=False)
        if min(len(valid["source_valid"]), len(valid["target_valid"])) >= MIN_VALID:
            found[name] = Problem(**of("source", code, moves=True), **of("target", code, moves=False), **valid)
    return found


def as_one(problem: Problem) -> Problem:
    """Return the cells of all contexts together, those of either side weighed to the composition of the source."""
    found = composition(problem)
    weights: dict[str, Any] = {"source_weights": found.source_weights, "target_weights": found.target_weights}
    valid = problem.source_valid_contexts, problem.target_valid_contexts
    valid_weights = problem.source_valid_weights, problem.target_valid_weights
    # where validation cells share no context they count as they are
    if all(of is not None and len(of) for of in valid):
        with suppress(ValueError):
            there = compared(outermost(valid[0]), outermost(valid[1]), *valid_weights)
            weights |= {"source_valid_weights": there.source_weights, "target_valid_weights": there.target_weights}
    return replace(problem.pooled, **weights)


def outermost(contexts: np.ndarray | None) -> np.ndarray:
    """Return the codes of the first level."""
    if contexts is None:
        raise ValueError("the problem has no contexts.")
    return contexts if contexts.ndim == 1 else contexts[:, 0]
