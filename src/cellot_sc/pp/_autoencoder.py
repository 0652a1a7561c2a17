"""An autoencoder: networks to few dimensions and back. Arrays in, arrays out.

The decoder is a dict of arrays that an AnnData can keep in ``uns`` and on disk; what is computed from it is the same
before and after.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from cellot_sc import _defaults, _progress, _validate
from cellot_sc._chunks import chunks
from cellot_sc._settings import logger
from cellot_sc._states import Field, Layers, Numbers, Positive, Whole

from . import _pca
from ._rows import bounded, by_row, dense

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cellot_sc.ot import Autoencoder

MAX_DENSE = 2**24
"""Numbers of cells that are held dense at once."""
MAX_VALID = 1000
"""Validation cells that the explained variance is logged of, at most."""
FIELDS: dict[str, Field] = {
    "n_components": Whole(axis="l"),
    "center": Numbers("g"),
    "scale": Positive(),
    "encoder": Layers("g", "l"),
    "decoder": Layers("l", "g"),
    "range": Numbers("2"),
    # of a linear one
    "components": Numbers("lg"),
}
"""What every field of a decoder that is used has to be: ``g`` genes, ``l`` dimensions of the latent."""
OPTIONAL = ("components",)
SET_HERE = ("n_latent", "checkpoint_dir", "resume")
"""Options of :class:`cellot_sc.ot.AutoencoderConfig` that are none of :func:`fit`."""
PRESETS: dict[str, dict[str, Any]] = {
    "small": {},
    _defaults.PAPER: {"hidden": (512, 512), "linear": False, "learning_rate": 1e-3},
}
"""Ways to build and train an autoencoder by name; ``"paper"`` as published (Bunne et al. 2023, Methods)."""


def options() -> list[str]:
    """Return the names of the options of :func:`fit`."""
    # jax takes seconds to load: only when it is used
    from cellot_sc.ot import AutoencoderConfig

    names = (field.name for field in dataclasses.fields(AutoencoderConfig))
    return ["preset", *(name for name in names if name not in SET_HERE)]


def fit(
    x: Any, n_components: int, *, valid: Any = None, seed: int = 0, preset: str = "small", **changed: Any
) -> dict[str, Any]:
    """Train an autoencoder and return what it takes to apply it.

    Parameters
    ----------
    x
        Train cells, dense or sparse, shape (n_cells, n_genes), or :class:`cellot_sc._chunks.Stored`.
    n_components
        Dimensions of the latent; lowered, with a log line, to the number of principal components of ``x``.
    valid
        Validation cells, which choose when to stop and nothing else.
    seed
        Seed of the networks and of the batches.
    preset
        Name of a way to build and train it.
    **changed
        Options that are not those of the preset.

    Raises
    ------
    ValueError
        If there is no such preset, or an option has an impossible value.
    """
    from cellot_sc.ot import AutoencoderConfig, fit_autoencoder

    _validate.one_of(preset, PRESETS, what="preset")
    # the options are checked before anything is computed
    config = AutoencoderConfig(**{**PRESETS[preset], **changed})
    principal = _pca.fit(x, n_components)
    config = dataclasses.replace(config, n_latent=principal["n_components"])
    x, valid = by_row(x), x[:0] if valid is None else by_row(valid)
    fitted: dict[str, Any] = {
        "n_components": principal["n_components"],
        "range": principal["range"],
        "center": principal["mean"] if config.linear else np.zeros_like(principal["mean"]),
        # of principal components, the mean one then has a variance of 1
        "scale": float(np.sqrt(_pca.project(x, principal).var(axis=0).mean())) if config.linear else 1.0,
    }
    with _progress.meter("autoencoder", "fitting") as progress:
        autoencoder, history = fit_autoencoder(
            x,
            config,
            valid=valid,
            center=fitted["center"],
            scale=fitted["scale"],
            floor=0.0 if principal["range"][0] >= 0 else None,
            components=principal["components"] if config.linear else None,
            seed=seed,
            progress=progress,
        )
    fitted |= {"step": history.selected, **autoencoder.networks}
    if valid.shape[0]:
        _log(fitted, principal, valid[:MAX_VALID])
    return fitted


def project(x: Any, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the latent, float32 (n_cells, n_components), of dense or sparse cells of shape (n_cells, n_genes)."""
    autoencoder = _autoencoder(decoder)
    latent = np.empty((x.shape[0], int(decoder["n_components"])), dtype=np.float32)
    for rows, cells in chunks(by_row(x), max(1, MAX_DENSE // x.shape[1])):
        latent[rows] = autoencoder.scale * _finite(autoencoder.encode(dense(cells)))
    return latent


def reconstruct(latent: np.ndarray, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the expression, float32 (n_cells, n_genes), at a latent of shape (n_cells, n_components)."""
    autoencoder = _autoencoder(decoder)
    x = _finite(autoencoder.decode(np.asarray(latent, dtype=np.float32) / autoencoder.scale))
    return bounded(x, *decoder["range"])


def _autoencoder(decoder: Mapping[str, Any]) -> Autoencoder:
    from cellot_sc.ot import Autoencoder

    # latents are kept in the units of the expression, networks in their own
    return Autoencoder(dict(decoder), decoder["center"], float(decoder["scale"]))


def _finite(x: np.ndarray) -> np.ndarray:
    """Return what networks made of finite numbers, if that is finite."""
    if not np.isfinite(x).all():
        raise ValueError("the autoencoder returns NaN or inf: represent again, or read its file anew.")
    return x


def _log(fitted: Mapping[str, Any], principal: Mapping[str, Any], valid: Any) -> None:
    """Say how much of the variance of validation cells survives the way to few dimensions and back."""
    truth = dense(valid)
    total = np.square(truth - principal["mean"]).sum()

    def explained(there_and_back: np.ndarray) -> float:
        return 100 * float(1 - np.square(there_and_back - truth).sum() / total)

    logger.info(
        "the autoencoder, taken at step %d, explains %.1f %% of the variance of validation cells; "
        "as many principal components, %.1f %%",
        fitted["step"],
        explained(reconstruct(project(valid, fitted), fitted)),
        explained(_pca.reconstruct(_pca.project(valid, principal), principal)),
    )
