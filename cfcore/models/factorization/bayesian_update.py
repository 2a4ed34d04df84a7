"""`fold_in` and `partial_fit` of `BayesianSVD`: ratings that come after the fit."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np

from cfcore.data import Duplicates, Ratings, as_ratings
from cfcore.data.times import as_seconds
from cfcore.errors import DataError
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import check_scale_of, is_session
from cfcore.models.core.model import Model
from cfcore.models.core.params import MOST_EPOCHS, check_choice, check_number
from cfcore.models.core.state import known_of
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.bayesian_chains import Chains
from cfcore.models.factorization.bayesian_given import solved
from cfcore.models.factorization.bayesian_joined import Joined
from cfcore.models.factorization.bayesian_new_items import with_items
from cfcore.models.factorization.bayesian_new_rows import state_with
from cfcore.models.factorization.bayesian_start import Start
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.update import no_ratings_of
from cfcore.random import generator

Array = np.ndarray[Any, Any]

#: Sweeps of `partial_fit`.
N_SWEEPS = 100


class BayesianUpdates(Model):
    """The part of `BayesianSVD` that takes ratings after the fit. Each call makes a new state."""

    n_factors: int | None
    n_samples: int | None
    burn_in: int
    n_chains: int
    n_threads: int | None

    @property
    def n_factors_(self) -> int:
        """Length of the rows of factors, which may be a default that depends on the training ratings."""
        return int(self.prior_means_.shape[1])

    def fold_in(
        self, ratings: Any, *columns: Any, unknown_items: str = "error", duplicates: Duplicates = "error",
        user_features: Any = None, item_features: Any = None,
    ) -> Self:  # fmt: skip
        """Give rows and biases to new users, or new ones to users with new ratings; known items are held.

        In each kept sample, the bias and the factors of each user in `ratings` are drawn from their
        distribution given the sample of the items, exactly, as for ``predict(given=)``. The ratings of known
        users join those that the model keeps.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            Ratings of new users, and further ratings of known ones; a rating of the same item replaces the
            earlier one. Without timestamps, these users have no sessions.
        unknown_items : {"error", "ignore", "add"}, default "error"
            What to do with ratings of items that have no training ratings: raise an error; leave them out; or
            give rows and biases to these items too, after the users, whose rows are those of the other
            ratings.
        duplicates : {"error", "last", "first", "mean"}, default "error"
            As in `Model.fit`.
        user_features, item_features : tables as of `Model.fit`, optional
            Features of new users and items, of a model that was fitted with such: their prior means.

        Returns
        -------
        self
            With a new state: other threads read the one before until it is complete. New users are in
            ``user_ids_``, which stays sorted; their items count as seen, and as rated in ``item_counts_``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Ratings that cannot be used, or items without training ratings. The model is as it was then.

        Notes
        -----
        A user's result does not depend on the others in the call. One with n ratings costs O(n k^2 + k^3) for
        each kept sample, and the new state a copy of the rows of all users.
        """
        self._refuse_columns("fold_in", columns)
        here = self.snapshot()
        here._check_fitted()
        check_choice("unknown_items", unknown_items, ("error", "ignore", "add"))
        for kind, table in (("user", user_features), ("item", item_features)):
            if table is not None:
                here._state = state_with(here._state, kind, table, type(self).__name__)
        state: BayesianState = here._state
        given, seconds = here._later("fold_in", ratings, duplicates)
        known = state.items.recode(given.item_ids, given.item_codes) >= 0
        if state.item_featured is not None:  # known, and without ratings
            counts = np.append(state.item_counts, 0)
            known &= counts[state.items.recode(given.item_ids, given.item_codes)] > 0
        if unknown_items != "add" and (not known.any() or (unknown_items == "error" and not known.all())):
            raise DataError(no_ratings_of(given, known))
        rows = np.flatnonzero(known)
        if len(rows):
            joined = Joined(state, given, seconds, rows)
            users = np.unique(joined.users)
            fields = solved(
                state, joined.rows_of(users), joined.times_of(users), here.n_threads, joined.codes_of(users),
                joined.weights_of(users),
            )  # fmt: skip
            state = joined.with_users(users, fields)
        if unknown_items == "add" and not known.all():
            rows = np.flatnonzero(~known)
            _check_raters(state, given, rows)
            times = None if seconds is None else seconds[rows]
            state = with_items(Joined(state, given, seconds, rows), times, here.n_threads)
        self._state = state
        return self

    def partial_fit(
        self, ratings: Any, n_epochs: int | None = None, *columns: Any, duplicates: Duplicates = "error",
        weights: Any = None, user_features: Any = None, item_features: Any = None,
    ) -> Self:  # fmt: skip
        """Go on sampling from the last sweep, on all ratings: those that the model keeps, and new ones.

        Users and items that are new start from draws from their priors. Further sweeps over all parameters
        follow, whose first quarter is left out; the samples kept are those of the rest.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            New ratings; one of a pair that was rated before replaces the earlier rating. Those of training
            need not be given again.
        n_epochs : int, optional
            Sweeps; 100 by default.
        duplicates : {"error", "last", "first", "mean"}, default "error"
            As in `Model.fit`, of repeated pairs within `ratings`.
        weights : array_like of float, shape (n_ratings,), optional
            Weights of the new ratings, as in `fit`. By default 1, but that of a rating of the same pair and
            value that the model keeps. Weights of earlier ratings are kept; of a fit without they are 1.
        user_features, item_features : tables as of `fit`, optional
            Features of new users and items, of a model that was fitted with such; users and items that have
            ratings in the model keep theirs.

        Returns
        -------
        self
            With a new state, whose vocabularies, counts and seen items are those of all ratings; ``mean_``
            and ``scale_`` stay. ``history_`` and ``diagnostics_`` are those of these sweeps, ``n_epochs_``
            counts them in. An unfitted model is fitted, in `n_epochs` sweeps if given. Hyper-parameters stay
            as they are.

        Raises
        ------
        DataError
            Ratings that cannot be used, or ratings without timestamps for a model with sessions. Or the model
            does not keep its ratings and the state of its chains. The model is as it was then.
        ValueError
            `n_factors`, `n_chains`, `sets`, `likelihood` or `sessions` are not those of the fit. Or the model
            was fitted with weights that it does not keep.

        Notes
        -----
        A sweep costs what one of `fit` costs on all ratings; fewer are needed than from random factors. For
        some new users, `fold_in` takes a fraction of the time.
        """
        self._refuse_columns("partial_fit", (n_epochs, *columns) if columns else ())
        check_number("n_epochs", n_epochs, 1, MOST_EPOCHS, integer=True, none=True)
        here = self.snapshot()
        if n_epochs is not None or here.is_fitted():
            here.burn_in = (n_epochs or N_SWEEPS) // 4
            here.n_samples = (n_epochs or N_SWEEPS) - here.burn_in
        if not here.is_fitted():
            side = {"weights": weights, "user_features": user_features, "item_features": item_features}
            self._state = here.fit(ratings, duplicates=duplicates, **side)._state
            return self
        here.check_params()
        if here.n_factors is None:  # that of the fit, however many ratings there are now
            here.n_factors = here._state.prior_means.shape[1]
        here._check_as_fitted()
        for kind, table in (("user", user_features), ("item", item_features)):
            if table is not None:
                here._state = state_with(here._state, kind, table, type(self).__name__)
        before: BayesianState = here._state
        given, seconds = here._later("partial_fit", ratings, duplicates)
        own = here._weights_of(given, weights, duplicates)
        joined = Joined(before, given, seconds, np.arange(len(given)), own)
        train, times = joined.train()
        known = {**known_of(train), "mean": before.mean, "rating_step": before.rating_step}
        known["column_names"] = before.column_names
        context = FitContext(
            known, type(self).__name__, generator(getattr(self, "random_state", None)), self.n_threads,
            bool(getattr(self, "verbose", False)),
            side={"time_unit": before.time_unit, **joined.side()}, weights=joined.weights,
        )  # fmt: skip
        trainer = Chains(here, train, times, context, Start(before, joined.users_at, joined.items_at))
        found: Any = run_epochs(trainer, context, here.burn_in + trainer.stopping.most, growth=np.inf)
        self._state = dataclasses.replace(found, n_epochs=(before.n_epochs or 0) + found.n_epochs)
        return self

    def _check_as_fitted(self) -> None:
        """Raise unless the chains of the state can go on with the hyper-parameters of the model."""
        state: BayesianState = self._state
        if state.chain_scalars is None or state.seen_values is None:
            raise DataError(
                "partial_fit: the model does not keep its ratings and the state of its chains, as its "
                "parameters were not drawn by fit; call fit with all ratings"
            )
        if len(state.session_lengths) and state.seen_times is None:
            raise DataError(
                "partial_fit: the model has sessions and does not keep the times of its ratings; call fit "
                "with all ratings"
            )
        if state.weighted and state.seen_weights is None:
            raise ValueError(
                "partial_fit: the model was fitted with weights=, which it does not keep, as its ratings are "
                "not those of the fit; call fit with all ratings and their weights"
            )
        n_factors, n_chains = state.prior_means.shape[1], len(state.chain_scalars)
        has = (state.implicit_factors.shape[1] > 0, state.item_members is not None)
        sets = {(True, True): "both", (True, False): "user", (False, True): "item"}.get(has)
        likelihood = "ordinal" if state.is_ordinal else "gaussian"
        fitted = {"n_factors": n_factors, "n_chains": n_chains, "sets": sets, "likelihood": likelihood}
        if len(state.session_lengths):
            fitted["sessions"] = "auto"
        for name, was in fitted.items():
            value = getattr(self, name)
            if was != value:
                raise ValueError(
                    f"{name} was {was!r} in fit and is {value!r} now; a model can only be trained on as it "
                    f"is: set_params({name}={was!r})"
                )

    def _later(self, method: str, ratings: Any, duplicates: Duplicates) -> tuple[Ratings, Array | None]:
        """Ratings given after the fit, on the scale of the model, and their times in seconds."""
        if is_session(ratings):
            raise DataError(
                "ratings: a dict of item to rating has no user: pass (users, items, values), or call "
                "predict(items, given=ratings), which leaves the model as it is"
            )
        state: BayesianState = self._state
        timed = len(state.session_lengths) > 0
        given = as_ratings(ratings, duplicates=duplicates, timed=timed)
        check_scale_of(given, state.scale)
        if timed and given.timestamps is not None:
            return given, as_seconds(np.asarray(given.timestamps), state.time_unit, "timestamps")
        if timed and method == "partial_fit":
            raise DataError(
                f"{method}: the model has sessions, and these ratings have no timestamps: pass (users, "
                "items, values, timestamps), or fit a model with sessions=None on all ratings"
            )
        return given, None


def _check_raters(state: BayesianState, given: Ratings, rows: Array) -> None:
    """Raise DataError unless new items can be given rows: by users that have some."""
    if state.item_precisions is None:
        raise DataError(
            "fold_in: the model does not keep the prior of its items, as its parameters were not drawn by "
            'fit; pass unknown_items="ignore"'
        )
    codes = state.users.recode(given.user_ids, given.user_codes[rows])
    if (codes < 0).any():
        first = given.users[rows[int((codes < 0).argmax())]]
        raise DataError(
            f"fold_in: user {first} has ratings of new items alone, from which neither can be found; leave "
            "the user out, or call partial_fit"
        )
