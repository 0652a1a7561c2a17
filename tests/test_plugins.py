from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from cellot_sc._plugins import Registry, closest, nearest

GROUP = "cellot_sc.things_of_this_test"


@dataclass(frozen=True)
class Thing:
    name: str
    size: int = 0

    @property
    def origin(self) -> str:
        return f"file{self.size}.{self.name}"


@pytest.fixture
def registry() -> Registry[Thing]:
    return Registry(Thing, GROUP, [Thing("one", 1), Thing("two", 2)])


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with a thing, one that cannot be imported, and one whose name is taken."""
    info = tmp_path / "other_things-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-things\nVersion: 1.0\n", encoding="utf-8")
    entries = "three = other_things:THREE\nfour = other_things:FOUR\none = other_things:ONE\n"
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = types.ModuleType("other_things")
    module.__dict__.update(THREE=Thing("three", 3), ONE=Thing("one", 9))
    monkeypatch.setitem(sys.modules, "other_things", module)


def test_records_by_name(registry: Registry[Thing]) -> None:
    assert list(registry) == ["one", "two"] and len(registry) == 2 and "three" not in registry
    assert registry["two"].size == 2 and repr(registry) == "Registry(one, two)"
    three = Thing("three", 3)
    # what is used is known by its name, and not listed
    assert registry.resolve(three) is three is registry["three"] and list(registry) == ["one", "two"]
    assert registry.register(three) is three and registry.resolve("three") is three
    assert registry.register(three) is three


@pytest.mark.parametrize("name", ["", "all", "mean", "observed", "prior", "mmd_calibrated"])
def test_names_that_tables_use_are_refused(registry: Registry[Thing], name: str) -> None:
    for use in (registry.register, registry.resolve):
        with pytest.raises(ValueError, match=f"no thing can be called '{name}': tables use"):
            use(Thing(name))


def test_what_is_defined_anew_takes_its_own_place(registry: Registry[Thing]) -> None:
    again = Thing("one", 1)
    assert registry["one"] is not again
    assert registry.register(again) is registry["one"] is again


def test_what_cannot_be_registered(registry: Registry[Thing]) -> None:
    with pytest.raises(ValueError, match="the name of the thing 'one' is taken by file1.one: choose another one"):
        registry.register(Thing("one", 7))
    with pytest.raises(TypeError, match="a thing is a Thing, not str: 'three'"):
        registry.register("three")  # type: ignore[arg-type]
    assert registry["one"].size == 1 and len(registry) == 2


def test_several_are_selected(registry: Registry[Thing]) -> None:
    three = Thing("three", 3)
    assert registry.select("two") == [registry["two"]] and registry.select(three) == [three]
    given: list[str | Thing] = [three, "one", registry["one"], three]
    assert registry.select(iter(given)) == [three, registry["one"]]
    with pytest.raises(ValueError, match="thing is empty: give at least one. Valid: 'one', 'two'"):
        registry.select([])
    with pytest.raises(ValueError, match="two different things are called 'three'"):
        registry.select([three, Thing("three", 4)])
    with pytest.raises(ValueError, match="the name of the thing 'one' is taken"):
        registry.select([Thing("one", 7)])


def test_the_nearest_name_is_hinted_at(registry: Registry[Thing]) -> None:
    with pytest.raises(ValueError, match=r"^thing 'tow' is unknown. Did you mean 'two'\? Valid: 'one', 'two'\.$"):
        registry.resolve("tow")
    with pytest.raises(KeyError):
        registry["tow"]
    assert nearest("x", []) == " There are none."
    assert nearest("xyz", range(30)).endswith("'19', ....")


@pytest.mark.parametrize(
    ("given", "valid", "meant"),
    [
        ("drugA", ["drug_b", "drug_a"], "drug_a"),
        ("T-Cells", ["B cells", "t_cell"], "t_cell"),
        ("stim", ["control", "stimulated"], "stimulated"),
        ("gene_1", ["gene_41", "gene_01"], "gene_01"),
        # numbers tell names apart
        ("patient_9", ["patient_3", "patient_19"], None),
        ("gene_1", ["gene_41"], None),
        ("1.5", ["15"], None),
        # nothing is near
        ("X_umap", ["X_pca"], None),
        ("batch", ["patient", "cell_type"], None),
        ("", ["a"], None),
        ("_", ["."], None),
    ],
)
def test_the_closest_name(given: str, valid: list[str], meant: str | None) -> None:
    assert closest(given, valid) == meant
    assert ("Did you mean" in nearest(given, valid)) == (meant is not None)


def test_records_of_known_places_are_imported_when_they_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {name: f"module_of_{name}:THING" for name in ("zero", "one")}
    registry = Registry(Thing, GROUP, [Thing("two", 2)], places=places)
    # no such module is there yet
    assert list(registry) == ["zero", "one", "two"] and "zero" in registry and "three" not in registry
    with pytest.raises(ValueError, match="thing 'on' is unknown. Did you mean 'one'"):
        registry.resolve("on")
    with pytest.raises(ModuleNotFoundError):
        registry["zero"]
    module = types.ModuleType("module_of_one")
    module.__dict__.update(THING=Thing("one", 1))
    monkeypatch.setitem(sys.modules, "module_of_one", module)
    with pytest.raises(ValueError, match="the name of the thing 'one' is taken by file1.one"):
        registry.register(Thing("one", 7))
    assert registry["one"].size == 1
    assert registry.resolve("one") is registry["one"]


@pytest.mark.usefixtures("distribution")
def test_other_distributions_add_records(registry: Registry[Thing]) -> None:
    assert registry["one"].size == 1  # a known name loads nothing
    with pytest.warns(UserWarning) as warned:
        assert registry["three"].size == 3
    texts = [str(warning.message) for warning in warned]
    assert len(texts) == 2
    assert texts[0].startswith("the thing 'four' of the distribution 'other-things' is left out")
    assert "the name of the thing 'one' is taken" in texts[1]
    assert list(registry) == ["one", "two", "three"]  # loaded once: no second warning
