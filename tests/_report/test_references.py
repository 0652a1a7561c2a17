from __future__ import annotations

import re

import pytest

from cellot_sc._report import _references


def test_cited_once_in_order() -> None:
    cite = _references.Citations()
    assert cite("makkuva2020", "buzun2024") == "Makkuva et al. 2020; Buzun et al. 2024"
    assert cite("bunne2023") == "Bunne et al. 2023"
    assert cite("makkuva2020") == "Makkuva et al. 2020"
    assert [reference.short for reference in cite.cited] == [
        "Makkuva et al. 2020",
        "Buzun et al. 2024",
        "Bunne et al. 2023",
    ]


@pytest.mark.parametrize("name", _references.REFERENCES)
def test_every_reference_is_whole(name: str) -> None:
    reference = _references.REFERENCES[name]
    author, year = re.fullmatch(r"(\S+?)(?: .*)? (\d{4})", reference.short).groups()  # type: ignore[union-attr]
    assert reference.text.startswith(f"{author}, ")
    assert reference.text.endswith(f"({year}).")
    assert reference.doi == "" or reference.doi.startswith("10.")
