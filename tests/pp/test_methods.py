from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cellot_sc.pp._methods import METHODS

FEW_STEPS = {"pca": {}, "autoencoder": {"n_steps": 20}}


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
