"""`Joined`: ratings that come after the fit of a `BayesianSVD`, with those that its state keeps."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.data.features import of_matrix
from cfcore.data.ids import encode
from cfcore.errors import DataWarning, shown, warn
from cfcore.models.factorization.bayesian_new_rows import matrix_of, widened
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.joining import joined_ids, joined_rows, scattered, weights_of_later

__all__ = ["Joined"]

Array = np.ndarray[Any, Any]

#: Times of ratings without one, in seconds: after `FAR`, and so far apart.
FAR, APART = 2**50, 2 * 86_400
#: Fields with a row for each user, and a last one of the unknown.
ROWS_OF_USERS = ("user_factors", "user_draws", "user_biases", "user_weights", "user_bias")


class Joined:
    """Ratings given later, joined with those that a state keeps.

    Parameters
    ----------
    state : BayesianState
    given : Ratings
    seconds : int64[n] or None
    rows : int[m]
        Which of the ratings given count.
    weights : float32[n], optional
        Of the ratings given; by default `weights_of_later`.
    """

    def __init__(
        self, state: BayesianState, given: Ratings, seconds: Array | None, rows: Array,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        self.state = state
        user_codes, item_codes = given.user_codes[rows], given.item_codes[rows]
        # A subset's vocabulary may name users and items that it has no ratings of.
        of_users = given.user_ids[np.bincount(user_codes, minlength=given.n_users) > 0]
        of_items = given.item_ids[np.bincount(item_codes, minlength=given.n_items) > 0]
        self.user_ids, self.users_at = joined_ids(state.user_ids, of_users, "users")
        self.item_ids, self.items_at = joined_ids(state.item_ids, of_items, "items")
        self.users = encode(self.user_ids, given.user_ids, "users")[user_codes]
        items = encode(self.item_ids, given.item_ids, "items")[item_codes]
        self.own_items, self.own_values = items, given.values[rows]
        self.own_weights = None if weights is None else weights[rows]
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
        self.weights: Array | None = None
        if weights is not None or state.seen_weights is not None:
            if weights is None:
                named = self.users, items, given.values[rows]
                own = weights_of_later(state, self.users_at, self.items_at, named, len(self.item_ids))
            else:
                own = weights[rows]
            old = np.ones(len(held), np.float32) if state.seen_weights is None else state.seen_weights
            self.weights = joined_rows(*cells, (old, own))[2]
        self.has_values = kept is not None

    def rows_of(self, users: Array) -> tuple[Array, Array, Array]:
        """Bounds, items and ratings of some users."""
        assert self.values is not None
        sizes, at = self._at(users)
        return np.append(0, np.cumsum(sizes)), self.items[at], self.values[at]

    def times_of(self, users: Array) -> Array | None:
        """Times of the same ratings, if all have them."""
        return self.times[self._at(users)[1]] if self.times is not None and self.timed else None

    def weights_of(self, users: Array) -> Array | None:
        """Weights of the same ratings, if any has one."""
        return None if self.weights is None else self.weights[self._at(users)[1]]

    def codes_of(self, users: Array) -> Array:
        """Codes of users in the state, -1 of new ones."""
        codes = np.full(len(self.user_ids), -1)
        codes[self.users_at] = np.arange(len(self.users_at))
        return codes[users]

    def side(self) -> dict[str, Any]:
        """The features that the state has, as side information of a fit; a warning counts those without."""
        found: dict[str, Any] = {}
        for kind, ids, at in (
            ("user", self.user_ids, self.users_at), ("item", self.item_ids, self.items_at)
        ):  # fmt: skip
            encoding = getattr(self.state, f"{kind}_encoding")
            if not encoding:
                continue
            place = np.full(len(ids), -1)
            place[at] = np.where(getattr(self.state, f"{kind}_featured"), np.arange(len(at)), -1)
            table = of_matrix(encoding, getattr(self.state, f"{kind}_ids"), matrix_of(self.state, kind))
            new = np.setdiff1d(np.arange(len(ids)), at)
            if len(new):
                warn(
                    f"{len(new):,} new {kind}s have no features, the first is {shown(ids[new[0]].item())}; "
                    f"pass a table with them as {kind}_features=",
                    DataWarning,
                )
            found[f"{kind}_features"] = table, place
        return found

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

    def seen_fields(self) -> dict[str, Any]:
        """The fields of the state that hold the ratings, with those given."""
        return {
            "user_ids": self.user_ids, "seen_indptr": self.indptr, "seen_items": self.items,
            "seen_values": self.values if self.has_values else None, "seen_times": self.times,
            "seen_weights": self.weights, "user_counts": np.diff(self.indptr),
            "item_counts": np.bincount(self.items, minlength=len(self.item_ids)),
        }  # fmt: skip

    def with_users(self, users: Array, fields: dict[str, Any]) -> BayesianState:
        """The state with other rows of some users, and these ratings."""
        state, n = self.state, len(self.user_ids)
        changed = self.seen_fields()
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
        if state.user_featured is not None and n > len(state.user_ids):
            state = widened(state, "user", self.user_ids, self.users_at)
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
