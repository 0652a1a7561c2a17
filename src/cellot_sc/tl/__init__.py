"""The verbs on AnnData: learn transport maps, predict with them, and judge them."""

from ._cellot import cellot
from ._effect_clusters import effect_clusters
from ._evaluate import evaluate, mmd
from ._predict import predict
from ._responders import responders
from ._signature import signature
from ._similarity import drug_similarity
from ._subpopulations import subpopulation_effects
from ._transport_cost import transport_cost

__all__ = [
    "cellot",
    "drug_similarity",
    "effect_clusters",
    "evaluate",
    "mmd",
    "predict",
    "responders",
    "signature",
    "subpopulation_effects",
    "transport_cost",
]
