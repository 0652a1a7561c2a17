from __future__ import annotations

import inspect

import pytest

import cellot_sc as cs
from cellot_sc.datasets._registry import entries


@pytest.mark.parametrize("name", sorted(entries()))
def test_registry_says_where_from_and_whom_to_cite(name: str):
    entry = entries()[name]
    [file] = entry.files
    assert entry.type == "anndata"
    assert {"title", "citation", "doi", "accession", "licence", "megabytes", "address", "checksum"} == set(
        entry.metadata
    )
    assert entry.metadata["doi"].startswith("10.")
    assert all(url.startswith("https://") for url in [file.resolve_url(), *(file.fallback_urls or ())])
    # a checksum comes with the source of it
    assert (file.sha256 is None) == (entry.metadata["checksum"] is None)
    assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32


def test_every_entry_has_a_loader():
    loaders = [name for name in cs.datasets.__all__ if inspect.isfunction(getattr(cs.datasets, name))]
    for name in entries():
        assert any(name.startswith(loader) for loader in loaders), name
