"""The command line: ``cellot-sc demo | fit | predict | evaluate | report | effects | figures | ...``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from typer.main import get_command

from .. import _console
from ._app import Command, app, flags
from ._demo import demo
from ._effects import effects
from ._evaluate import evaluate
from ._figures import figures
from ._fit import fit
from ._inspect import inspect
from ._merge import merge
from ._predict import predict
from ._report import report
from ._reproduce import reproduce
from ._trajectory import trajectory

COMMANDS: dict[Callable[..., None], tuple[str, str]] = {
    demo: ("The whole job on simulated cells.", "demo"),
    fit: ("Learn one transport map per perturbation.", "fit cells.h5ad fitted.h5ad --holdout patient=101"),
    merge: ("Put the shards of a command together.", "merge fits/ fitted.h5ad"),
    predict: ("Predict the treated state of control cells.", "predict fitted.h5ad predicted.h5ad --target drug_a"),
    evaluate: ("Score predictions beside simple baselines.", "evaluate fitted.h5ad scores.csv --groupby cell_type"),
    report: ("Write what a fit is worth as one web page.", "report fitted.h5ad --groupby cell_type --unit patient"),
    effects: ("Write what a fit says as tables.", "effects fitted.h5ad effects --groupby cell_type --unit patient"),
    figures: ("Draw all figures of a fit.", "figures fitted.h5ad figures --format pdf"),
    trajectory: ("Learn maps from every time to the next.", "trajectory cells.h5ad times.h5ad --groupby cell_type"),
    inspect: ("Say what a file of cells or a model holds.", "inspect cells.h5ad"),
    reproduce: ("Run a task of the CellOT paper.", "reproduce lupus --data FOLDER"),
}
"""What can be typed after the name of the program: what the list of these says of it, and an example."""
for command, (words, example) in COMMANDS.items():
    app.command(cls=Command, short_help=words, epilog=f"Such as:\n\n\b\ncellot-sc {example}")(command)

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
            _console.fail(_console.misread(error.format_message(), given))
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
