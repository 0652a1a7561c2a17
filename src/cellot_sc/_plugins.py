"""Names that are looked up: registries that other distributions add to, and the hint at the nearest name."""

from __future__ import annotations

import difflib
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Protocol

from . import _keys

RESERVED = ("", _keys.ALL, _keys.MEAN, _keys.WORST, _keys.OBSERVED, "prior", "moscot")
"""What stands in tables where the names of solvers and metrics do."""


ALIKE = 0.55
"""How alike two names are, of 1, of which one may be meant by the other."""


def closest(name: str, names: Sequence[str]) -> str | None:
    """Return the name that may have been meant, ``None`` if none is near.

    Case, spaces and punctuation do not count. Names whose numbers differ are different names.

    Examples
    --------
    >>> from cellot_sc._plugins import closest
    >>> closest("drugA", ["drug_b", "drug_a"]), closest("patient_9", ["patient_1", "patient_3"])
    ('drug_a', None)
    """
    plain, numbers = _plain(name), _numbers(name)
    near: dict[str, str] = {}
    for other in names:
        if not numbers or not (theirs := _numbers(other)) or theirs == numbers:
            near.setdefault(_plain(other), other)
    found = difflib.get_close_matches(plain, near, n=1, cutoff=ALIKE) if plain else []
    return near[found[0]] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _numbers(name: str) -> list[str]:
    return [digits.lstrip("0") for digits in re.findall(r"\d+", name)]


def nearest(name: object, valid: Iterable[object]) -> str:
    """Return the sentence that names the nearest of ``valid``, if one is near, and then all of them if they are few.

    Examples
    --------
    >>> from cellot_sc._plugins import nearest
    >>> nearest("mdm", ["mmd", "l2_means"])
    " Did you mean 'mmd'? Valid: 'mmd', 'l2_means'."
    """
    names = [str(v) for v in valid]
    if not names:
        return " There are none."
    close = closest(str(name), names)
    hint = "" if close is None else f" Did you mean {close!r}?"
    shown = ", ".join(repr(n) for n in names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{hint} Valid: {shown}."


def origin(function: Callable[..., Any]) -> str:
    """Return the module and the name of what is called."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


@contextmanager
def promised(what: str) -> Iterator[None]:
    """Turn whatever a check of something raises into an :class:`AssertionError` that names it."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{what} raises {type(error).__name__}: {error}") from error


class Named(Protocol):
    """What can be registered: it knows its name."""

    @property
    def name(self) -> str:
        """The name it is looked up by."""

    @property
    def origin(self) -> str:
        """Module and name of the function that it is about."""


class Registry[Record: Named](Mapping[str, Record]):
    """Records by their names, in the order in which they were registered.

    Records of this package may be given by where they are, and are imported when they are looked up, not when they are
    listed. Other distributions add theirs through entry points, each of which names one record. These are loaded once,
    when a name is looked up that is not there, or the registry is listed. One that cannot be loaded is warned of and
    left out.

    Parameters
    ----------
    record
        Class of the records. Its name in lower case is what errors call them.
    group
        Group of the entry points.
    records
        The first records.
    places
        Where records of this package are, by their names, as ``"module:attribute"``. They come first.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> from cellot_sc._plugins import Registry
    >>> class Metric(NamedTuple):
    ...     name: str
    ...     origin: str = "somewhere"
    >>> registry = Registry(Metric, "nobody.extends", [Metric("mmd")])
    >>> registry.register(Metric("range")).name
    'range'
    >>> list(registry)
    ['mmd', 'range']
    """

    def __init__(
        self,
        record: type[Record],
        group: str,
        records: Iterable[Record] = (),
        *,
        places: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._class, self._group = record, group
        self._what = record.__name__.lower()
        # a text stands for a record that nobody has looked up
        self._records: dict[str, Record | str] = dict(places)
        self._used: dict[str, Record] = {}
        self._loaded = False
        for one in records:
            self.register(one)

    def register(self, record: Record) -> Record:
        """Add a record and return it; one that is defined anew, as by a cell of a notebook run again, takes its place.

        Raises
        ------
        TypeError
            If it is no record.
        ValueError
            If its name is taken by another one.
        """
        if not isinstance(record, self._class):
            raise TypeError(f"a {self._what} is a {self._class.__name__}, not {type(record).__name__}: {record!r}.")
        self._records[record.name] = self._checked(record)
        return record

    def resolve(self, given: str | Record) -> Record:
        """Return the record of a name, or a record as it is, which is known by its name from then on.

        Raises
        ------
        TypeError
            If it is neither.
        ValueError
            If there is none of that name, or the record has the name of another one that is registered.
        """
        if isinstance(given, str):
            if given not in self:
                raise ValueError(f"{self._what} {given!r} is unknown.{nearest(given, self)}")
            return self[given]
        if not isinstance(given, self._class):
            kind = self._class.__name__
            raise TypeError(f"a {self._what} is a {kind} or the name of one, not {type(given).__name__}: {given!r}.")
        self._load()
        # what is fitted by it is refitted, drawn and reported later, when only the name is at hand
        self._used[given.name] = self._checked(given)
        return given

    def select(self, given: str | Record | Iterable[str | Record]) -> list[Record]:
        """Return one record or several, each once, in the order in which they are given.

        Raises
        ------
        ValueError
            If there is none, one is unknown, or two different ones have the same name.
        """
        several: Iterable[Any] = [given] if isinstance(given, str | self._class) else given  # type: ignore[assignment]
        records: dict[str, Record] = {}
        for record in map(self.resolve, several):
            if records.setdefault(record.name, record) is not record:
                raise ValueError(
                    f"two different {self._what}s are called {record.name!r}: give one of them another name."
                )
        if not records:
            raise ValueError(f"{self._what} is empty: give at least one.{nearest('', self)}")
        return list(records.values())

    def __contains__(self, name: object) -> bool:
        if name not in self._records:
            self._load()
        return name in self._records or name in self._used

    def __getitem__(self, name: str) -> Record:
        if name not in self:
            raise KeyError(name)
        record = self._records[name] if name in self._records else self._used[name]
        if isinstance(record, str):
            record = self._records[name] = pkgutil.resolve_name(record)
        return record

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._records)

    def __len__(self) -> int:
        self._load()
        return len(self._records)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"

    def _checked(self, record: Record) -> Record:
        if not isinstance(record.name, str) or record.name in RESERVED or record.name.endswith(_keys.CALIBRATED):
            reserved = ", ".join(map(repr, RESERVED))
            raise ValueError(f"no {self._what} can be called {record.name!r}: tables use {reserved} for other things.")
        taken = (self[record.name] if record.name in self._records else record).origin
        if taken != record.origin:
            raise ValueError(f"the name of the {self._what} {record.name!r} is taken by {taken}: choose another one.")
        return record

    def _load(self) -> None:
        """Register what other distributions add."""
        if self._loaded:
            return
        self._loaded = True
        for entry in entry_points(group=self._group):
            try:
                self.register(entry.load())
            except Exception as error:  # noqa: BLE001 (the code of others may raise anything)
                by = "an unknown distribution" if entry.dist is None else f"the distribution {entry.dist.name!r}"
                text = f"the {self._what} {entry.name!r} of {by} is left out, since it cannot be loaded: {error!r}"
                warnings.warn(text, stacklevel=2)
