from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

from cellot_sc import _neighbors
from cellot_sc.pl import _bases, _cells


def test_pca_keeps_distances_of_a_plane() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(50, 2)) @ np.linalg.qr(rng.normal(size=(5, 5)))[0][:2]
    xy = _bases.embed(flat, _bases.PRINCIPAL)
    assert xy.shape == (50, 2)
    np.testing.assert_allclose(np.linalg.norm(xy[0] - xy[1:], axis=1), np.linalg.norm(flat[0] - flat[1:], axis=1))


def test_points_lie_among_their_nearest() -> None:
    # two groups far apart: whoever is near one of them lies in its middle
    points = np.repeat([[0.0, 0, 0], [100, 0, 0]], _neighbors.N_NEIGHBOURS, axis=0)
    xy = np.repeat([[1.0, 2], [-3, 4]], _neighbors.N_NEIGHBOURS, axis=0)
    place = _bases.among_nearest(points, xy)
    np.testing.assert_allclose(place(np.array([[1.0, 1, 1], [90, 0, 0]])), [[1, 2], [-3, 4]])


def test_fewer_points_than_neighbours() -> None:
    place = _bases.among_nearest(np.eye(3), np.array([[0.0, 0], [3, 0], [0, 3]]))
    np.testing.assert_allclose(place(np.zeros((1, 3))), [[1, 1]])


@pytest.mark.parametrize(("basis", "most"), [("umap", 4), ("pca", 10**6)])
def test_a_umap_is_made_of_a_sample(fitted: AnnData, monkeypatch: pytest.MonkeyPatch, basis: str, most: int) -> None:
    monkeypatch.setattr(_bases, "MAX_UMAP_CELLS", 20)
    cells = _cells.shown_cells(fitted, None, key="cellot", split="test")
    rows = _bases.rows_of(cells, basis)
    assert list(rows) == ["control", "drug_a", "drug_b"]
    in_test = fitted.obs["split"] == "test"
    for name, chosen in rows.items():
        assert len(chosen) == min(most, ((fitted.obs["perturbation"] == name) & in_test).sum())


def test_a_map_that_is_kept_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    points, made = np.random.default_rng(0).normal(size=(20, 3)), []

    def embedded(points: np.ndarray, basis: str) -> np.ndarray:
        made.append(basis)
        return points[:, :2]

    monkeypatch.setattr(_bases, "_embedded", embedded)
    with _bases.kept():
        first = _bases.embed(points, "pca")
        with _bases.kept():
            assert _bases.embed(points.copy(), "pca") is first
        _bases.embed(points + 1, "pca")
    assert len(made) == 2
    _bases.embed(points, "pca")
    assert len(made) == 3
