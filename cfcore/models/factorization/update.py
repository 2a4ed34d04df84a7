"""`fold_in` and `partial_fit` of the factor models: ratings that come after the fit."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.data import Duplicates, Ratings, as_ratings, from_fields
from cfcore.data.ids import encode
from cfcore.errors import DataError, DataWarning, warn
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import check_scale_of, is_session
from cfcore.models.core.model import Model
from cfcore.models.core.params import MOST_EPOCHS, check_choice, check_number
from cfcore.models.core.state import State
from cfcore.models.core.trainer import Trainer
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.joining import joined_ids, joined_rows, kept_ratings, scattered
from cfcore.models.factorization.ridge import ridge
from cfcore.models.factorization.state import FactorState
from cfcore.random import generator

Array = np.ndarray[Any, Any]

#: Passes of `partial_fit`: at the last epoch's learning rates, ten gained more than five.
N_PASSES = 10


class Updatable(Model):
    """The part of a factor model that takes ratings after the fit. Each call makes a new state."""

    #: Whether ratings can be added after the fit. Where they cannot, `fold_in` and `partial_fit` say so.
    updatable: ClassVar[bool] = True

    biased: bool
    n_factors: int
    n_epochs: int | None
    n_threads: int | None

    def trainer(self, train: Ratings, context: FitContext, start: Any = None) -> Trainer:
        """The trainer of a fit.

        Parameters
        ----------
        train : Ratings
        context : FitContext
            All draws that come before the first epoch are made from its ``rng``.
        start : FactorState, optional
            Whose parameters to go on from, with its rates. `train` is in its codes then.
        """
        raise NotImplementedError

    def fold_in(
        self, ratings: Any, *columns: Any, unknown_items: str = "error", duplicates: Duplicates = "error"
    ) -> Self:
        """Give factors and biases to new users, or new ones to users with new ratings; items are held.

        With everything else as it is, the factors and the bias of each user in `ratings` are solved for by
        least squares. Mean and covariance of the users in the fit are their prior, so that a user with one
        rating stays close to the mean user. The ratings of known users join those that the model keeps.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            Ratings of new users, and further ratings of known ones; a rating of the same item replaces the
            earlier one. Where the model keeps no values (``seen_values_`` is None), and by `TimeSVDpp`, which
            keeps no times, known users are solved for from these ratings alone, with a warning if there are
            fewer than the user had.
        unknown_items : {"error", "ignore", "add"}, default "error"
            What to do with ratings of items that have no training ratings: raise an error; leave them out; or
            solve for these items too, by the same equations, after the users, whose rows are those of the
            other ratings.
        duplicates : {"error", "last", "first", "mean"}, default "error"
            As in `Model.fit`.

        Returns
        -------
        self
            With a new state: other threads read the one before until it is complete. New users are in
            ``user_ids_``, which stays sorted, so that codes of others may change; their items count as seen,
            and as rated in ``item_counts_``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Ratings that cannot be used, or items without training ratings. The model is as it was then.

        Notes
        -----
        ::

            min_w Σ_j (r_uj - μ - b_j - b - q_j · z)² / σ² + (w - m)ᵀ C⁻¹ (w - m)

        with w = (z, b), m and C the mean and the covariance of w over the users in the fit, each counted once
        for each of its ratings (kept as ``user_prior_mean_`` and ``user_prior_covariance_`` by the first
        call; the bias in m is such that the mean prediction of the training ratings is their mean), and
        σ² 1.3 times the last mean squared training error (``noise_variance_``): errors of new
        ratings are larger. In `SVD`
        z is p; in `SVDpp` it is p and the sum over the set N(u) together, and p is what the sum lacks.

        The mean, the scale, ``history_`` and all parameters of items stay as they are. In `SVDpp` the user's
        set N(u) is that of all items seen, new ones included. `TimeSVDpp`, which needs timestamps here as
        well, solves then for the biases of the users' days: see its Notes.

        A user's result does not depend on the others in the call. One with n ratings costs O(n k^2 + k^3)
        for k factors.
        """
        self._refuse_columns("fold_in", columns)
        self._check_updatable("fold_in")
        here = self.snapshot()
        here._check_fitted()
        check_choice("unknown_items", unknown_items, ("error", "ignore", "add"))
        given = here._later(ratings, duplicates)
        known = here._state.items.recode(given.item_ids, given.item_codes) >= 0
        if unknown_items != "add" and (not known.any() or (unknown_items == "error" and not known.all())):
            raise DataError(no_ratings_of(given, known))
        if known.any():
            some = here._with_kept(given if known.all() else given.subset(known))
            here._warn_of_fewer_ratings(some)
            state, train = here._joined(some)
            here._state = here._solved(state, "user", train, np.flatnonzero(train.user_counts))
        if unknown_items == "add" and not known.all():
            here._state = here._with_new_items(given.subset(~known))
        self._state = here._state
        return self

    def _with_new_items(self, given: Ratings) -> Any:
        """The state in which items of ratings by known users are solved for, the users being held."""
        before: FactorState = self._state
        codes = before.users.recode(given.user_ids, given.user_codes)
        if (codes < 0).any():
            first = given.users[int((codes < 0).argmax())]
            raise DataError(
                f"fold_in: user {first} has ratings of new items alone, from which neither can be found; "
                "leave the user out, or call partial_fit"
            )
        state, train = self._joined(given)
        return self._solved(state, "item", train, np.flatnonzero(train.item_counts))

    def partial_fit(
        self, ratings: Any, n_epochs: int | None = None, *columns: Any, duplicates: Duplicates = "error",
        weights: Any = None,
    ) -> Self:  # fmt: skip
        """Go on training from the parameters of the model, on the ratings given.

        New users and items are given factors and biases first, solved for from their ratings as in `fold_in`
        (users before items). Then passes over `ratings` train all users and items that they name, with the
        learning rates of the last epoch of `fit`.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            The only ratings that are trained on: those that the model keeps are not. With new ratings alone,
            the users and items that they name are fitted to these and less to the earlier ones; with all
            ratings, old and new, to both.
        n_epochs : int, optional
            Passes; 10 by default.
        duplicates : {"error", "last", "first", "mean"}, default "error"
            As in `Model.fit`: of repeated pairs within `ratings`. A pair that was rated in training may be
            rated again.
        weights : array_like of float, shape (n_ratings,), optional
            Weights of `ratings`, of models that take them, as in `fit`. By default 1, but that of a rating of
            the same pair and value that the model keeps. Weights of earlier ratings are kept.

        Returns
        -------
        self
            With a new state, whose vocabularies, seen items and counts are as after `fold_in`. ``history_``
            is that of these passes, ``n_epochs_`` counts them in. An unfitted model is fitted, in `n_epochs`
            passes if given. Hyper-parameters stay as they are.

        Raises
        ------
        DataError
            Ratings that cannot be used. The model is as it was then.
        DivergenceError
            Training diverged in the first pass. The model is as it was then.
        """
        self._refuse_columns("partial_fit", (n_epochs, *columns) if columns else ())
        self._check_updatable("partial_fit")
        check_number("n_epochs", n_epochs, 1, MOST_EPOCHS, integer=True, none=True)
        here = self.snapshot()
        if not here.is_fitted():
            here.n_epochs = n_epochs or here.n_epochs
            self._state = here.fit(ratings, duplicates=duplicates, weights=weights)._state
            return self
        here.check_params()
        before: FactorState = here._state
        n_factors = before.item_factors.shape[1]
        if self.n_factors != n_factors:
            raise ValueError(
                f"n_factors was {n_factors} in fit and is {self.n_factors} now; a model can only be trained "
                f"on as it is: set_params(n_factors={n_factors})"
            )
        here._check_rates("partial_fit", ("lr", "reg", "lr_bias", "reg_bias"))
        given = here._later(ratings, duplicates)
        own = here._weights_of(given, weights, duplicates, "partial_fit")
        state, train = here._joined(given)
        if own is not None:
            state = here._with_weights(state, train, own)
        for kind in ("user", "item"):
            state = here._solved(state, kind, train, newcomers(before, state, train, kind))
        context = FitContext(
            {field.name: getattr(state, field.name) for field in dataclasses.fields(State)},
            type(self).__name__, generator(getattr(self, "random_state", None)), self.n_threads,
            bool(getattr(self, "verbose", False)),
        )  # fmt: skip
        trainer = here.trainer(train, context, state)
        trained = run_epochs(trainer, context, n_epochs or N_PASSES, **here._loop_options(before))
        total = (before.n_epochs or 0) + (trained.n_epochs or 0)
        self._state = trained.changed(n_epochs=total, **state.prior_fields())  # type: ignore[attr-defined]
        return self

    def _with_weights(self, state: Any, train: Ratings, weights: Array) -> Any:
        """A joined state in which the ratings given have these weights; of models that take weights."""
        raise NotImplementedError

    def _loop_options(self, before: Any) -> dict[str, Any]:
        """Further arguments of the loop over the passes of `partial_fit`."""
        return {
            "remedy": "Try fewer n_epochs, or lower rates: model.with_parameters(rates={**model.rates_, "
            f'"lr": {before.rates["lr"] / 4:.2g}}})'
        }

    def _state_of_users(self, given: Ratings) -> State:
        items = self._state.primed.without_users()
        state, train = self._with(items)._joined(given)
        state = self._with(items)._solved(state, "user", train, np.flatnonzero(train.user_counts))
        fit: FactorState = self._state
        return state.changed(
            item_counts=items.item_counts, item_shift=fit.shift("item", self.n_threads),
            user_level=fit.level("user", self.n_threads),
        )  # fmt: skip

    def _check_updatable(self, method: str) -> None:
        if not self.updatable:
            raise TypeError(f"{type(self).__name__} has no {method}: fit it anew, on all ratings")

    def _check_rates(self, method: str, names: tuple[str, ...]) -> None:
        missing = [name for name in names if name not in self._state.rates]
        if missing:
            example = ", ".join(f'"{name}": ...' for name in names)
            raise ValueError(
                f"{method} needs {missing[0]} as training had it, and rates_ does not have it; "
                f"give it by with_parameters(rates={{{example}}})"
            )

    def _with_kept(self, given: Ratings) -> Ratings:
        """Ratings of known items, and with them those that the model keeps of their users."""
        state: FactorState = self._state
        if state.seen_values is None or self.needs_timestamps:
            return given
        users, values, items = kept_ratings(state, given)
        if len(users) == 0:
            return given
        own = encode(state.item_ids, given.item_ids, "items")[given.item_codes]
        return from_fields(
            np.append(given.user_codes, users), np.append(own, items), np.append(given.values, values), None,
            given.user_ids, state.item_ids, given.scale,
        )  # fmt: skip

    def _warn_of_fewer_ratings(self, given: Ratings) -> None:
        """Warn where users have fewer ratings in `given` than items that they rated before."""
        seen = np.diff(self._state.seen_indptr)
        codes = encode(self._state.user_ids, given.user_ids, "users")
        had = np.where(codes >= 0, seen[codes], 0)
        fewer = (given.user_counts > 0) & (given.user_counts < had)
        if not fewer.any():
            return
        first = int(fewer.argmax())
        warn(
            f"fold_in: user {given.user_ids[first]} has {had[first]} ratings in the model and "
            f"{given.user_counts[first]} in this call"
            + (f", and so {int(fewer.sum()) - 1} further users" if fewer.sum() > 1 else "")
            + ": the earlier ones no longer count. Pass all ratings of the user, or call partial_fit, which "
            "adds ratings to those that the model was trained on",
            DataWarning,
        )

    def _later(self, ratings: Any, duplicates: Duplicates) -> Ratings:
        """Ratings given after the fit, on the scale of the model."""
        if is_session(ratings):
            raise DataError(
                "ratings: a dict of item to rating has no user: pass (users, items, values), or call "
                "predict(items, given=ratings), which leaves the model as it is"
            )
        given = as_ratings(ratings, duplicates=duplicates, timed=self.uses_timestamps())
        self._check_timestamps(given)
        check_scale_of(given, self._state.scale)
        return given

    def _joined(self, given: Ratings) -> tuple[FactorState, Ratings]:
        """A state in which all users and items of `given` have rows, and `given` in its codes."""
        before: FactorState = self._state.primed
        # A subset's vocabulary may name users and items that it has no ratings of.
        user_ids, users_at = joined_ids(before.user_ids, given.user_ids[given.user_counts > 0], "users")
        item_ids, items_at = joined_ids(before.item_ids, given.item_ids[given.item_counts > 0], "items")
        users = encode(user_ids, given.user_ids, "users")[given.user_codes]
        items = encode(item_ids, given.item_ids, "items")[given.item_codes]
        n_users, n_items = len(user_ids), len(item_ids)
        train = from_fields(users, items, given.values, given.timestamps, user_ids, item_ids, before.scale)
        held = before.seen_values
        if held is None and not len(before.seen_items):
            held = np.zeros(0, dtype=np.float32)
        indptr, members, values = joined_rows(
            before.seen_indptr, items_at[before.seen_items], users_at, n_users, users, items,
            None if held is None else (held, given.values),
        )  # fmt: skip
        # Parameters trained elsewhere come with counts, and without the items seen: what is new is added.
        unseen = np.maximum(before.user_counts - np.diff(before.seen_indptr), 0)
        user_counts = scattered(unseen, users_at, n_users)
        seen_counts = np.bincount(before.seen_items, minlength=len(before.item_ids))
        item_counts = scattered(np.maximum(before.item_counts - seen_counts, 0), items_at, n_items)
        fields = {
            "user_ids": user_ids, "item_ids": item_ids, "seen_indptr": indptr, "seen_items": members,
            "seen_values": values, "item_shift": None, "user_level": None,
            "user_counts": user_counts + np.diff(indptr),
            "item_counts": item_counts + np.bincount(members, minlength=n_items),
        }  # fmt: skip
        if n_users > len(before.user_ids):
            fields |= {name: scattered(getattr(before, name), users_at, n_users) for name in ROWS["user"]}
        if n_items > len(before.item_ids):
            fields |= {name: scattered(getattr(before, name), items_at, n_items) for name in ROWS["item"]}
        return before.changed(**fields, **self._joined_fields(users_at, items_at, train)), train

    def _joined_fields(self, users_at: Array, items_at: Array, train: Ratings) -> dict[str, Any]:
        """The further fields of a subclass's state that `_joined` changes.

        Called with the new codes of the users and items of the state, and the ratings given, in new codes.
        """
        return {}

    def _solved(self, state: Any, kind: str, train: Ratings, codes: Array) -> Any:
        """A state in which users (or items) have factors and biases solved for by least squares.

        `codes` are those of the users; their ratings in `train` are the targets, and all other parameters are
        held.
        """
        if len(codes) == 0:
            return state
        rows = train.by_user if kind == "user" else train.by_item
        factors, bias = getattr(state, f"{kind}_factors").copy(), getattr(state, f"{kind}_bias").copy()
        factors[codes] = 0
        bias[codes] = 0
        held = state.changed(**{f"{kind}_factors": factors, f"{kind}_bias": bias})
        factors, bias = factors.copy(), bias.copy()  # the state's are read-only
        counts = np.diff(rows.indptr)
        wanted = np.zeros(len(counts), dtype=bool)
        wanted[codes] = True
        picked = rows.order[np.repeat(wanted, counts)]
        times = None if train.timestamps is None else train.timestamps[picked]
        without = self._with(held)._score(train.user_codes[picked], train.item_codes[picked], times)
        others, columns = np.unique(rows.indices[np.repeat(wanted, counts)], return_inverse=True)
        other_rows = held.item_rows if kind == "user" else held.user_rows
        n_factors = factors.shape[1]
        prior = held.prior(kind, self.biased)
        means = np.tile(prior.mean, (len(codes), 1))
        means[:, :n_factors] -= held.sums(kind, codes)
        solved = ridge(
            np.append(0, np.cumsum(counts[codes])), columns, train.values[picked] - without,
            other_rows[others, :n_factors].astype(np.float64), prior, means, held.noise_variance,
        )  # fmt: skip
        factors[codes] = solved[:, :n_factors]
        if self.biased:
            bias[codes] = solved[:, -1]
        return held.completed(kind, codes, factors, bias)

    def _with(self, state: State) -> Self:
        """This model with another state, for the steps on the way to a new one."""
        other = self.snapshot()
        other._state = state
        return other


#: Fields with a row for each user, and for each item.
ROWS = {"user": ("user_factors", "user_bias"), "item": ("item_factors", "item_bias")}


def newcomers(before: State, state: State, train: Ratings, kind: str) -> Array:
    """Codes in `state` of the users (or items) that have ratings in `train` and had none before."""
    ids, counts = (getattr(before, f"{kind}_{what}") for what in ("ids", "counts"))
    had = np.zeros(len(getattr(state, f"{kind}_ids")), dtype=bool)
    had[encode(getattr(state, f"{kind}_ids"), ids[counts > 0], kind)] = True
    return np.flatnonzero((getattr(train, f"{kind}_counts") > 0) & ~had)


def no_ratings_of(given: Ratings, known: Array) -> str:
    """The message of `fold_in` for ratings of items without training ratings: those not `known` (bool[n])."""
    unknown = np.unique(given.items[~known])
    return (
        f"fold_in: {len(unknown)} of the items have no training ratings: "
        f"{', '.join(map(str, unknown[:5]))}{', ...' if len(unknown) > 5 else ''}"
        '; pass unknown_items="add" to give them rows'
        + (', or unknown_items="ignore" to leave them out' if known.any() else "")
    )
