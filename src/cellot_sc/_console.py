"""What the command line says, and how it fails."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO


class _Stdout(logging.StreamHandler[TextIO]):
    """Prints records; goes on where nobody reads any more, as after ``| head``."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Print no traceback."""


@contextmanager
def talking() -> Iterator[None]:
    """Let log lines and warnings go to stdout, so that stderr holds errors and nothing else."""
    from ._settings import logger, settings

    handler = _Stdout(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    talkers = [logger, logging.getLogger("py.warnings")]
    before = [talker.handlers[:] for talker in talkers]
    progress = settings.progress
    for talker in talkers:
        talker.handlers[:] = [handler]
    logging.captureWarnings(True)
    settings.progress = progress and sys.stderr.isatty()
    try:
        yield
    finally:
        settings.progress = progress
        logging.captureWarnings(False)
        for talker, handlers in zip(talkers, before, strict=True):
            talker.handlers[:] = handlers


def is_ours(error: Exception) -> bool:
    """Whether an error is about a value, and raised in this package rather than by something that it called."""
    if not isinstance(error, KeyError | IndexError | ValueError | TypeError):
        return False
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__", "").split(".")[0] == __package__


def fault(error: Exception) -> str:
    """Return what to say of an error that this package should have foreseen."""
    kind = type(error).__name__
    return f"a fault of cellot-sc, {kind}: {words(error)} (CELLOT_SC_VERBOSITY=debug shows where)"


def is_debugged() -> bool:
    """Whether whoever runs the program wants to see where it fails."""
    from ._settings import settings

    return settings.verbosity == "debug"


def words(error: Exception) -> str:
    """Return what an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error.args[0] if error.args else "").strip() or type(error).__name__


def fail(message: str, *, status: int = 2) -> NoReturn:
    """End the program with a line on stderr."""
    print(f"cellot-sc: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)
