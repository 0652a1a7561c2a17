"""Trees of arrays and plain values as documents (JSON), in which an array is a number, a type, a shape and a place.

A mapping is an object, and whatever else JSON does not know is a list of a word and what it says. A document may come
from anybody: what it takes in memory is bounded by the size of the file that it is in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    )
}
"""What an array may hold, little endian on disk."""
DEPTH, AXES, ARRAYS = 64, 32, 100_000
"""How deep a tree may be, how many axes an array may have, and how many arrays there may be."""
FREE_NODES, BYTES_PER_NODE = 50_000, 24
"""A document may have some nodes, and one more for so many bytes stored: each takes tens of bytes of memory."""
type Read = Callable[[int, int, int, int], np.ndarray]
"""Gives the bytes of an array by its number, its number of axes, its place and how many there are."""


def encoded(tree: Mapping[str, Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return a tree as what JSON can hold, and its arrays, little endian and in the order of C.

    Raises
    ------
    TypeError
        If something in it cannot be kept.
    ValueError
        If it is nested too deep, has too many arrays or axes, or a number that needs more than 64 bits.
    """
    arrays: list[np.ndarray] = []
    found = _encoded(tree, arrays, ())
    if len(arrays) > ARRAYS:
        raise ValueError(f"the tree has {len(arrays):,} arrays; at most {ARRAYS:,} can be kept.")
    return found, arrays


def _encoded(value: Any, arrays: list[np.ndarray], place: tuple[object, ...]) -> Any:
    """Return a value as JSON: objects are mappings, and an array is a word and what it says; add arrays to theirs."""
    if len(place) > DEPTH:
        raise ValueError(f"{_named(place[:3])}... is nested more than {DEPTH} deep.")
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case None | bool() | str():
            return value
        case int():
            if -(2**63) <= value < 2**64:
                return int(value)
            raise ValueError(f"{_named(place)} needs more than 64 bits.")
        case float():
            return value if math.isfinite(value) else ["float", repr(float(value))]
        case Mapping():
            if odd := [key for key in value if not isinstance(key, str)]:
                raise TypeError(f"{_named(place)} has a key that is no text: {odd[0]!r}.")
            return {str(key): _encoded(part, arrays, (*place, key)) for key, part in value.items()}
        case list() | tuple():
            name = "list" if isinstance(value, list) else "tuple"
            return [name, [_encoded(part, arrays, (*place, i)) for i, part in enumerate(value)]]
        case np.ndarray():
            return _encoded_array(value, arrays, place)
    raise TypeError(f"{_named(place)} is {type(value).__name__}, which cannot be kept.")


def _encoded_array(value: np.ndarray, arrays: list[np.ndarray], place: tuple[object, ...]) -> list[Any]:
    if value.ndim > AXES:
        raise ValueError(f"{_named(place)} has {value.ndim} axes; at most {AXES} can be kept.")
    if value.dtype.kind in "OUT" and all(isinstance(text, str) for text in value.flat):
        return ["texts", [list(value.shape), [str(text) for text in value.flat]]]
    name = value.dtype.newbyteorder("=").name if value.dtype.kind in "biuf" else ""
    if name not in DTYPES or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{_named(place)} is an array of {value.dtype}, which cannot be kept.")
    arrays.append(np.asarray(value, dtype=DTYPES[name], order="C"))
    return ["array", len(arrays) - 1]


def _named(place: tuple[object, ...]) -> str:
    return "the tree" + "".join(f"[{part!r}]" for part in place)


def written(values: Any, arrays: list[np.ndarray], offsets: list[int]) -> bytes:
    """Return the document, with spaces at its end where many short values would take more memory than their bytes."""
    kept = [
        [array.dtype.newbyteorder("=").name, list(array.shape), offset]
        for array, offset in zip(arrays, offsets, strict=True)
    ]
    text = json.dumps({"arrays": kept, "tree": values}, allow_nan=False, separators=(",", ":")).encode("ascii")
    size = len(text) + sum(array.nbytes for array in arrays)
    return text + b" " * max(0, BYTES_PER_NODE * (_nodes(text) - FREE_NODES) - size)


def _nodes(text: bytes) -> int:
    """Return how many values there are at most; a mapping or list and a key take the memory of several."""
    return text.count(b",") + 3 * (text.count(b"[") + text.count(b"{")) + 3 * text.count(b":")


def parsed(text: bytes, size: int) -> Any:
    """Return what a JSON document says; raise :class:`ValueError` if it is none, or would take too much memory."""
    if _nodes(text) > FREE_NODES + size // BYTES_PER_NODE:
        raise ValueError("its document has more values than a file of its size may have")
    try:
        return json.loads(
            text.decode("ascii"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_real,
            parse_constant=_refuse,
        )
    except UnicodeDecodeError:
        raise ValueError("its document is no plain text") from None
    except RecursionError:
        raise ValueError(f"its document is nested more than {DEPTH} deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"its document is no JSON ({error.msg} at {error.pos})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its document has a name twice")
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"its document has a number of more than 64 bits, {text[:20]}...")
    return int(text)


def _real(text: str) -> float:
    if len(text) > 40 or not math.isfinite(float(text)):
        raise ValueError(f"its document has a number that is none, {text[:20]}...")
    return float(text)


def _refuse(text: str) -> float:
    raise ValueError(f"its document has a number that is none, {text}")


def decoded(document: Any, size: int, read: Read) -> dict[str, Any]:
    """Return the tree that a document of a file of some size is; raise :class:`ValueError` if it is none."""
    if not isinstance(document, dict) or set(document) != {"arrays", "tree"} or type(document["tree"]) is not dict:
        raise ValueError("its document is none of a tree")
    kept = document["arrays"]
    if type(kept) is not list or len(kept) > ARRAYS:
        raise ValueError("its document has no list of arrays, or too many")
    arrays = {i: _checked_array(i, said) for i, said in enumerate(kept)}
    needed = sum(n_bytes for *_, n_bytes in arrays.values())
    if needed > size:
        raise ValueError(f"its arrays would take {needed:.3g} bytes, and it has {size:,}")
    tree = _decoded(document["tree"], read, arrays, 0)
    if arrays:
        raise ValueError(f"its array {min(arrays)} is not part of the tree")
    return tree


def _checked_array(i: int, said: Any) -> tuple[np.dtype, list[int], int, int]:
    """Return what an array is, where, and how many bytes it has; raise :class:`ValueError` if there is none such."""
    match said:
        case [str(name), [*shape], offset] if type(offset) is int:
            if name not in DTYPES:
                raise ValueError(f"its array {i} holds {name[:20]!r}, no numbers")
            if len(shape) > AXES or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
                raise ValueError(f"its array {i} has a shape that there is not")
            # numpy cannot make one, not even if another axis is empty
            if math.prod(max(1, n) for n in shape) * DTYPES[name].itemsize >= 2**63 and 0 in shape:
                raise ValueError(f"its array {i} has a shape that there is not")
            return DTYPES[name], shape, offset, math.prod(shape) * DTYPES[name].itemsize
    raise ValueError(f"its array {i} is not described")


def _decoded(node: Any, read: Read, arrays: dict[int, Any], depth: int) -> Any:
    """Return the value that a node of a document is; arrays that were read are taken from ``arrays``."""
    if depth > DEPTH:
        raise ValueError(f"its document is nested more than {DEPTH} deep")
    match node:
        case dict():
            return {key: _decoded(part, read, arrays, depth + 1) for key, part in node.items()}
        case ["array", i] if type(i) is int:
            if i not in arrays:
                raise ValueError(f"its array {i} is not there, or used twice")
            return _read_array(read, i, *arrays.pop(i))
        case ["list", [*parts]]:
            return [_decoded(part, read, arrays, depth + 1) for part in parts]
        case ["tuple", [*parts]]:
            return tuple(_decoded(part, read, arrays, depth + 1) for part in parts)
        case ["float", "nan" | "inf" | "-inf" as name]:
            return float(name)
        case ["texts", [[*shape], [*texts]]]:
            return _texts(shape, texts)
        case list():
            raise ValueError(f"its document has a value that is none, {str(node[:1])[:40]}")
    return node


def _texts(shape: list[Any], texts: list[Any]) -> np.ndarray:
    good = all(type(n) is int and 0 <= n < 2**40 for n in shape) and len(shape) <= AXES
    if not good or math.prod(shape) != len(texts) or not all(type(text) is str for text in texts):
        raise ValueError("its document has texts that are none, or another number than their shape says")
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found.reshape(shape)


def _read_array(read: Read, i: int, dtype: np.dtype, shape: list[int], offset: int, n_bytes: int) -> np.ndarray:
    found = read(i, len(shape), offset, n_bytes)
    if dtype.kind == "b" and found.size and found.max() > 1:
        raise ValueError(f"its array {i} holds truth values that are none")
    return found.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
