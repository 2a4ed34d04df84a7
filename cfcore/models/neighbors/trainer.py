"""`NeighborTrainer`: the similarities, deviations and centres of a fit, whole or part by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.kernels.records import NearestRows, SimilarityRule
from cfcore.models.core.fit_context import FitContext
from cfcore.models.neighbors.centering import Centering
from cfcore.models.neighbors.measures import MEASURES
from cfcore.models.neighbors.similarities import Comparison, Rows
from cfcore.models.neighbors.state import NeighborState
from cfcore.progress import progress_bar

__all__ = ["NeighborTrainer"]

Array = np.ndarray[Any, Any]


class NeighborTrainer:
    """Compares all pairs of targets.

    It has of `cfcore.models.core.trainer.Trainer` what a fit without epochs can have: the parts of its one
    pass, which any process may run that made the same trainer, the live arrays, and the state.

    Parameters
    ----------
    model : KNN
        For its hyper-parameters.
    train : Ratings
    context : FitContext
    n_kept : int, optional
        How many similarities of each are kept, in place of the model's rule.
    """

    def __init__(self, model: Any, train: Ratings, context: FitContext, n_kept: int | None = None) -> None:
        self.context = context
        self.state_class, self.is_baseline = model._state_class, model.center == "baseline"
        self.prediction = model.rule_for(train)
        self.centering = given = Centering(
            train, self.state_class.kind, model.reg_user, model.reg_item, context.n_threads
        )
        self.center = given.center(model.center)
        measure = MEASURES[model.similarity]
        prepared = measure.prepare(given, model.shrinkage_or_default())
        values = prepared.values
        self.comparison = Comparison(
            given.by_target,
            given.by_holder,
            SimilarityRule(measure.kernel, prepared.shrinkage, model.min_support, model.no_overlap),
            top_k=n_kept or model.n_kept(len(given.by_target.indptr) - 1),
            n_threads=context.n_threads,
            row_values=None if values is None else values[given.by_target.to_other],
            col_values=values,
        )

    def run(self) -> NeighborState:
        """The state of the fit."""
        n, title = self.comparison.ratings.n_rows, f"{self.state_class.kind} similarities"
        with progress_bar(n, title, self.context.verbose) as bar:
            self.comparison.run(bar.update)
        return self.state(self.arrays())

    def parts(self, k: int = 0) -> list[Rows]:
        """Ranges of targets; see `Comparison.parts`."""
        return self.comparison.parts()

    def run_part(self, part: Rows) -> None:
        """Compare a range of targets with the others."""
        self.comparison.run_part(part)

    def arrays(self) -> dict[str, Array]:
        """The similarities, of which each part writes its rows."""
        found = self.comparison.found
        if isinstance(found, NearestRows):
            return {"similarity": found.values, "neighbors": found.codes}
        return {"similarity": found.values}

    def carried(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def state(self, arrays: Mapping[str, Array]) -> NeighborState:
        """The state with these similarities."""
        given, center, rows = self.centering, self.center, {}
        if self.state_class.kind == "user":  # rows by user are fields of every state
            rows = {"holder_indptr": given.by_holder.indptr, "holder_targets": given.by_holder.indices}
        state: NeighborState = self.context.state(
            self.state_class,
            **arrays,
            **rows,
            deviations=(
                given.residuals if self.is_baseline else center.deviations(given.by_holder, given.kind)
            ),
            user_centers=center.users,
            item_centers=center.items,
            spreads=center.spreads,
            rule=self.prediction,
        )
        vars(state).update(is_symmetric="neighbors" not in arrays)  # the matrix was mirrored
        return state
