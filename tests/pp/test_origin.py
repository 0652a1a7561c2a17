from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from scipy import sparse

from cellot_sc.pp import _origin
from cellot_sc.pp._origin import Marks, Origin

NAMES = [f"cell_{i}" for i in range(40)]
X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
ONE = {"names": [1], "places": [0.0], "seen": [True], "labels": [1]}


def counted(masks: tuple[np.ndarray, ...]) -> list[int]:
    return [int(mask.sum()) for mask in masks]


class TestMarks:
    marks = Marks.of(NAMES[:30], X[:30])

    def test_cells_are_known_again_in_any_order_and_company(self) -> None:
        rows = np.random.default_rng(1).permutation(40)
        marked, known, same = self.marks.recognise(np.array(NAMES)[rows], X[rows])
        assert marked.all()
        np.testing.assert_array_equal(known, rows < 30)
        np.testing.assert_array_equal(same, rows < 30)

    @pytest.mark.parametrize(
        "changed", [X * 1.01, X[:, ::-1], X + 0.01, X[:, :4]], ids=["scaled", "turned", "moved", "cut"]
    )
    def test_cells_that_have_moved_are_known_by_name_only(self, changed: np.ndarray) -> None:
        assert counted(self.marks.recognise(NAMES, changed)) == [40, 30, 0]

    def test_rounding_is_no_move(self) -> None:
        assert counted(self.marks.recognise(NAMES, X * (1 + 1e-7))) == [40, 30, 30]

    def test_sparse_cells(self) -> None:
        assert counted(self.marks.recognise(NAMES, sparse.csr_matrix(X))) == [40, 30, 30]

    def test_names_that_are_not_unique_mark_nothing(self) -> None:
        assert len(Marks.of(["a", "a", "b"], X[:3]).names) == 1

    def test_a_sample_of_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_origin, "MAX_MARKS", 10)
        marks = Marks.of(NAMES[:30], X[:30])
        assert len(marks.names) == 10
        marked, known, same = marks.recognise(NAMES, X)
        assert (known.sum(), same.sum()) == (10, 10)
        # of cells that could have been sampled, as many were learnt from as of all
        assert known.sum() / marked.sum() == pytest.approx(0.75, abs=0.2)
        assert counted(marks.recognise(NAMES[30:], X[30:]))[1:] == [0, 0]

    def test_labels_are_compared_where_cells_are_known_by_name_and_place(self) -> None:
        labels = np.array(["a", "b"] * 20, dtype=object)
        marks = Marks.read(Marks.of(NAMES[:30], X[:30], labels=labels[:30]).kept())
        moved, others = X.copy(), labels.copy()
        moved[:10] += 1
        others[5:12] = None
        same, changed = marks.relabelled(NAMES, moved, others)
        assert (np.flatnonzero(same).tolist(), np.flatnonzero(changed).tolist()) == (list(range(10, 30)), [10, 11])
        # of a representation, no labels are kept
        assert not self.marks.relabelled(NAMES, X, others)[1].any()

    def test_what_was_learnt_from_is_told_from_what_was_there(self) -> None:
        marks = Marks.read(Marks.of(NAMES, X, seen=np.arange(40) < 25).kept())
        marked, learnt = marks.learnt(NAMES[20:], X[20:])
        assert marked.all()
        assert learnt.tolist() == [True] * 5 + [False] * 15
        assert counted(marks.recognise(NAMES, X)) == [40, 40, 40]

    def test_cells_that_lie_nowhere_are_not_marked(self) -> None:
        x = X.copy()
        x[3, 0] = np.nan
        assert len(Marks.of(NAMES, x).names) == 39

    def test_none(self) -> None:
        assert counted(Marks.read(None).recognise(NAMES, X)) == [0, 0, 0]

    @pytest.mark.parametrize("names", [[2, 1], [1, 1], [1], [[1, 2]]])
    def test_what_is_broken(self, names: list[int]) -> None:
        with pytest.raises(ValueError, match="not as many numbers of each kind"):
            Marks.read(Marks.of(NAMES[:2], X[:2]).kept() | {"names": np.array(names)})

    @pytest.mark.parametrize(
        "kept",
        [{}, "text", [1], {"names": [1]}, ONE | {"names": ["a"]}, ONE | {"places": [np.nan]}, ONE | {"names": [-1]},
         ONE | {"seen": [True, False]}, ONE | {"labels": [1, 2]}],
    )  # fmt: skip
    def test_what_is_something_else(self, kept: Any) -> None:
        with pytest.raises(ValueError, match="not as many numbers of each kind: represent and fit again"):
            Marks.read(kept)


def test_survives_a_file(tmp_path: Path) -> None:
    origin = Origin(5, ("a/b", "nan"), "abc", 0.0, 3.5, Marks.of(NAMES, X))
    AnnData(np.ones((1, 1)), uns={"origin": origin.kept()}).write_h5ad(tmp_path / "a.h5ad")
    read = Origin.read(read_h5ad(tmp_path / "a.h5ad").uns["origin"])
    assert (read.n_dims, read.features, read.decoder, read.low, read.high) == (5, ("a/b", "nan"), "abc", 0.0, 3.5)
    assert counted(read.marks.recognise(NAMES, X)) == [40, 40, 40]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n_dims", "5", "origin.n_dims is '5'; a positive whole number"),
        (
            "features",
            np.array(["a", "a"], dtype=object),
            "features is .*; texts are needed, of which no two are",
        ),
        ("decoder", None, "origin.decoder is None; a text is needed"),
        ("low", np.nan, "origin.low is nan; a number or inf is needed"),
        ("high", "inf", "origin.high is 'inf'; a number or inf is needed"),
        ("more", 1, "origin.'more' is unknown"),
    ],
)
def test_what_is_no_origin(name: str, value: Any, words: str) -> None:
    kept = Origin(5, (), "", -np.inf, np.inf, Marks.of(NAMES, X)).kept()
    with pytest.raises(ValueError, match=words):
        Origin.read(kept | {name: value})
