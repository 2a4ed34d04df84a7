"""`fold_in` and `partial_fit` of `BayesianSVD`: ratings that come after the fit."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np

from cfcore.data import Duplicates, Ratings, as_ratings, from_fields
from cfcore.data.ids import encode
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
from cfcore.models.factorization.bayesian_start import Start
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.joining import joined_ids, joined_rows, scattered
from cfcore.random import generator

Array = np.ndarray[Any, Any]

#: Sweeps of `partial_fit`.
N_SWEEPS = 100
#: Times of ratings without one, in seconds: after `FAR`, and so far apart.
FAR, APART = 2**50, 2 * 86_400
#: Fields with a row for each user, and a last one of the unknown.
ROWS_OF_USERS = ("user_factors", "user_draws", "user_biases", "user_weights", "user_bias")


class BayesianUpdates(Model):
    """The part of `BayesianSVD` that takes ratings after the fit. Each call makes a new state."""

    n_factors: int
    n_samples: int
    burn_in: int
    n_chains: int
    n_threads: int | None

    def fold_in(
        self, ratings: Any, *columns: Any, unknown_items: str = "error", duplicates: Duplicates = "error"
    ) -> Self:
        """Give rows and biases to new users, or new ones to users with new ratings; items are held.

        In each kept sample, the bias and the factors of each user in `ratings` are drawn from their
        distribution given the sample of the items, exactly, as for ``predict(given=)``. The ratings of known
        users join those that the model keeps.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            Ratings of new users, and further ratings of known ones; a rating of the same item replaces the
            earlier one. Without timestamps, these users have no sessions.
        unknown_items : {"error", "ignore"}, default "error"
            What to do with ratings of items that have no training ratings; `partial_fit` takes them.
        duplicates : {"error", "last", "first", "mean"}, default "error"
            As in `Model.fit`.

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
        check_choice("unknown_items", unknown_items, ("error", "ignore"))
        here._refuse_more("fold_in")
        state: BayesianState = here._state
        given, seconds = here._later("fold_in", ratings, duplicates)
        known = state.items.recode(given.item_ids, given.item_codes) >= 0
        if not known.any() or (unknown_items == "error" and not known.all()):
            unknown = np.unique(given.items[~known])
            raise DataError(
                f"fold_in: {len(unknown)} of the items have no training ratings: "
                f"{', '.join(map(str, unknown[:5]))}{', ...' if len(unknown) > 5 else ''}"
                + ('; pass unknown_items="ignore" to leave them out' if known.any() else "")
                + ", or call partial_fit, which takes new items"
            )
        rows = np.flatnonzero(known)
        joined = _Joined(state, given, seconds, rows)
        users = np.unique(joined.users)
        fields = solved(state, joined.rows_of(users), joined.times_of(users), here.n_threads)
        self._state = joined.with_users(users, fields)
        return self

    def partial_fit(
        self, ratings: Any, n_epochs: int | None = None, *columns: Any, duplicates: Duplicates = "error"
    ) -> Self:
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
            `n_factors`, `n_chains`, `sets`, `likelihood` or `sessions` are not those of the fit.

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
            self._state = here.fit(ratings, duplicates=duplicates)._state
            return self
        here.check_params()
        before: BayesianState = here._state
        here._check_as_fitted()
        here._refuse_more("partial_fit")
        given, seconds = here._later("partial_fit", ratings, duplicates)
        joined = _Joined(before, given, seconds, np.arange(len(given)), all_of=True)
        train, times = joined.train()
        known = {**known_of(train), "mean": before.mean, "rating_step": before.rating_step}
        known["column_names"] = before.column_names
        context = FitContext(
            known, type(self).__name__, generator(getattr(self, "random_state", None)), self.n_threads,
            bool(getattr(self, "verbose", False)), side={"time_unit": before.time_unit},
        )  # fmt: skip
        trainer = Chains(here, train, times, context, Start(before, joined.users_at, joined.items_at))
        found: Any = run_epochs(trainer, context, here.burn_in + here.n_samples, growth=np.inf)
        self._state = dataclasses.replace(found, n_epochs=(before.n_epochs or 0) + found.n_epochs)
        return self

    def _refuse_more(self, method: str) -> None:
        """Raise where the state does not keep all that the fit was given beside the ratings."""
        state: BayesianState = self._state
        if state.user_encoding or state.item_encoding:
            raise ValueError(
                f"{method}: the model has features of users or items, which it does not combine with ratings "
                "that come later; call fit with all ratings, user_features= and item_features=, or pass the "
                "ratings to predict or recommend as given="
            )
        if method == "partial_fit" and state.weighted:
            raise ValueError(
                "partial_fit: the model was fitted with weights=, which it does not keep; call fit with all "
                "ratings and their weights"
            )

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


class _Joined:
    """Ratings given later, joined with those that a state keeps.

    Parameters
    ----------
    state : BayesianState
    given : Ratings
    seconds : int64[n] or None
    rows : int[m]
        Which of the ratings given count.
    all_of : bool
        Whether items of these may be new.
    """

    def __init__(
        self, state: BayesianState, given: Ratings, seconds: Array | None, rows: Array, all_of: bool = False
    ) -> None:
        self.state = state
        user_codes, item_codes = given.user_codes[rows], given.item_codes[rows]
        # A subset's vocabulary may name users and items that it has no ratings of.
        of_users = given.user_ids[np.bincount(user_codes, minlength=given.n_users) > 0]
        of_items = given.item_ids[np.bincount(item_codes, minlength=given.n_items) > 0]
        self.user_ids, self.users_at = joined_ids(state.user_ids, of_users, "users")
        self.item_ids, self.items_at = joined_ids(state.item_ids, of_items, "items")
        self.users = encode(self.user_ids, given.user_ids, "users")[user_codes]
        items = encode(self.item_ids, given.item_ids, "items")[item_codes]
        kept = state.seen_values
        held = np.zeros(len(state.seen_items), dtype=np.float32) if kept is None else kept
        cells = (
            state.seen_indptr, self.items_at[state.seen_items], self.users_at, len(self.user_ids), self.users,
            items,
        )  # fmt: skip
        self.indptr, self.items, self.values = joined_rows(*cells, (held, given.values[rows]))
        self.times: Array | None = None
        self.timed = seconds is not None
        if state.seen_times is not None:
            own = _times_apart(state.seen_times, len(rows)) if seconds is None else seconds[rows]
            self.times = joined_rows(*cells, (state.seen_times, own))[2]
        self.has_values = kept is not None

    def rows_of(self, users: Array) -> tuple[Array, Array, Array]:
        """Bounds, items and ratings of some users."""
        assert self.values is not None
        sizes, at = self._at(users)
        return np.append(0, np.cumsum(sizes)), self.items[at], self.values[at]

    def times_of(self, users: Array) -> Array | None:
        """Times of the same ratings, if all have them."""
        return self.times[self._at(users)[1]] if self.times is not None and self.timed else None

    def _at(self, users: Array) -> tuple[Array, Array]:
        sizes = np.diff(self.indptr)[users]
        before = np.cumsum(sizes) - sizes
        return sizes, np.repeat(self.indptr[users] - before, sizes) + np.arange(sizes.sum())

    def train(self) -> tuple[Ratings, Array | None]:
        """All ratings, and their times in seconds."""
        users = np.repeat(np.arange(len(self.user_ids), dtype=np.int32), np.diff(self.indptr))
        assert self.values is not None
        train = from_fields(
            users, self.items, self.values, None, self.user_ids, self.item_ids, self.state.scale
        )
        return train, self.times

    def with_users(self, users: Array, fields: dict[str, Any]) -> BayesianState:
        """The state with other rows of some users, and these ratings."""
        state, n = self.state, len(self.user_ids)
        changed: dict[str, Any] = {
            "user_ids": self.user_ids, "seen_indptr": self.indptr, "seen_items": self.items,
            "seen_values": self.values if self.has_values else None, "seen_times": self.times,
        }  # fmt: skip
        changed["user_counts"] = np.diff(self.indptr)
        changed["item_counts"] = np.bincount(self.items, minlength=len(self.item_ids))
        fields["user_biases"] = fields["user_biases"] + fields.pop("user_bias_draws")
        at = np.append(self.users_at, n)
        for name in ROWS_OF_USERS:
            held = scattered(getattr(state, name), at, n + 1)
            held[users] = fields[name][:-1]
            changed[name] = held
        if state.user_bias_draws is not None:
            changed["user_bias_draws"] = scattered(state.user_bias_draws, at, n + 1)
            changed["user_bias_draws"][users] = 0
        if state.item_members is not None:
            changed["item_members"] = scattered(state.item_members, self.users_at, n)
        return dataclasses.replace(state, **changed, **self._sessions(users, fields))

    def _sessions(self, users: Array, fields: dict[str, Any]) -> dict[str, Any]:
        """The sessions of the state, with those of some users in place of theirs."""
        state, n = self.state, len(self.user_ids)
        names = ("session_numbers", "session_bias", "session_slope", "session_variance")
        owners = np.repeat(self.users_at, np.diff(state.session_indptr))
        stay = ~np.isin(owners, users)
        own = np.repeat(users, np.diff(fields["session_indptr"]))
        owners = np.append(owners[stay], own)
        order = np.argsort(owners, kind="stable")
        found: dict[str, Any] = {
            name: np.append(getattr(state, name)[stay], fields[name])[order] for name in names
        }
        counts = np.bincount(owners, minlength=n)
        found["session_indptr"] = np.append(0, np.cumsum(counts)).astype(np.int64)
        return found


def _times_apart(held: Array, n: int) -> Array:
    """Times of ratings that have none, beyond those held: each is alone in its sessions."""
    return max(int(held.max(initial=0)), FAR) + APART * np.arange(1, n + 1)
