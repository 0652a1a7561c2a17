"""Two perturbations at once: which labels are of which two, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._numbers import shown
from .._plugins import nearest
from ._names import distinct, label_of, several, some_of

SEPARATOR = "+"
"""What a label that names two perturbations has between them."""
WANTED = "a mapping of labels to two single perturbations each is needed, such as {'a+b': ('a', 'b')}"


def joined(first: str, second: str) -> str:
    """Return what cells with both are called."""
    return f"{first}{SEPARATOR}{second}"


def two_singles(wanted: Any, singles: Iterable[str], *, what: str) -> tuple[str, str]:
    """Return two different perturbations; raise :class:`ValueError` if they are not, or one is unknown."""
    given = several(wanted)
    names = distinct([label_of(name, singles, what=what) for name in given], what=what) if len(given) == 2 else []
    if len(names) != 2:
        raise ValueError(f"{what} is {shown(wanted)}; two different perturbations are needed.")
    return names[0], names[1]


def parts_of(label: str, singles: Iterable[str]) -> tuple[str, str] | None:
    """Return the two different single perturbations that a label joins by ``+``, ``None`` if it does not."""
    known = set(singles)
    for i, letter in enumerate(label):
        first, second = label[:i].strip(), label[i + 1 :].strip()
        if letter == SEPARATOR and first != second and {first, second} <= known:
            return first, second
    return None


def combinations_of(given: Any, labels: Iterable[str], singles: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the two perturbations of every combination that was observed, by its label.

    Parameters
    ----------
    given
        The same as the user has it; ``None`` for all labels that join two of ``singles`` by ``+``.
    labels
        All labels that cells have.
    singles
        The perturbations that there are alone.

    Raises
    ------
    ValueError
        If it is no such mapping, or a name is unknown.
    """
    known = sorted(set(labels))
    if given is None:
        found = {label: parts_of(label, singles) for label in known}
        return {label: parts for label, parts in found.items() if parts is not None}
    if not isinstance(given, Mapping):
        raise ValueError(f"combinations is {shown(given)}; {WANTED}.")
    return {
        label_of(label, known, what="combinations of label"): two_singles(
            parts, singles, what=f"combinations[{shown(label)}]"
        )
        for label, parts in given.items()
    }


def some_combinations(targets: Any, known: Mapping[str, tuple[str, str]], label_key: str) -> list[str]:
    """Return the combinations in question, all with ``None``.

    Raises
    ------
    ValueError
        If there are none, or one is unknown.
    """
    if not known:
        raise ValueError(
            f"no label of adata.obs[{label_key!r}] joins two single perturbations by {SEPARATOR!r}: name them, as in "
            "combinations={'a_and_b': ('a', 'b')}."
        )
    return some_of(targets, known, what="target")


def fitted_targets(targets: Any, maps: Mapping[str, Any]) -> list[str]:
    """Return the targets of maps that are wanted, all with ``None``.

    Raises
    ------
    ValueError
        If one was not fitted: what would predict it is named if it is a combination of two that were.
    """
    for name in [] if targets is None else several(targets):
        if isinstance(name, str) and name not in maps and (parts := parts_of(name, maps)) is not None:
            raise ValueError(
                f"target {name!r} was not fitted, but {parts[0]!r} and {parts[1]!r} were: "
                f"cs.tl.predict_combination(adata, {[*parts]}) predicts it from their maps."
            )
    return some_of(targets, maps, what="target")


def pairs_to_simulate(pairs: Any, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return pairs of new perturbations by the label of cells with both.

    Raises
    ------
    ValueError
        If one is no pair of two different names, is given twice, or its label is the name of another.
    """
    if isinstance(pairs, str) or not isinstance(pairs, Sequence):
        raise ValueError(f"combinations is {shown(pairs)}; a list of pairs is needed, such as [('a', 'b')].")
    found = {joined(*both): both for both in (two_singles(pair, names, what="combinations") for pair in pairs)}
    if len({frozenset(both) for both in found.values()}) < len(pairs):
        raise ValueError(f"combinations is {shown(pairs)}; each pair is to be given once.")
    if taken := sorted(set(found) & set(names)):
        raise ValueError(f"perturbations has {taken[0]!r}, which names a combination.{nearest(taken[0], names)}")
    return found


def no_course(times: Sequence[float] | None) -> None:
    """Raise :class:`ValueError` if maps are those of a time course."""
    if times is not None:
        raise ValueError(
            "the maps lead from time to time, and two times are no combination: give maps of perturbations, as "
            "cs.tl.cellot fits them."
        )
