from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cellot_sc as cs

API = Path(__file__).parents[1] / "docs" / "api.md"
NAMESPACES = [name for name in cs.__all__ if name != "settings"]


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
        assert positional[0].name in {"adata", "data", "predicted", "problem", "table"}, name
        assert len(positional) <= 3, name


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
