"""What is here runs other people's packages, in an environment that has them all: nothing may be skipped."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    if report.skipped:
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def fitted(simulated: AnnData) -> AnnData:
    """Simulated cells with a Gaussian map per drug, on ten components. Copy them before you change them."""
    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata, solver="gaussian")
    return adata
