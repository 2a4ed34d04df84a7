"""Vocabularies, rows of parameters and compressed rows of a state, joined with those of later ratings."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data.ids import encode, merge

__all__ = ["joined_ids", "joined_rows", "kept_ratings", "scattered", "weights_of_later"]

Array = np.ndarray[Any, Any]


def joined_ids(ids: Array, further: Array, column: str) -> tuple[Array, Array]:
    """Vocabulary of `ids` and `further` together, and the code in it of each of `ids`.

    Raises
    ------
    DataError
        One holds strings, the other integers.
    """
    together = merge(ids, further, column)
    if len(together) == len(ids):  # all known
        return ids, np.arange(len(ids), dtype=np.int32)
    return together, encode(together, ids, column)


def kept_ratings(state: Any, given: Any) -> tuple[Array, Array, Array]:
    """The ratings that a state keeps of the users of some ratings, but for those of the same items.

    Parameters
    ----------
    state : State
        Which keeps values.
    given : Ratings
        Of items of the state.

    Returns
    -------
    users, values, items : int32[n], float32[n], int32[n]
        Users in codes of `given`, items in those of the state.
    """
    codes = encode(state.user_ids, given.user_ids, "users")
    had = np.flatnonzero((codes >= 0) & (given.user_counts > 0)).astype(np.int32)
    begins, sizes = state.seen_indptr[codes[had]], np.diff(state.seen_indptr)[codes[had]]
    before = np.cumsum(sizes) - sizes
    at = np.repeat(begins - before, sizes) + np.arange(sizes.sum())
    users, items = np.repeat(had, sizes), state.seen_items[at]
    own = encode(state.item_ids, given.item_ids, "items")[given.item_codes]
    width = np.int64(len(state.item_ids))
    kept = ~np.isin(users * width + items, given.user_codes * width + own)
    return users[kept], state.seen_values[at][kept], items[kept]


def scattered(array: Array, at: Array, n: int, fill: float = 0) -> Array:
    """A new array of `n` rows with the rows of `array` at positions `at`; the others hold `fill`."""
    out = np.full((n, *array.shape[1:]), fill, dtype=array.dtype)
    out[at] = array
    return out


def joined_rows(
    indptr: Array,
    members: Array,
    at: Array,
    n_rows: int,
    rows: Array,
    columns: Array,
    values: tuple[Array, Array] | None = None,
) -> tuple[Array, Array, Array | None]:
    """Compressed rows at the ascending positions `at`, and the cells (rows, columns) joined to them.

    Parameters
    ----------
    indptr, members : int64[n + 1], int32
        Members of each row, ascending.
    at : int[n]
    n_rows : int
    rows, columns : int[m]
        Cells, each once; some may be there already.
    values : pair of arrays, optional
        Those of the members, and of the cells, which replace them where both have one.

    Returns
    -------
    indptr, members, values : int64[n_rows + 1], int32, the dtype of `values` or None
    """
    counts = np.zeros(n_rows, dtype=np.int64)
    counts[at] = np.diff(indptr)
    touched = np.zeros(n_rows, dtype=bool)
    touched[rows] = True
    width = np.int64(max(members.max(initial=0), columns.max(initial=0))) + 1
    owner_touched = np.repeat(touched[at], np.diff(indptr))
    owners = np.repeat(at[touched[at]].astype(np.int64), np.diff(indptr)[touched[at]])
    # Of equal cells the first is taken, and so the new one's value.
    cells, first = np.unique(
        np.append(rows.astype(np.int64) * width + columns, owners * width + members[owner_touched]),
        return_index=True,
    )
    counts[touched] = np.bincount(cells // width, minlength=n_rows)[touched]
    new_indptr = np.append(0, np.cumsum(counts))
    new_members = np.empty(new_indptr[-1], dtype=np.int32)
    from_cells = np.repeat(touched, counts)
    new_members[from_cells] = cells % width
    new_members[~from_cells] = members[~owner_touched]
    if values is None:
        return new_indptr, new_members, None
    new_values = np.empty(len(new_members), dtype=values[0].dtype)
    new_values[from_cells] = np.append(values[1], values[0][owner_touched])[first]
    new_values[~from_cells] = values[0][~owner_touched]
    return new_indptr, new_members, new_values


def weights_of_later(
    before: Any, users_at: Array, items_at: Array, cells: tuple[Array, Array, Array], n_items: int
) -> Array:
    """Weights of ratings that join those of a state: float32[n].

    Those that the state has keep their weights; others, also those that replace a rating of another value,
    count 1.

    Parameters
    ----------
    before : State
        With `seen_weights`, which may be None.
    users_at, items_at : int[n_users], int[n_items]
        New codes of the state's users and items.
    cells : (int32[n], int32[n], float32[n])
        Users and items of the ratings in new codes, and values.
    n_items : int
        Of the new codes.
    """
    own, values = before.seen_weights, before.seen_values
    found = np.ones(len(cells[0]), dtype=np.float32)
    if own is None or values is None or not len(own):
        return found
    width = np.int64(n_items)
    owners = np.repeat(users_at.astype(np.int64), np.diff(before.seen_indptr))
    keys = owners * width + items_at[before.seen_items]  # ascending, as the old codes are
    wanted = cells[0] * width + cells[1]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    same = (keys[at] == wanted) & (values[at] == cells[2])
    found[same] = own[at[same]]
    return found
