"""`Featured`: a model that takes tables of features, at the fit and after it."""

from __future__ import annotations

import os
from typing import Any, Self

from cfcore.data import Duplicates
from cfcore.models.core.fit_context import Callback
from cfcore.models.core.model import Model
from cfcore.models.factorization.bayesian_features import with_features
from cfcore.models.factorization.bayesian_new_rows import state_with

__all__ = ["Featured"]


class Featured(Model):
    """`fit`, `predict` and `recommend` with features of users and of items."""

    def fit(
        self,
        ratings: Any,
        *columns: Any,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        user_features: Any = None,
        item_features: Any = None,
        duplicates: Duplicates = "error",
        weights: Any = None,
        memory_limit: int | str | None = None,
        **others: Any,
    ) -> Self:
        """Fit the model, forgetting any earlier fit.

        Parameters
        ----------
        ratings, validation, early_stopping, callback, checkpoint, duplicates, weights, memory_limit
            As for every model; see `Model.fit`.
        user_features, item_features : DataFrame, dict, (sparse matrix, ids) or Features, optional
            Tables of what is known of users and of items, in the forms that `cfcore.Features` takes: numbers,
            categories, lists of categories. Users and items of the tables are known to the model, with
            ratings or without; those with ratings that a table lacks are fitted without features, and a
            warning counts them.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError, TypeError
            As `Model.fit` does; DataError for tables that cannot be used, or whose ids are not those of the
            ratings, as well.
        """
        self._refuse_others(others)
        train, held_out = self._taken(ratings, columns, validation, duplicates)
        own = self._weights_of(train, weights, duplicates)
        train, side = with_features(train, user_features, item_features)
        return self._run(
            train, held_out, early_stopping, callback=callback, checkpoint=checkpoint, weights=own,
            memory_limit=memory_limit, **side,
        )  # fmt: skip

    def _asked_alone(self) -> bool:
        # Ids made for this call are of no user: they must not take the features of a user of the same id.
        return bool(self._state.user_encoding)

    def with_features(self, user_features: Any = None, item_features: Any = None) -> Self:
        """Return a copy of the model that knows further users and items by their features.

        The model itself is not changed. ``model.predict(..., user_features=table)`` is
        ``model.with_features(table).predict(...)``; keep the copy for several calls.

        Parameters
        ----------
        user_features, item_features : DataFrame, dict, (sparse matrix, ids) or Features, optional
            Tables with the columns of those of the fit. Users and items with training ratings stay as they
            are.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            The model was fitted without such features, or a table cannot be used; the message names the
            column.
        """
        here = self.snapshot()
        here._check_fitted()
        for kind, table in (("user", user_features), ("item", item_features)):
            if table is not None:
                here._state = state_with(here._state, kind, table, type(self).__name__)
        return here

    def predict(
        self, users: Any, items: Any = None, timestamps: Any = None, *, user_features: Any = None,
        item_features: Any = None, **options: Any,
    ) -> Any:  # fmt: skip
        """Predict ratings; see `Model.predict`.

        Parameters
        ----------
        users, items, timestamps, **options
            As there.
        user_features, item_features : DataFrame, dict, (sparse matrix, ids) or Features, optional
            Features of users and items without training ratings, which are predicted from them; see
            `with_features`.
        """
        here = self
        if user_features is not None or item_features is not None:
            here = self.with_features(user_features, item_features)
        return super(Featured, here).predict(users, items, timestamps, **options)

    def recommend(
        self, users: Any = None, n: int = 10, *, user_features: Any = None, item_features: Any = None,
        **options: Any,
    ) -> Any:  # fmt: skip
        """Recommend items; see `Model.recommend`.

        Parameters
        ----------
        users, n, **options
            As there.
        user_features, item_features : DataFrame, dict, (sparse matrix, ids) or Features, optional
            Features of users and items without training ratings, as in `predict`. Items of the table may be
            listed.
        """
        here = self
        if user_features is not None or item_features is not None:
            here = self.with_features(user_features, item_features)
        return super(Featured, here).recommend(users, n, **options)
