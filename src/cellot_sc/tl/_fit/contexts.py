"""Says what the contexts of cells come to: how abundance differs, and which cells have no map of their own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ..._settings import logger
from ...ot import ContextMap, Problem, TransportMap
from ...ot._composition import CAP, LEVEL, Composition, comparable, compared, composition, homogeneity
from .fit import Fit, coded

NO_MAP = "for which there is no map"
"""What is said of contexts that maps know nothing of."""
N_NAMED = 3
"""Contexts that a line names, those with the largest difference first."""


def describe(fit: Fit, problems: Mapping[str, Problem]) -> None:
    """Say in the log what the contexts of a fit come to, with numbers: a line for each thing, for all targets.

    Parameters
    ----------
    fit
        What is fitted, with its columns of contexts; composition is that of the first of them.
    problems
        The problem of every target.
    """
    pooled = [name for name, problem in problems.items() if not comparable(problem)]
    if pooled:
        logger.warning(
            "no category of obs[%r] has train cells of both %r and %s: these have one map for all cells",
            *(fit.context[0], fit.control, some(pooled)),
        )
    found = {name: composition(problem) for name, problem in problems.items() if name not in pooled}
    _describe_inner(fit, {name: problems[name] for name in found})
    names = next((problem.context_names[0] for name, problem in problems.items() if name in found), ())

    def say(line: str, size: Callable[[Composition], float], *facts: Callable[[Composition], object]) -> None:
        """Say it once, of the target where most is concerned."""
        concerned = {name: one for name, one in found.items() if size(one)}
        if concerned:
            most = max(concerned, key=lambda name: size(concerned[name]))
            logger.info(
                line + "%s", *(fact(found[most]) for fact in facts), _whose(most, len(concerned), len(problems))
            )

    say(
        "treated cells are weighed to the composition of control cells, which differs beyond chance: %s",
        lambda one: one.differs * np.abs(_change(one)).max(initial=0),
        lambda one: differences(one, names),
    )
    say(
        "no label in obs[%r]: %d control and %d treated train cells follow the map of all cells",
        lambda one: sum(one.n_unlabelled),
        lambda one: fit.context[0],
        *(lambda one, side=side: one.n_unlabelled[side] for side in (0, 1)),
    )
    say(
        "%s: %d control cells without treated cells have no map of their own",
        lambda one: one.n_source[one.n_target == 0].sum(),
        lambda one: some([names[code] for code in one.contexts[one.n_target == 0]]),
        lambda one: one.n_source[one.n_target == 0].sum(),
    )
    say(
        "%s: %d treated cells without control cells are left out",
        lambda one: one.n_target[one.n_source == 0].sum(),
        lambda one: some([names[code] for code in one.contexts[one.n_source == 0]]),
        lambda one: one.n_target[one.n_source == 0].sum(),
    )
    say(
        f"%s: so few treated cells that each would count more than {CAP:g} times as much as others do: {CAP:g} is the "
        "most",
        lambda one: len(one.capped),
        lambda one: some([names[code] for code in one.capped]),
    )


def _describe_inner(fit: Fit, problems: Mapping[str, Problem]) -> None:
    """Say in the log which contexts within others are on one side only; raise :class:`ValueError` if all are."""
    for depth in range(1, len(fit.context)):
        outer, inner = fit.context[depth - 1 : depth + 1]
        alone = {name: _alone(problem, depth) for name, problem in problems.items()}
        if not any(n_shared for n_shared, _ in alone.values()):
            raise ValueError(
                f"context {inner!r}: no category has train cells of both {fit.control!r} and a perturbation within one "
                f"of obs[{outer!r}], so that none can show a response: leave it out, or choose a column that has both."
            )
        most = max(alone, key=lambda name: sum(alone[name][1]))
        n_cells = alone[most][1]
        if any(n_cells):
            logger.info(
                "within obs[%r], categories of obs[%r] on one side only have no map of their own: %d control and %d "
                "treated train cells%s",
                *(outer, inner, *n_cells, _whose(most, sum(any(n) for _, n in alone.values()), len(problems))),
            )


def _alone(problem: Problem, depth: int) -> tuple[int, tuple[int, int]]:
    """Return how many contexts of a level both sides have, and how many cells either has in others."""
    sides = []
    for codes in (problem.source_contexts, problem.target_contexts):
        assert codes is not None
        known = codes[:, : depth + 1]
        sides.append(Counter(map(tuple, known[(known >= 0).all(axis=1)].tolist())))
    shared = sides[0].keys() & sides[1].keys()
    ours, theirs = (sum(n for path, n in side.items() if path not in shared) for side in sides)
    return len(shared), (ours, theirs)


def warn_of_composition(labels: Mapping[str, np.ndarray], control: str, column: str | None) -> None:
    """Say in the log that one map for all cells takes a change of abundance for a response, if there is one.

    Parameters
    ----------
    labels
        Group of every train cell, empty where it has none, by perturbation, of which the control is one.
    control
        Label of the control cells.
    column
        Column of ``obs`` with the groups.
    """
    if found := differing(labels, control):
        most, words = found
        logger.warning(
            "composition of train cells differs between control and %r, beyond chance (%s): a map that is not told can "
            "turn them into each other; a fit with context=%r does not",
            *(most, words, column),
        )


def tell_of_strangers(maps: Iterable[TransportMap], contexts: np.ndarray | None, columns: Sequence[str]) -> None:
    """Say in the log how many cells have no map of their own context, and which they follow, if some have not.

    It is a warning where maps know nothing of how such a context may respond. The parameters are those of
    :func:`followed`.
    """
    n_cells = 0 if contexts is None else len(contexts)
    for words, n in followed(maps, contexts, columns).items():
        level = logging.WARNING if NO_MAP in words else logging.INFO
        logger.log(level, "%d of %d cells %s", n, n_cells, words)


def followed(maps: Iterable[TransportMap], contexts: np.ndarray | None, columns: Sequence[str]) -> dict[str, int]:
    """Return how many cells have no map of their own context, by which these are and what they follow, in words.

    Parameters
    ----------
    maps
        The map of every target, as it was fitted.
    contexts
        Context of every cell, shape ``(n_cells, n_levels)``.
    columns
        Columns of ``obs`` with the contexts.
    """
    counts = Counter() if contexts is None else Counter(map(tuple, contexts.tolist()))
    found: Counter[tuple[str, str]] = Counter()
    named: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for one in maps:
        by_words: Counter[tuple[str, str]] = Counter()
        for row, n in counts.items():
            if isinstance(one, ContextMap) and (stranger := _stranger(one, row, columns)):
                words, name, known = stranger
                by_words[words] += n
                names, mapped = named.setdefault(words, (set(), set()))
                names.add(name)
                mapped.update(known)
        # the union of counters has the larger of both
        found |= by_words
    return {_sentence(*words, *map(sorted, named[words])): n for words, n in found.items()}


def _sentence(lack: str, follow: str, names: Sequence[str], known: Sequence[str]) -> str:
    which = f" ({some(names)})" if names != [""] else ""
    return f"{lack}{which}: they follow {follow}" + (
        f"; there are maps for {some(known)}" if lack.endswith(NO_MAP) else ""
    )


def _stranger(
    fitted: ContextMap, row: Sequence[str], columns: Sequence[str]
) -> tuple[tuple[str, str], str, Sequence[str]] | None:
    """Return what a cell without a map of its own lacks and follows, its context, and the contexts that have maps."""
    node: TransportMap = fitted
    for depth, (name, column) in enumerate(zip(row, columns, strict=True)):
        if not isinstance(node, ContextMap):
            break
        outer = f"that of their obs[{columns[depth - 1]!r}]" if depth else "that of all cells"
        if not name:
            return (f"have no category of obs[{column!r}]", outer), name, node.names
        if name not in node.names:
            lack, mixture = f"are of categories of obs[{column!r}]", "a mixture of those that have one"
            if node.unseen is None:
                return (f"{lack} {NO_MAP}", outer), name, node.names
            return (
                (f"{lack} without a map of their own", f"{mixture}, by where their control cells lie"),
                name,
                node.names,
            )
        node = node.maps[node.names.index(name)]
    return None


def differing(labels: Mapping[str, np.ndarray], control: str) -> tuple[str, str] | None:
    """Return where abundance differs most between control and treated cells, beyond chance, and how in words.

    Parameters
    ----------
    labels
        Group of every train cell, empty where it has none, by perturbation, of which the control is one.
    control
        Label of the control cells.
    """
    codes, [names] = coded(np.concatenate(list(labels.values()))[:, None])
    ends = np.cumsum([len(of) for of in labels.values()])
    clouds = dict(zip(labels, np.split(codes[:, 0], ends[:-1]), strict=True))
    source = clouds.pop(control)
    shared = {name: target for name, target in clouds.items() if np.isin(source[source >= 0], target).any()}
    found = {name: compared(source, target) for name, target in shared.items()}
    unlike = {name: one for name, one in found.items() if homogeneity(one.n_source, one.n_target) < LEVEL}
    if not unlike:
        return None
    most = max(unlike, key=lambda name: np.abs(_change(unlike[name])).max())
    return most, differences(unlike[most], names)


def differences(found: Composition, names: Sequence[str]) -> str:
    """Return in words which contexts differ most in their share of cells."""
    before, after = _shares(found)
    largest = np.argsort(-np.abs(after - before), kind="stable")[:N_NAMED]
    return ", ".join(
        f"{names[found.contexts[i]]!r} {100 * before[i]:.3g} % of control and {100 * after[i]:.3g} % of treated cells"
        for i in largest
    )


def _shares(found: Composition) -> tuple[np.ndarray, np.ndarray]:
    return found.n_source / found.n_source.sum(), found.n_target / found.n_target.sum()


def _change(found: Composition) -> np.ndarray:
    before, after = _shares(found)
    return after - before


def some(names: Sequence[str], n: int = N_NAMED) -> str:
    """Return names as a line shows them: the first of them, and how many more there are."""
    return ", ".join(map(repr, names[:n])) + f" and {len(names) - n} more" * (len(names) > n)


def _whose(most: str, n: int, n_targets: int) -> str:
    if n_targets == 1:
        return ""
    return f" (for {most!r})" if n == 1 else f" (for {most!r}, most of {n} perturbations)"
