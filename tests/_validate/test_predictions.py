from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

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


def test_errors_name_the_prediction() -> None:
    for kind in (KeyError, TypeError, ValueError, FileNotFoundError):
        with pytest.raises(kind) as error, _validate.of_prediction("--prediction tool"):
            raise kind("adata has none")
        assert error.value.args == ("--prediction tool: adata has none",)
    with pytest.raises(ZeroDivisionError, match="^1$"), _validate.of_prediction("--prediction tool"):
        raise ZeroDivisionError("1")


def test_names_of_predictions() -> None:
    cells = AnnData(np.zeros((1, 1), dtype=np.float32))
    assert _validate.named_predictions({"a": cells, "b": "b.h5ad"}, ["c"]) == {"a": cells, "b": "b.h5ad"}
    with pytest.raises(TypeError, match="predictions has the name 3: the name of a model, as text, is needed"):
        _validate.named_predictions({3: cells}, [])
    with pytest.raises(TypeError, match=r"predictions\['a'\] is of type int"):
        _validate.named_predictions({"a": 3}, [])
    for name in ("c", " c", "observed"):
        with pytest.raises(ValueError, match=rf"\['{name}'\]: the name stands for something else"):
            _validate.named_predictions({name: cells}, ["c"])


@pytest.mark.parametrize(("low", "high", "message"), [
    (-0.02, 2.0, None),
    (1.5, 3.0, None),
    (-1.0, 1.1, "values down to -1, about as much below 0 as above"),
    (30.0, 40.0, "adata.X is 35 in the mean, and that of measured cells 1: it is on another scale"),
    (0.0, 0.1, "it is on another scale"),
])  # fmt: skip
def test_predicted_expression_is_on_the_scale_of_the_measured(
    low: float, high: float, message: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    measured, x = np.linspace(0, 2, 99).reshape(9, 11), np.linspace(low, high, 99).reshape(9, 11)
    for one in (x, sparse.csr_matrix(x)):
        if message is None:
            _validate.predicted_scale(one, measured, what="adata.X")
            continue
        with pytest.raises(ValueError, match=message):
            _validate.predicted_scale(one, measured, what="adata.X")
    assert ("see whether both were normalised" in caplog.text) == (high == 3.0)
    # of centred values, smooth ones are small
    _validate.predicted_scale(x / 100, measured - 1, what="adata.X")
    with pytest.raises(ValueError, match="adata.X holds whole numbers only, as counts do"):
        _validate.predicted_scale(np.round(x), measured, what="adata.X")


def test_maps_are_needed() -> None:
    with pytest.raises(KeyError, match=r"cs.tl.cellot\(adata, solver='gaussian'\) makes some in milliseconds"):
        _validate.judged_beside(AnnData(np.zeros((1, 1), dtype=np.float32)), "cellot")
