"""One function per figure: each takes axes or makes them, and returns those that it has drawn on."""

from ._embedding import embedding
from ._evaluation import evaluation
from ._history import history
from ._marginals import marginals

__all__ = ["embedding", "evaluation", "history", "marginals"]
