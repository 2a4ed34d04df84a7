"""`Scorer`: a model of cfcore as a component of LensKit pipelines."""

from __future__ import annotations

from abc import abstractmethod
from datetime import UTC
from typing import Any, Self

import numpy as np
from lenskit.data import Dataset, ItemList, QueryInput, RecQuery, Vocabulary
from lenskit.pipeline import Component
from lenskit.training import Trainable, TrainingOptions

from cfcore.adapters.lenskit.config import CFConfig, ScorerOptions
from cfcore.adapters.lenskit.data import features_of, rated_items, ratings_of
from cfcore.adapters.lenskit.scores import scores_for_user
from cfcore.errors import DataError, NotFittedError
from cfcore.models.core.given import session_user
from cfcore.models.core.model import Model

__all__ = ["CFScorer", "Scorer"]

Array = np.ndarray[Any, Any]

#: Models whose predictions need not know both user and item.
NOT_PERSONAL = ("GlobalMean", "Baseline", "Popularity")


class Scorer(Component[ItemList], Trainable):
    """Base of the scorers of all models: training, scores, cold users, pickles.

    Attributes
    ----------
    model : Model
        The fitted model, after `train`: for explanations, intervals, files (``scorer.model.save(path)``).
    """

    config: ScorerOptions
    model: Model
    users: Vocabulary
    items: Vocabulary
    user_codes: Array
    item_codes: Array

    @abstractmethod
    def make_model(self) -> Model:
        """An unfitted model with the hyper-parameters of the configuration."""

    def is_trained(self) -> bool:
        """Whether `train` has been called."""
        return hasattr(self, "model")

    def train(self, data: Dataset, options: TrainingOptions | None = None) -> None:
        """Fit the model to the ratings of a data set.

        Parameters
        ----------
        data : Dataset
            Of repeated pairs the latest rating counts. Timestamps reach models that use them.
        options : TrainingOptions, optional
            With ``retrain=False`` a trained scorer stays as it is. `rng` gives the model its `random_state`;
            without, that of the configuration counts, or else LensKit's generator.

        Raises
        ------
        DataError
            The interactions have no ratings, and the model predicts ratings.
        """
        options = TrainingOptions() if options is None else options
        if self.is_trained() and not options.retrain:
            return
        model = self.make_model()
        seed(model, options)
        need_values = self._ranks_by(model) == "rating"
        ratings = ratings_of(data, self.config.scale, need_values, type(model).__name__)
        tables = {}
        for kind in ("user", "item"):
            table = features_of(data, kind, getattr(self.config, f"{kind}_features"))
            if table is not None:
                tables[f"{kind}_features"] = table
        self._take(model.fit(ratings, **tables), data.users, data.items)

    def _take(self, model: Model, users: Vocabulary, items: Vocabulary) -> None:
        """Take a fitted model, and its codes by LensKit's numbers; the last is that of -1."""
        self.model, self.users, self.items = model, users, items
        self.user_codes = np.append(model.encode_users(users.ids()), np.int32(-1)).astype(np.int32)
        self.item_codes = np.append(model.encode_items(items.ids()), np.int32(-1)).astype(np.int32)

    def __call__(self, query: QueryInput, items: ItemList) -> ItemList:
        """Score items for a query.

        Parameters
        ----------
        query : RecQuery, or what it is made of: the id of a user, or an ItemList with ratings
            A known user is scored with the parameters that the fit found, others by the rated items of the
            query, as ``model.predict(items, given=ratings)``; see `ScorerOptions.history`. Its `query_time`
            is the time of the predictions of models that use time.
        items : ItemList

        Returns
        -------
        ItemList
            The items with scores; see `ScorerOptions` for those of unknown items and users.
        """
        if not self.is_trained():
            raise NotFittedError(
                f"this {type(self).__name__} is not trained; call pipeline.train(data) first"
            )
        query = RecQuery.create(query)
        scores = np.full(len(items), np.nan)
        if len(items) == 0:
            return ItemList(items, scores=scores)
        numbers = items.numbers(vocabulary=self.items, missing="negative")
        codes = self.item_codes[numbers]
        here, user = self._asked(query)
        falls_back = self._falls_back()
        asked = np.flatnonzero((codes >= 0) | falls_back)
        if len(asked) and (user >= 0 or falls_back):
            scores[asked] = self._scores(here, user, codes[asked], query)
        return ItemList(items, scores=scores)

    def _scores(self, model: Model, user: int, items: Array, query: RecQuery) -> Array:
        moment = moment_of(query) if model.uses_timestamps() else None
        unit = getattr(model, "time_unit_", 1)  # of a second
        times = None if moment is None else np.full(len(items), moment * unit)
        by = self._ranks_by(model)
        found = scores_for_user(model, user, items, times, by)
        return np.clip(found, *model.scale_) if self.config.clip and by == "rating" else found

    def _ranks_by(self, model: Model) -> str:
        return self.config.rank_by or model.ranks_by

    def _falls_back(self) -> bool:
        if self.config.unknown == "auto":
            return type(self.model).__name__ in NOT_PERSONAL
        return self.config.unknown == "fallback"

    # ------------------------------------------------------------------ users

    def _asked(self, query: RecQuery) -> tuple[Model, int]:
        """The model that answers a query, and the code of its user; -1: nothing is known of them."""
        user = self._code_of(query.user_id)
        when = self.config.history
        if when == "never" or (when == "cold" and user >= 0):
            return self.model, user
        rated = self._rated(query)
        if rated is None or (when == "auto" and user >= 0 and self._is_of_training(user, *rated[:2])):
            return self.model, user
        given, own = self._ratings_given(query.user_id if user >= 0 else None, *rated)
        here = self.model.for_users(given)
        return here, int(here.encode_users(own)[0])

    def _code_of(self, user: Any) -> int:
        if user is None:
            return -1
        if isinstance(user, str) and np.issubdtype(self.users.ids().dtype, np.integer):
            if not user.lstrip("-").isdigit():
                return -1
            user = int(user)  # as LensKit's lookup of histories does
        number = self.users.number(user, missing=None)
        return -1 if number is None else int(self.user_codes[number])

    def _rated(self, query: RecQuery) -> tuple[Array, Array, Any] | None:
        """Codes, ratings and times of the known items of a query: its query items, or its history."""
        default = None
        if self._ranks_by(self.model) == "preference":
            default = self.model.mean_
        for source in (query.query_items, query.history_items):
            found = rated_items(source, default)
            if found is None:
                continue
            ids, values, times = found
            codes = self.item_codes[self.items.numbers(ids, missing="negative")]
            kept = np.flatnonzero((codes >= 0) & ~np.isnan(values))
            if len(kept):
                return codes[kept], values[kept], None if times is None else times[kept]
        return None

    def _is_of_training(self, user: int, items: Array, values: Array) -> bool:
        """Whether these are the training ratings of a user."""
        model = self.model
        first, last = model.seen_indptr_[user : user + 2]
        if len(items) != last - first or model.seen_values_ is None:
            return False
        own, order = np.argsort(model.seen_items_[first:last]), np.argsort(items, kind="stable")
        return bool(
            np.array_equal(model.seen_items_[first:last][own], items[order])
            and np.array_equal(model.seen_values_[first:last][own], values[order].astype(np.float32))
        )

    def _ratings_given(self, user: Any, items: Array, values: Array, times: Any) -> tuple[Any, Any]:
        """Ratings as ``given=`` takes them, and the id of their user."""
        low, high = self.model.scale_
        outside = (values < low) | (values > high)
        if outside.any():
            at = int(outside.argmax())
            raise DataError(
                f"query: the rating of item {self.model.item_ids_[items[at]]} is {values[at]:g}, and the "
                f"scale of the training ratings is {low:g} to {high:g}; {type(self).__name__}(scale=(low, "
                "high), ...) makes it wider"
            )
        if user is None:
            user = session_user(self.model.user_ids_, free=True)
        columns = [user] * len(items), self.model.item_ids_[items], values
        if times is None or not self.model.uses_timestamps():
            return columns, [user]
        return (*columns, times), [user]


class CFScorer(Scorer):
    """A model of cfcore as a scorer: ``CFScorer(model=cfcore.SVD(n_factors=50))``.

    Parameters
    ----------
    config : CFConfig or Model, optional
        The configuration, or only a model. Its fields may be given as keywords: `model`, and those of
        `ScorerOptions`.

    Examples
    --------
    >>> import cfcore as cf
    >>> from cfcore.lenskit import CFScorer
    >>> from lenskit.data import from_interactions_df
    >>> from lenskit.pipeline import topn_pipeline
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [10, 11, 10], "rating": [5.0, 4.0, 3.0]})
    >>> pipeline = topn_pipeline(CFScorer(model=cf.Baseline()), n=1)
    >>> pipeline.train(from_interactions_df(frame))
    """

    config: CFConfig

    def __init__(self, config: Any = None, **options: Any) -> None:
        if isinstance(config, Model):
            config, options = None, {"model": config, **options}
        super().__init__(config, **options)

    def make_model(self) -> Model:
        model: Model = self.config.model.clone()
        return model

    @classmethod
    def of(cls, model: Model, **options: Any) -> Self:
        """A trained scorer of a fitted model, such as one that `cfcore.load` read.

        Parameters
        ----------
        model : Model
        **options
            Of `ScorerOptions`.
        """
        scorer = cls(model=model, **options)
        users, items = (Vocabulary(ids, name=name) for ids, name in
                        ((model.user_ids_, "user"), (model.item_ids_, "item")))  # fmt: skip
        scorer._take(model.snapshot(), users, items)
        return scorer


def seed(model: Model, options: TrainingOptions) -> None:
    """Give a model, and the models in it, their random states."""
    rng = None
    for name, value in sorted(model.get_params().items()):
        if name.rpartition("__")[2] == "random_state" and (options.rng is not None or value is None):
            rng = options.random_generator() if rng is None else rng
            model.set_params(**{name: int(rng.integers(2**31))})


def moment_of(query: RecQuery) -> int | None:
    """The time of a query, in seconds since 1970; without a time zone it is in UTC."""
    moment = getattr(query, "query_time", None)  # LensKit 2026
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
