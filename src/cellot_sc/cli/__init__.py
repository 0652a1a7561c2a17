"""The command line: ``cellot-sc demo | fit | merge | predict | evaluate | report | inspect | reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from typer.main import get_command

from .. import _console
from ._app import Command, app, flags
from ._demo import demo
from ._evaluate import evaluate
from ._fit import fit
from ._inspect import inspect
from ._merge import merge
from ._predict import predict
from ._report import report
from ._reproduce import reproduce

COMMANDS: dict[Callable[..., None], str] = {
    demo: "The whole job on simulated cells.",
    fit: "Learn one transport map per perturbation.",
    merge: "Put the shards of a command together.",
    predict: "Predict the treated state of control cells.",
    evaluate: "Score predictions beside simple baselines.",
    report: "Write what a fit is worth as one web page.",
    inspect: "Say what a file of cells or a model holds.",
    reproduce: "Run a task of the CellOT paper.",
}
"""What can be typed after the name of the program, and what the list of these says of it."""
for command, words in COMMANDS.items():
    app.command(cls=Command, short_help=words)(command)

INTERRUPTED = 130
"""What a program that was told to stop (Ctrl-C) exits with."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: with 0, or with 2 and one line on stderr if it was given something wrong.

    An error that this package raises says what is wrong with the input. Any other is a fault of the program: one line,
    too, and exit code 1, or with ``CELLOT_SC_VERBOSITY=debug`` its traceback.

    Parameters
    ----------
    arguments
        What was typed after the name of the program; with ``None``, ``sys.argv``.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    program = get_command(app)
    typed = flags(program.commands, given[0] if given else "")  # type: ignore[attr-defined]
    try:
        with _console.talking(typed):
            status = program(given or ["--help"], prog_name="cellot-sc", standalone_mode=False)
    except Exception as error:
        if hasattr(error, "format_message"):
            _console.fail(error.format_message())
        if isinstance(error, OSError):
            _console.fail(_console.words(error))
        if _console.is_ours(error):
            _console.fail(_console.typed(_console.words(error), typed))
        if isinstance(error, MemoryError):
            _console.fail(f"there is not enough memory: {_console.words(error)}")
        if _console.is_debugged():
            raise
        _console.fail(_console.fault(error), status=1)
    if status == INTERRUPTED:
        _console.fail("interrupted; nothing was written", status=INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)
