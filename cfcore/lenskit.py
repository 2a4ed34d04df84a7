"""Models as components of LensKit pipelines: `CFScorer`, and a scorer for each model (`SVDScorer`, ...).

Needs LensKit: ``pip install 'cfcore[lenskit]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import lenskit as _lenskit  # noqa: F401
except ImportError as error:
    raise ImportError("cfcore.lenskit needs LensKit: pip install 'cfcore[lenskit]'") from error

from cfcore.adapters.lenskit.config import CFConfig, ScorerOptions
from cfcore.adapters.lenskit.models import scorers as _scorers
from cfcore.adapters.lenskit.scorer import CFScorer, Scorer

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


_of_models = _scorers(__name__)
globals().update(_of_models)

__all__ = ["CFConfig", "CFScorer", "Scorer", "ScorerOptions", *_of_models]
