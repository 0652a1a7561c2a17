"""What maps and decoders are rebuilt from, which files hold: of every field, what it has to be. Needs numpy only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import _numbers
from ._numbers import shown

MAX_LAYERS = 100
"""Layers of a network, and steps from a map to the maps within it."""


class Demand(NamedTuple):
    """What the numbers of an array have to be beside finite."""

    words: str
    met: Callable[[np.ndarray], Any]
    """Called with the numbers in double precision."""


def _is_definite(x: np.ndarray) -> bool:
    turned = np.swapaxes(x, -1, -2)
    return bool(np.abs(x - turned).max() <= 1e-3 * np.abs(x).max() and (np.linalg.eigvalsh(x) > 0).all())


def _is_invertible(x: np.ndarray) -> bool:
    try:
        size = np.linalg.norm(x, 1) * np.linalg.norm(np.linalg.inv(x), 1)
    except np.linalg.LinAlgError:
        return False
    return bool(size < 1e14)


POSITIVE = Demand("positive numbers are", lambda x: (x > 0).all())
NOT_NEGATIVE = Demand("numbers of 0 or more are", lambda x: (x > -1e-6).all())
SHARES = Demand("positive numbers that sum to one are", lambda x: (x > 0).all() and abs(x.sum() - 1) < 1e-3)
DEFINITE = Demand("symmetric, positive definite matrices are", _is_definite)
INVERTIBLE = Demand("a matrix that has an inverse is", _is_invertible)


@dataclasses.dataclass
class StateReading:
    """How far the fields of a state are read.

    Parameters
    ----------
    sizes
        Sizes of axes by their letter.
    values
        Fields that are read already, of the state as a whole.
    depth
        Steps from the outermost map to this one.
    """

    sizes: dict[str, int] = dataclasses.field(default_factory=dict)
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    depth: int = 0

    def fits(self, shape: Sequence[int], letters: Iterable[str]) -> bool:
        """Return whether a shape has an axis for each letter, not empty, and of the same size wherever it occurs."""
        axes = list(letters)
        return len(axes) == len(shape) and all(
            size > 0 and self.sizes.setdefault(letter, int(letter) if letter.isdigit() else size) == size
            for letter, size in zip(axes, shape, strict=True)
        )


class Field(Protocol):
    """What a field of a state has to be."""

    def read(self, value: Any, path: str, reading: StateReading) -> Any:
        """Return the checked value; raise :class:`ValueError` that begins with the path if it is something else."""


def read_fields(
    given: Any,
    fields: Mapping[str, Field],
    reading: StateReading,
    *,
    path: str = "",
    optional: Sequence[str] = (),
    others: Sequence[str] | None = (),
) -> dict[str, Any]:
    """Return the checked fields of a state, in the order in which they are declared.

    Parameters
    ----------
    given
        The state.
    fields
        What each has to be.
    reading
        How far it is read.
    path
        Where it is within the whole.
    optional
        Fields that may be absent.
    others
        What else may be there, ``None`` for anything.

    Raises
    ------
    ValueError
        If a field is missing, unknown, or is not what it has to be.
    """
    known = {*fields, *given} if others is None and isinstance(given, Mapping) else {*fields, *(others or ())}
    check_names(given, [name for name in fields if name not in optional], known, path=path)
    prefix = f"{path}." if path else ""
    out: dict[str, Any] = {}
    for name, field in fields.items():
        if name in given:
            out[name] = field.read(given[name], f"{prefix}{name}", reading)
            if not path:
                reading.values[name] = out[name]
    return out


def check_names(given: Any, needed: Sequence[str], known: Iterable[str] | None = None, *, path: str = "") -> None:
    """Raise :class:`ValueError` unless something is a dict with all names that are needed, and no unknown ones."""
    names = ", ".join(needed[:10]) + (", ..." if len(needed) > 10 else "")
    if not isinstance(given, Mapping):
        raise ValueError(f"{path or 'it'} is {shown(given)}; a dict of {names} is needed.")
    prefix = f"{path}." if path else ""
    if absent := [name for name in needed if name not in given]:
        raise ValueError(f"{prefix}{absent[0]} is missing.")
    known = set(needed if known is None else known)
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"{prefix}{shown(unknown[0])} is unknown; a dict of {names} is needed.")


def numbered(given: Any, name: str, most: int, *, path: str) -> list[str]:
    """Return the names of what is numbered in a dict, from 0 on; raise :class:`ValueError` if they are others."""
    n_given = len(given) if isinstance(given, Mapping) else 1
    if n_given > most:
        raise ValueError(f"{path} is a dict of {n_given}; at most {most} are needed.")
    names = [name.format(i) for i in range(max(n_given, 1))]
    check_names(given, names, path=path)
    return names


@dataclasses.dataclass(frozen=True)
class Numbers:
    """An array of finite numbers that single precision holds, with a letter, or a digit, for the size of every axis."""

    axes: str
    demand: Demand | None = None

    def read(self, value: Any, path: str, reading: StateReading) -> np.ndarray:
        """Return it in single precision."""
        x = _array(value, path)
        if not reading.fits(x.shape, self.axes):
            sizes = ", ".join(str(reading.sizes.get(letter, letter)) for letter in self.axes)
            raise ValueError(f"{path} has shape {x.shape}; ({sizes}) is needed, with no axis of 0.")
        if self.demand is not None and not self.demand.met(x.astype(np.float64)):
            raise ValueError(f"{path} is {shown(value)}; {self.demand.words} needed.")
        return x


@dataclasses.dataclass(frozen=True)
class Tree:
    """Arrays of a network by their names, nested, of the shapes that its architecture has.

    Parameters
    ----------
    shapes
        Returns these, given what is read.
    axes
        Letters of what comes before the axes of every array.
    """

    shapes: Callable[[StateReading], Mapping[str, Any]]
    axes: str = ""

    def read(self, value: Any, path: str, reading: StateReading) -> dict[str, Any]:
        """Return them in single precision."""
        return self._read(value, self.shapes(reading), path, reading)

    def _read(self, value: Any, shapes: Mapping[str, Any], path: str, reading: StateReading) -> dict[str, Any]:
        check_names(value, list(shapes), path=path)
        out: dict[str, Any] = {}
        for name in value:
            shape, at = shapes[name], f"{path}.{name}"
            if isinstance(shape, Mapping):
                out[name] = self._read(value[name], shape, at, reading)
                continue
            x = out[name] = _array(value[name], at)
            n = len(self.axes)
            if x.shape[n:] != tuple(shape) or not reading.fits(x.shape[:n], self.axes):
                raise ValueError(f"{at} has shape {x.shape}; ({', '.join([*self.axes, *map(str, shape)])}) is needed.")
        return out


@dataclasses.dataclass(frozen=True)
class Layers:
    """Kernels and biases of a perceptron, named as by flax, from an axis, and labels behind it, to another."""

    first: str
    last: str
    n_labels: int = 0

    def read(self, value: Any, path: str, reading: StateReading) -> dict[str, dict[str, np.ndarray]]:
        """Return them in single precision."""
        names = numbered(value, "Dense_{}", MAX_LAYERS, path=path)
        out = {}
        size = None
        for name in names:
            layer = read_fields(value[name], {"kernel": _KERNEL, "bias": _BIAS}, StateReading(), path=f"{path}.{name}")
            n_in, n_out = layer["kernel"].shape
            begins = reading.fits((n_in - self.n_labels,), self.first) if size is None else n_in == size
            ends = name != names[-1] or reading.fits((n_out,), self.last)
            if not (begins and ends and len(layer["bias"]) == n_out):
                raise ValueError(
                    f"{path}.{name} has a kernel of shape {layer['kernel'].shape} and a bias of shape "
                    f"{layer['bias'].shape}, which do not fit the layers and cells beside them."
                )
            out[name], size = layer, n_out
        return out


_KERNEL, _BIAS = Numbers("ab"), Numbers("c")


@dataclasses.dataclass(frozen=True)
class Group:
    """Fields of their own.

    Parameters
    ----------
    build
        Called with them, by their names.
    fields
        What each has to be.
    optional
        Those that may be absent.
    """

    build: Callable[..., Any]
    fields: Mapping[str, Field]
    optional: Sequence[str] = ()

    def read(self, value: Any, path: str, reading: StateReading) -> Any:
        """Return what is built of them."""
        return self.build(**read_fields(value, self.fields, reading, path=path, optional=self.optional))


@dataclasses.dataclass(frozen=True)
class Whole:
    """A whole number of 1 or more, if nothing else is said; with a letter, it is the size of that axis."""

    most: int = _numbers.MOST
    axis: str = ""
    least: int = 1

    def read(self, value: Any, path: str, reading: StateReading) -> int:
        """Return it as one of Python."""
        number = _numbers.whole(_plain(value), self.least, what=path, most=self.most)
        if self.axis and not reading.fits((number,), self.axis):
            raise ValueError(f"{path} is {number}; {reading.sizes[self.axis]} is needed, as in what is beside it.")
        return number


@dataclasses.dataclass(frozen=True)
class Positive:
    """A positive number."""

    def read(self, value: Any, path: str, reading: StateReading) -> float:
        """Return it as one of Python."""
        return _numbers.positive(_plain(value), what=path)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """One of a few texts or truth values."""

    valid: Sequence[Any]

    def read(self, value: Any, path: str, reading: StateReading) -> Any:
        """Return it."""
        plain = _plain(value)
        kinds = tuple(type(one) for one in self.valid)
        if not isinstance(plain, kinds) or plain not in self.valid:
            raise ValueError(f"{path} is {shown(value)}; one of {', '.join(map(repr, self.valid))} is needed.")
        return plain


FLAG = OneOf((False, True))


@dataclasses.dataclass(frozen=True)
class Text:
    """A text, which may be empty."""

    def read(self, value: Any, path: str, reading: StateReading) -> str:
        """Return it as one of Python."""
        plain = _plain(value)
        if not isinstance(plain, str):
            raise ValueError(f"{path} is {shown(value)}; a text is needed.")
        return plain


@dataclasses.dataclass(frozen=True)
class Texts:
    """Texts, no two alike unless that is said; with a letter, at least one, as many as that axis is long."""

    axis: str = ""
    alike: bool = False

    def read(self, value: Any, path: str, reading: StateReading) -> tuple[str, ...]:
        """Return them as those of Python."""
        given = _listed(value)
        if given is None or not all(isinstance(one, str) for one in given):
            raise ValueError(f"{path} is {shown(value)}; a sequence of texts is needed.")
        if not self.alike and len({*given}) < len(given):
            raise ValueError(f"{path} is {shown(value)}; texts are needed, of which no two are alike.")
        if self.axis and not reading.fits((len(given),), self.axis):
            raise ValueError(
                f"{path} has {len(given)} texts; {reading.sizes.get(self.axis, 'at least one')} is needed."
            )
        return tuple(given)


@dataclasses.dataclass(frozen=True)
class Reals:
    """Numbers in double precision, none of them NaN or inf."""

    demand: Demand | None = None

    def read(self, value: Any, path: str, reading: StateReading) -> tuple[float, ...]:
        """Return them as those of Python."""
        given = _listed(value)
        numbers = np.array(_numbers.reals(value if given is None else given, what=path))
        if not np.isfinite(numbers).all():
            raise ValueError(f"{path} is {shown(value)}; finite numbers are needed.")
        if self.demand is not None and not self.demand.met(numbers):
            raise ValueError(f"{path} is {shown(value)}; {self.demand.words} needed.")
        return tuple(numbers.tolist())


@dataclasses.dataclass(frozen=True)
class Bound:
    """A number, or inf where nothing is bounded."""

    def read(self, value: Any, path: str, reading: StateReading) -> float:
        """Return it as one of Python."""
        plain = _plain(value)
        if not _numbers.is_real(plain) or np.isnan(plain):
            raise ValueError(f"{path} is {shown(value)}; a number or inf is needed.")
        return float(plain)


@dataclasses.dataclass(frozen=True)
class Dictionary:
    """Anything by names."""

    def read(self, value: Any, path: str, reading: StateReading) -> dict[str, Any]:
        """Return it as Python has it."""
        if not isinstance(value, Mapping):
            raise ValueError(f"{path} is {shown(value)}; a dict is needed.")
        return {str(name): self._python(one, path, reading) for name, one in value.items()}

    def _python(self, value: Any, path: str, reading: StateReading) -> Any:
        if isinstance(value, Mapping):
            return self.read(value, path, reading)
        plain = value.tolist() if hasattr(value, "tolist") else value
        return tuple(plain) if isinstance(plain, list) else plain


def _plain(value: Any) -> Any:
    """Return a number or a text as Python has it: files give those of numpy."""
    single = isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0)
    return value.item() if single else value


def _listed(value: Any) -> list[Any] | None:
    """Return what is in a sequence, whether of Python or of numpy, or ``None`` if it is something else."""
    plain = value.tolist() if hasattr(value, "tolist") and not np.ma.isMaskedArray(value) else value
    return list(plain) if isinstance(plain, list | tuple) else None


def _array(value: Any, path: str) -> np.ndarray:
    """Return an array of finite numbers in single precision."""
    if not isinstance(value, np.ndarray) or np.ma.isMaskedArray(value) or value.dtype.kind not in "fiu":
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else shown(value)
        raise ValueError(f"{path} is {kind}; an array of numbers is needed.")
    n_bad = int((~(np.abs(value.astype(np.float64)) <= _numbers.MOST_REAL)).sum())
    if n_bad:
        raise ValueError(
            f"{path} holds NaN, inf or numbers beyond {_numbers.MOST_REAL:g} in {n_bad} of {value.size} places."
        )
    return np.asarray(value, dtype=np.float32)
