"""What a space was, and which cells were seen, when something was fitted in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellot_sc._chunks import chunks
from cellot_sc._digest import name_hashes
from cellot_sc._states import Bound, Field, StateReading, Text, Texts, Whole, read_fields

MARKS = "marks"
"""Where decoders and fits keep the cells that they were fitted on."""
MAX_MARKS = 100_000
"""Cells that are remembered at most: of more, those whose names have the smallest hashes, a sample by chance."""
CHUNK = 8192
"""Cells that are placed at once."""
TOLERANCE = 1e-4
"""A cell lies where it lay if it has moved by no more than this share of the spread of all."""
FIELDS: dict[str, Field] = {"n_dims": Whole(), "features": Texts(), "decoder": Text(), "low": Bound(), "high": Bound()}
"""What is kept of an origin, beside the marks."""


@dataclass(frozen=True, repr=False, eq=False)
class Marks:
    """What cells are known again by, without keeping them: a few numbers for each.

    Parameters
    ----------
    names
        Hashes of their names, uint64, increasing.
    places
        Where they lie along one direction, always the same, of their space, float64.
    seen
        Which of them were learnt from, or selected on.
    labels
        Hashes of the labels that they had, uint64; none where none mattered.
    """

    names: np.ndarray
    places: np.ndarray
    seen: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(
        cls, names: Iterable[object], x: Any, *, seen: np.ndarray | None = None, labels: np.ndarray | None = None
    ) -> Marks:
        """Mark cells; all were learnt from if it is not said which.

        Their shape is ``(n_cells, n_dims)``, dense, sparse or :class:`.Stored`.

        What shares its name, or lies nowhere, is not marked.
        """
        hashes, first, sizes = np.unique(name_hashes(names), return_index=True, return_counts=True)
        rows = first[alone := np.flatnonzero(sizes == 1)[:MAX_MARKS]]
        by_row = np.argsort(rows)
        places = np.empty(len(rows))
        places[by_row] = _along(x[rows[by_row]])
        finite = np.isfinite(places)
        rows = rows[finite]
        return cls(
            hashes[alone][finite],
            places[finite],
            np.ones(len(rows), dtype=bool) if seen is None else seen[rows],
            name_hashes([] if labels is None else labels[rows]),
        )

    @classmethod
    def read(cls, kept: Mapping[str, Any] | None) -> Marks:
        """Return marks that were kept by :meth:`kept`, none if there are none."""
        kept = dict.fromkeys(_KINDS, []) if kept is None else kept
        try:
            marks = cls(**{name: np.asarray(kept[name], dtype=kind) for name, kind in _KINDS.items()})
            ok = marks.names.ndim == 1 and np.isfinite(marks.places).all()
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            ok = False
        if (
            not ok
            or not marks.names.shape == marks.places.shape == marks.seen.shape
            or marks.labels.shape not in (marks.names.shape, (0,))
            or (marks.names[1:] <= marks.names[:-1]).any()
        ):
            raise ValueError("the marks of the cells are not as many numbers of each kind: represent and fit again.")
        return marks

    def kept(self) -> dict[str, np.ndarray]:
        """Return arrays that an AnnData can keep."""
        return {name: getattr(self, name) for name in _KINDS}

    def relabelled(self, names: Iterable[object], x: Any, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Say of other cells which are marked, by name and place, and which of these have another label by now.

        Parameters
        ----------
        names, x
            Their names and positions, shape ``(n_cells, n_dims)``.
        labels
            Their labels.

        Returns
        -------
        Two masks of shape ``(n_cells,)``.
        """
        *_, same, at = self._find(names, x)
        changed = np.zeros_like(same)
        if len(self.labels):
            changed[same] = name_hashes(labels[same]) != self.labels[at[same]]
        return same, changed

    def learnt(self, names: Iterable[object], x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Say of other cells which could have a mark, and which of them were learnt from: two masks."""
        marked, _, same, at = self._find(names, x)
        same[same] = self.seen[at[same]]
        return marked, same

    def recognise(self, names: Iterable[object], x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Say of other cells which could have a mark, which have a marked name, and which of these lie where they lay.

        Parameters
        ----------
        names, x
            Their names and positions, shape ``(n_cells, n_dims)``.

        Returns
        -------
        Three masks of shape ``(n_cells,)``.
        """
        marked, known, same, _ = self._find(names, x)
        return marked, known, same

    def _find(self, names: Iterable[object], x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the masks of :meth:`recognise`, and where the mark of each cell that has one is."""
        hashes = name_hashes(names)
        if not len(self.names):
            nobody = np.zeros(len(hashes), dtype=bool)
            return nobody, nobody, nobody, np.zeros(len(hashes), dtype=np.intp)
        all_marked = len(self.names) < MAX_MARKS
        marked = np.ones(len(hashes), dtype=bool) if all_marked else hashes <= self.names[-1]
        at = np.minimum(np.searchsorted(self.names, hashes), len(self.names) - 1)
        known = self.names[at] == hashes
        rows = np.flatnonzero(known)
        moved = np.abs(_along(x[rows]) - self.places[at[rows]])
        same = np.zeros_like(known)
        same[rows] = moved <= TOLERANCE * (self.places.std() or 1.0)
        return marked, known, same, at


@dataclass(frozen=True, repr=False, eq=False)
class Origin:
    """What a space was when maps were fitted in it, with which it is compared when they are used.

    Parameters
    ----------
    n_dims
        Number of dimensions.
    features
        Names of the genes that they are, none if they are not genes.
    decoder
        Digest of the way back to genes, empty if there was none.
    low, high
        Range of the expression of the cells that were seen, if the dimensions are genes.
    marks
        The cells that there were.
    """

    n_dims: int
    features: tuple[str, ...]
    decoder: str
    low: float
    high: float
    marks: Marks

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Origin:
        """Return what was kept by :meth:`kept`."""
        plain = read_fields(kept, FIELDS, StateReading(), path="origin", others=[MARKS])
        return cls(**plain, marks=Marks.read(kept[MARKS]))

    def kept(self) -> dict[str, Any]:
        """Return values that an AnnData can keep."""
        return vars(self) | {"features": np.array(self.features, dtype=object), "marks": self.marks.kept()}


_KINDS = {"names": np.uint64, "places": np.float64, "seen": np.bool_, "labels": np.uint64}


def _along(x: Any) -> np.ndarray:
    """Return where cells lie along a direction that depends on the number of dimensions only."""
    direction = np.random.default_rng(0).standard_normal(x.shape[1])
    places = np.empty(x.shape[0])
    with np.errstate(invalid="ignore"):
        for rows, cells in chunks(x, CHUNK):
            places[rows] = cells.astype(np.float32).astype(np.float64) @ direction
    return places
