"""Records by name: the package's own, those that are registered, and those that other distributions bring along."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from ._nearest import nearest

logger = logging.getLogger("cellot_sc")


class Record(Protocol):
    """What a record has to tell."""

    @property
    def name(self) -> str:
        """Name under which it is looked up."""

    @property
    def origin(self) -> str:
        """Module and name of what it runs."""


class Records[R: Record](Mapping[str, R]):
    """Records of one type by their names.

    Those of other distributions are entry points. They are loaded once: when a name is looked up that is unknown, or
    when all are listed. One that cannot be loaded is left out with a warning.

    Parameters
    ----------
    what
        What a sentence calls one; the group of entry points is ``cellot_sc.<what>s``.
    kind
        Their type.
    own
        Those of the package.
    """

    def __init__(self, what: str, kind: type[R], own: Iterable[R]) -> None:
        self._what, self._kind = what, kind
        self._records = {record.name: record for record in own}
        self._complete = False

    def __getitem__(self, name: str) -> R:
        if name not in self._records:
            self._load()
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._records)

    def __len__(self) -> int:
        self._load()
        return len(self._records)

    def find(self, given: str | R, what: str | None = None) -> R:
        """Return the record of a name, or the one that is given itself.

        Parameters
        ----------
        given
            A name, or a record.
        what
            What a sentence calls it here.

        Raises
        ------
        TypeError
            If it is neither.
        ValueError
            If there is none of that name, or another one has the name of the record.
        """
        if not isinstance(given, str):
            return self._checked(given)
        if given not in self:
            msg = f"{what or self._what} {given!r} is unknown.{nearest(given, self)}"
            raise ValueError(msg)
        return self[given]

    def add(self, record: R) -> R:
        """Keep a record under its name, and return it; the errors are those of :meth:`find`."""
        self._records[self._checked(record).name] = record
        return record

    def _checked(self, record: R) -> R:
        if not isinstance(record, self._kind):
            msg = f"{record!r} is no {self._what}: its name or a {self._kind.__name__} is needed."
            raise TypeError(msg)
        held = self._records.get(record.name, record)
        # what is defined anew, as by a cell of a notebook that is run again, takes its own place
        if held.origin != record.origin:
            msg = f"the name of {self._what} {record.name!r} is taken by {held.origin}: choose another name."
            raise ValueError(msg)
        return record

    def _load(self) -> None:
        if self._complete:
            return
        self._complete = True
        for point in importlib.metadata.entry_points(group=f"cellot_sc.{self._what}s"):
            try:
                self.add(point.load())
            # whatever is wrong with it, everything else goes on
            except Exception as error:  # noqa: BLE001
                name = point.dist.name if point.dist else "unknown"
                logger.warning("%s %r of the distribution %s is left out: %s", self._what, point.name, name, error)
