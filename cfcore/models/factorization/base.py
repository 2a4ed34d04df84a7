"""`FactorModel`: what models of biases and factors have in common once they are fitted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, padded, row_length
from cfcore.data import Ratings, as_ratings
from cfcore.data.ids import encode
from cfcore.errors import DataError
from cfcore.kernels.records import Factors
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_choice, check_number
from cfcore.models.factorization.update import joined_rows, moved, places, ridge
from cfcore.models.recommend.item_layout import Products
from cfcore.threads import worthwhile_threads

#: Ratings looked at together: temporaries of 32 MB.
PIECE = 1 << 22
#: Passes of `partial_fit`: at the last epoch's learning rates, ten gained more than five.
N_PASSES = 10


class FactorModel(Model):
    """Base of models that predict mean + biases + a product of user and item factors.

    Fitted attributes hold factors without padding; the kernels get rows padded to whole groups of 64 bytes,
    kept in ``_cache["rows"]``.
    """

    #: Fitted arrays that training changes; all of them are kept in files.
    _trained: ClassVar[tuple[str, ...]] = ("user_factors_", "item_factors_", "user_bias_", "item_bias_")
    _array_names: ClassVar[tuple[str, ...]] = _trained
    _scalar_names: ClassVar[tuple[str, ...]] = ("rates_",)

    # Ratings are laid out from their columns: at 100 million, by_user would be 800 MB for nothing.
    _reads_by_user: ClassVar[bool] = False

    #: Whether ratings can be added after the fit. Where they cannot, `fold_in` and `partial_fit` say so.
    _takes_more: ClassVar[bool] = True

    #: Models that can do without biases have a hyper-parameter of this name.
    biased: bool = True
    n_factors: int
    n_epochs: int | None
    n_threads: int | None

    #: Learning rates of the last epoch, and regularisation, as they were in force: what `fold_in` and
    #: `partial_fit` go by.
    rates_: dict[str, float]

    user_factors_: Array
    item_factors_: Array
    user_bias_: Array
    item_bias_: Array

    def _offset(self) -> float:
        """The constant term."""
        return self.mean_

    def _rows(self) -> tuple[Array, Array]:
        """Padded factors; made anew after loading, unpickling or going back to an earlier epoch."""
        if "rows" not in self._cache:
            self._cache["rows"] = padded(self.user_factors_), padded(self.item_factors_)
        users, items = self._cache["rows"]
        return users, items

    def _forget_rows(self) -> None:
        """Have padded factors made anew when they are next needed."""
        self._cache.pop("rows", None)

    def _snapshot(self) -> dict[str, Array]:
        """Copies of what training changes."""
        return {name: getattr(self, name).copy() for name in self._trained}

    # ------------------------------------------------------------------ ratings that come later

    def fold_in(self, ratings: Any, *, unknown_items: str = "error") -> Self:
        r"""Give factors and biases to new users, or new ones to users with new ratings; items are held.

        With everything else as it is, the factors and the bias of each user in `ratings` are solved for by
        least squares, with the regularisation that training used, times the user's number of ratings.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            All ratings of these users that are to count. The model keeps no values, so a user whom it
            knows is solved for anew from these alone.
        unknown_items : {"error", "ignore"}, default "error"
            What to do with ratings of items that have no training ratings.

        Returns
        -------
        self
            Changed in place. New users are in ``user_ids_``, which stays sorted, so that codes of others
            may move; their items count as seen, and as rated in ``item_counts_``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Ratings that cannot be used, or items without training ratings. The model is as it was then.

        Notes
        -----
        The mean, the scale, ``history_`` and all parameters of items stay as they are. In `SVDpp` the user's
        set N(u) is that of all items seen, and the sum over their y is held, too. `TimeSVDpp`, which needs
        timestamps here as well, solves then for the biases of the users' days: see its Notes.

        A user's result does not depend on the others in the call. One with n ratings costs O(n k^2 + k^3)
        for k factors.
        """
        self._check_takes_more("fold_in")
        self._check_fitted()
        check_choice("unknown_items", unknown_items, ("error", "ignore"))
        given = self._later(ratings)
        known = self._codes_of(given.item_ids, given.item_codes, "item") >= 0
        if not known.any() or (unknown_items == "error" and not known.all()):
            strangers = np.unique(given.items[~known])
            raise DataError(
                f"fold_in: {len(strangers)} of the items have no training ratings: "
                f"{', '.join(map(str, strangers[:5]))}{', ...' if len(strangers) > 5 else ''}"
                + ('; pass unknown_items="ignore" to leave them out' if known.any() else "")
            )
        model, train = self._joined(given.subset(known))
        model._solve("user", train, np.flatnonzero(train.user_counts))
        return self._become(model)

    def partial_fit(self, ratings: Any, n_epochs: int | None = None) -> Self:
        """Go on training from where the model is, on the ratings given.

        New users and items are given factors and biases first, solved for from their ratings as in `fold_in`
        (users before items). Then passes over `ratings` train all whom they name, with the learning rates of
        the last epoch of `fit`.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            The only ratings that are looked at: the model keeps none of the earlier ones. New ratings alone
            move the factors of those whom they name toward them; all ratings, old and new, hold the balance.
        n_epochs : int, optional
            Passes; 10 by default.

        Returns
        -------
        self
            Changed in place, with vocabularies, seen items and counts as after `fold_in`. ``history_`` is
            that of these passes, ``n_epochs_`` counts them in. An unfitted model is fitted, in `n_epochs`
            passes if given.

        Raises
        ------
        DataError
            Ratings that cannot be used. The model is as it was then.
        """
        self._check_takes_more("partial_fit")
        check_number("n_epochs", n_epochs, 1, integer=True, none=True)
        if "user_ids_" not in vars(self):
            usual, self.n_epochs = self.n_epochs, n_epochs or self.n_epochs
            try:
                return self.fit(ratings)
            finally:
                self.n_epochs = usual
        self._check_common()
        self._check_params()
        if self.n_factors != self.user_factors_.shape[1]:
            raise ValueError(
                f"n_factors was {self.user_factors_.shape[1]} in fit and is {self.n_factors} now; a "
                "model can only be trained on as it is"
            )
        model, train = self._joined(self._later(ratings))
        counts = (self.user_ids_, self.user_counts_, model.user_ids_, train.user_counts, "user")
        model._solve("user", train, _newcomers(*counts))
        counts = (self.item_ids_, self.item_counts_, model.item_ids_, train.item_counts, "item")
        model._solve("item", train, _newcomers(*counts))
        model._cache.clear()
        model._go_on(train, n_epochs or N_PASSES)
        model.n_epochs_ += self.n_epochs_
        return self._become(model)

    def _check_takes_more(self, method: str) -> None:
        if not self._takes_more:
            raise TypeError(f"{type(self).__name__} has no {method}: fit it anew, on all ratings")

    def _go_on(self, train: Ratings, n_epochs: int) -> None:
        """Train for some more epochs, on ratings in the model's own codes."""
        raise NotImplementedError

    def _later(self, ratings: Any) -> Ratings:
        """Ratings given after the fit, on the scale of the model."""
        given = as_ratings(ratings)
        self._check_timestamps(given)
        low, high = self.scale_
        outside = (given.values < low) | (given.values > high)
        if outside.any():
            row = int(outside.argmax())
            raise DataError(
                f"ratings: row {row} (user {given.users[row]}, item {given.items[row]}) is "
                f"{given.values[row]:g}; the model's scale is {low:g} to {high:g}"
            )
        return given

    def _joined(self, given: Ratings) -> tuple[Self, Ratings]:
        """A copy of the model in which all of `given` have their places, and `given` in its codes."""
        model = copy.copy(self)
        # A subset's vocabulary may name users and items that it has no ratings of.
        user_ids = given.user_ids[given.user_counts > 0]
        item_ids = given.item_ids[given.item_counts > 0]
        model.user_ids_, users_at = places(self.user_ids_, user_ids, "users")
        model.item_ids_, items_at = places(self.item_ids_, item_ids, "items")
        users = encode(model.user_ids_, given.user_ids, "users")[given.user_codes]
        items = encode(model.item_ids_, given.item_ids, "items")[given.item_codes]
        n_users, n_items = len(model.user_ids_), len(model.item_ids_)
        for kind, at, n in (("user", users_at, n_users), ("item", items_at, n_items)):
            for name in (f"{kind}_factors_", f"{kind}_bias_"):
                setattr(model, name, moved(getattr(self, name), at, n))
        model.seen_indptr_, model.seen_items_ = joined_rows(
            self.seen_indptr_, items_at[self.seen_items_], users_at, n_users, users, items
        )
        model.user_counts_ = np.diff(model.seen_indptr_)
        model.item_counts_ = np.bincount(model.seen_items_, minlength=n_items)
        train = Ratings._new(
            users, items, given.values, given.timestamps, model.user_ids_, model.item_ids_, self.scale_
        )
        model._join_more(self, users_at, items_at, train)
        return model, train

    def _join_more(self, before: Self, users_at: Array, items_at: Array, train: Ratings) -> None:
        """Put in place what a subclass has beside rows of users and items.

        Called on the copy that `_joined` makes, with the model itself, the new codes of its users and
        items, and the ratings given, in the new codes.
        """

    def _solve(self, kind: str, train: Ratings, who: Array) -> None:
        """Factors and biases of the users (or items) `who` from their ratings in `train`, the rest held."""
        if len(who) == 0:
            return
        rows = train.by_user if kind == "user" else train.by_item
        own, bias = getattr(self, f"{kind}_factors_"), getattr(self, f"{kind}_bias_")
        own[who] = 0
        bias[who] = 0
        counts = np.diff(rows.indptr)
        wanted = np.zeros(len(counts), dtype=bool)
        wanted[who] = True
        picked = rows.order[np.repeat(wanted, counts)]
        self._forget_rows()
        times = None if train.timestamps is None else train.timestamps[picked]
        without = self._predict_codes(train.user_codes[picked], train.item_codes[picked], times)
        others, columns = np.unique(rows.indices[np.repeat(wanted, counts)], return_inverse=True)
        factors, biases = ridge(
            np.append(0, np.cumsum(counts[who])), columns, train.values[picked] - without,
            self._rows()[kind == "user"][others, : own.shape[1]].astype(np.float64),
            self.rates_["reg"], self.rates_["reg_bias"] if self.biased else None,
        )  # fmt: skip
        own[who] = factors
        bias[who] = biases
        # As the rows would be made anew, without the work for all others.
        padded_rows = self._rows()[kind == "item"]
        padded_rows[who, : factors.shape[1]] += own[who]

    def _become(self, model: Self) -> Self:
        """Take over all that is fitted in `model`."""
        vars(self).update(vars(model))
        return self

    # ------------------------------------------------------------------ predicting

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        out = np.empty(len(users))
        rows = self._rows()
        backends.kernel("factorization.svd").predict(
            users, items, Factors(*rows, self.user_bias_, self.item_bias_, self._offset()), out,
            worthwhile_threads(self.n_threads, len(users) * rows[0].shape[1]),
        )  # fmt: skip
        return out

    def _products(self) -> Products | None:
        return Products(*self._rows(), self.user_bias_, self.item_bias_, self._offset())

    def _similarity_to(self, kind: str, code: int) -> Array:
        """Cosine of factors; NaN for factors of length 0."""
        # The padded rows lie alike in memory after fitting and after loading, and so BLAS rounds alike.
        factors = self._rows()[kind == "item"]
        if f"{kind}_norms" not in self._cache:
            self._cache[f"{kind}_norms"] = np.sqrt(np.einsum("nf,nf->n", factors, factors, dtype=np.float64))
        norms = self._cache[f"{kind}_norms"]
        products = (factors @ factors[code]).astype(np.float64)
        return np.divide(products, norms * norms[code], out=np.full(len(norms), np.nan), where=norms > 0)


def _newcomers(ids: Array, counts: Array, new_ids: Array, given: Array, column: str) -> Array:
    """Codes in `new_ids` of those with ratings now who had none."""
    had = np.zeros(len(new_ids), dtype=bool)
    had[encode(new_ids, ids[counts > 0], column)] = True
    return np.flatnonzero((given > 0) & ~had)


def density_and_spread(train: Ratings) -> tuple[float, float]:
    """What the rules for learning rates and regularisation follow.

    Ratings per user and item that has any, and the standard deviation of the ratings (1 if all are equal).
    """
    n_rows = np.count_nonzero(train.user_counts) + np.count_nonzero(train.item_counts)
    return len(train) / n_rows, standard_deviation(train.values) or 1.0


def standard_deviation(values: Array) -> float:
    """``np.std`` in double, in pieces where its temporaries would be as large as the ratings."""
    if len(values) <= PIECE:
        return float(np.std(values, dtype=np.float64))
    pieces = [slice(start, start + PIECE) for start in range(0, len(values), PIECE)]
    mean = sum(float(np.sum(values[piece], dtype=np.float64)) for piece in pieces) / len(values)
    squares = sum(float(np.sum(np.square(values[piece].astype(np.float64) - mean))) for piece in pieces)
    return (squares / len(values)) ** 0.5


def decay_and_total(n_epochs: int, lr_decay: float | None, cooled: float) -> tuple[float, float]:
    """Factor on the learning rate after each epoch, and the sum of all rates in units of the first.

    Without `lr_decay` the rate falls to the part `cooled` of the first.
    """
    decay = cooled ** (1 / n_epochs) if lr_decay is None else float(lr_decay)
    return decay, float(np.sum(decay ** np.arange(n_epochs)))


def last_rates(rates: dict[str, Any], n_epochs: int) -> dict[str, float]:
    """``rates_``: learning rates of the last of `n_epochs` epochs, and regularisation."""
    named = {name: value for name, value in rates.items() if name.startswith(("lr", "reg"))}
    slower = named.pop("lr_decay") ** max(n_epochs - 1, 0)
    return {name: float(value * slower if name[:2] == "lr" else value) for name, value in named.items()}


def first_factors(
    counts: Array, n_factors: int, dtype: str, scale: float, draw: Callable[..., Array]
) -> Array:
    """Rows of random factors, padded with zeros; zeros for what has no ratings."""
    factors = aligned_zeros(len(counts), row_length(n_factors, dtype), dtype)
    drawn = draw((len(counts), n_factors), dtype=factors.dtype.type)
    np.multiply(drawn, factors.dtype.type(scale), out=factors[:, :n_factors])
    factors[counts == 0] = 0
    return factors
