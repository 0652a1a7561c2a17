"""Keeps the state of a training on disk: arrays and JSON, nothing pickled, never half written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._problem import Problem


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A file in a folder.

    Parameters
    ----------
    folder
        Made if it is not there.
    fingerprint
        What is being trained. A checkpoint of anything else is refused.
    resume
        Whether to go on from what is there.
    """

    folder: Path
    fingerprint: str
    resume: bool

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "checkpoint.npz"

    def save(self, run: Any, record: dict[str, Any]) -> None:
        """Replace what was kept, at once: a kill at any moment leaves the old file or the new one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        leaves: dict[str, Any] = {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(run))}
        text = json.dumps({**record, "fingerprint": self.fingerprint})
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, record=np.frombuffer(text.encode(), dtype=np.uint8), **leaves)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def load(self, like: Any) -> tuple[Any, dict[str, Any]] | None:
        """Return what was kept, in the shape of ``like``, or ``None`` if there is nothing to resume.

        Raises
        ------
        ValueError
            If the file belongs to another training.
        """
        if not self.resume or not self.path.exists():
            return None
        with np.load(self.path, allow_pickle=False) as file:
            record = json.loads(file["record"].tobytes().decode())
            if record["fingerprint"] != self.fingerprint:
                raise ValueError(
                    f"{self.path} belongs to a fit with other data or options: choose another checkpoint_dir."
                )
            leaves, structure = jax.tree.flatten(like)
            run = jax.tree.unflatten(structure, [file[f"leaf_{i}"] for i in range(len(leaves))])
        return run, record


def fit_checkpoint(config: Any, problems: Sequence[Problem], seed: int) -> Checkpoint | None:
    """Return where a fit keeps its state, or ``None`` if it does not.

    Parameters
    ----------
    config
        Options of a solver, with ``checkpoint_dir`` and ``resume``.
    problems
        What is fitted: a checkpoint is resumed only with the same cells, options and seed.
    seed
        Seed of the fit.
    """
    if config.checkpoint_dir is None:
        return None
    values = sorted((field.name, getattr(config, field.name)) for field in dataclasses.fields(config) if field.compare)
    digest = hashlib.sha256(repr((type(config).__name__, values, seed)).encode())
    for problem in problems:
        for field in dataclasses.fields(problem):
            if (array := getattr(problem, field.name)) is not None:
                digest.update(f"{field.name} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
    return Checkpoint(Path(config.checkpoint_dir), digest.hexdigest(), config.resume)
