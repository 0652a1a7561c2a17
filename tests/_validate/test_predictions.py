from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate

MADE = {
    "label_key": "dose",
    "control": "0",
    "targets": np.array(["1", "2"], dtype=object),
    "split_key": "split",
    "use_rep": "X_cellot",
    "decoder": "",
    "decoded": False,
}


def test_what_was_predicted_is_read() -> None:
    adata = AnnData(np.zeros((1, 1), dtype=np.float32), uns={"cellot_prediction": MADE})
    assert _validate.prediction(adata, what="adata") == MADE


@pytest.mark.parametrize("kept", [{}, {"cellot_prediction": 3}, {"cellot_prediction": {"control": "0"}}])
def test_what_is_no_prediction_is_refused(kept: dict[str, object]) -> None:
    adata = AnnData(np.zeros((1, 1), dtype=np.float32), uns=kept)
    with pytest.raises(KeyError, match=r"predicted.uns\['cellot_prediction'\] does not say .* give what cs.tl.predict"):
        _validate.prediction(adata, what="predicted")


def test_labels_are_written_as_the_targets_are() -> None:
    obs = pd.DataFrame({"dose": [1.0, 2.0, 1.0]}, index=list("abc"))
    adata = AnnData(np.zeros((3, 1), dtype=np.float32), obs=obs)
    assert _validate.predicted_labels(adata, MADE, what="adata").tolist() == ["1", "2", "1"]


@pytest.mark.parametrize(("labels", "message"), [
    ([1.0, np.nan], r"predicted.obs\['dose'\] has 'None', and what was predicted is '1', '2': restore"),
    (["1", "3"], r"predicted.obs\['dose'\] has '3', and what was predicted"),
    ([], "predicted has no cells"),
])  # fmt: skip
def test_labels_of_what_was_not_predicted_are_refused(labels: list[object], message: str) -> None:
    obs = pd.DataFrame({"dose": labels}, index=[f"cell_{i}" for i in range(len(labels))])
    adata = AnnData(np.zeros((len(labels), 1), dtype=np.float32), obs=obs)
    with pytest.raises(ValueError, match=message):
        _validate.predicted_labels(adata, MADE, what="predicted")
