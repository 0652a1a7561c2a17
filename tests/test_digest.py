from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData, read_h5ad

from cellot_sc._digest import digest, digest_of_cells, name_hashes

VALUES: dict[str, Any] = {
    "text": "a",
    "number": 3,
    "yes": True,
    "single": np.arange(4, dtype=np.float32) / 3,
    "matrix": np.ones((2, 3)),
    "names": np.array(["g1", "g2"], dtype=object),
    "inner": {"x": 0.1},
}


def test_is_the_same_after_a_file(tmp_path: Path) -> None:
    AnnData(np.ones((1, 1)), uns={"values": VALUES}).write_h5ad(tmp_path / "a.h5ad")
    assert digest(read_h5ad(tmp_path / "a.h5ad").uns["values"]) == digest(VALUES)


@pytest.mark.parametrize(
    "change",
    [
        {"text": "b"},
        {"number": 4},
        {"yes": False},
        {"single": np.nextafter(VALUES["single"], 1)},
        {"matrix": np.ones((3, 2))},
        {"names": ["g2", "g1"]},
        {"names": ["g1g", "2"]},
        {"inner": {"y": 0.1}},
        {"more": 0},
    ],
)
def test_tells_every_change(change: dict[str, Any]) -> None:
    assert digest(VALUES | change) != digest(VALUES)


def test_hashes_are_fixed() -> None:
    """They are kept in files."""
    assert name_hashes(["cell_1", 1]).tolist() == name_hashes(np.array(["cell_1", "1"])).tolist()
    assert name_hashes(["cell_1"]).tolist() == [int(name_hashes(["cell_1"])[0])]
    assert digest("a") == digest(np.array(["a"]))


class TestCells:
    NAMES, LABELS, PARTS = list("abcd"), ["x", "x", "y", "y"], ["train", "valid", "train", "train"]

    def test_order_does_not_matter(self) -> None:
        turned = [values[::-1] for values in (self.NAMES, self.LABELS, self.PARTS)]
        assert digest_of_cells(*turned) == digest_of_cells(self.NAMES, self.LABELS, self.PARTS)

    @pytest.mark.parametrize(
        ("names", "labels", "parts"),
        [
            # labels exchanged between two cells
            (NAMES, ["y", "x", "x", "y"], PARTS),
            (NAMES, LABELS, ["valid", "train", "train", "train"]),
            (["a", "b", "c", "e"], LABELS, PARTS),
            (NAMES[:3], LABELS[:3], PARTS[:3]),
            (NAMES, ["train", "valid", "train", "train"], LABELS),
        ],
    )
    def test_everything_else_does(self, names: list[str], labels: list[str], parts: list[str]) -> None:
        assert digest_of_cells(names, labels, parts) != digest_of_cells(self.NAMES, self.LABELS, self.PARTS)
