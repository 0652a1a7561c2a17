"""One function per figure: each takes axes or makes them, and returns those that it has drawn on."""

from ._clonal import clonal_agreement
from ._composition import composition
from ._displacement import displacement
from ._dose_response import dose_response
from ._effect_clusters import effect_clusters
from ._effect_heatmap import effect_heatmap
from ._embedding import embedding
from ._evaluation import evaluation
from ._fate import fate
from ._history import history
from ._marginals import marginals
from ._perturbation_similarity import perturbation_similarity
from ._responses import responses
from ._scorecard import scorecard
from ._spatial_effects import spatial_effects
from ._subpopulation_effects import subpopulation_effects
from ._trajectory import trajectory
from ._transport_cost import transport_cost
from ._volcano import volcano

__all__ = [
    "clonal_agreement",
    "composition",
    "displacement",
    "dose_response",
    "effect_clusters",
    "effect_heatmap",
    "embedding",
    "evaluation",
    "fate",
    "history",
    "marginals",
    "perturbation_similarity",
    "responses",
    "scorecard",
    "spatial_effects",
    "subpopulation_effects",
    "trajectory",
    "transport_cost",
    "volcano",
]
