from __future__ import annotations

import logging
import sys
import warnings

import numpy as np
import pytest

from cellot_sc import _console, _validate
from cellot_sc._settings import logger, settings


def test_log_and_warnings_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    before = logger.handlers[:]
    with _console.talking(), warnings.catch_warnings():
        warnings.simplefilter("default")
        logger.warning("a line")
        warnings.warn("beware", UserWarning, stacklevel=1)
    out, err = capsys.readouterr()
    assert "a line\n" in out
    assert "beware" in out
    assert err == ""
    assert logger.handlers == before


def test_no_progress_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with settings.override(progress=True):
        with _console.talking():
            assert settings.progress is False
        assert settings.progress is True


def test_what_was_there_comes_back_after_an_error() -> None:
    before = logging.getLogger("py.warnings").handlers[:]
    with pytest.raises(KeyError), _console.talking():
        raise KeyError
    assert logging.getLogger("py.warnings").handlers == before


def test_errors_of_this_package_are_told_from_others() -> None:
    with pytest.raises(ValueError, match="seed") as ours:
        _validate.seed(-1)
    assert _console.is_ours(ours.value)
    with pytest.raises(ValueError, match="reshape") as theirs:
        np.zeros(3).reshape(2, 2)
    assert not _console.is_ours(theirs.value)
    assert not _console.is_ours(RuntimeError())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("no such column"), "no such column"),
        (FileNotFoundError(2, "No such file", "a.h5ad"), "a.h5ad: No such file"),
        (OSError(28, "No space left"), "No space left"),
        (ValueError(), "ValueError"),
    ],
)
def test_words(error: Exception, words: str) -> None:
    assert _console.words(error) == words


def test_a_reader_that_went_away_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Closed:
        def write(self, text: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with _console.talking():
        logger.warning("a line")
    assert capsys.readouterr().err == ""


def test_a_fault_says_what_it_is_and_how_to_see_more() -> None:
    words = _console.fault(ZeroDivisionError("division by zero"))
    assert words == "a fault of cellot-sc, ZeroDivisionError: division by zero (CELLOT_SC_VERBOSITY=debug shows where)"
    assert not _console.is_debugged()
    with settings.override(verbosity="debug"):
        assert _console.is_debugged()


def test_fail_says_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        _console.fail("it\n  does not   work", status=3)
    assert end.value.code == 3
    assert capsys.readouterr().err == "cellot-sc: error: it does not work\n"


FLAGS = {
    "space": "--space", "context": "--context", "uncertainty": "--uncertainty", "n_boot": "--n-boot",
    "context_map": "--context-map", "match_abundance": "--match-abundance", "match_abundance=False": "--keep-abundance",
    "use_rep": "--use-rep", "cs.tl.cellot": "cellot-sc fit", "solver": "--solver", "split is": "--split",
    "target is": "--target", "targets is": "--target", "holdout is": "--holdout", "solver is": "--solver",
    "holdout": "--holdout", "unit": "--unit", "cs.pp.split": "cellot-sc fit",
    "cs.tl.predict(adata, model=...)": "cellot-sc predict MODEL CELLS OUTPUT",
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("n_boot is -1; a whole number", "--n-boot is -1; a whole number"),
        ("give space='genes', or use_rep='X'.", "give --space genes, or --use-rep X."),
        ('uncertainty=True needs context=, such as context="cell type".', "--uncertainty needs --context, such as "
         "--context 'cell type'."),
        ("give context_map={'T': 'CD4 T', 'B': 'B'}", "give --context-map 'T=CD4 T' --context-map B=B"),
        ("a fit with context=('a', 'b') does", "a fit with --context a --context b does"),
        ("give context= where known, match_abundance=False to", "give --context where known, --keep-abundance to"),
        ("use_rep=False", "no --use-rep"),
        ("call cs.tl.cellot first", "call cellot-sc fit first"),
        ("n_boot=-1.5 is", "--n-boot -1.5 is"),
        ("cs.tl.cellot(adata, solver='gaussian') makes some", "cellot-sc fit --solver gaussian makes some"),
        ("uns['a'] is: cs.tl.predict(adata)", "uns['a'] is: cs.tl.predict(adata)"),
        ("split 'tset' is unknown", "--split 'tset' is unknown"),
        ("solver 'gaussian' fits no map per context", "--solver 'gaussian' fits no map per context"),
        ("within: leave unit out, for intervals", "within: leave --unit out, for intervals"),
        ("with holdout={'patient': '101'} of cs.pp.split, or", "with cellot-sc fit --holdout patient=101, or"),
        ("with holdout={'sort': 'T cell'} of cs.pp.split", "with cellot-sc fit --holdout 'sort=T cell'"),
        ("by holdout= of cs.pp.split", "by cellot-sc fit --holdout"),
        ("applied by cs.tl.predict(adata, model=...).", "applied by cellot-sc predict MODEL CELLS OUTPUT."),
        ("targets names one twice: ['a', 'a'].", "--target names one twice: ['a', 'a']."),
        ("holdout column 'x' is not in adata.obs", "--holdout column 'x' is not in obs"),
        ("It is: target 3 is unknown.", "It is: --target 3 is unknown."),
        ("adata.uns['x'], adata.var and adata.X", "uns['x'], var and X"),
        ("call adata.var_names_make_unique() first", "call adata.var_names_make_unique() first"),
        ("a split 'x' has none, split 'ood' has none", "a split 'x' has none, split 'ood' has none"),
        # English, quotes, paths, and what only looks like Python
        ("the space of a context has uncertainty", "the space of a context has uncertainty"),
        ("'n_boot' is unknown. Did you mean \"use_rep\"?", "'n_boot' is unknown. Did you mean \"use_rep\"?"),
        ("use_rep/n_boot.h5ad: a/use_rep", "use_rep/n_boot.h5ad: a/use_rep"),
        ("my_n_boot and n_boots", "my_n_boot and n_boots"),
        ("obs['x'] has context={'a': nan}", "obs['x'] has context={'a': nan}"),
        ("context='a\\'b\"", "context='a\\'b\""),
    ],
)  # fmt: skip
def test_what_one_types_is_said_for_what_one_gives_in_python(said: str, typed: str) -> None:
    assert _console.typed(said, FLAGS) == typed
    assert _console.typed(said, {}) == said


def test_lines_of_the_log_say_what_one_types(capsys: pytest.CaptureFixture[str]) -> None:
    with _console.talking(FLAGS):
        logger.warning("give context_map=%r", {"T": "CD4"})
    assert capsys.readouterr().out == "give --context-map T=CD4\n"


def test_values_that_typer_cannot_read_are_said_as_others_are() -> None:
    integer = "Input should be a valid integer, unable to parse string as an integer"
    several = ["evaluate", "--n-cells", "3", "--n-cells=x", "--n-boot", "1.5"]
    assert _console.misread(f"Invalid value for '--n-cells': {integer}", several) == (
        "--n-cells is 'x'; a whole number is needed."
    )
    choice = "Value error, 'gene' is not one of 'latent', 'genes'."
    assert _console.misread(f"Invalid value for '--space': {choice}", []).startswith(
        "--space 'gene' is unknown. Did you mean 'genes'?"
    )
    for other in ("Missing argument 'OUTPUT'.", "Invalid value for '--x': of another kind"):
        assert _console.misread(other, ["fit"]) == other
