"""Trees of arrays and plain values as files that nothing can be hidden in.

A file is a document (JSON: the structure, texts and numbers, and what each array is) and the bytes of the arrays. Any
reader of HDF5 or Zarr opens it, but :func:`read_tree` uses neither: it takes bytes from where the document says, after
the document was checked against the sizes on disk. So nothing in a file is run, and what is allocated is bounded by
what is stored.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import _files
from ._stores import SUFFIXES, Store

FORMAT = "cellot-sc"
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    )
}
"""What an array may hold, little endian on disk."""
HEAD = 512
"""Bytes before what HDF5 writes (its user block), which say what the file is."""
HEAD_LIMIT = 1 << 16
"""Most bytes of what says what a folder is."""
DEPTH, AXES, ARRAYS = 64, 32, 100_000
"""How deep a tree may be, how many axes an array may have, and how many arrays there may be."""
FREE_NODES, BYTES_PER_NODE = 50_000, 24
"""A document may have some nodes, and one more for so many bytes stored: each takes tens of bytes of memory."""
DOCUMENT = "tree"
"""Name of the dataset that is the document."""
AGAIN = "write it again, or copy it again"
HDF5 = b"\x89HDF\r\n\x1a\n"


def write_tree(tree: Mapping[str, Any], path: Path, *, kind: str, version: int, overwrite: bool = False) -> None:
    """Write a tree to a ``.h5`` file or a ``.zarr`` folder, which is there whole or not at all.

    Parameters
    ----------
    tree
        Mappings with text for keys, lists and tuples, nested at most 64 deep. What they hold: arrays of numbers, truth
        values or texts, of any shape; text, ``int``, ``float``, ``bool``, ``None``.
    path
        What it is written to.
    kind
        What it is, in a word or two.
    version
        Of the format of what it is.
    overwrite
        Whether what is there is replaced.

    Raises
    ------
    FileExistsError
        If it exists and may not be overwritten.
    OSError
        If it cannot be written; what was there stays.
    TypeError
        If something in the tree is none of these.
    ValueError
        If the name of the path ends otherwise, or a number needs more than 64 bits.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> import numpy as np
    >>> from cellot_sc._trees import read_tree, write_tree
    >>> path = Path(mkdtemp()) / "tree.h5"
    >>> write_tree({"a": {"b": np.arange(3)}, "c": "text"}, path, kind="model", version=1)
    >>> read_tree(path, kind="model", versions=[1])
    {'a': {'b': array([0, 1, 2])}, 'c': 'text'}
    """
    with _files.output(path, SUFFIXES, overwrite=overwrite, remedy="overwrite=True") as new:
        arrays: list[np.ndarray] = []
        encoded = _encoded(dict(tree), arrays, ())
        if len(arrays) > ARRAYS:
            raise ValueError(f"the {kind} has {len(arrays):,} arrays; at most {ARRAYS:,} can be kept.")
        head = {"format": FORMAT, "kind": kind, "version": version}
        write = _write_folder if path.suffix == ".zarr" else _write_file
        write(new, arrays, encoded, head)


def read_tree(path: Path, *, kind: str, versions: Sequence[int]) -> dict[str, Any]:
    """Read what :func:`write_tree` has written: an equal tree, with texts in arrays of objects.

    Parameters
    ----------
    path
        What is read. It may come from anybody: what is in it is data, and it takes at most ten times its size.
    kind
        What it has to be.
    versions
        Those that can be read.

    Raises
    ------
    OSError
        If it is not there, or not to be read; names the nearest one in its folder.
    ValueError
        If it is something else, broken, or written by a later version.
    """
    with _one_sentence(path, kind):
        _files.check_exists(path, SUFFIXES)
        if path.suffix not in SUFFIXES:
            if path.suffix == ".h5ad":
                raise ValueError(_is_anndata(path, kind))
            raise ValueError(f"its name ends in {path.suffix!r}, not in {' or '.join(map(repr, SUFFIXES))}")
        with Store(path) as store:
            if store.is_folder != (path.suffix == ".zarr"):
                raise ValueError("it is a folder, not a file" if store.is_folder else "it is a file, not a folder")
            head = _head(store)
            if head is None:
                raise ValueError(_other(store, kind))
            _check_head(head, kind, versions)
            if store.digest(after=HEAD, without="zarr.json") != head.get("digest"):
                raise ValueError(f"it is cut short, or was changed after it was written: {AGAIN}")
            document = _parsed(_document(store, head), store.size)
            return _decoded_document(store, document)


def tree_kind(path: Path) -> str | None:
    """Return what the tree in a file is, ``None`` if it holds none that can be told; reads a few bytes, never raises.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cellot_sc._trees import tree_kind
    >>> tree_kind(Path("nowhere.h5")) is None
    True
    """
    try:
        with Store(path) as store:
            head = _head(store)
    except (OSError, ValueError, TypeError):
        return None
    kind = None if head is None else head.get("kind")
    return kind if isinstance(kind, str) else None


# -- from a tree to a file


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
    name = value.dtype.newbyteorder("=").name
    if name not in DTYPES or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{_named(place)} is an array of {value.dtype}, which cannot be kept.")
    arrays.append(np.asarray(value, dtype=DTYPES[name], order="C"))
    return ["array", len(arrays) - 1]


def _named(place: tuple[object, ...]) -> str:
    return "the tree" + "".join(f"[{part!r}]" for part in place)


def _text(arrays: list[np.ndarray], offsets: list[int], encoded: Any) -> bytes:
    """Return the document, with spaces at its end where many short values would take more memory than their bytes."""
    kept = [
        [array.dtype.newbyteorder("=").name, list(array.shape), offset]
        for array, offset in zip(arrays, offsets, strict=True)
    ]
    text = json.dumps({"arrays": kept, "tree": encoded}, allow_nan=False, separators=(",", ":")).encode("ascii")
    size = len(text) + sum(array.nbytes for array in arrays)
    return text + b" " * max(0, BYTES_PER_NODE * (_nodes(text) - FREE_NODES) - size)


def _write_file(path: Path, arrays: list[np.ndarray], encoded: Any, head: dict[str, Any]) -> None:
    import h5py

    # HDF5 ends by a segmentation fault where a disk is full
    memory = io.BytesIO()
    with h5py.File(memory, "w", userblock_size=HEAD) as file:

        def kept(name: str, array: np.ndarray) -> int:
            dataset = file.create_dataset(name, data=array, track_times=False)
            return dataset.id.get_offset() if array.size else HEAD

        offsets = [kept(str(i), array) for i, array in enumerate(arrays)]
        text = _text(arrays, offsets, encoded)
        head |= {"bytes": len(text), "offset": kept(DOCUMENT, np.frombuffer(text, np.uint8))}
    content = memoryview(memory.getvalue())[HEAD:]
    head["digest"] = hashlib.blake2b(content, digest_size=16).hexdigest()
    with path.open("wb") as out:
        out.write(json.dumps(head).encode("ascii").ljust(HEAD - 1) + b"\n")
        out.write(content)


def _write_folder(folder: Path, arrays: list[np.ndarray], encoded: Any, head: dict[str, Any]) -> None:
    folder.mkdir()
    text = _text(arrays, [0] * len(arrays), encoded)
    named = {str(i): array for i, array in enumerate(arrays)} | {DOCUMENT: np.frombuffer(text, np.uint8)}
    for name, array in named.items():
        (folder / name).mkdir()
        (folder / name / "zarr.json").write_text(json.dumps(_zarr_array(array)), encoding="ascii")
        if array.size:
            (folder / _chunk(name, array.ndim)).write_bytes(array.tobytes())
    with Store(folder) as store:
        head |= {"bytes": len(text), "digest": store.digest(after=HEAD, without="zarr.json")}
    group = {"zarr_format": 3, "node_type": "group", "attributes": head}
    (folder / "zarr.json").write_text(json.dumps(group), encoding="ascii")


def _zarr_array(array: np.ndarray) -> dict[str, Any]:
    """Return what Zarr says of an array that is one chunk of plain bytes."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(array.shape),
        "data_type": array.dtype.newbyteorder("=").name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [max(1, n) for n in array.shape]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": False if array.dtype.kind == "b" else 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    }


def _chunk(name: str, n_axes: int) -> str:
    return f"{name}/" + ".".join(["c", *"0" * n_axes])


# -- from a file to a tree


@contextmanager
def _one_sentence(path: Path, kind: str) -> Iterator[None]:
    what = f"{path} cannot be read as a {kind}"
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise type(error)(f"{what}: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{what}: {error}.") from None


def _head(store: Store) -> dict[str, Any] | None:
    """Return what a file says of itself, ``None`` if it is no tree."""
    try:
        values = _parsed(store.start(HEAD, HEAD_LIMIT), 0)
    except ValueError:
        return None
    if store.is_folder and isinstance(values, dict):
        values = values.get("attributes")
    return values if isinstance(values, dict) and values.get("format") == FORMAT else None


def _check_head(head: dict[str, Any], kind: str, versions: Sequence[int]) -> None:
    if head.get("kind") != kind:
        raise ValueError(f"it holds something else, {str(head.get('kind'))[:40]!r}")
    version = head.get("version")
    if type(version) is not int or version not in versions:
        these = ", ".join(map(str, versions))
        if type(version) is int and version > max(versions):
            raise ValueError(
                f"it was written by a later cellot-sc (its format is {version}, this one reads {these}): upgrade "
                "cellot-sc"
            )
        raise ValueError(f"its format is {str(version)[:40]}, which is not read any more, only {these}: fit it again")


def _other(store: Store, kind: str) -> str:
    """Return what a file that is no tree is."""
    start = store.start(HEAD_LIMIT, HEAD_LIMIT)
    if not start:
        return f"it is empty, or its start is lost: {AGAIN}"
    # the attribute by which AnnData marks its files
    if b"anndata" in start and b"encoding-type" in start:
        return _is_anndata(store.path, kind)
    if start.startswith(HDF5):
        return f"it is an HDF5 file, but none that holds a {kind}"
    return f"it is something else, or its start is broken: {AGAIN}"


def _is_anndata(path: Path, kind: str) -> str:
    reader = "read_zarr" if path.suffix == ".zarr" else "read_h5ad"
    return f"it holds an AnnData, no {kind}: cs.Model.of(anndata.{reader}({str(path)!r})) makes a model of a fit in it"


def _document(store: Store, head: dict[str, Any]) -> bytes:
    n_bytes, offset = head.get("bytes"), 0 if store.is_folder else head.get("offset")
    if type(n_bytes) is not int or type(offset) is not int:
        raise ValueError(f"it does not say where its document is: {AGAIN}")
    return store.piece(_chunk(DOCUMENT, 1), offset, n_bytes).tobytes()


def _nodes(text: bytes) -> int:
    """Return how many values there are at most; a mapping or list and a key take the memory of several."""
    return text.count(b",") + 3 * (text.count(b"[") + text.count(b"{")) + 3 * text.count(b":")


def _parsed(text: bytes, size: int) -> Any:
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


def _decoded_document(store: Store, document: Any) -> dict[str, Any]:
    if not isinstance(document, dict) or set(document) != {"arrays", "tree"} or type(document["tree"]) is not dict:
        raise ValueError("its document is none of a tree")
    kept = document["arrays"]
    if type(kept) is not list or len(kept) > ARRAYS:
        raise ValueError("its document has no list of arrays, or too many")
    arrays = {i: _checked_array(i, said) for i, said in enumerate(kept)}
    needed = sum(n_bytes for *_, n_bytes in arrays.values())
    if needed > store.size:
        raise ValueError(f"its arrays would take {needed:.3g} bytes, and it has {store.size:,}")
    tree = _decoded(document["tree"], store, arrays, 0)
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


def _decoded(node: Any, store: Store, arrays: dict[int, Any], depth: int) -> Any:
    """Return the value that a node of a document is; arrays that were read are taken from ``arrays``."""
    if depth > DEPTH:
        raise ValueError(f"its document is nested more than {DEPTH} deep")
    match node:
        case dict():
            return {key: _decoded(part, store, arrays, depth + 1) for key, part in node.items()}
        case ["array", i] if type(i) is int:
            if i not in arrays:
                raise ValueError(f"its array {i} is not there, or used twice")
            return _read_array(store, i, *arrays.pop(i))
        case ["list", [*parts]]:
            return [_decoded(part, store, arrays, depth + 1) for part in parts]
        case ["tuple", [*parts]]:
            return tuple(_decoded(part, store, arrays, depth + 1) for part in parts)
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


def _read_array(store: Store, i: int, dtype: np.dtype, shape: list[int], offset: int, n_bytes: int) -> np.ndarray:
    found = store.piece(_chunk(str(i), len(shape)), offset, n_bytes)
    if dtype.kind == "b" and found.size and found.max() > 1:
        raise ValueError(f"its array {i} holds truth values that are none")
    return found.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
