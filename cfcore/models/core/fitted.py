"""`Fitted`: the fitted state of a model, fitted attributes, and the interface on codes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.data import Ratings, as_pairs
from cfcore.data.frames import is_frame
from cfcore.data.ids import is_single
from cfcore.data.names import ARGUMENTS
from cfcore.data.shapes import Columns
from cfcore.errors import NotFittedError
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.ids import codes_of_pairs
from cfcore.models.core.params import as_python
from cfcore.models.core.state import DERIVED, ParameterState, State, check_scale

__all__ = ["Fitted"]

Array = np.ndarray[Any, Any]


class Fitted:
    """One reference to a frozen state, fitted attributes that read it, and the interface on codes."""

    #: Class of the fitted state, by which files are read.
    _state_class: ClassVar[type[State]] = ParameterState

    #: The state made by the last fit, `fold_in` or `partial_fit`; None before the first.
    _state: Any = None

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        raise NotImplementedError

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        raise NotImplementedError

    # ------------------------------------------------------------------ the fitted state

    def __getattr__(self, name: str) -> Any:
        # Python calls this only for names that are not found otherwise.
        if name.endswith("_") and not name.startswith("_"):
            state = vars(self).get("_state")
            if state is None:
                raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit(ratings) first")
            try:
                return state.public(name[:-1])
            except KeyError:
                pass
        advice = ""
        if name in ("fold_in", "partial_fit"):
            advice = ": fit it anew on all ratings, or answer for new users by predict(..., given=ratings)"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{advice}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name[:-1] in DERIVED:
            raise AttributeError(f"{name} cannot be assigned: it follows from the ids and their counts")
        if name.endswith("_") and not name.startswith("_"):
            raise AttributeError(
                f"{name} is a fitted attribute, which cannot be assigned; "
                f"model.with_parameters({name[:-1]}=...) returns a model with other parameters"
            )
        super().__setattr__(name, value if name.startswith("_") else as_python(value))

    def __dir__(self) -> list[str]:
        shown = (
            () if self._state is None else (f"{name}_" for name in (*DERIVED, *self._state.public_names()))
        )
        return sorted({*super().__dir__(), *shown})

    def snapshot(self) -> Self:
        """Return a copy of the model that keeps the present state when the model is updated.

        It shares all arrays, so that it takes little time and memory. All calls on it read the same state.
        """
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def with_parameters(self, **parameters: Any) -> Self:
        """Return a copy of the model with other parameters; the model itself is not changed.

        Parameters
        ----------
        **parameters
            Fitted attributes without the trailing underscore, such as ``item_factors=array``: arrays of the
            shapes that the class documents. A model that is not fitted needs all of its parameters,
            ``user_ids`` and ``item_ids`` (ascending), and ``scale``; so factors trained elsewhere can be
            served. Its ``mean`` is 0 unless given, all ids are known, and no items are seen. Writable arrays
            are copied.

        Raises
        ------
        TypeError, ValueError
            A name is not that of a parameter, or an array has a wrong shape or dtype; the message names it.

        Examples
        --------
        >>> import numpy as np
        >>> import cfcore as cf
        >>> model = cf.Baseline().with_parameters(
        ...     user_ids=np.array(["ann", "bob"]), item_ids=np.array([1, 2]), scale=(1, 5), mean=3.0,
        ...     user_bias=np.array([0.5, -0.5]), item_bias=np.array([1.0, 0.0]),
        ... )
        >>> float(model.predict("ann", 1))
        4.5
        """
        parameters = {name: _unshared(value) for name, value in parameters.items()}
        if "scale" in parameters:
            parameters["scale"] = check_scale(parameters["scale"])
        copied = self.snapshot()
        if copied._state is None:
            copied._state = self._state_of(parameters)
        else:
            copied._state = copied._state.replaced(**parameters)
        return copied

    def _state_of(self, parameters: dict[str, Any]) -> State:
        missing = [name for name in ("user_ids", "item_ids", "scale") if name not in parameters]
        if missing:
            raise TypeError(
                f"{type(self).__name__} is not fitted: with_parameters needs all parameters, "
                f"and {missing[0]}= is missing"
            )
        n_users, n_items = (len(parameters[name]) for name in ("user_ids", "item_ids"))
        known: dict[str, Any] = {
            "user_counts": np.ones(n_users, dtype=np.int64),
            "item_counts": np.ones(n_items, dtype=np.int64),
            "seen_indptr": np.zeros(n_users + 1, dtype=np.int64),
            "seen_items": np.zeros(0, dtype=np.int32),
            "mean": 0.0,
        }
        context = FitContext(known, type(self).__name__, np.random.default_rng(0))
        state: State = context.state(self._state_class, **parameters)
        return state.verified()

    def is_fitted(self) -> bool:
        """Whether there is a fitted state."""
        return self._state is not None

    def _check_fitted(self) -> None:
        if self._state is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit(ratings) first")

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        vars(self).update(attributes)

    # ------------------------------------------------------------------ the interface on codes

    def encode_users(self, users: Any) -> Array:
        """Codes of raw user ids, one or a column: int32[n], -1 for users without training ratings.

        Parameters
        ----------
        users : id or array_like of ids, shape (n,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Ids of another kind than in training (strings for integers).
        """
        self._check_fitted()
        codes: Array = self._state.users.encode(users)
        return codes

    def encode_items(self, items: Any) -> Array:
        """Codes of raw item ids; as `encode_users`."""
        self._check_fitted()
        codes: Array = self._state.items.encode(items)
        return codes

    def knows(self, users: Any = None, items: Any = None) -> Any:
        """Whether users, items, or both of each pair, have training ratings.

        Predictions for others are fallbacks, which follow from what is known: the mean, and the item's or
        the user's bias.

        Parameters
        ----------
        users, items : array_like or scalar, optional
            Raw ids. If both are given, a pair is known if its user and its item are known. Or, as the only
            argument, pairs: Ratings, DataFrame, scipy sparse matrix, a dict of columns, or rows, as `predict`
            takes them.

        Returns
        -------
        ndarray of bool, shape (n,); a bool for scalars

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Columns of different lengths, or ids of another kind than in training (strings for integers).

        Examples
        --------
        >>> import cfcore as cf
        >>> model = cf.Baseline().fit((["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3]))
        >>> model.knows("ann"), model.knows("eve"), model.knows(items="x")
        (True, False, True)
        >>> model.knows(["ann", "eve"], ["y", "y"])
        array([ True, False])
        """
        if users is None and items is None:
            raise TypeError("knows takes users, items or both")
        here = self.snapshot()
        here._check_fitted()
        if items is None and _are_pairs(users):
            if isinstance(users, Ratings):  # by its vocabularies: ids are looked up once
                return (
                    here.is_known(users.user_ids)[users.user_codes]
                    & (here.is_known(items=users.item_ids)[users.item_codes])
                )
            users, items, _ = as_pairs(users)
        known = here._state.users, here._state.items
        if users is not None and items is not None:
            user_codes, item_codes, _ = codes_of_pairs(*known, Columns(users, items, None, None, ARGUMENTS))
            found: Array = (user_codes >= 0) & (item_codes >= 0)
        else:
            found = here.is_known(users, items)
        single = all(given is None or is_single(given) for given in (users, items))
        return bool(found[0]) if single else found

    def is_known(self, users: Any = None, items: Any = None) -> Array:
        """Whether users, items, or both of each pair, have training ratings: bool[n], also for scalars.

        Parameters
        ----------
        users, items : array_like or scalar, optional
            Raw ids. If both are given, a pair is known if its user and its item are known.
        """
        here = self.snapshot()
        if users is None and items is None:
            raise TypeError("is_known takes users, items or both")
        known = [here.encode_users(users) >= 0] if users is not None else []
        known += [here.encode_items(items) >= 0] if items is not None else []
        return known[0] if len(known) == 1 else known[0] & known[1]

    def score_codes(self, users: Array, items: Array, timestamps: Array | None = None) -> Array:
        """Predictions for codes, not clipped to the scale.

        Parameters
        ----------
        users, items : ndarray of int32, shape (n,)
            As `encode_users` and `encode_items` give them.
        timestamps : ndarray of int64, shape (n,), optional

        Returns
        -------
        ndarray of float64, shape (n,)

        Notes
        -----
        Codes are valid for one state: encode and score on the same `snapshot` where another thread may
        update the model.
        """
        self._check_fitted()
        return np.asarray(self.snapshot()._score(users, items, timestamps), dtype=np.float64)

    def similarity_row(self, kind: str, code: int) -> Array:
        """Similarity of one item, or user, to all others: float64[n], NaN where they cannot be compared.

        Parameters
        ----------
        kind : {"item", "user"}
        code : int

        Raises
        ------
        TypeError
            The model does not compare items, or users.
        """
        self._check_fitted()
        return np.asarray(self.snapshot()._similarity_rows(kind, np.array([code]))[0], dtype=np.float64)


def _are_pairs(given: Any) -> bool:
    """Whether an argument is pairs of users and items, and not a column of ids."""
    if isinstance(given, (Ratings, Mapping)) or hasattr(given, "tocoo") or is_frame(given):
        return True
    if isinstance(given, list):
        return len(given) > 0 and isinstance(given[0], (tuple, list))
    return isinstance(given, np.ndarray) and given.ndim == 2


def _unshared(value: Any) -> Any:
    """The value itself, or a copy if the caller could change it later."""
    if isinstance(value, np.ndarray):
        return value.copy() if value.flags.writeable else value
    return copy.deepcopy(value) if isinstance(value, (dict, list)) else value
