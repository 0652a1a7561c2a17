"""What the command line says, and how it fails."""

from __future__ import annotations

import ast
import logging
import re
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NoReturn, TextIO


class _Stdout(logging.StreamHandler[TextIO]):
    """Prints records; goes on where nobody reads any more, as after ``| head``."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Print no traceback."""


class _Typed(logging.Formatter):
    """Says what one types, where a line says what one gives in Python."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        super().__init__("%(message)s")
        self.flags = flags

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return typed(super().format(record), self.flags)


VALUE = r"""'[^']*'|"[^"]*"|\{[^{}]*\}|\[[^\[\]]*\]|\([^()]*\)|-?\w+(?:\.\w+)*"""
"""A value as Python writes it."""
APART = r"""(?<![\w'"./\-])"""
"""Before a name that stands for itself: no part of a longer one, of a quotation or of a path."""
OF_IT = rf"(?= (?:is|names|gives|column|value) | (?:{VALUE}) (?:is|of|holds|has|fits|cannot) )"
"""After the name of a parameter that a sentence is about."""


TYPED = r"""'[^']*'|[\w.-]+=[\w.-]+"""
"""A value of more than a word, as it is typed."""


def typed(text: str, flags: Mapping[str, str]) -> str:
    """Return a text with what one types in place of parameters of Python.

    Parameters
    ----------
    text
        What is said, such as ``"give space='genes'"`` or ``"n_boot is -1"``. Words of English without a ``=``, and what
        stands in quotes or in a path, are left.
    flags
        The flag of each parameter, and of ``"<parameter>=False"`` where there is one; of ``"<parameter> is"``, too, if
        a sentence that begins with the word is about the parameter. The command of each function, such as of
        ``"cs.tl.cellot"``, and what one types for a call that stands in a sentence as a whole.

    Examples
    --------
    >>> from cellot_sc._console import typed
    >>> flags = {"space": "--space", "context_map": "--context-map", "n_boot": "--n-boot"}
    >>> typed("n_boot is -1; give space='genes', context_map={'T cell': 'CD4'}", flags)
    "--n-boot is -1; give --space genes, --context-map 'T cell=CD4'"
    >>> typed("split 'tset' is not in adata.obs['split']", {"split is": "--split"})
    "--split 'tset' is not in obs['split']"
    >>> typed("predictions['scGen']: there is no cell", {"predictions": "--prediction"})
    '--prediction scGen: there is no cell'
    >>> typed("by test_fraction= of cs.pp.split", {"test_fraction": "--test-fraction", "cs.pp.split": "cellot-sc fit"})
    'by cellot-sc fit --test-fraction'
    """
    if not flags:
        return text
    for call, line in flags.items():
        if "(" in call:
            text = text.replace(call, line)
    text = re.sub(rf"{APART}adata\.(?=(?:(?:obs|var)(?:m|p|_names)?|uns|layers|X)\b)", "", text)
    text = re.sub(
        r"(cs\.\w+\.\w+)\(adata,? ?([^()]*)\)",
        lambda found: f"{found[1]} {found[2].replace(', ', ' ')}".strip() if found[1] in flags else found[0],
        text,
    )
    if subjects := "|".join(name.removesuffix(" is") for name in flags if name.endswith(" is")):
        text = re.sub(rf"(^|[.:;] )({subjects}){OF_IT}", lambda found: found[1] + flags[f"{found[2]} is"], text)
    names = [re.escape(name) for name in sorted(flags, key=len, reverse=True) if not re.search("[= ]", name)]
    every, no_words = "|".join(names), "|".join(name for name in names if "_" in name or "." in name) or "(?!)"
    if not every:
        return text
    pattern = rf"""{APART}(?:({every})=({VALUE})?|({no_words})(?![\w'"/\-=]|\.\w)|({every})\[({VALUE})\])"""
    text = re.sub(rf"\b(leave) ({every}) out\b", lambda found: f"{found[1]} {flags[found[2]]} out", text)
    text = re.sub(
        pattern, lambda found: _flag(found[1] or found[3] or found[4], found[2] or found[5], flags) or found[0], text
    )
    # a parameter of a function is an option of its command
    return re.sub(rf"(--[\w-]+(?: (?:{TYPED}))?) of (cellot-sc \w+)", r"\2 \1", text)


def _flag(name: str, value: str | None, flags: Mapping[str, str]) -> str:
    """Return what one types for a parameter and its value, no text if that cannot be read."""
    flag = flags[name]
    if value is None or value == "True":
        return flag
    if value == "False":
        return flags.get(f"{name}=False", f"no {flag}")
    try:
        given = ast.literal_eval(value) if value[0] in "'\"{[(" else value
    except (ValueError, SyntaxError):
        return ""
    if isinstance(given, dict):
        given = [f"{old}={new}" for old, new in given.items()]
    texts = given if isinstance(given, list | tuple | set) else [given]
    return " ".join(f"{flag} {shlex.quote(str(text))}" for text in texts)


@contextmanager
def talking(flags: Mapping[str, str] | None = None) -> Iterator[None]:
    """Let log lines and warnings go to stdout, so that stderr holds errors and nothing else.

    Parameters
    ----------
    flags
        What one types for parameters of Python, as :func:`typed` takes it.
    """
    from ._settings import logger, settings

    handler = _Stdout(sys.stdout)
    handler.setFormatter(_Typed(flags or {}))
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


def misread(message: str, given: Sequence[str]) -> str:
    """Return in the words of this package what typer says of a value that it could not read.

    Parameters
    ----------
    message
        What it says.
    given
        What was typed.

    Examples
    --------
    >>> from cellot_sc._console import misread
    >>> said = "Invalid value for '--seed': Input should be a valid integer, unable to parse string as an integer"
    >>> misread(said, ["demo", "--seed", "one"])
    "--seed is 'one'; a whole number is needed."
    """
    found = re.match(r"Invalid value for '(--[\w-]+)': (.*)", message, flags=re.DOTALL)
    if found is None:
        return message
    flag, said = found.groups()
    if choice := re.search(r"'(.*)' is not one of (.*)\.$", said):
        from ._plugins import nearest

        return f"{flag} {choice[1]!r} is unknown.{nearest(choice[1], re.findall("'([^']*)'", choice[2]))}"
    for name, read, kind in (("number", float, "number"), ("integer", int, "whole number")):
        if said.startswith(f"Input should be a valid {name}"):
            values = [after for one, after in pairwise(given) if one == flag]
            values += [one.removeprefix(f"{flag}=") for one in given if one.startswith(f"{flag}=")]
            for value in values:
                try:
                    read(value)
                except ValueError:
                    return f"{flag} is {value!r}; a {kind} is needed."
    return message


def fail(message: str, *, status: int = 2) -> NoReturn:
    """End the program with a line on stderr."""
    print(f"cellot-sc: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)
