from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from cellot_sc._documents import BYTES_PER_NODE, FREE_NODES, _nodes, decoded, encoded, parsed, written

N = 60_000
NAMES = [f'"{i:04x}"' for i in range(N)]


def no_array(*_: int) -> np.ndarray:
    raise AssertionError("there is none")


def test_a_tree_is_a_document_and_arrays() -> None:
    tree = {"a": np.array([[1, 2]], dtype=">i4"), "b": [None, {"c": np.array(["x"])}], "d": -np.inf}
    values, arrays = encoded(tree)
    text = written(values, arrays, [512])
    assert text == (
        b'{"arrays":[["int32",[1,2],512]],"tree":{"a":["array",0],'
        b'"b":["list",[null,{"c":["texts",[[1],["x"]]]}]],"d":["float","-inf"]}}'
    )
    assert arrays[0].tobytes() == bytes([1, 0, 0, 0, 2, 0, 0, 0])

    def read(*place: int) -> np.ndarray:
        assert place == (0, 2, 512, 8)
        return np.frombuffer(arrays[0].tobytes(), np.uint8)

    found = decoded(parsed(text, 1000), 1000, read)
    np.testing.assert_array_equal(found["a"], [[1, 2]])
    assert found["a"].dtype == np.int32
    assert found["b"][0] is None and found["b"][1]["c"].tolist() == ["x"]
    assert found["d"] == -np.inf


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (object(), TypeError, r"the tree\['a'\]\[0\] is object, which cannot be kept"),
        (1j, TypeError, "is complex, which"),
        (np.datetime64("2026-01-01"), TypeError, "is date, which"),
        (np.array([None, "a"], dtype=object), TypeError, "is an array of object, which cannot be kept"),
        (np.array(["a", np.nan], dtype=np.dtypes.StringDType(na_object=np.nan)), TypeError, "is an array of StringD"),
        (np.ones(2, dtype=complex), TypeError, "is an array of complex128"),
        (np.ones(2, dtype=np.longdouble), TypeError, "is an array of float128|is an array of longdouble"),
        (np.ma.masked_array([1.0], mask=[True]), TypeError, "is an array of float64"),
        (np.zeros(2, dtype="M8[s]"), TypeError, "is an array of datetime64"),
        ({1: "a"}, TypeError, r"\[0\] has a key that is no text: 1"),
        (2**64, ValueError, "needs more than 64 bits"),
        (-(2**63) - 1, ValueError, "needs more than 64 bits"),
        (np.ones((1,) * 33), ValueError, "has 33 axes; at most 32"),
    ],
)
def test_what_cannot_be_kept_is_named(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        encoded({"a": [value]})


def test_a_tree_that_holds_itself_is_refused() -> None:
    tree: dict[str, Any] = {}
    tree["a"] = tree
    with pytest.raises(ValueError, match=r"the tree\['a'\]\['a'\]\['a'\]... is nested more than 64 deep"):
        encoded(tree)


@pytest.mark.parametrize(
    "value",
    [
        '["list",[' + ",".join(NAMES) + "]]",
        f'["texts",[[{N}],[' + ",".join(NAMES) + "]]]",
        '["list",[' + ",".join(["0.1"] * N) + "]]",
        "{" + ",".join(f"{name}:1" for name in NAMES) + "}",
        "{" + ",".join(f"{name}:{{}}" for name in NAMES) + "}",
        '["list",[' + ",".join(["{}"] * N) + "]]",
        '["list",[' + ",".join(['["tuple",[1]]'] * N) + "]]",
        '["list",[' + ",".join(['["float","nan"]'] * N) + "]]",
        '"' + "a" * 20 * N + '\\ud83d\\ude00"',
        '"' + "a\\n" * 20 * N + '\\ud83d\\ude00"',
    ],
    ids=["list", "texts", "numbers", "names", "mappings", "empty", "tuples", "floats", "text", "escapes"],
)
def test_no_document_takes_more_than_ten_times_its_size(value: str) -> None:
    """Each is as short as one with so many values may be."""
    text = ('{"arrays":[],"tree":{"a":' + value + "}}").encode()
    n_spaces = BYTES_PER_NODE * (_nodes(text) - FREE_NODES) - len(text)
    text += b" " * n_spaces
    tracemalloc.start()
    try:
        decoded(parsed(text, len(text)), len(text), no_array)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(text) + 4e6
    if n_spaces > 0:
        with pytest.raises(ValueError, match="more values than a file of its size may have"):
            parsed(text, len(text) - 100 * BYTES_PER_NODE)
