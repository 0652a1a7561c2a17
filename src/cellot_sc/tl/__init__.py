"""The verbs on AnnData: learn transport maps, predict with them, and judge them."""

from ._cellot import cellot
from ._evaluate import evaluate, mmd
from ._predict import predict

__all__ = ["cellot", "evaluate", "mmd", "predict"]
