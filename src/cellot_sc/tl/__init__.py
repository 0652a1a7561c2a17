"""The verbs on AnnData: learn transport maps, predict with them, and judge them."""

from ._courses.clones import clonal_agreement
from ._courses.fate import fate
from ._courses.from_moscot import from_moscot
from ._courses.interpolate import interpolate
from ._courses.judge_times import judge_times
from ._courses.trajectory import trajectory
from ._courses.transfer import transfer
from ._effects.abundance import abundance_shift
from ._effects.combination_interactions import interactions
from ._effects.combination_judge import judge_combinations
from ._effects.combination_predict import predict_combination
from ._effects.dose_judge import judge_doses
from ._effects.dose_predict import predict_dose
from ._effects.dose_response import dose_response
from ._effects.dose_table import dose_curves
from ._effects.effect_clusters import effect_clusters
from ._effects.responders import responders
from ._effects.signature import signature
from ._effects.similarity import perturbation_similarity
from ._effects.spatial import spatial_effects
from ._effects.subpopulations import subpopulation_effects
from ._effects.transport_cost import transport_cost
from ._fit.attach import attach
from ._fit.cellot import cellot
from ._fit.combine import combine
from ._fit.fit import Fit
from ._fit.predict import predict
from ._fit.store import FittedMaps, maps
from ._judge.cell_eval import CellEvalFiles, export_cell_eval
from ._judge.evaluate import evaluate, mmd
from ._judge.summarize import summarize_scores

__all__ = [
    "CellEvalFiles",
    "Fit",
    "FittedMaps",
    "abundance_shift",
    "attach",
    "cellot",
    "clonal_agreement",
    "combine",
    "dose_curves",
    "dose_response",
    "effect_clusters",
    "evaluate",
    "export_cell_eval",
    "fate",
    "from_moscot",
    "interactions",
    "interpolate",
    "judge_combinations",
    "judge_doses",
    "judge_times",
    "maps",
    "mmd",
    "perturbation_similarity",
    "predict",
    "predict_combination",
    "predict_dose",
    "responders",
    "signature",
    "spatial_effects",
    "subpopulation_effects",
    "summarize_scores",
    "trajectory",
    "transfer",
    "transport_cost",
]
