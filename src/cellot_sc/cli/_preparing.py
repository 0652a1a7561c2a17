"""What ``cellot-sc fit`` makes of cells as they come, before maps are fitted to them."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _keys

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

TIMES = 4
"""How much more memory than ``X`` this may need: counts, what is made of them, and of these the genes that are kept."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preparing:
    """What is made of cells, as it was typed, in the order of the fields."""

    keep: list[str] = dataclasses.field(default_factory=list)
    test_fraction: float | None = None
    normalize: bool = False
    log1p: bool = False
    n_top_genes: int | None = None
    represent: str | None = None
    as_is: bool = False

    @property
    def kept(self) -> dict[str, list[str]]:
        """The values of the cells that are kept, by the columns."""
        return grouped(self.keep, what="--keep")

    @property
    def changes(self) -> bool:
        """Whether the expression is another one afterwards."""
        return self.normalize or self.log1p or self.n_top_genes is not None

    def check_prepared(self, use_rep: str | None) -> None:
        """Raise :class:`ValueError` if what was typed contradicts itself."""
        from .. import _validate

        _validate.not_both({"--as-is": self.as_is, "--normalize": self.normalize})
        _validate.not_both({"--as-is": self.as_is, "--log1p": self.log1p})
        _validate.not_both({"--use-rep": use_rep, "--represent": self.represent})
        if self.represent is not None:
            from ..pp._methods import METHODS

            _validate.one_of(self.represent, METHODS, what="--represent")
        if self.n_top_genes is not None:
            _validate.whole(self.n_top_genes, 1, what="--n-top-genes")
        if self.test_fraction is not None:
            _validate.fraction(self.test_fraction, what="--test-fraction")
        if self.changes and use_rep not in (None, _keys.EXPRESSION):
            raise ValueError(
                f"--use-rep {use_rep} was made before the expression is changed: leave it out to have another made."
            )

    def chosen(self, adata: AnnData, path: Path) -> AnnData:
        """Return the cells that are kept, in memory if anything is to be made of them; say what was left out.

        Raises
        ------
        KeyError
            If a column is missing.
        ValueError
            If no cell has a value, or memory does not hold the cells.
        """
        import numpy as np

        from .. import _chunks, _on_disk, _validate
        from .._settings import logger

        rows, lines = np.ones(adata.n_obs, dtype=bool), []
        for column, values in self.kept.items():
            mask = _validate.held_out(adata, {column: values}, what="--keep")
            lines.append(f"{column} is {' or '.join(values)} in {mask.sum()}")
            rows &= mask
        if lines:
            logger.info("kept %d of %d cells: %s", rows.sum(), adata.n_obs, "; ".join(lines))
        if not rows.any():
            raise ValueError(f"no cell of {path} is all that --keep asks for: {'; '.join(lines)}.")
        if _chunks.is_stored(adata.X) and (self.keep or self.changes):
            needed = TIMES * _on_disk.size(path) * rows.mean()
            if needed > (there := _memory()):
                raise ValueError(
                    f"{path} needs {needed / 2**30:.0f} GB of memory to be prepared, of {there / 2**30:.0f}: write a "
                    "file with the cells and genes that you want, normalised, and leave these options out."
                )
            return adata[rows].to_memory()
        return adata if rows.all() else adata[rows].copy()

    def check_counts(self, adata: AnnData, path: Path) -> None:
        """Raise :class:`ValueError` if maps would be fitted to counts, or what has logarithms would get them again."""
        from .. import _validate

        words = _validate.words_on_expression(adata)
        if words.endswith(_validate.COUNTS) and not (self.normalize or self.log1p or self.as_is):
            raise ValueError(
                f"X of {path} holds whole numbers only, as counts do: add --normalize --log1p, or --as-is to use them "
                "as they are."
            )
        if (self.normalize or self.log1p) and (seen := _no_counts(_validate.expression(adata, None))):
            raise ValueError(f"X of {path} is no counts, but {seen}: leave --normalize and --log1p out.")

    def make(self, adata: AnnData, split_key: str, n_cells: int) -> AnnData:
        """Return the cells with the expression as it was asked for, and say in ``uns`` how it was made.

        Parameters
        ----------
        adata
            The cells that were kept, with their split; written to.
        split_key
            Column of ``obs`` with the split: what is learnt is learnt of train cells.
        n_cells
            How many cells there were.
        """
        if not (self.keep or self.changes):
            return adata
        import numpy as np

        train = adata.obs[split_key].to_numpy() == _keys.TRAIN if self.changes else np.zeros(0)
        target_sum = self._normalised(adata, train)
        adata = self._of_top_genes(adata, train)
        # of a file that was prepared before
        before = adata.uns.get(_keys.PREPARATION, {})
        adata.uns[_keys.PREPARATION] = {
            "kept": np.array([*before.get("kept", ()), *self.keep], dtype=object),
            "n_cells_left_out": n_cells - adata.n_obs + int(before.get("n_cells_left_out", 0)),
            "normalized": self.normalize or bool(before.get("normalized", False)),
            "target_sum": target_sum or float(before.get("target_sum", 0)),
            "log1p": self.log1p or bool(before.get("log1p", False)),
            "n_top_genes": adata.n_vars if self.n_top_genes is not None else int(before.get("n_top_genes", 0)),
        }
        return adata

    def _normalised(self, adata: AnnData, train: np.ndarray) -> float:
        """Normalise and take the logarithm; return the target sum, 0 if it is none."""
        import numpy as np
        import scanpy as sc

        from .._arrays import is_whole
        from .._settings import logger

        x: Any = adata.X
        if (self.normalize or self.log1p) and is_whole(x) and _keys.COUNTS not in adata.layers:
            adata.layers[_keys.COUNTS] = x.copy()
            logger.info("kept the counts in layers[%r]", _keys.COUNTS)
        target = 0.0
        if self.normalize:
            totals = np.asarray(x.sum(axis=1)).ravel()
            if n_empty := int((totals == 0).sum()):
                logger.warning(
                    "%d of %d cells have no counts, and stay as they are: leave them out", n_empty, len(totals)
                )
            target = float(np.median(totals[train & (totals > 0)]))
            with warnings.catch_warnings():
                # that has been said
                warnings.filterwarnings("ignore", message="Some cells have zero counts")
                sc.pp.normalize_total(adata, target_sum=target)
            logger.info("normalised the counts of each cell to %g, the median of train cells", target)
        if self.log1p:
            sc.pp.log1p(adata)
            logger.info("took log1p")
        return target

    def _of_top_genes(self, adata: AnnData, train: np.ndarray) -> AnnData:
        """Return the cells with the genes that vary most among train cells; what was measured of others goes."""
        import anndata
        import scanpy as sc

        from .. import _validate
        from .._settings import logger

        if self.n_top_genes is None:
            return adata
        if words := _validate.words_on_expression(adata):
            raise ValueError(f"--n-top-genes needs log1p of normalised counts, and {words}.")
        n_genes = min(self.n_top_genes, adata.n_vars)
        cells = anndata.AnnData(adata.X[train], var=adata.var[[]])
        vary = sc.pp.highly_variable_genes(cells, n_top_genes=n_genes, inplace=False)["highly_variable"].to_numpy()
        logger.info("chose %d of %d genes, which vary most among %d train cells", vary.sum(), len(vary), train.sum())
        return adata[:, vary].copy()


def grouped(texts: list[str], *, what: str) -> dict[str, list[str]]:
    """Return values by the columns that they are of, of ``COLUMN=VALUE``; errors of :func:`.pairs`."""
    from .. import _assignments

    groups: dict[str, list[str]] = {}
    for column, value in _assignments.pairs(texts, what=what):
        groups.setdefault(column, []).append(value)
    return groups


def _no_counts(x: Any) -> str:
    """Return what expression is that has no counts, nor multiples of them; no text if it may have."""
    from ..pp._scale import LOGS, SIGNED, Scale

    scale = Scale.of(x)
    if scale.kind == SIGNED:
        return "scaled or centred"
    return scale.words if scale.kind == LOGS and scale.logarithm else ""


def _memory() -> float:
    """Return the bytes of memory of this machine, no bound where that is not known."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
