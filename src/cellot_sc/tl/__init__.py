"""The verbs on AnnData: learn transport maps, predict with them, and judge them."""

from ._abundance import abundance_shift
from ._cell_eval import CellEvalFiles, export_cell_eval
from ._cellot import cellot
from ._clones import clonal_agreement
from ._effect_clusters import effect_clusters
from ._evaluate import evaluate, mmd
from ._fate import fate
from ._from_moscot import from_moscot
from ._interpolate import interpolate
from ._predict import predict
from ._responders import responders
from ._signature import signature
from ._similarity import drug_similarity
from ._spatial import spatial_effects
from ._subpopulations import subpopulation_effects
from ._summarize import summarize_scores
from ._trajectory import trajectory
from ._transfer import transfer
from ._transport_cost import transport_cost

__all__ = [
    "CellEvalFiles",
    "abundance_shift",
    "cellot",
    "clonal_agreement",
    "drug_similarity",
    "effect_clusters",
    "evaluate",
    "export_cell_eval",
    "fate",
    "from_moscot",
    "interpolate",
    "mmd",
    "predict",
    "responders",
    "signature",
    "spatial_effects",
    "subpopulation_effects",
    "summarize_scores",
    "trajectory",
    "transfer",
    "transport_cost",
]
