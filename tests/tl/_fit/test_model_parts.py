from __future__ import annotations

import pandas as pd
import pytest

from cellot_sc.tl._fit.model_parts import check_history, check_table, check_texts, escaped
from cellot_sc.tl._fit.store import HISTORY_COLUMNS


def test_what_is_no_letter_is_escaped():
    assert escaped("naïve β\x1b[31m\n\u202e") == "naïve β\\x1b[31m\\n\\u202e"
    assert escaped("T cell, 5 µm") == "T cell, 5 µm"


@pytest.mark.parametrize("tree", [{"a": {"b": ["x", "y\n"]}}, {"a": {"b\r": 3}}, {"a": {"b": "\x9b"}}])
def test_control_characters_are_refused_wherever_they_stand(tree: object):
    with pytest.raises(ValueError, match=r"a(\.b)? is .*, which has line breaks or control characters"):
        check_texts(tree)
    check_texts({"a": {"b": ["Zürich", "5 %"], "c": 3}})


def test_tables_have_their_columns_and_no_others():
    table = pd.DataFrame({"a": ["x"], "b": [1.0]})
    check_table(table, "it", ["a", "b"], ("a",))
    check_table(table, "it", ["a"], ("a",), ("b",))
    for given, words in (
        (table[["a"]], "it has no column 'b'"),
        (table.assign(c=1), "it has a column 'c'"),
        (table.rename(columns={"b": "a"}), "it has no column 'b'"),
        (table.assign(a=1), "it.a is .*; texts are needed"),
        (table.assign(b=float("inf")), "it.b is .*; numbers are needed"),
    ):
        with pytest.raises(ValueError, match=words):
            check_table(given, "it", ["a", "b"], ("a",))


def test_an_empty_history_is_one():
    table = pd.DataFrame({name: [] for name in HISTORY_COLUMNS})
    check_history(table)
    with pytest.raises(ValueError, match="history has a column 'foo'"):
        check_history(table.assign(foo=1))
