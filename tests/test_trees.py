from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import anndata
import h5py
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import zarr
from hypothesis import given, settings

from cellot_sc._documents import DTYPES
from cellot_sc._stores import SUFFIXES, Store
from cellot_sc._trees import read_tree, tree_kind, write_tree

type Bounded = Callable[[], AbstractContextManager[None]]

TREE = {
    "maps": {"a/b": {"A": np.arange(6, dtype=np.float32).reshape(2, 3), "": np.array(True)}, "\ud800": "\udfff"},
    "genes": np.array(["CD14", "é", ""], dtype=object),
    "nothing": None,
    "limits": [-math.inf, 1, 2.5, (False, "x")],
    "empty": np.empty((0, 10**18)),
}


def write(tree: dict[str, Any], path: Path, **options: Any) -> None:
    write_tree(tree, path, kind="model", version=1, **options)


def read(path: Path) -> dict[str, Any]:
    return read_tree(path, kind="model", versions=[1])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def check_same(found: Any, given: Any) -> None:
    """Check that what was read is what was written, types and bits and all."""
    if isinstance(given, np.generic):
        given = given.item()
    if isinstance(given, np.ndarray):
        assert type(found) is np.ndarray and found.shape == given.shape
        assert found.dtype == (object if given.dtype.kind in "UOT" else given.dtype.newbyteorder("="))
        assert found.flags.writeable and found.flags.c_contiguous
        np.testing.assert_array_equal(found, given)
        return
    assert type(found) is type(given)
    if isinstance(given, dict):
        assert list(found) == list(given)
        for name in given:
            check_same(found[name], given[name])
    elif isinstance(given, list | tuple):
        assert len(found) == len(given)
        for one, other in zip(found, given, strict=True):
            check_same(one, other)
    else:
        # a zero has its sign, and what is no number is none
        assert repr(found) == repr(given)


numbers = st.sampled_from([*DTYPES, ">f8", ">i4"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
texts = hnp.arrays(object, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3), elements=st.text())
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
trees = st.recursive(
    plain | numbers | texts | numbers.map(np.transpose) | st.floats(width=32).map(np.float32),
    lambda parts: st.dictionaries(st.text(), parts, max_size=4) | st.lists(parts, max_size=4) | st.tuples(parts, parts),
    max_leaves=12,
)


@settings(max_examples=60)
@given(tree=st.dictionaries(st.text(), trees, max_size=5), suffix=st.sampled_from(SUFFIXES))
def test_what_was_written_is_read(tree: dict[str, Any], suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tree") / f"cells.cellot{suffix}"
    write(tree, path)
    assert tree_kind(path) == "model"
    check_same(read(path), tree)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_readers_open_it_and_the_same_tree_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    path, again = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write(TREE, path)
    write(TREE, again)
    check_same(read(path), TREE)
    if suffix == ".zarr":
        group = zarr.open_group(path, mode="r")
        found: dict[str, Any] = {name: array[...] for name, array in group.arrays() if array.size}
        assert group.attrs["kind"] == "model"
    else:
        assert path.read_bytes() == again.read_bytes()
        with h5py.File(path) as file:
            found = {name: dataset[()] for name, dataset in file.items() if dataset.size}
            assert all(dataset.chunks is None and dataset.compression is None for dataset in file.values())
    np.testing.assert_array_equal(found["0"], TREE["maps"]["a/b"]["A"])  # type: ignore[index]
    assert bool(found["1"]) is True
    assert json.loads(found["tree"].tobytes())["tree"]["genes"] == ["texts", [[3], ["CD14", "é", ""]]]


def test_a_tree_of_many_short_texts_is_read_again(tmp_path: Path) -> None:
    tree = {"names": np.array([f"{i:x}" for i in range(100_000)], dtype=object), "numbers": list(range(50_000))}
    write(tree, tmp_path / "a.h5")
    check_same(read(tmp_path / "a.h5"), tree)


def test_what_cannot_be_kept_leaves_the_former_file(tmp_path: Path) -> None:
    write({"a": 1}, tmp_path / "a.h5")
    with pytest.raises(TypeError, match=r"the tree\['a'\]\[0\] is object, which cannot be kept"):
        write({"a": [object()]}, tmp_path / "a.h5", overwrite=True)
    assert read(tmp_path / "a.h5") == {"a": 1}
    assert names(tmp_path) == {"a.h5"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_there_is_replaced_only_on_request(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write({"a": 1}, path)
    with pytest.raises(FileExistsError, match=r"exists; overwrite=True replaces it"):
        write({"a": 2}, path)
    assert read(path) == {"a": 1}
    write({"a": 2}, path, overwrite=True)
    assert read(path) == {"a": 2}
    assert names(tmp_path) == {path.name}


def test_places_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("ten years of work")
    with pytest.raises(ValueError, match="is a folder that is no Zarr store: it is not replaced"):
        write({}, tmp_path / "mine.zarr", overwrite=True)
    with pytest.raises(ValueError, match=r"ends in '.pkl'. Valid: '.zarr', '.h5'"):
        write({}, tmp_path / "a.pkl")
    with pytest.raises(FileNotFoundError, match="the folder .* does not exist"):
        write({}, tmp_path / "absent" / "a.h5")
    assert names(tmp_path) == {"mine.zarr"}


DYING = """
import os, resource, signal, sys
from pathlib import Path
import h5py, numpy as np
from cellot_sc._trees import write_tree

path = Path(sys.argv[1])
replace = os.replace
def die(source, target):
    if Path(source).name == path.name or Path(target).name == "old":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
if sys.argv[2] == "killed":
    os.replace = die
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    write_tree({"a": np.ones(100_000)}, path, kind="model", version=1, overwrite=True)
except OSError as error:
    print(error.filename, error.strerror, sep=": ", file=sys.stderr)
    sys.exit(2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("fate", ["killed", "full"])
def test_a_sudden_death_or_a_full_disk_leaves_the_former_file(tmp_path: Path, suffix: str, fate: str) -> None:
    path = tmp_path / f"a{suffix}"
    write({"a": 1}, path)
    done = subprocess.run([sys.executable, "-c", DYING, str(path), fate], capture_output=True, text=True)
    if fate == "killed":
        assert done.returncode == -signal.SIGKILL, done.stderr
    else:
        assert done.returncode == 2
        assert done.stderr.endswith("File too large\n") and done.stderr.startswith(str(path))
        assert done.stderr.count("\n") == 1
    assert read(path) == {"a": 1}
    write({"a": 2}, path, overwrite=True)
    assert names(tmp_path) == {path.name}


# -- files that are broken or hostile

ALLOWANCE = 8 << 20
"""Bytes that may be taken whatever the size of a file."""


class Exploit:
    """What a pickle of it would do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def document(tree: str = "{}", arrays: str = "[]") -> str:
    return f'{{"arrays":{arrays},"tree":{tree}}}'


def forge(path: Path, text: str | bytes, *, data: bytes = b"", **head: Any) -> Path:
    """Write a file with the right digest of whatever it holds: the document, then the data of array 0."""
    text = text.encode() if isinstance(text, str) else text
    head = {"format": "cellot-sc", "kind": "model", "version": 1, "bytes": len(text), "offset": 512} | head
    if path.suffix == ".h5":
        head = {"digest": hashlib.blake2b(text + data, digest_size=16).hexdigest()} | head
        path.write_bytes(json.dumps(head).encode().ljust(512) + text + data)
        return path
    (path / "tree").mkdir(parents=True)
    (path / "tree" / "c.0").write_bytes(text)
    (path / "0").mkdir()
    (path / "0" / "c.0").write_bytes(data)
    return seal(path, **head)


def seal(path: Path, **head: Any) -> Path:
    """Write what a folder says of itself, with the right digest."""
    with Store(path) as store:
        head = {"digest": store.digest(after=512, without="zarr.json")} | head
    (path / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": head}))
    return path


def refused(path: Path, words: str, bounded: Bounded) -> None:
    """Check that a file is refused in one sentence, soon, and without taking much memory."""
    size = sum(f.lstat().st_size for f in ([path] if not path.is_dir() else path.rglob("*")) if os.path.lexists(f))
    on_disk = min(size, 1 << 30) if not path.is_file() else min(size, 512 * path.stat().st_blocks)
    tracemalloc.start()
    try:
        with bounded(), pytest.raises((ValueError, OSError), match=words) as caught:
            read(path)
        kind = tree_kind(path)
        assert kind is None or isinstance(kind, str)
        assert tracemalloc.get_traced_memory()[1] <= 10 * on_disk + ALLOWANCE
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith((f"{path} cannot be read as a model: ", f"{path} does not exist."))
    assert not Path("executed").exists()


F4 = '["float32",[2],700]'
DOCUMENTS: dict[str, tuple[str | bytes, str]] = {
    "no document": ("", "is no JSON"),
    "cut JSON": (document()[:-1], "is no JSON"),
    "pickle": (pickle.dumps(Exploit()), "no plain text|no JSON"),
    "no UTF-8": (b'{"arrays":[],"tree":{"a":"\xff\xfe"}}', "no plain text"),
    "UTF-16": (document().encode("utf-16"), "no plain text"),
    "nested lists": ("[" * 40_000 + "]" * 40_000, "more values than"),
    "nested deep": ("[" * 15_000 + "]" * 15_000, "nested more than 64 deep"),
    "nested a little": (document('{"a":' * 80 + "{}" + "}" * 80), "nested more than 64 deep"),
    "two names": (document('{"a":1,"a":2}'), "has a name twice"),
    "two trees": ('{"arrays":[],"tree":{},"tree":{}}', "has a name twice"),
    "huge integer": (document('{"a":' + "9" * 100_000 + "}"), "more than 64 bits"),
    "integer of 65 bits": (document(f'{{"a":{2**64}}}'), "more than 64 bits"),
    "long number": (document('{"a":0.' + "3" * 100_000 + "}"), "a number that is none"),
    "endless number": (document('{"a":1e999}'), "a number that is none"),
    "NaN": (document('{"a":NaN}'), "a number that is none, NaN"),
    "odd word": (document('{"a":["eval","1"]}'), "a value that is none"),
    "odd list": (document('{"a":[]}'), "a value that is none"),
    "odd float": (document('{"a":["float","0x1"]}'), "a value that is none"),
    "list for a tree": (document("[]"), "none of a tree"),
    "text for a tree": (document('"x"'), "none of a tree"),
    "no tree": ('{"arrays":[]}', "none of a tree"),
    "more beside": ('{"arrays":[],"tree":{},"code":"x"}', "none of a tree"),
    "number for arrays": (document("{}", "3"), "no list of arrays"),
    "absent array": (document('{"a":["array",0]}'), "array 0 is not there, or used twice"),
    "negative array": (document('{"a":["array",-1]}', f"[{F4}]"), "array -1 is not there"),
    "array True": (document('{"a":["array",true]}', f"[{F4}]"), "a value that is none"),
    "array of a name": (document('{"a":["array","../0"]}'), "a value that is none"),
    "array used twice": (document('{"a":["array",0],"b":["array",0]}', '[["float32",[0],512]]'), "used twice"),
    "array not used": (document("{}", '[["float32",[0],512]]'), "array 0 is not part of the tree"),
    "many values": (document('{"a":["list",[' + ",".join("0" * 200_000) + "]]}"), "more values than"),
    "many mappings": (document('{"a":["list",[' + ",".join(["{}"] * 100_000) + "]]}"), "more values than"),
    "many arrays": (document("{}", "[" + ",".join([F4] * 100_001) + "]"), "more values than"),
    "objects": (document('{"a":["array",0]}', '[["object",[1],512]]'), "array 0 holds 'object', no numbers"),
    "void": (document('{"a":["array",0]}', '[["V8",[1],512]]'), "array 0 holds 'V8', no numbers"),
    "big endian": (document('{"a":["array",0]}', '[[">f4",[1],512]]'), "array 0 holds '>f4', no numbers"),
    "fields": (document('{"a":["array",0]}', '[[[["x","f4"]],[1],512]]'), "array 0 is not described"),
    "array of text": (document('{"a":["array",0]}', '["float32"]'), "array 0 is not described"),
    "negative size": (document('{"a":["array",0]}', '[["float32",[-1,-2],512]]'), "shape that there is not"),
    "size of a part": (document('{"a":["array",0]}', '[["float32",[1.5],512]]'), "shape that there is not"),
    "size of truth": (document('{"a":["array",0]}', '[["float32",[true],512]]'), "shape that there is not"),
    "33 axes": (document('{"a":["array",0]}', f'[["float32",{[1] * 33},512]]'), "shape that there is not"),
    "empty but huge": (document('{"a":["array",0]}', f'[["int8",{[0, 2**62, 4]},512]]'), "shape that there is not"),
    "huge": (document('{"a":["array",0]}', '[["float64",[1000000,1000000],512]]'), "arrays would take 8e.12 bytes"),
    "overflowing": (document('{"a":["array",0]}', f'[["int8",{[2**32, 2**32]},512]]'), "arrays would take 1.84e.19"),
    "together too large": (
        document('{"a":["array",0]}', "[" + ",".join(['["int8",[2000],512]'] * 90) + "]"),
        "arrays would take 1.8e.05 bytes",
    ),
    "texts of another shape": (document('{"a":["texts",[[3],["a"]]]}'), "texts that are none"),
    "texts that are numbers": (document('{"a":["texts",[[1],[1]]]}'), "texts that are none"),
    "texts of a negative shape": (document('{"a":["texts",[[-1,-1],["a"]]]}'), "texts that are none"),
    "no texts, but huge": (document('{"a":["texts",[[0,1e9],[]]]}'), "texts that are none"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_hostile_documents(tmp_path: Path, suffix: str, name: str, bounded: Bounded) -> None:
    text, words = DOCUMENTS[name]
    refused(forge(tmp_path / f"a{suffix}", text), words, bounded)


def test_a_forged_file_is_read_if_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    """So that what the others are refused for is what is wrong with them."""
    for suffix, offset in ((".h5", 512 + 60), (".zarr", 0)):
        text = document('{"a":["array",0]}', f'[["int16",[2],{offset}]]').ljust(60)
        path = forge(tmp_path / f"a{suffix}", text, data=np.array([3, 4], "<i2").tobytes())
        check_same(read(path), {"a": np.array([3, 4], dtype=np.int16)})


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"version": 2}, "was written by a later cellot-sc .its format is 2, this one reads 1.: upgrade cellot-sc"),
        ({"version": 0}, "its format is 0, which is not read any more"),
        ({"version": True}, "its format is True"),
        ({"version": "1\n\x1b"}, r"its format is '1.n.x1b', which"),
        ({"kind": "space"}, "holds something else, 'space'"),
        ({"kind": ["model"] * 20}, "holds something else"),
        ({"format": "other"}, "something else, or its start is broken|none that holds a model"),
        ({"digest": None}, "changed after it was written"),
        ({"digest": "0" * 32}, "changed after it was written"),
        ({"bytes": -1}, "cut short|another size"),
        ({"bytes": 10**15}, "cut short|another size"),
        ({"bytes": 5}, "no JSON|another size"),
        ({"bytes": 1.5}, "does not say where its document is"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_heads_that_cannot_be(tmp_path: Path, suffix: str, head: dict[str, Any], words: str, bounded: Bounded) -> None:
    refused(forge(tmp_path / f"a{suffix}", document(), **head), words, bounded)


@pytest.mark.parametrize(("offset", "words"), [(-512, "cut short"), (10**18, "cut short"), ("0", "does not say where")])
def test_documents_at_places_that_there_are_not(tmp_path: Path, offset: Any, words: str, bounded: Bounded) -> None:
    refused(forge(tmp_path / "a.h5", document(), offset=offset), words, bounded)


def make(path: Path, name: str) -> None:
    """Make a file or folder that holds no tree, or a broken one."""
    if name in ("empty", "text", "hdf5 of text"):
        path.write_bytes({"empty": b"", "text": b"no model", "hdf5 of text": b"\x89HDF\r\n\x1a\nno model"}[name])
    elif name == "pickle":
        path.write_bytes(pickle.dumps(Exploit()))
    elif name == "numpy":
        np.save(path.with_suffix(".npy"), np.array([Exploit()]), allow_pickle=True)
        path.with_suffix(".npy").rename(path)
    elif name == "anndata":
        cells = anndata.AnnData(np.ones((3, 2), dtype=np.float32))
        cells.write_zarr(path) if path.suffix == ".zarr" else cells.write_h5ad(path)
    elif name == "anndata of old":
        path.mkdir()
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text('{"encoding-type": "anndata", "encoding-version": "0.1.0"}')
    elif name == "hdf5":
        with h5py.File(path, "w") as file:
            file["numbers"] = np.eye(3)
    elif name == "zarr":
        zarr.open_group(path, mode="w").create_array("numbers", data=np.eye(3))
    elif name == "folder":
        path.mkdir()
    elif name == "pipe":
        os.mkfifo(path)
    elif name == "device":
        path.symlink_to("/dev/zero")
    elif name == "socket":
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    elif name == "dangling":
        path.symlink_to(path.parent / "nowhere")
    elif name == "circle":
        path.symlink_to(path)
    elif name == "long head":
        path.mkdir()
        (path / "zarr.json").write_text('{"attributes":' + "[" * 10**6)
    elif name == "sparse":
        forge(path, document('{"a":["array",0]}', f'[["int8",[{2**40}],700]]'))
        os.truncate(path, 2**41)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")
@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("a.h5", "absent", r"a.h5 does not exist. Did you mean '.*b.h5'\?"),
        ("a.zarr", "dangling", "does not exist"),
        ("a.h5", "circle", "does not exist"),
        ("a.h5", "empty", "it is empty"),
        ("a.h5", "text", "something else, or its start is broken"),
        ("a.h5", "pickle", "something else"),
        ("a.h5", "numpy", "something else"),
        ("a.h5", "hdf5 of text", "an HDF5 file, but none that holds a model"),
        ("a.h5", "hdf5", "an HDF5 file, but none that holds a model"),
        ("a.h5", "anndata", r"holds an AnnData, no model: cs.Model.of\(anndata.read_h5ad\("),
        ("a.h5ad", "anndata", r"holds an AnnData, no model: cs.Model.of\(anndata.read_h5ad\("),
        ("a.zarr", "anndata", r"holds an AnnData, no model: cs.Model.of\(anndata.read_zarr\("),
        ("a.zarr", "anndata of old", "holds an AnnData, no model"),
        ("a.zarr", "zarr", "something else"),
        ("a.zarr", "folder", "it is empty"),
        ("a.zarr", "long head", "something else"),
        ("a.h5", "folder", "is a folder, not a file"),
        ("a.zarr", "text", "is a file, not a folder"),
        ("a.pkl", "pickle", "name ends in '.pkl', not in '.zarr' or '.h5'"),
        ("a.h5", "pipe", "no file, but a device, a pipe or a socket"),
        ("a.zarr", "pipe", "no file, but a device, a pipe or a socket|not a folder"),
        ("a.h5", "device", "no file, but a device, a pipe or a socket"),
        ("a.h5", "socket", "no file, but a device, a pipe or a socket"),
        ("a.h5", "sparse", "never written"),
    ],
)
def test_files_that_are_no_trees(
    tmp_path: Path, file: str, name: str, words: str, bounded: Bounded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write({}, tmp_path / "b.h5")
    make(tmp_path / file, name)
    refused(tmp_path / file, words, bounded)


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bounded: Bounded) -> None:
    write({}, tmp_path / "a.h5")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "a.h5")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"a.h5 cannot be read as a model: Permission denied"):
        read(tmp_path / "a.h5")
    assert tree_kind(tmp_path / "a.h5") is None


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("link to a file", "'0/c.0.0' is a link, a device or a folder"),
        ("link to a folder", "'0' is a link, a device or a folder"),
        ("link for a head", "something else|'zarr.json' is a link"),
        ("pipe", "'0/c.0.0' is a link, a device or a folder"),
        ("folder in a folder", "'0/inner' is a link, a device or a folder"),
        ("absent chunk", "changed after it was written"),
        ("absent chunk, sealed", "0/c.0.0 is not there, or has another size than 24"),
        ("short chunk, sealed", "0/c.0.0 is not there, or has another size than 24"),
        ("long chunk, sealed", "0/c.0.0 is not there, or has another size than 24"),
        ("another chunk", "changed after it was written"),
        ("more chunks", "changed after it was written"),
        ("another shape", "changed after it was written"),
        ("another codec", "changed after it was written"),
        ("truth values, sealed", "array 1 holds truth values that are none"),
    ],
)
def test_folders_that_were_changed(tmp_path: Path, change: str, words: str, bounded: Bounded) -> None:
    path, outside = tmp_path / "a.zarr", tmp_path / "outside"
    write(TREE, path)
    outside.write_bytes(bytes(24))
    head = json.loads((path / "zarr.json").read_text())["attributes"]
    chunk, described = path / "0" / "c.0.0", path / "0" / "zarr.json"
    if change.startswith(("link", "pipe", "absent")):
        place = {"link to a folder": path / "0", "link for a head": path / "zarr.json"}.get(change, chunk)
        place.rename(tmp_path / "away")
        if change == "pipe":
            os.mkfifo(place)
        elif not change.startswith("absent"):
            place.symlink_to(tmp_path / "away" if place != chunk else outside)
    elif change == "folder in a folder":
        (path / "0" / "inner").mkdir()
    elif change == "more chunks":
        (path / "0" / "c.1.0").write_bytes(bytes(24))
    elif "chunk" in change:
        chunk.write_bytes(bytes({"short": 20, "long": 48}.get(change.split()[0], 24)))
    elif change.startswith("truth"):
        (path / "1" / "c").write_bytes(b"\2")
    else:
        said = json.loads(described.read_text())
        said |= {"shape": [10**9, 10**9]} if change == "another shape" else {"codecs": [{"name": "gzip"}]}
        described.write_text(json.dumps(said))
    if change.endswith("sealed"):
        seal(path, **{k: v for k, v in head.items() if k != "digest"})
    refused(path, words, bounded)


@pytest.mark.parametrize("change", ["more", "deleted", "external link", "compressed", "repacked"])
def test_hdf5_files_that_were_changed(tmp_path: Path, change: str, bounded: Bounded) -> None:
    path = tmp_path / "a.h5"
    write(TREE, path)
    with h5py.File(path, "a") as file:
        if change == "more":
            file["x"] = 1
        else:
            del file["0"]
        if change == "external link":
            file["0"] = h5py.ExternalLink("/etc/passwd", "/")
        elif change == "compressed":
            file.create_dataset("0", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")
    if change == "repacked":
        with h5py.File(path) as file, h5py.File(tmp_path / "b.h5", "w") as other:
            for name in file:
                file.copy(name, other)
        path = tmp_path / "b.h5"
    refused(path, "changed after it was written" if change != "repacked" else "none that holds a model", bounded)


def test_an_array_beyond_the_end(tmp_path: Path, bounded: Bounded) -> None:
    text = document('{"a":["array",0]}', '[["int8",[100],540]]')
    refused(forge(tmp_path / "a.h5", text), "cut short", bounded)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flipped_bytes_and_cut_files_are_told_or_change_nothing(tmp_path: Path, suffix: str, bounded: Bounded) -> None:
    path = tmp_path / f"a{suffix}"
    write(TREE, path)
    random = np.random.default_rng(0)
    files = sorted(f for f in [path, *path.rglob("*")] if f.is_file())
    refusals = 0
    for i in range(300):
        file = files[random.integers(len(files))]
        whole = file.read_bytes()
        broken = bytearray(whole)
        if i % 3:
            # half of them where the file says what it is
            broken[random.integers(len(whole) if i % 2 else min(len(whole), 512))] ^= 1 << random.integers(8)
        else:
            del broken[random.integers(len(whole)) :]
        file.write_bytes(broken)
        try:
            with bounded():
                check_same(read(path), TREE)
        except (ValueError, OSError) as error:
            assert str(error).startswith(f"{path} cannot be read as a model: ") and "\n" not in str(error)
            refusals += 1
        kind = tree_kind(path)
        assert kind is None or isinstance(kind, str)
        file.write_bytes(whole)
    assert refusals > 200
    check_same(read(path), TREE)


def test_what_the_finder_leaves_in_folders_is_no_matter(tmp_path: Path) -> None:
    write(TREE, tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "a.zarr" / "0" / ".nfs01").write_bytes(b"\0")
    check_same(read(tmp_path / "a.zarr"), TREE)


def test_kinds_of_odd_paths() -> None:
    for path in ("", ".", "/dev/null", "/", "a\0b", "x" * 5000, "nowhere.h5"):
        assert tree_kind(Path(path)) is None


def test_documents_of_which_bytes_were_exchanged_give_a_tree_or_one_sentence(tmp_path: Path, bounded: Bounded) -> None:
    """The digest is right, as it is in a file that somebody made on purpose."""
    path = tmp_path / "a.h5"
    write(TREE, path)
    whole = path.read_bytes()
    head = json.loads(whole[:512])
    start, n_bytes = head["offset"], head["bytes"]
    random = np.random.default_rng(0)
    pieces = [b"[", b"]", b"{", b"}", b"9", b"-", b'"', b",", b":", b"e9", b"null", b"true", b"\\ud800", b"\0", b"\xff"]
    n_trees = 0
    for _ in range(400):
        text = bytearray(whole[start : start + n_bytes])
        for place in random.integers(n_bytes, size=random.integers(1, 4)):
            piece = pieces[random.integers(len(pieces))]
            text[place : place + len(piece)] = piece
        body = whole[512:start] + bytes(text[:n_bytes]).ljust(n_bytes) + whole[start + n_bytes :]
        digest = hashlib.blake2b(body, digest_size=16).hexdigest()
        path.write_bytes(json.dumps(head | {"digest": digest}).encode().ljust(512) + body)
        try:
            with bounded():
                assert isinstance(read(path), dict)
            n_trees += 1
        except ValueError as error:
            assert str(error).startswith(f"{path} cannot be read as a model: ") and "\n" not in str(error)
    assert 0 < n_trees < 200
