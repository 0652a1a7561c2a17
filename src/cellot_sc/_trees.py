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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import _files
from ._documents import decoded, encoded, parsed, written
from ._stores import SUFFIXES, Store

FORMAT = "cellot-sc"
HEAD = 512
"""Bytes before what HDF5 writes (its user block), which say what the file is."""
HEAD_LIMIT = 1 << 16
"""Most bytes of what says what a folder is."""
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
        values, arrays = encoded(tree)
        head = {"format": FORMAT, "kind": kind, "version": version}
        write = _write_folder if path.suffix == ".zarr" else _write_file
        write(new, arrays, values, head)


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

            def array(i: int, n_axes: int, offset: int, n_bytes: int) -> np.ndarray:
                return store.piece(_chunk(str(i), n_axes), offset, n_bytes)

            text = _document(store, head)
            try:
                return decoded(parsed(text, store.size), store.size, array)
            except ValueError as error:
                # its digest is right: it was made so
                raise ValueError(f"{error}: no cellot-sc has written it, do not use it") from None


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


def _write_file(path: Path, arrays: list[np.ndarray], values: Any, head: dict[str, Any]) -> None:
    import h5py

    # HDF5 ends by a segmentation fault where a disk is full
    memory = io.BytesIO()
    with h5py.File(memory, "w", userblock_size=HEAD) as file:

        def kept(name: str, array: np.ndarray) -> int:
            dataset = file.create_dataset(name, data=array, track_times=False)
            return dataset.id.get_offset() if array.size else HEAD

        offsets = [kept(str(i), array) for i, array in enumerate(arrays)]
        text = written(values, arrays, offsets)
        head |= {"bytes": len(text), "offset": kept(DOCUMENT, np.frombuffer(text, np.uint8))}
    content = memoryview(memory.getvalue())[HEAD:]
    head["digest"] = hashlib.blake2b(content, digest_size=16).hexdigest()
    with path.open("wb") as out:
        out.write(json.dumps(head).encode("ascii").ljust(HEAD - 1) + b"\n")
        out.write(content)


def _write_folder(folder: Path, arrays: list[np.ndarray], values: Any, head: dict[str, Any]) -> None:
    folder.mkdir()
    text = written(values, arrays, [0] * len(arrays))
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
        values = parsed(store.start(HEAD, HEAD_LIMIT), 0)
    except ValueError:
        return None
    if store.is_folder and isinstance(values, dict):
        values = values.get("attributes")
    return values if isinstance(values, dict) and values.get("format") == FORMAT else None


def _check_head(head: dict[str, Any], kind: str, versions: Sequence[int]) -> None:
    if head.get("kind") != kind:
        raise ValueError(f"it holds something else, {repr(head.get('kind'))[:40]}")
    version = head.get("version")
    if type(version) is not int or version not in versions:
        these = ", ".join(map(str, versions))
        if type(version) is int and version > max(versions):
            raise ValueError(
                f"it was written by a later cellot-sc (its format is {version}, this one reads {these}): upgrade "
                "cellot-sc"
            )
        raise ValueError(f"its format is {repr(version)[:40]}, which is not read any more, only {these}: fit it again")


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
