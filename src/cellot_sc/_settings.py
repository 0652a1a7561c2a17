"""Settings of the package, read from the environment (``CELLOT_SC_*``) and validated on assignment."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pooch
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from scverse_misc import Settings as _Settings

from ._plugins import nearest

ENVIRONMENT = "CELLOT_SC_"
"""What the names of the settings begin with in the environment."""
MOST_DPI = 2400
"""Finer than any printer is."""

logger = logging.getLogger("cellot_sc")
_jax_had = ExitStack()
"""Gives jax back the default device that it had."""

type Verbosity = Literal["error", "warning", "info", "debug"]
type Device = Literal["auto", "cpu", "gpu", "tpu"]


class Settings(_Settings):
    """How chatty the package is, where data sets are kept, and how figures look by default."""

    verbosity: Literal["error", "warning", "info", "debug"] = "info"
    """Log lines of this level and above are shown."""

    progress: bool = True
    """Whether fits and downloads show a progress bar."""

    dataset_dir: Path = pooch.os_cache("cellot_sc")
    """Folder in which downloaded data sets are kept."""

    compilation_cache_dir: Path | None = pooch.os_cache("cellot_sc") / "compiled"
    """Folder in which compiled code of fits is kept, up to 256 MB, so that the next process need not compile it again.

    ``None`` (in the environment ``none``, or nothing) keeps nothing. A folder that jax has been given
    (``JAX_COMPILATION_CACHE_DIR``) goes before it.
    """

    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """Where maps are fitted, applied and judged: jax's default device. ``"auto"`` leaves the one that jax has.

    Of several devices of that kind, all train networks, and the first does the rest. A :func:`jax.default_device`
    around a call goes before it, and a single device there is the only one that is used.
    """

    cells_in_memory: Annotated[int, Field(ge=1)] = 4 * 2**30
    """Bytes of cells, in single precision, that a fit takes into memory: 4 GiB, 20 million cells of 50 dimensions.

    Where more are on disk, fits read them as they go, which needs the extra ``scale``: ``pip install '.[scale]'`` in a
    clone.
    """

    figure_dpi: Annotated[int, Field(ge=1, le=MOST_DPI)] = 150
    """Resolution of saved raster figures, in dots per inch, at most 2400."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(_sentence(error, ENVIRONMENT)) from None

    # where it is seen, type checkers let every name be set
    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in type(self).model_fields and not name.startswith("_"):
                raise ValueError(f"setting {name!r} is unknown.{nearest(name, type(self).model_fields)}")
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                raise ValueError(_sentence(error)) from None

    @field_validator("dataset_dir", "compilation_cache_dir", mode="before")
    @classmethod
    def _expand(cls, value: Any, info: ValidationInfo) -> Any:
        # of the environment, which knows texts only
        if info.field_name == "compilation_cache_dir" and isinstance(value, str) and value.lower() in ("", "none"):
            return None
        if not isinstance(value, str | Path):
            return value
        if not str(value) or "\0" in str(value):
            raise ValueError("a folder is needed")
        try:
            return Path(value).expanduser()
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    @field_validator("verbosity")
    @classmethod
    def _set_level(cls, value: Verbosity) -> Verbosity:
        logger.setLevel(value.upper())
        return value

    @field_validator("device")
    @classmethod
    def _set_device(cls, value: Device) -> Device:
        # importing jax takes seconds: until something else does, the device is only remembered
        if "jax" in sys.modules:
            use_device(value)
        return value


def _sentence(error: ValidationError, prefix: str = "") -> str:
    """Return what is wrong with settings; those of the environment have a prefix."""
    [first, *_] = error.errors()
    name = ".".join(map(str, first["loc"]))
    name = f"{prefix}{name.upper()}" if prefix else f"cs.settings.{name}"
    return f"{name} is {first['input']!r}: {first['msg'].removeprefix('Value error, ').rstrip('.')}."


def use_device(name: Device | None = None) -> None:
    """Make a platform jax's default, for most the first device of it; with ``"auto"``, the one that jax had before.

    Parameters
    ----------
    name
        As in the settings, which say it where it is ``None``.

    Raises
    ------
    ValueError
        If the machine has none such.
    """
    import jax

    name = name or settings.device
    if name != "auto":
        try:
            jax.local_devices(backend=name)
        except RuntimeError:
            there = ", ".join(sorted({repr(device.platform) for device in jax.local_devices()}))
            raise ValueError(
                f"device {name!r} is not there: jax has {there}. Set cs.settings.device (CELLOT_SC_DEVICE) to that, or "
                "to 'auto'; for NVIDIA GPUs, pip install '.[cuda]' in a clone or, after the first release, "
                "'cellot-sc[cuda]'."
            ) from None
    _jax_had.close()
    if name != "auto":
        _jax_had.callback(jax.config.update, "jax_default_device", jax.config.jax_default_device)
        jax.config.update("jax_default_device", name)


settings = Settings()
if not logger.handlers:
    _handler = logging.StreamHandler()
    _handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(_handler)
    logger.propagate = False
logger.setLevel(settings.verbosity.upper())
