"""Judges the predictions of peers that are there, and writes the tables."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

import cellot_sc as cs

from . import _output
from ._peers_fits import DEFAULT, PEERS
from ._peers_problems import PeerProblem, every

LATENT, GENES = ("energy_distance", "mmd"), ("pearson_delta",)
SHOWN = {
    "E": ("energy_distance", "all"),
    "E, equal types": ("energy_distance", "equal"),
    "MMD": ("mmd", "all"),
    "E/type": ("energy_distance", "mean"),
    "Pearson of changes": ("pearson_delta", "all"),
}
"""Metric and group behind every column of the tables."""
CEILING = "observed"
FIRST = "1015"
"""The patient that has intervals over cells: others are shown by their mean, with intervals over patients."""
N_BOOT = 100


def write(out: Path, problems: Sequence[str] | None = None) -> None:
    """Judge what is there, or some problems of it, and write the tables of every family of problems."""
    found: dict[str, list[pd.DataFrame]] = {}
    facts: list[dict[str, Any]] = []
    for of in _problems():
        if problems is not None and of.place not in problems:
            continue
        if paths := sorted((out / of.place).glob("*-*.h5ad")):
            found.setdefault(of.family, []).append(_judged(of, out / of.place, paths))
            facts += [_facts(of, path) for path in paths]
    fits = pd.DataFrame(facts)
    tables: dict[str, pd.DataFrame] = {}
    for family, make in FAMILIES.items():
        if family in found:
            scores = pd.concat(found[family], ignore_index=True)
            tables |= make(scores, fits[fits["family"] == family])
    if left := sorted(str(path.relative_to(out)) for path in out.glob("*/*/*.failed.txt")):
        tables["Failed"] = pd.DataFrame({"fit": left})
    _output.write("peers", out, tables, _notes(fits))
    pd.concat([table for tables_ in found.values() for table in tables_]).to_csv(out / "peers.csv", index=False)
    fits.to_csv(out / "peers_fits.csv", index=False)


def _problems() -> list[PeerProblem]:
    """Return every problem once, whatever the seeds."""
    return list({of.place: of for of in every()}.values())


def _judged(of: PeerProblem, folder: Path, paths: Sequence[Path]) -> pd.DataFrame:
    """Return the scores of every fit of a problem, and keep them beside the fits that they are of."""
    kept, known = folder / "scores.csv", folder / "scores.json"
    # whether a fit was added or made anew since
    stamp = {path.name: path.stat().st_mtime for path in paths}
    if kept.exists() and known.exists() and json.loads(known.read_text(encoding="utf-8")) == stamp:
        return pd.read_csv(kept, dtype={"name": str})
    adata = ad.read_h5ad(folder / "cells.h5ad")
    # no effect is judged in any case
    predictions = {path.stem: path for path in paths if not path.stem.startswith("identity-")}
    tables = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cs.tl.cellot(adata, of.key, "control", targets=of.target, solver="identity")
        for space, metrics in (("latent", LATENT), ("genes", GENES)):
            table = cs.tl.evaluate(
                adata,
                predictions=predictions,
                split=of.part,
                groupby="cell_type",
                metrics=metrics,
                space=space,
                baselines=[],
                n_boot=0 if of.family == "patient" and of.name != FIRST else N_BOOT,
            )
            tables.append(table.drop(columns="seed"))
    scores = pd.concat(tables, ignore_index=True)
    # the name of a fit is that of its peer and its seed
    parts = scores["model"].str.extract(r"^(?P<model>.*?)(?:-(?P<seed>\d+))?$")
    scores = scores.assign(
        family=of.family, name=of.name, model=parts["model"], seed=parts["seed"].fillna(0).astype(int)
    )
    scores.to_csv(kept, index=False)
    known.write_text(json.dumps(stamp), encoding="utf-8")
    print(f"judged {of.place}: {len(paths)} fits", flush=True)
    return scores


def _facts(of: PeerProblem, path: Path) -> dict[str, Any]:
    """Return what a fit cost."""
    fit = ad.read_h5ad(path, backed="r").uns["fit"]
    return {"family": of.family, "name": of.name} | {name: np.asarray(value).item() for name, value in fit.items()}


def _chosen(scores: pd.DataFrame, metric: str, group: str) -> pd.DataFrame:
    return scores[(scores["metric"] == metric) & (scores["group"] == group)]


def _iid(scores: pd.DataFrame, fits: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the first split with intervals over cells, and what other seeds and splits change."""
    first = scores[(scores["name"] == "split_0") & (scores["seed"] == 0)]
    tables = {
        "Kang, split at random, first split": _one(first, fits[(fits["name"] == "split_0") & (fits["seed"] == 0)])
    }
    others = {"seed": scores[scores["name"] == "split_0"], "name": scores[scores["seed"] == 0]}
    columns: dict[str, pd.Series] = {}
    for unit, part in others.items():
        what = {"seed": "seeds of the first split", "name": "splits"}[unit]
        counts = part.groupby("model")[unit].nunique()
        many = part[part["model"].isin(counts.index[counts > 1])]
        if len(many):
            columns[what] = counts[counts > 1].astype(str)
            columns |= {
                f"{title}, {what}": _chosen(many, *SHOWN[title]).groupby("model")["value"].agg(_range)
                for title in ("E", "E/type")
            }
    if columns:
        tables["Kang, split at random, mean (least to most)"] = _ordered(pd.DataFrame(columns))
    return tables


def _one(scores: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Return the table of one problem: intervals are over cells."""
    columns = {}
    for title, of in SHOWN.items():
        rows = _chosen(scores, *of).set_index("model")
        columns[title] = rows.apply(_with_interval, axis=1)
    return _ordered(pd.DataFrame(columns).join(_costs(fits)))


def _patients(scores: pd.DataFrame, fits: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the first patient with intervals over cells, means over patients, and how often the default loses."""
    first = scores["name"] == FIRST
    tables = {}
    if first.any():
        tables[f"Kang, patient {FIRST} left out"] = _one(scores[first], fits[fits["name"] == FIRST])
    # lest means be of other patients, a table for every set of patients that some peers have
    of_model = scores.groupby("model")["name"].agg(frozenset)
    for patients in sorted(set(of_model), key=len, reverse=True):
        if len(patients) > 1:
            models = of_model.index[[patients <= own for own in of_model]]
            part = scores[scores["model"].isin(models) & scores["name"].isin(patients)]
            title = f"Kang, {len(patients)} patients left out in turn ({', '.join(sorted(patients))}), means"
            tables[title] = _means(part, fits[fits["name"].isin(patients)])
    return tables


def _means(scores: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    means = cs.tl.summarize_scores(scores.drop(columns="family"), unit="name")
    columns = {
        title: _chosen(means, *of).set_index("model").apply(_with_interval, axis=1) for title, of in SHOWN.items()
    }
    energy = _chosen(scores, *SHOWN["E/type"]).pivot_table(index="name", columns="model", values="value")
    if DEFAULT in energy:
        below = energy.lt(energy[DEFAULT], axis=0).sum()
        columns[f"E/type below {DEFAULT}'s"] = below.map(lambda count: f"{count} of {len(energy)}")
    return _ordered(pd.DataFrame(columns).join(_costs(fits)))


def _simulated(scores: pd.DataFrame, fits: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return a table of every regime."""
    return {
        f"Simulated, {name}": _one(scores[scores["name"] == name], fits[fits["name"] == name])
        for name in dict.fromkeys(scores["name"])
    }


FAMILIES: dict[str, Callable[[pd.DataFrame, pd.DataFrame], dict[str, pd.DataFrame]]] = {
    "iid": _iid,
    "patient": _patients,
    "simulated": _simulated,
}


def _costs(fits: pd.DataFrame) -> pd.DataFrame:
    """Return seconds, and steps from the least to the most."""
    by_peer = fits.groupby("peer")
    return pd.DataFrame(
        {
            "CPU s": by_peer["cpu"].mean().map("{:.1f}".format),
            "compiler s": by_peer["compiling"].mean().map("{:.1f}".format),
            "steps": by_peer["steps"].agg(_steps),
        }
    )


def _steps(steps: pd.Series) -> str:
    counts = sorted(
        {str(text) for text in steps}, key=lambda text: int("".join(filter(str.isdigit, text.split()[0])) or 0)
    )
    return counts[0] if len(counts) == 1 else f"{counts[0].split()[0]} to {counts[-1]}"


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of the peers, the ceiling last."""
    rows = [name for name in (*PEERS, CEILING) if name in table.index]
    return table.loc[rows].fillna("-").rename_axis("model").reset_index()


def _with_interval(row: pd.Series) -> str:
    if np.isnan(row["value"]):
        return "-"
    middle = _short(row["value"])
    return middle if np.isnan(row["ci_low"]) else f"{middle} ({_short(row['ci_low'])} to {_short(row['ci_high'])})"


def _range(values: pd.Series) -> str:
    return f"{_short(values.mean())} ({_short(values.min())} to {_short(values.max())})"


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}" if abs(value) >= 0.1 else f"{value:.4f}"


def _notes(fits: pd.DataFrame) -> list[str]:
    """Return what the tables cannot say."""
    versions = ", ".join(sorted(set(fits["version"])))
    return [
        "E: energy distance, MMD: unbiased, median bandwidths, both in the 50 principal components of train cells; "
        "equal types: observed cells drawn so that every type has the share that it has of control cells; "
        "E/type: mean over cell types with at least 10 test cells of either side; Pearson of changes: of the means of "
        "decoded genes, everybody after the same round trip. Intervals of one problem are over cells, those of "
        "patients over patients (central 95 %). `observed`: treated train cells, of unseen patients halves of their "
        "own cells.",
        "CPU seconds of one thread, the compiler's apart, on a machine shared with others. Slow peers (ott, paper, "
        "CellFlow, Scgen) get ten times the default's, by the seconds that a few steps took before, and make the steps "
        "stated; CellFlow with its authors' settings, 300,000 iterations of a far larger network, is not run. All "
        "learn from train cells alone; only icnn and paper see validation cells. CINEMA-OT is transductive: it sees "
        "the test control cells. Scgen, group_shift, group_gaussian and icnn by type are told cell types.",
        "Settings of CellFlow (256 to 512 wide, Adam at .0001, couplings at .05 of the mean cost) are the best of "
        "three by E and E/type of test cells of the first split, those of CINEMA-OT (threshold .15, smoothness .00001) "
        "of an earlier review: in their favour. The default of this package was developed on Kang's cells, among "
        "others: in its favour. ott: the loop of its W2NeuralDual without the solver of the conjugate, and with it, "
        "otherwise its defaults. moscot: epsilon .05, not chosen; unseen cells by the entropic map.",
        f"{versions}.",
    ]
