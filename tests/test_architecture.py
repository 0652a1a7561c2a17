from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cellot_sc as cs

TESTS = Path(__file__).parent
SOURCE = Path(cs.__file__).parent
API = TESTS.parent / "docs" / "api.md"
WITHOUT_TESTS = {
    "__init__.py": "names of a package, which test_package.py and this file look at",
    "__main__.py": "two lines, which cli/test_app.py runs",
    "_defaults.py": "names only",
    "_keys.py": "names only",
    "_ott.py": "names only",
}
"""Files that no test file is named after, and why."""
NAMESPACES = [name for name in cs.__all__ if name not in {"Model", "report", "settings"}]


def functions(namespace: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    module = getattr(cs, namespace)
    for name in module.__all__:
        if inspect.isfunction(function := getattr(module, name)):
            yield name, function


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_function_is_documented_with_an_example(namespace: str) -> None:
    bare = [name for name, function in functions(namespace) if ">>>" not in (inspect.getdoc(function) or "")]
    assert bare == []


@pytest.mark.parametrize("namespace", ["pl", "pp", "tl"])
def test_functions_take_adata_first_and_three_positional_arguments_at_most(namespace: str) -> None:
    for name, function in functions(namespace):
        parameters = list(inspect.signature(function).parameters.values())
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional[0].name in {"adata", "problem", "table"}, name
        assert len(positional) <= 3, name


@pytest.mark.parametrize("namespace", ["pl", "pp", "tl", "_report"])
def test_functions_that_take_adata_first_say_what_it_has_to_be(namespace: str) -> None:
    module = importlib.import_module(f"cellot_sc.{namespace}")
    taking = [
        function
        for name in module.__all__
        if inspect.isfunction(function := getattr(module, name))
        and next(iter(inspect.signature(function).parameters)) == "adata"
    ]
    assert taking
    for function in taking:
        # before anything else is looked at: what else the function needs is not even given
        with pytest.raises(TypeError, match="adata is None; an AnnData is needed"):
            function(None)


@pytest.mark.parametrize("namespace", ["pl", "pp", "tl"])
def test_parameters_have_one_name_for_one_thing(namespace: str) -> None:
    others = {"target": "targets", "feature": "features", "models": "baselines", "kwargs": "options"}
    for name, function in functions(namespace):
        parameters = inspect.signature(function).parameters
        assert not {other: word for other, word in others.items() if other in parameters}, name
        # what may be chosen is all there is, unless one says otherwise
        assert "targets" not in parameters or parameters["targets"].default is None, name
        variable = [p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD]
        assert variable in ([], ["options"]), name


def test_no_two_classes_have_the_same_name() -> None:
    files: dict[str, list[str]] = {}
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.TypeAlias):
                name = node.name if isinstance(node, ast.ClassDef) else node.name.id
                files.setdefault(name, []).append(file.relative_to(SOURCE).as_posix())
    assert len(files) > 50
    assert {name: where for name, where in files.items() if len(where) > 1} == {}


@pytest.mark.skipif(not API.is_file(), reason="the documentation is not part of this installation")
@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_public_name_is_on_the_api_page(namespace: str) -> None:
    line = re.compile(rf"^(?: +|\.\. data:: ){namespace}\.(\w+)$", flags=re.MULTILINE)
    listed = set(line.findall(API.read_text(encoding="utf-8")))
    assert listed == set(getattr(cs, namespace).__all__)


def test_a_metrics_name_is_written_in_its_own_file_and_among_the_defaults_only() -> None:
    source = Path(cs.__file__).parent
    names = {name for name, metric in cs.metrics.METRICS.items() if "discrimination" not in name}
    places: dict[str, set[str]] = {}
    for file in source.rglob("*.py"):
        # a function may be called as its metric, and is exported by its name
        if file.name != "__init__.py":
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names:
                    places.setdefault(node.value, set()).add(file.relative_to(source).as_posix())
    for name, files in places.items():
        implemented = {file for file in files if file.startswith("metrics/")}
        assert len(implemented) <= 1 and files - implemented <= {"_defaults.py"}, (name, files)
    assert len(places) > 15


def test_every_source_file_has_a_test_file_of_its_name() -> None:
    files = [path.relative_to(SOURCE) for path in sorted(SOURCE.rglob("*.py"))]
    bare = {
        file.as_posix()
        for file in files
        if file.name not in WITHOUT_TESTS
        and not (TESTS / file.parent / f"test_{file.stem.removeprefix('_')}.py").is_file()
    }
    assert bare == set()
    names = {file.name for file in files}
    assert set(WITHOUT_TESTS) <= names


def literals(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module, but for those that stand alone: docstrings."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_solver_is_named_in_its_own_file_in_the_registry_and_in_one_list_of_defaults(file: Path) -> None:
    ours = {name for name, solver in cs.ot.SOLVERS.items() if solver.config.__module__.startswith("cellot_sc.")}
    found = ours & set(literals(ast.parse(file.read_text(encoding="utf-8"))))
    own = {file.stem} if file.parent == SOURCE / "ot" / "_solvers" else set()
    lists = {SOURCE / "_defaults.py", SOURCE / "ot" / "_solvers" / "registry.py"}
    assert found <= (ours if file in lists else own)


def test_every_solver_has_a_file_of_its_name() -> None:
    for name in cs.ot.SOLVERS:
        assert f'"{name}",' in (SOURCE / "ot" / "_solvers" / f"{name}.py").read_text(encoding="utf-8")
