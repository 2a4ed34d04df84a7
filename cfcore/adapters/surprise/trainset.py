"""Training sets, as of scikit-surprise; the ratings are arrays, and lists of tuples are made on demand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cfcore.adapters.surprise import _objects
from cfcore.adapters.surprise.columns import (
    Codes,
    Columns,
    Rows,
    Values,
    flat,
    frozen,
    lists_of,
    rows_of,
    without_collector,
)

__all__ = ["Trainset"]

Lists = dict[int, list[tuple[int, float]]]


class Trainset:
    """The ratings that algorithms are trained on.

    Users and items have raw ids (those of the file or frame) and inner ids: 0 to n - 1, in the order in which
    they first appear. `Dataset` makes training sets; the constructor is for those who have the lists.

    Parameters
    ----------
    ur : dict of int to list of (int, float)
        Ratings of each user: inner id of the user to (inner id of the item, rating).
    ir : dict of int to list of (int, float)
        Ratings of each item, likewise.
    n_users, n_items, n_ratings : int
    rating_scale : (float, float)
        Least and greatest rating.
    raw2inner_id_users, raw2inner_id_items : dict
        Inner ids by raw ids.

    Notes
    -----
    `ur` and `ir` may be changed in place or set. `columns`, `all_ratings` and all that is derived from them
    follow: `columns` compares the dicts that were handed out with what they were (about 10 ms a million
    ratings) and reads those again that changed.
    """

    def __init__(
        self,
        ur: Lists,
        ir: Lists,
        n_users: int,
        n_items: int,
        n_ratings: int,
        rating_scale: tuple[float, float],
        raw2inner_id_users: dict[Any, int],
        raw2inner_id_items: dict[Any, int],
    ) -> None:
        self.n_users, self.n_items, self.n_ratings = n_users, n_items, n_ratings
        self.rating_scale = rating_scale
        self._raw2inner_id_users, self._raw2inner_id_items = raw2inner_id_users, raw2inner_id_items
        self._inner2raw_id_users: dict[int, Any] | None = None
        self._inner2raw_id_items: dict[int, Any] | None = None
        self._global_mean: np.float64 | None = None
        self._rows: tuple[Codes, Codes, Values] | None = (
            None  # users, items, ratings in the order of the input
        )
        self._lists: dict[str, Lists] = {"ur": ur, "ir": ir}
        self._copies: dict[str, Lists] = {}  # of the lists, as `_columns` has them
        self._columns: Columns | None = None
        self._for_cfcore: dict[str, Any] = {}  # what fits by cfcore's models share; see `on_cfcore`

    @classmethod
    def from_codes(
        cls,
        users: tuple[dict[Any, int], Codes],
        items: tuple[dict[Any, int], Codes],
        ratings: Values,
        rating_scale: tuple[float, float],
    ) -> Trainset:
        """A training set of columns: inner ids by raw ids, and the inner id of each rating.

        Parameters
        ----------
        users, items : (dict, int32[n])
            As `columns.first_seen` returns them.
        ratings : float64[n]
        rating_scale : (float, float)
        """
        n_users, n_items = len(users[0]), len(items[0])
        made = cls({}, {}, n_users, n_items, len(ratings), rating_scale, users[0], items[0])
        made._rows, made._lists = (frozen(users[1]), frozen(items[1]), frozen(ratings)), {}
        return made

    @classmethod
    def from_columns(
        cls,
        columns: Columns,
        users: dict[Any, int],
        items: dict[Any, int],
        rating_scale: tuple[float, float],
        n_ratings: int,
    ) -> Trainset:
        """A training set of its columns, and of inner ids by raw ids."""
        made = cls({}, {}, columns.n_users, columns.n_items, n_ratings, rating_scale, users, items)
        made._columns, made._lists = columns, {}
        return made

    # ------------------------------------------------------------------ ratings

    @property
    def ur(self) -> Lists:
        """Ratings of each user: a dict of inner user id to a list of (inner item id, rating)."""
        return self._handed_out("ur")

    @ur.setter
    def ur(self, lists: Lists) -> None:
        self._replace("ur", lists)

    @property
    def ir(self) -> Lists:
        """Ratings of each item: a dict of inner item id to a list of (inner user id, rating)."""
        return self._handed_out("ir")

    @ir.setter
    def ir(self, lists: Lists) -> None:
        self._replace("ir", lists)

    def _replace(self, kind: str, lists: Lists) -> None:
        self.columns()  # the other one is still of the ratings as they were
        self._lists[kind] = lists
        self._copies.pop(kind, None)

    def _handed_out(self, kind: str) -> Lists:
        lists = self._lists.get(kind)
        if lists is None:
            found = self._as_kept()
            assert found is not None  # both are given where there are no columns
            if kind == "ur":
                rows = Rows(found.user_indptr, found.user_items, found.user_ratings)
            else:
                rows = Rows(found.item_indptr, found.item_users, found.item_ratings)
            lists = defaultdict(list, enumerate(lists_of(rows)))
            self._lists[kind], self._copies[kind] = lists, _copy(lists)
        return lists

    def given_lists(self, kind: str) -> Lists | None:
        """`ur` or `ir` if it has been given or handed out; None if it is that of the columns."""
        return self._lists.get(kind)

    def columns(self) -> Columns:
        """The ratings as arrays: in the order of `all_ratings`, by user as `ur`, and by item as `ir`.

        Raises
        ------
        ValueError
            `ur` or `ir` holds an id that is no inner id.
        """
        found, sizes = self._as_kept(), (self.n_users, self.n_items)
        grown = found is not None and (found.n_users, found.n_items) != sizes
        changed = {
            kind
            for kind, lists in self._lists.items()
            if grown or kind not in self._copies or not _same(lists, self._copies[kind])
        }
        if grown:
            changed |= {"ur", "ir"}
        if not changed and found is not None:
            return found
        lists = {
            kind: self._lists[kind] if kind in self._lists else self._handed_out(kind) for kind in changed
        }
        if "ur" in changed:
            users, items, ratings = flat(lists["ur"], "ur", sizes)
            by_user = rows_of(users, items, ratings, sizes[0])
            in_order = (frozen(users), frozen(items), frozen(ratings))
        else:
            assert found is not None
            in_order = (found.users, found.items, found.ratings)
            by_user = Rows(found.user_indptr, found.user_items, found.user_ratings)
        if "ir" in changed:
            items, users, ratings = flat(lists["ir"], "ir", (sizes[1], sizes[0]))
            by_item = rows_of(items, users, ratings, sizes[1])
        else:
            assert found is not None
            by_item = Rows(found.item_indptr, found.item_users, found.item_ratings)
        self._columns = _joined(sizes, in_order, by_user, by_item)
        self._copies.update((kind, _copy(lists[kind])) for kind in changed)
        return self._columns

    def _as_kept(self) -> Columns | None:
        """The columns without what was changed in `ur` and `ir` since; None if there are only these."""
        rows = self._rows
        if self._columns is None and rows is not None:
            users, items, ratings = rows
            by_user = rows_of(users, items, ratings, self.n_users)
            by_item = rows_of(items, users, ratings, self.n_items)
            majors = np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(by_user.indptr))
            in_order = (frozen(majors), by_user.others, by_user.ratings)
            self._columns = _joined((self.n_users, self.n_items), in_order, by_user, by_item)
            self._rows = None  # the order of the input is needed no more
        return self._columns

    def all_ratings(self) -> Iterator[tuple[int, int, float]]:
        """Yield (inner user id, inner item id, rating) of all ratings, user by user."""
        if "ur" in self._lists:
            for user, entries in self._lists["ur"].items():
                for item, rating in entries:
                    yield user, item, rating
        else:
            found = self.columns()
            yield from zip(found.users.tolist(), found.items.tolist(), found.ratings.tolist(), strict=True)

    @property
    def global_mean(self) -> np.float64:
        """Mean of all ratings, as a float64; computed on first use and kept."""
        if self._global_mean is None:
            self._global_mean = np.float64(np.mean(self.columns().ratings))
        return self._global_mean

    def build_testset(self) -> list[tuple[Any, Any, float]]:
        """All ratings as a test set: a list of (raw user id, raw item id, rating)."""
        users, items = self._raw_users(), self._raw_items()
        if "ur" in self._lists:  # ids that users added may be in none of the arrays
            return [(users[user], items[item], rating) for user, item, rating in self.all_ratings()]
        found = self.columns()
        return list(
            zip(
                map(users.__getitem__, found.users.tolist()),
                map(items.__getitem__, found.items.tolist()),
                found.ratings.tolist(),
                strict=True,
            )
        )

    def build_anti_testset(self, fill: float | None = None) -> list[tuple[Any, Any, float]]:
        """All pairs without a rating as a test set: a list of (raw user id, raw item id, `fill`).

        Parameters
        ----------
        fill : float, optional
            In the place of the rating; by default `global_mean`.
        """
        value = self.global_mean if fill is None else float(fill)
        found, users, items = self.columns(), self._raw_users(), self._raw_items()
        raw_items = [items[item] for item in range(self.n_items)]
        bounds, rated = found.user_indptr.tolist(), found.user_items
        pairs: list[tuple[Any, Any, float]] = []
        plain = True
        with without_collector():
            for user in range(self.n_users):
                unrated = np.ones(self.n_items, dtype=np.uint8)
                unrated[rated[bounds[user] : bounds[user + 1]]] = 0
                plain &= _objects.add_pairs(pairs, users[user], raw_items, unrated, value)
            if plain:
                _objects.untrack(pairs)
        return pairs

    # ------------------------------------------------------------------ ids

    def knows_user(self, uid: int) -> bool:
        """Whether this is the inner id of a user of the training set."""
        return self._knows("ur", uid, self.n_users)

    def knows_item(self, iid: int) -> bool:
        """Whether this is the inner id of an item of the training set."""
        return self._knows("ir", iid, self.n_items)

    def _knows(self, kind: str, inner: Any, size: int) -> bool:
        if kind in self._lists:
            return inner in self._lists[kind]
        if isinstance(inner, str):  # how unknown ids are passed
            return False
        if isinstance(inner, (int, np.integer)):
            return bool(0 <= inner < size)
        return inner in self._handed_out(kind)

    def to_inner_uid(self, ruid: Any) -> int:
        """Inner id of a user; ValueError if the raw id is not in the training set."""
        try:
            return self._raw2inner_id_users[ruid]
        except KeyError:
            raise ValueError(f"User {ruid} is not part of the trainset.") from None

    def to_raw_uid(self, iuid: int) -> Any:
        """Raw id of a user; ValueError if there is no such inner id."""
        try:
            return self._raw_users()[iuid]
        except KeyError:
            raise ValueError(f"{iuid} is not a valid inner id.") from None

    def to_inner_iid(self, riid: Any) -> int:
        """Inner id of an item; ValueError if the raw id is not in the training set."""
        try:
            return self._raw2inner_id_items[riid]
        except KeyError:
            raise ValueError(f"Item {riid} is not part of the trainset.") from None

    def to_raw_iid(self, iiid: int) -> Any:
        """Raw id of an item; ValueError if there is no such inner id."""
        try:
            return self._raw_items()[iiid]
        except KeyError:
            raise ValueError(f"{iiid} is not a valid inner id.") from None

    def all_users(self) -> range:
        """Inner ids of all users."""
        return range(self.n_users)

    def all_items(self) -> range:
        """Inner ids of all items."""
        return range(self.n_items)

    def inner_ids(self) -> dict[str, dict[Any, int]]:
        """Inner ids by raw ids, of "users" and of "items"."""
        return {"users": self._raw2inner_id_users, "items": self._raw2inner_id_items}

    def _raw_users(self) -> dict[int, Any]:
        if self._inner2raw_id_users is None:
            self._inner2raw_id_users = {inner: raw for raw, inner in self._raw2inner_id_users.items()}
        return self._inner2raw_id_users

    def _raw_items(self) -> dict[int, Any]:
        if self._inner2raw_id_items is None:
            self._inner2raw_id_items = {inner: raw for raw, inner in self._raw2inner_id_items.items()}
        return self._inner2raw_id_items

    def __getstate__(self) -> dict[str, Any]:
        """Without the lists that are those of the columns still, for small pickles."""
        state = {name: kept for name, kept in self.__dict__.items() if name != "_for_cfcore"}
        if self._columns is not None:
            derived = {
                kind
                for kind, lists in self._lists.items()
                if type(lists) is defaultdict
                and lists.default_factory is list
                and kind in self._copies
                and _same(lists, self._copies[kind])
            }
            for name in ("_lists", "_copies"):
                state[name] = {kind: kept for kind, kept in state[name].items() if kind not in derived}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "ur" in state:  # pickled by scikit-surprise, which has the lists as attributes
            state = dict(state)
            self._lists, self._copies = {"ur": state.pop("ur"), "ir": state.pop("ir")}, {}
            self._rows = self._columns = None
        self._for_cfcore = {}
        self.__dict__.update(state)


def _joined(sizes: tuple[int, int], in_order: tuple[Any, Any, Any], by_user: Rows, by_item: Rows) -> Columns:
    users, items, ratings = in_order
    return Columns(
        n_users=sizes[0],
        n_items=sizes[1],
        users=users,
        items=items,
        ratings=ratings,
        user_indptr=by_user.indptr,
        user_items=by_user.others,
        user_ratings=by_user.ratings,
        item_indptr=by_item.indptr,
        item_users=by_item.others,
        item_ratings=by_item.ratings,
    )


def _copy(lists: Mapping[int, Any]) -> Lists:
    """The tuples themselves in lists of their own: a comparison then is one of addresses."""
    return {major: list(entries) for major, entries in lists.items()}


def _same(lists: Lists, copy: Lists) -> bool:
    return len(lists) == len(copy) and lists == copy and list(lists) == list(copy)
