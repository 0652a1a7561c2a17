from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _validate

REFUSED = [
    ("a/b", "'a/b' has '/', with which no file can be written: leave it out, as in 'a_b'"),
    ("a\\b", "has .*, with which no file can be written"),
    ("a\0b", "with which no file can be written"),
    ("", "is '': text that is not empty is needed"),
    ("  ", "text that is not empty is needed"),
    (None, "is None: text"),
    (3, "is 3: text"),
    (".", "is a name that files keep for themselves"),
    ("..", "is a name that files keep for themselves"),
    ("_index", "is a name that files keep for themselves"),
    ("x" * 201, "is no UTF-8 text of at most 200 bytes"),
    ("\ud800", "is no UTF-8 text"),
]


@pytest.mark.parametrize(("name", "words"), REFUSED)
def test_keys_that_no_file_can_hold(name: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"key_added .*{words}" if words else words):
        _validate.key(name)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("name", ["a.b", "$x$", "1", "é☃", "a b", "_a", "x" * 200])
def test_what_is_allowed_is_written_and_read(name: str, suffix: str, tmp_path: Path) -> None:
    adata = AnnData(np.ones((3, 2), dtype=np.float32))
    assert _validate.key(name) == name
    adata.uns[name], adata.obsm[name], adata.obs[name] = {"x": np.ones(2)}, np.ones((3, 2)), 1.0
    getattr(adata, f"write_{suffix}")(tmp_path / f"cells.{suffix}")
    again = getattr(anndata, f"read_{suffix}")(tmp_path / f"cells.{suffix}")
    assert name in again.uns and name in again.obsm and name in again.obs


@pytest.fixture(scope="module")
def kept() -> AnnData:
    """Cells with a result of every kind, under its usual key."""
    adata = cs.datasets.simulate(400, 20)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=5)
    cs.tl.cellot(adata, solver="mean_shift")
    adata.uns["trajectory"] = adata.uns["cellot"] | {"kind": "time course"}
    adata.uns["fate"] = {"groupby": "cell_type", "fates": np.array(["a"], dtype=object), "n_neighbors": 3}
    adata.uns["effect_cluster"] = pd.DataFrame({"cluster": ["0"], "markers": ["gene_1"]})
    return adata


KINDS = {
    "cellot": "perturbations",
    "trajectory": "time course",
    "X_cellot": _validate.DECODER,
    "fate": _validate.FATES,
    "effect_cluster": _validate.CLUSTERS,
}


@pytest.mark.parametrize("there", [*KINDS, "simulation"])
@pytest.mark.parametrize("new", KINDS)
def test_only_a_result_of_the_same_kind_is_overwritten(kept: AnnData, there: str, new: str) -> None:
    if there == new:
        assert _validate.new_key(kept, there, KINDS[new]) == there
        return
    with pytest.raises(ValueError, match=f"key_added '{there}' would overwrite .* in adata.uns\\['{there}'\\]"):
        _validate.new_key(kept, there, KINDS[new])


def test_only_a_table_with_the_same_columns_is_overwritten(kept: AnnData) -> None:
    adata = kept.copy()
    adata.uns["scores"] = pd.DataFrame({"metric": ["mmd"], "value": [0.5], "n_units": [3]})
    adata.uns["square"] = pd.DataFrame(np.eye(2), index=["a", "b"], columns=["a", "b"])
    for name in ("new", "scores"):
        assert _validate.new_table(adata, name, ["metric", "value"]) == name
    for name in ("new", "square"):
        assert _validate.new_table(adata, name, []) == name
    for name, columns in [("scores", ["cost"]), ("scores", []), ("square", ["cost"]), ("effect_cluster", ["cluster"])]:
        with pytest.raises(ValueError, match=f"key_added '{name}' would overwrite .* in adata.uns"):
            _validate.new_table(adata, name, columns)
    with pytest.raises(ValueError, match="key_added 'a/b' has '/'"):
        _validate.new_table(adata, "a/b", [])


def test_columns(kept: AnnData) -> None:
    assert _validate.new_column(kept, "split", ["train", "valid", "test", "ood"]) == "split"
    with pytest.raises(ValueError, match=r"would overwrite .* in adata.obs\['cell_type'\] \(labels"):
        _validate.new_column(kept, "cell_type", ["train"])


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        (cs.tl.cellot, {"solver": "mean_shift"}),
        (cs.tl.trajectory, {"time_key": "perturbation", "order": ["control", "drug_a"], "solver": "mean_shift"}),
        (cs.tl.fate, {}),
        (cs.tl.effect_clusters, {}),
        (cs.pp.split, {}),
        (cs.pp.represent, {}),
    ],
)
@pytest.mark.parametrize("name", ["a/b", "", "."])
def test_every_verb_asks_first(kept: AnnData, verb: Any, options: dict[str, Any], name: str) -> None:
    before = kept.copy()
    with pytest.raises(ValueError, match="key_added"):
        verb(kept, **options, key_added=name)
    assert set(kept.uns) == set(before.uns) and list(kept.obs) == list(before.obs)
    assert set(kept.obsm) == set(before.obsm)


@pytest.mark.parametrize(("verb", "name"), [(cs.pp.split, "cell_type"), (cs.tl.effect_clusters, "cell_type")])
def test_labels_of_others_are_kept(kept: AnnData, verb: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r"key_added 'cell_type' would overwrite .* choose another name"):
        verb(kept, key_added=name)


def test_what_is_in_obsm_is_not_overwritten() -> None:
    adata = AnnData(np.ones((3, 2)), obsm={"X_umap": np.ones((3, 2)), "X_cellot": np.ones((3, 2))})
    for kind in (_validate.DECODER, _validate.FATES):
        with pytest.raises(ValueError, match=r"would overwrite what another .* in adata.obsm\['X_umap'\]"):
            _validate.new_key(adata, "X_umap", kind)
        # what is put together from several AnnData has lost the decoder
        assert _validate.new_key(adata, "X_cellot", kind) == "X_cellot"
    assert _validate.new_key(adata, "X_umap", _validate.CLUSTERS) == "X_umap"


def test_columns_that_go_with_a_result() -> None:
    adata = AnnData(np.ones((3, 2)))
    adata.obs["fate_predicted"], adata.obs["fate_potency"] = ["a", "b", None], [0.0, 1.0, np.nan]
    columns = {"fate_predicted": ["a", "b"], "fate_potency": None}
    _validate.new_columns(adata, "fate", _validate.FATES, columns)
    with pytest.raises(ValueError, match="'fate_predicted' would overwrite"):
        _validate.new_columns(adata, "fate", _validate.FATES, columns | {"fate_predicted": ["a", "c"]})
    adata.obs["fate_potency"] = "high"
    with pytest.raises(ValueError, match=r"would overwrite .* in adata.obs\['fate_potency'\]"):
        _validate.new_columns(adata, "fate", _validate.FATES, columns)
    adata.uns["fate"] = {"groupby": "type", "fates": ["a"], "n_neighbors": 3}
    _validate.new_columns(adata, "fate", _validate.FATES, columns)
