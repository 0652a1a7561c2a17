from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from cellot_sc.pp._methods import METHODS, check

FEW_STEPS = {"pca": {}, "autoencoder": {"n_steps": 20}}


def changes(value: Any) -> dict[str, Any]:
    """Return what nothing in a decoder can be instead."""
    array = isinstance(value, np.ndarray)
    return {
        "none": None,
        "text": np.array(["a"]),
        "NaN": np.full_like(value, np.nan) if array else np.nan,
        "huge": np.full(value.shape, 1e300) if array else 1e300,
        "axis": value[None] if array else [value],
        "empty": value[:0] if array else np.zeros(0),
    }


@pytest.mark.parametrize("name", METHODS)
def test_a_tampered_decoder_is_one_sentence(name: str) -> None:
    x = np.random.default_rng(0).gamma(1, 1, size=(60, 12)).astype(np.float32)
    genes = [f"gene_{i}" for i in range(12)]
    fitted = METHODS[name].fit(x, 3, valid=x[:20], seed=0, **FEW_STEPS[name])
    decoder = {"method": name, "var_names": genes, "layer": "X", "anything": None, **fitted}
    check(decoder)
    for field in METHODS[name].FIELDS:
        for change, value in changes(decoder[field]).items():
            with pytest.raises(ValueError, match=f"^a decoder of method '{name}' cannot be used: {field}") as error:
                check(decoder | {field: value})
            assert len(str(error.value)) < 400, change
        if field not in METHODS[name].OPTIONAL:
            with pytest.raises(ValueError, match=f"{field} is missing"):
                check({key: value for key, value in decoder.items() if key != field})
    with pytest.raises(ValueError, match=f"method '{name}' cannot be used: .* has .*shape"):
        check(decoder | {"var_names": genes[1:]})


def test_a_decoder_of_an_unknown_method_is_refused() -> None:
    for method in ("pac", None, np.ones(2)):
        with pytest.raises(ValueError, match=r"^a decoder of method .* is unknown\..* Valid: 'pca', 'autoencoder'"):
            check({"method": method})


def test_an_autoencoder_that_overflows_is_a_sentence() -> None:
    x = np.random.default_rng(0).gamma(1, 1, size=(60, 12)).astype(np.float32)
    fitted = METHODS["autoencoder"].fit(x, 3, n_steps=1, linear=False)
    for part in ("encoder", "decoder"):
        huge = fitted | {part: {k: {n: np.full_like(a, 1e29) for n, a in v.items()} for k, v in fitted[part].items()}}
        with pytest.raises(ValueError, match="the autoencoder returns NaN or inf: represent again"):
            METHODS["autoencoder"].reconstruct(METHODS["autoencoder"].project(x, huge), huge)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_its_promise(name: str) -> None:
    method = METHODS[name]
    x = np.random.default_rng(0).gamma(1, 1, size=(60, 12)).astype(np.float32)
    assert set(FEW_STEPS[name]) <= set(method.options())
    decoder = method.fit(x, 3, valid=x[:20], seed=0, **FEW_STEPS[name])
    latent = method.project(x, decoder)
    assert latent.shape == (60, 3)
    assert latent.dtype == np.float32
    np.testing.assert_allclose(method.project(sparse.csr_matrix(x), decoder), latent, atol=1e-4)
    back = method.reconstruct(latent, decoder)
    assert back.shape == x.shape
    assert back.dtype == np.float32
