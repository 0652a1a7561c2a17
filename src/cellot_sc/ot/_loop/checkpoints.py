"""Keeps the state of a training on disk: arrays and JSON, nothing pickled, never half written."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import _numbers
from ..._chunks import Stored
from .._moments import rows_of
from .._problem import History, Problem

N_DIGESTED = 1000
"""Cells by which a cloud that is not in memory is known: to read all of them takes long."""


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

    @property
    def partial(self) -> Path:
        """The file while it is written."""
        return self.path.with_suffix(".partial")

    def prepare(self) -> None:
        """Make the folder, and remove what a kill left half written there, before anything is trained.

        Raises
        ------
        OSError
            If nothing can be written there.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.partial.touch()
            self.partial.unlink()
            if self.path.is_dir():
                raise IsADirectoryError(f"{self.path.name} is a folder")
        # of paths that no system has, such as those with a null character
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OSError(
                f"no checkpoint can be written to {str(self.folder)!r} ({reason}): choose another checkpoint_dir."
            ) from error

    def save(self, run: Any, record: dict[str, Any]) -> None:
        """Replace what was kept, at once: a kill at any moment leaves the old file or the new one.

        Raises
        ------
        OSError
            If it cannot be written, as on a full disk. What was kept before stays.
        """
        import jax

        leaves: dict[str, Any] = {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(run))}
        text = json.dumps({**record, "fingerprint": self.fingerprint})
        try:
            with self.partial.open("wb") as file:
                np.savez(file, record=np.frombuffer(text.encode(), dtype=np.uint8), **leaves)
                file.flush()
                os.fsync(file.fileno())
            self.partial.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                self.partial.unlink()
            before = "What was kept before stays: make room, and go on with resume=True." if self.path.exists() else ""
            raise OSError(
                f"the state of the fit cannot be written to {str(self.path)!r} ({error.strerror or error}). {before}"
            ) from error

    def load(self, like: Any, n_steps: int, n_histories: int) -> tuple[Any, Record] | None:
        """Return what was kept, or ``None`` if there is nothing to resume.

        Parameters
        ----------
        like
            What is of the same structure, with arrays of the same shapes and types.
        n_steps
            Steps of the whole training.
        n_histories
            Number of its problems.

        Raises
        ------
        ValueError
            If the file belongs to another training, or cannot be read.
        """
        if not self.resume or not self.path.exists():
            return None
        import jax

        leaves, structure = jax.tree.flatten(like)
        try:
            with zipfile.ZipFile(self.path) as archive:
                text = _read(archive, "record", None, np.dtype(np.uint8)).tobytes().decode()
                given = json.loads(text)
                if given["fingerprint"] == self.fingerprint:
                    record = Record.of(given, n_steps, n_histories)
                    kept = [_read(archive, f"leaf_{i}", np.shape(leaf), leaf.dtype) for i, leaf in enumerate(leaves)]
                    return jax.tree.unflatten(structure, kept), record
        # whatever a file that is another, or half of one, makes of the readers of zip, numpy and JSON
        except Exception as error:
            raise ValueError(
                f"{str(self.path)!r} is no checkpoint that can be read ({error}): remove it, or choose another "
                "checkpoint_dir."
            ) from error
        raise ValueError(f"{self.path} belongs to a fit with other data or options: choose another checkpoint_dir.")


@dataclasses.dataclass(frozen=True)
class Record:
    """How far a training was.

    Parameters
    ----------
    done
        Steps that were made.
    seconds
        How long they took.
    histories
        How it went, for every problem.
    """

    done: int
    seconds: float
    histories: list[History]

    @classmethod
    def of(cls, given: dict[str, Any], n_steps: int, n_histories: int) -> Record:
        """Return a record, given what JSON makes of one; raise whatever fits if it is none."""
        histories = [History(**one) for one in given["histories"]]
        for history in histories:
            looks: list[list[Any]] = [history.step, history.seconds, *history.metrics.values()]
            _numbers.reals([one for column in looks for one in column], what="history")
            if len({len(column) for column in looks}) != 1:
                raise ValueError("a history has columns of different lengths")
        if len(histories) != n_histories:
            raise ValueError(f"it has {len(histories)} histories of {n_histories} problems")
        done = _numbers.whole(given["done"], 0, what="done", most=n_steps)
        [seconds] = _numbers.reals([given["seconds"]], what="seconds")
        return cls(done, seconds, histories)


def _read(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...] | None, dtype: np.dtype[Any]) -> np.ndarray:
    """Return an array of an archive, if it says that it is of that shape and type, before memory is taken for it."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0(file) if version == (1, 0) else (None, None, None)
    kept_shape, _, kept_dtype = header
    if shape is None and kept_shape is not None and len(kept_shape) == 1:
        shape = (min(kept_shape[0], Path(archive.filename or "").stat().st_size),)
    if (kept_shape, kept_dtype) != (shape, dtype):
        raise ValueError(f"{name} is not of the shape and type that it has in this fit")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


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

    Raises
    ------
    OSError
        If nothing can be written to that folder.
    """
    if config.checkpoint_dir is None:
        return None
    digest = hashlib.sha256(repr((options_text(config), seed, cells_digest(problems))).encode())
    checkpoint = Checkpoint(Path(config.checkpoint_dir), digest.hexdigest(), config.resume)
    checkpoint.prepare()
    return checkpoint


def options_text(config: Any) -> str:
    """Return options of a solver as text, but for those that are about files."""
    values = sorted((field.name, getattr(config, field.name)) for field in dataclasses.fields(config) if field.compare)
    return repr((type(config).__name__, values))


def cells_digest(problems: Sequence[Problem]) -> str:
    """Return text that is another for problems with other cells, contexts or weights."""
    digest = hashlib.sha256()
    # control cells are those of many problems
    seen: dict[int, str] = {}
    for problem in problems:
        for field in dataclasses.fields(problem):
            value = getattr(problem, field.name)
            if isinstance(value, np.ndarray | Stored):
                if id(value) not in seen:
                    cells = value
                    if isinstance(value, Stored):
                        cells = rows_of(value, np.unique(np.linspace(0, len(value) - 1, N_DIGESTED).astype(int)))
                    seen[id(value)] = hashlib.sha256(np.ascontiguousarray(cells).data).hexdigest()
                value = f"{value.dtype} {value.shape} {seen[id(value)]}"
            digest.update(f"{field.name} {value}".encode())
    return digest.hexdigest()
